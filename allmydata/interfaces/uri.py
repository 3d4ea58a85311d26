"""Capabilities as objects: what any of them can say of itself."""

from __future__ import annotations

from zope.interface import Attribute, Interface


class IURI(Interface):
    """A capability: the name of a file or directory, and some authority over it."""

    def init_from_string(uri: str) -> IURI:
        """Become what the capability text *uri* means, and return this object.

        Nobody should need this: :func:`allmydata.uri.from_string` takes any capability
        and answers with an object of the right kind.

        :param uri: what :meth:`to_string` of an object of this same kind returned
        :raises BadCapError: *uri* is mistyped or of another kind; nothing has changed
        """

    def is_readonly() -> bool:
        """Return True if whoever holds only this cannot change the data."""

    def is_mutable() -> bool:
        """Return True if somebody can change the data, perhaps with a stronger capability.

        A read-only capability of a directory is both read-only and mutable; one of an
        immutable file is read-only and not mutable.
        """

    def get_readonly() -> IURI | None:
        """Return the capability that only reads what this one names.

        It is this object itself where :meth:`is_readonly`.  None only where the kind is
        unknown to this version, so that nothing can be derived.
        """

    def to_string() -> str:
        """Return this capability as one word of printable ASCII.

        The text *is* the authority: it belongs in no log and no error message.
        """


class IDirnodeURI(Interface):
    """Mark of a capability that names a directory; it adds no methods."""


class IFileURI(Interface):
    """A capability that names a file."""

    def get_size() -> int:
        """Return the bytes of the file's plaintext; no server is asked."""


class IMutableFileURI(Interface):
    """A capability that reads a file whose content can change."""

    format: str = Attribute("``SDMF``, of one segment, or ``MDMF``, of many.")
    read_key: bytes = Attribute("16 bytes, from which what reads it follows.")
    storage_index: bytes = Attribute("16 bytes under which servers know it.")
    fingerprint: bytes = Attribute("32 bytes: a hash of the key that signs its versions.")
