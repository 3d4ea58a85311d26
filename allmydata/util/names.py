"""Names of children, and paths made of them.

A name is any text but the empty one, ``.`` and ``..``, without ``/`` and NUL; it is
compared and stored in Unicode's form NFC, as at most 255 bytes of UTF-8.  What looks odd
(line ends, text from right to left, ``%2e%2e``) is a name like any other.
Format: docs/formats/dirtable.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import normalize

from allmydata.errors import BadNameError

MAX_NAME_SIZE = 255  # bytes of UTF-8
PRIVATE_ROOT = "~"  # as the first element of a path


def check_name(name: str) -> str:
    """Return *name* as it is stored: in form NFC.

    :raises BadNameError: it can't be the name of a child
    """
    name = normalize("NFC", name)
    if name in ("", ".", ".."):
        raise BadNameError(f"{name!r} can't be a name", fix="choose another name")
    for char, what in (("/", "a slash"), ("\0", "a NUL")):
        if char in name:
            raise BadNameError(f"{shown(name)} can't be a name: it holds {what}")
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError as e:
        raise BadNameError(
            f"{shown(name)} can't be a name: it is no Unicode text",
            why="it holds bytes, or half a character, that UTF-8 has no form for",
            fix="rename it",
        ) from e
    if size > MAX_NAME_SIZE:
        raise BadNameError(
            f"{shown(name)} can't be a name: it is {size} bytes of UTF-8",
            why=f"a name has at most {MAX_NAME_SIZE}",
            fix="choose a shorter name",
        )
    return name


def split_path(path: str | Sequence[str]) -> list[str]:
    """Return the names along *path*, each as it is stored.

    :param path: names, or the same joined by ``/``, one leading ``/`` ignored; the empty
        path has no names
    :return: the first is PRIVATE_ROOT where the path begins with it
    :raises BadNameError: one of them can't be a name
    """
    if isinstance(path, str):
        path = path.removeprefix("/")
        path = path.split("/") if path else []
    return [check_name(name) for name in path]


def shown(name: str) -> str:
    """Return *name* as an error may show it: quoted, short, one line."""
    return (
        repr(name if len(name) <= 40 else name[:40] + "…")
        .encode("utf-8", "backslashreplace")
        .decode()
    )
