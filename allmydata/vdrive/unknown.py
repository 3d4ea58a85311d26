"""What a directory holds under a name and this version can't use: kept, not understood."""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen

from allmydata.uri import Cap


@frozen
class UnknownNode:
    """A child that is neither a file nor a directory we know.

    :param cap: the strongest capability held; None where all that is known is that there
        is something: a read-only view holds no capability of it
    :param readonly_cap: None where it can't be told which capability only reads
    """

    kind: ClassVar[str] = "unknown"

    cap: Cap | None = field(repr=False)
    readonly_cap: Cap | None = field(default=None, repr=False)

    def is_mutable(self) -> bool:
        """Return True: it must be expected, unless its capability says otherwise."""
        return self.cap is None or self.cap.is_mutable()

    def get_uri(self) -> str | None:
        """Return the strongest capability held, as it was found."""
        return self.cap.to_string() if self.cap else None

    def get_immutable_uri(self) -> str | None:
        """Return the capability that only reads, where it is known which."""
        return self.readonly_cap.to_string() if self.readonly_cap else None

    def get_refresh_capability(self) -> None:
        """Return None: nobody knows how to keep it alive."""
