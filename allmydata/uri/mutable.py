"""Capabilities of files whose content can change: SDMF, of one segment, and MDMF.

What they name is a key pair; the two formats have the same keys, and differ in their
prefix alone.  Format: docs/formats/mutable.md.
"""

from __future__ import annotations

from functools import cached_property

from attrs import field, frozen
from zope.interface import implementer

from allmydata.crypto.mutable_hashes import read_key_of, storage_index_of
from allmydata.interfaces import IURI, IMutableFileURI
from allmydata.uri.kinds import Capability
from allmydata.util import base32

SDMF, MDMF = "SDMF", "MDMF"
_WORDS = {SDMF: "SSK", MDMF: "MDMF"}


class _Mutable(Capability):
    """What they have in common."""

    def is_mutable(self) -> bool:
        """Return True: somebody can change the content."""
        return True


@implementer(IURI, IMutableFileURI)
@frozen(slots=False)
class MutableFileURI(_Mutable):
    """The right to read and change one file.

    :param write_key: 16 bytes
    :param fingerprint: 32 bytes, of the public key that its versions are signed with
    :param format: :data:`SDMF` or :data:`MDMF`
    """

    write_key: bytes = field(repr=False)
    fingerprint: bytes = field(repr=False)
    format: str = SDMF

    @cached_property
    def read_key(self) -> bytes:
        """The 16 bytes that only read."""
        return read_key_of(self.write_key)

    @cached_property
    def storage_index(self) -> bytes:
        """The 16 bytes under which servers know the file."""
        return storage_index_of(self.read_key)

    def is_readonly(self) -> bool:
        """Return False: this changes the file."""
        return False

    def get_readonly(self) -> ReadOnlyMutableFileURI:
        """Return the right to read the file only."""
        return ReadOnlyMutableFileURI(self.read_key, self.fingerprint, self.format)

    def get_verify_cap(self) -> MutableFileVerifierURI:
        """Return the right to check the file without reading it."""
        return self.get_readonly().get_verify_cap()

    def to_string(self) -> str:
        """Return what :func:`allmydata.uri.from_string` reads back."""
        return _text(self.format, "", self.write_key, self.fingerprint)


@implementer(IURI, IMutableFileURI)
@frozen(slots=False)
class ReadOnlyMutableFileURI(_Mutable):
    """The right to read one file, as it is each time.

    :param read_key: 16 bytes
    :param fingerprint: 32 bytes, of the public key that its versions are signed with
    :param format: :data:`SDMF` or :data:`MDMF`
    """

    read_key: bytes = field(repr=False)
    fingerprint: bytes = field(repr=False)
    format: str = SDMF

    @cached_property
    def storage_index(self) -> bytes:
        """The 16 bytes under which servers know the file."""
        return storage_index_of(self.read_key)

    def is_readonly(self) -> bool:
        """Return True: this does not change the file."""
        return True

    def get_readonly(self) -> ReadOnlyMutableFileURI:
        """Return this."""
        return self

    def get_verify_cap(self) -> MutableFileVerifierURI:
        """Return the right to check the file without reading it."""
        return MutableFileVerifierURI(self.storage_index, self.fingerprint, self.format)

    def to_string(self) -> str:
        """Return what :func:`allmydata.uri.from_string` reads back."""
        return _text(self.format, "-RO", self.read_key, self.fingerprint)


@implementer(IURI)
@frozen(slots=False)
class MutableFileVerifierURI(_Mutable):
    """The right to check that a file's shares are there and whole.

    :param storage_index: 16 bytes
    :param fingerprint: 32 bytes, of the public key that its versions are signed with
    :param format: :data:`SDMF` or :data:`MDMF`
    """

    storage_index: bytes
    fingerprint: bytes = field(repr=False)
    format: str = SDMF

    def is_readonly(self) -> bool:
        """Return True: this does not change the file."""
        return True

    def get_readonly(self) -> MutableFileVerifierURI:
        """Return this."""
        return self

    def get_verify_cap(self) -> MutableFileVerifierURI:
        """Return this."""
        return self

    def to_string(self) -> str:
        """Return what :func:`allmydata.uri.from_string` reads back."""
        return _text(self.format, "-Verifier", self.storage_index, self.fingerprint)


def _text(format_: str, authority: str, first: bytes, fingerprint: bytes) -> str:
    words = base32.b2a(first), base32.b2a(fingerprint)
    return f"URI:{_WORDS[format_]}{authority}:" + ":".join(words)
