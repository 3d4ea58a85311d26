"""Capabilities of directories in the form of Tahoe-LAFS: files that hold tables.

    URI:DIR2:  -RO:  -Verifier:         on a file of URI:SSK:  -RO:  -Verifier:
    URI:DIR2-MDMF:  -RO:  -Verifier:    URI:MDMF:  -RO:  -Verifier:
    URI:DIR2-CHK:  -Verifier:           URI:CHK:  -Verifier:, which nobody can change
    URI:DIR2-LIT:                       URI:LIT:, likewise

Nothing but the prefix differs.  Format: docs/formats/dir2.md.
"""

from __future__ import annotations

from attrs import field, frozen
from zope.interface import implementer

from allmydata.interfaces import IURI, IDirnodeURI
from allmydata.uri.files import CHKFileURI, CHKFileVerifierURI, LiteralFileURI
from allmydata.uri.kinds import Capability
from allmydata.uri.mutable import (
    MutableFileURI,
    MutableFileVerifierURI,
    ReadOnlyMutableFileURI,
)

Readable = MutableFileURI | ReadOnlyMutableFileURI | CHKFileURI | LiteralFileURI
Verifiable = MutableFileVerifierURI | CHKFileVerifierURI


class _Directory(Capability):
    """What they have in common: they say of themselves what their file says."""

    file: Readable | Verifiable

    def is_readonly(self) -> bool:
        """Return whether this does not change the directory."""
        return self.file.is_readonly()

    def is_mutable(self) -> bool:
        """Return whether somebody can change the directory."""
        return self.file.is_mutable()

    def to_string(self) -> str:
        """Return what :func:`allmydata.uri.from_string` reads back."""
        return directory_text(self.file.to_string())


@implementer(IURI, IDirnodeURI)
@frozen(slots=False)
class Dir2URI(_Directory):
    """The right to read one directory, and to change it if its file can be.

    :param file: the capability of the file that holds its table
    """

    file: Readable = field(repr=False)

    def get_readonly(self) -> Dir2URI:
        """Return the right to read the directory only; may be this."""
        return self if self.is_readonly() else Dir2URI(self.file.get_readonly())

    def get_verify_cap(self) -> Dir2VerifierURI | None:
        """Return the right to check its file; None for one that lies in its capability."""
        cap = self.file.get_verify_cap()
        return None if cap is None else Dir2VerifierURI(cap)


@implementer(IURI)
@frozen(slots=False)
class Dir2VerifierURI(_Directory):
    """The right to check that the file of a directory is there and whole.

    :param file: the verify capability of the file that holds its table
    """

    file: Verifiable

    def get_readonly(self) -> Dir2VerifierURI:
        """Return this."""
        return self

    def get_verify_cap(self) -> Dir2VerifierURI:
        """Return this."""
        return self


def directory_text(file: str) -> str:
    """Return the capability of a directory from that of its file."""
    rest = file.removeprefix("URI:")
    if rest.startswith("SSK"):
        return "URI:DIR2" + rest.removeprefix("SSK")
    return "URI:DIR2-" + rest


def file_text(directory: str) -> str:
    """Return the capability of the file that a directory lies in; undoes the other."""
    rest = directory.removeprefix("URI:DIR2")
    if rest.startswith((":", "-RO:", "-Verifier:")):
        return "URI:SSK" + rest
    return "URI:" + rest.removeprefix("-")
