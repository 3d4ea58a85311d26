"""Capabilities of directories that are tables on a vdrive server."""

from __future__ import annotations

from functools import cached_property

from attrs import field, frozen
from zope.interface import implementer

from allmydata.crypto.hashutil import KEY_SIZE, tagged_hash
from allmydata.interfaces import IURI, IDirnodeURI
from allmydata.uri.kinds import Capability
from allmydata.util import base32


@implementer(IURI, IDirnodeURI)
@frozen(slots=False)
class DirnodeURI(Capability):
    """The right to read and change one directory.

    :param furl: where its vdrive server's object is
    :param write_key: 16 bytes
    """

    furl: str = field(repr=False)
    write_key: bytes = field(repr=False)

    @cached_property
    def read_key(self) -> bytes:
        """The 16 bytes that only read."""
        return tagged_hash(b"allmydata_vdrive_read_key_v2", self.write_key, KEY_SIZE)

    def is_readonly(self) -> bool:
        """Return False: this changes the directory."""
        return False

    def is_mutable(self) -> bool:
        """Return True: somebody can change the directory."""
        return True

    def get_readonly(self) -> ReadOnlyDirnodeURI:
        """Return the right to read the directory only."""
        return ReadOnlyDirnodeURI(self.furl, self.read_key)

    def to_string(self) -> str:
        """Return what :func:`from_string` reads back."""
        return f"URI:DIR:{self.furl}:{base32.b2a(self.write_key)}"


@implementer(IURI, IDirnodeURI)
@frozen(slots=False)
class ReadOnlyDirnodeURI(Capability):
    """The right to read one directory.

    :param furl: where its vdrive server's object is
    :param read_key: 16 bytes
    """

    furl: str = field(repr=False)
    read_key: bytes = field(repr=False)

    def is_readonly(self) -> bool:
        """Return True: this does not change the directory."""
        return True

    def is_mutable(self) -> bool:
        """Return True: somebody can change the directory."""
        return True

    def get_readonly(self) -> ReadOnlyDirnodeURI:
        """Return this."""
        return self

    def to_string(self) -> str:
        """Return what :func:`from_string` reads back."""
        return f"URI:DIR-RO:{self.furl}:{base32.b2a(self.read_key)}"
