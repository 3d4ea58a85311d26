"""What all capabilities have in common, and those of kinds that nobody here knows."""

from __future__ import annotations

from typing import Self

from attrs import field, frozen
from zope.interface import implementer

from allmydata.errors import BadCapError
from allmydata.interfaces import IURI


class Capability:
    """What all capabilities have in common."""

    def init_from_string(self, uri: str) -> Self:
        """Become what *uri* means, and return this; :func:`from_string` is the usual way.

        :raises BadCapError: *uri* is of another kind, and nothing changed
        """
        from allmydata.uri.text import from_string

        cap = from_string(uri)
        if not isinstance(cap, type(self)):
            raise BadCapError(f"a capability of another kind: {type(cap).__name__}")
        self.__dict__.clear()
        self.__dict__.update(cap.__dict__)
        return self


class Immutable(Capability):
    """What all capabilities of what never changes have in common."""

    def is_readonly(self) -> bool:
        """Return True: nobody can change the data."""
        return True

    def is_mutable(self) -> bool:
        """Return False: nobody can change the data."""
        return False


@implementer(IURI)
@frozen(slots=False)
class UnknownURI(Capability):
    """A capability of a kind this version does not know, carried through as it is.

    Nothing can be said of its authority, so it counts as able to change what it names.
    """

    text: str = field(repr=False)

    def is_readonly(self) -> bool:
        """Return whether its holder asserted so, by a prefix ``ro.`` or ``imm.``."""
        return self.text.startswith(("ro.", "imm."))

    def is_mutable(self) -> bool:
        """Return False only where its holder asserted so, by a prefix ``imm.``."""
        return not self.text.startswith("imm.")

    def get_readonly(self) -> UnknownURI | None:
        """Return this if it says it is read-only, else None: it can't be derived."""
        return self if self.is_readonly() else None

    def to_string(self) -> str:
        """Return the text as it was found."""
        return self.text
