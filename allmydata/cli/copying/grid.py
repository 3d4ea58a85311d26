"""Files and directories on the grid, as sources and as targets of copying."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from allmydata import uri
from allmydata.cli.copying.content import parse
from allmydata.cli.copying.gateway import Gateway
from allmydata.errors import BadCapError, ConflictError, GridError, NotCapableError
from allmydata.util.names import check_name


@frozen
class GridFile:
    """A file, or something of a kind that is not known and can only be linked to.

    :param kind: ``filenode`` or ``unknown``
    :param caps: its capabilities as the gateway names them: ``ro_uri``, ``rw_uri``
    :param size: bytes, if that is known
    """

    label: str
    kind: str
    caps: Mapping[str, str]
    size: int | None = None

    @property
    def cap(self) -> str:
        """What it is read by."""
        return self.caps.get("ro_uri") or self.caps.get("rw_uri") or ""


@frozen
class GridDirectory:
    """A directory.

    :param cap: with the right to change it, if we have that
    :param identity: the same for all its capabilities
    """

    label: str
    cap: str
    identity: str


GridSource = GridFile | GridDirectory


def of_cap(cap: str, label: str) -> GridSource:
    """Return what *cap* names.

    :raises BadCapError: it is none
    :raises NotCapableError: it does not hold the right to read
    """
    match parse(cap):
        case uri.DirnodeURI() | uri.ReadOnlyDirnodeURI() | uri.Dir2URI():
            return GridDirectory(label, cap, _identity(cap))
        case uri.CHKFileURI() | uri.LiteralFileURI() as found:
            return GridFile(label, "filenode", {"ro_uri": cap}, found.get_size())
        case uri.CHKFileVerifierURI():
            raise NotCapableError(f"{label}: a verify capability can't be read")
        case None:
            raise BadCapError(f"{label} is no capability of a file or directory")
    return GridFile(label, "unknown", {"rw_uri": cap})


def read_only(cap: str) -> str:
    """Return the capability that reads the directory *cap*, and does not change it.

    :raises BadCapError: *cap* is none of a directory
    """
    match parse(cap):
        case uri.DirnodeURI() | uri.ReadOnlyDirnodeURI() | uri.Dir2URI() as found:
            return found.get_readonly().to_string()
    raise BadCapError("this is no capability of a directory")


def sources_in(
    gateway: Gateway, directory: GridDirectory
) -> Iterator[tuple[str, GridSource | GridError]]:
    """Yield each name in *directory*, and what it names or an error that says why not.

    The names were chosen by whoever could write to the directory: none is passed on that
    could lead out of one.
    """
    taken: set[str] = set()
    for name, child in gateway.children(directory.cap).items():
        label = f"{directory.label.rstrip('/')}/{name}"
        try:
            checked = check_name(name)
            if checked in taken:
                raise ConflictError(f"{label}: there are two of that name")
            taken.add(checked)
            yield checked, _source(label, child)
        except GridError as e:
            yield name, e


def _source(label: str, child: Any) -> GridSource:
    try:
        kind, said = child
        caps = {word: str(said[word]) for word in ("rw_uri", "ro_uri") if said.get(word)}
        size = said.get("size")
    except (ValueError, TypeError, AttributeError) as e:
        raise BadCapError(f"{label}: the node says nothing of it") from e
    if not caps:
        raise BadCapError(f"{label}: it has no capability")
    if kind == "dirnode":
        cap = caps.get("rw_uri") or caps["ro_uri"]
        return GridDirectory(label, cap, caps.get("ro_uri") or cap)
    return GridFile(label, str(kind), caps, size if isinstance(size, int) else None)


def _identity(cap: str) -> str:
    try:
        return read_only(cap)
    except BadCapError:
        return cap


# ---- as a target -------------------------------------------------------------------------


@frozen
class GridPlace:
    """A directory that is copied into."""

    label: str
    cap: str
    identity: str

    @classmethod
    def of(cls, label: str, cap: str) -> GridPlace:
        """Return the place that the directory *cap* is.

        :raises ConflictError: it is none
        """
        found = of_cap(cap, label)
        if not isinstance(found, GridDirectory):
            raise ConflictError(f"{label} is a file, where a directory is needed")
        return cls(label, cap, found.identity)

    def child_label(self, name: str) -> str:
        """Return what messages call *name* in here."""
        end = "" if self.label.endswith((":", "/")) else "/"
        return f"{self.label}{end}{name}"
