"""Capabilities of files that do not change."""

from __future__ import annotations

from functools import cached_property

from attrs import field, frozen
from zope.interface import implementer

from allmydata.crypto.hashutil import storage_index_hash
from allmydata.interfaces import IURI, IFileURI
from allmydata.uri.kinds import Immutable
from allmydata.util import base32


@implementer(IURI, IFileURI)
@frozen(slots=False)
class CHKFileURI(Immutable):
    """The right to read one file.

    :param key: 16 bytes of AES key
    :param uri_extension_hash: 32 bytes that seal everything else
    :param size: bytes of the file
    """

    key: bytes = field(repr=False)
    uri_extension_hash: bytes = field(repr=False)
    needed_shares: int
    total_shares: int
    size: int

    @cached_property
    def storage_index(self) -> bytes:
        """The 16 bytes under which servers know the file."""
        return storage_index_hash(self.key)

    def get_size(self) -> int:
        """Return the bytes of the file."""
        return self.size

    def get_readonly(self) -> CHKFileURI:
        """Return this."""
        return self

    def get_verify_cap(self) -> CHKFileVerifierURI:
        """Return the right to check and repair the file without reading it."""
        return CHKFileVerifierURI(
            self.storage_index,
            self.uri_extension_hash,
            self.needed_shares,
            self.total_shares,
            self.size,
        )

    def to_string(self) -> str:
        """Return what :func:`from_string` reads back."""
        words = (base32.b2a(self.key), base32.b2a(self.uri_extension_hash), *_numbers(self))
        return "URI:CHK:" + ":".join(words)


@implementer(IURI)
@frozen(slots=False)
class CHKFileVerifierURI(Immutable):
    """The right to check that a file's shares are there and whole, and to make new ones.

    :param storage_index: 16 bytes
    """

    storage_index: bytes
    uri_extension_hash: bytes = field(repr=False)
    needed_shares: int
    total_shares: int
    size: int

    def get_size(self) -> int:
        """Return the bytes of the file."""
        return self.size

    def get_readonly(self) -> CHKFileVerifierURI:
        """Return this."""
        return self

    def get_verify_cap(self) -> CHKFileVerifierURI:
        """Return this."""
        return self

    def to_string(self) -> str:
        """Return what :func:`from_string` reads back."""
        words = (
            base32.b2a(self.storage_index),
            base32.b2a(self.uri_extension_hash),
            *_numbers(self),
        )
        return "URI:CHK-Verifier:" + ":".join(words)


@implementer(IURI, IFileURI)
@frozen(slots=False)
class LiteralFileURI(Immutable):
    """A file so small that its capability holds it whole."""

    data: bytes = field(repr=False)

    def get_size(self) -> int:
        """Return the bytes of the file."""
        return len(self.data)

    def get_readonly(self) -> LiteralFileURI:
        """Return this."""
        return self

    def get_verify_cap(self) -> None:
        """Return None: there is nothing on any server to check."""
        return None

    def to_string(self) -> str:
        """Return what :func:`from_string` reads back."""
        return "URI:LIT:" + base32.b2a(self.data)


def _numbers(cap: CHKFileURI | CHKFileVerifierURI) -> tuple[str, str, str]:
    return str(cap.needed_shares), str(cap.total_shares), str(cap.size)
