"""Where on the grid a key lies, and an exported file: pure.

    KEY            ``a/3/KEY``: two hex digits of the key's SHA-256, each a directory
    another key    ``a/3/%<64 hex digits>``: its whole SHA-256, where it can't be a name
    a/b c/d        the same

A key can be a name if it is printable ASCII without space and slash, of up to 200 bytes,
and begins with a letter or a digit.
"""

from __future__ import annotations

import hashlib
import os
import re
from urllib.parse import quote

from allmydata.errors import BadNameError, UsageError
from allmydata.util.names import check_name

_PLAIN = re.compile(r"[A-Za-z0-9][!-.0-~]{0,199}")

Place = tuple[str, ...]  # names from the remote's directory down


def place_of_key(key: str) -> Place:
    """Return where the content of *key* lies.

    :raises UsageError: it is empty
    """
    if not key:
        raise UsageError("a key is empty")
    digest = hashlib.sha256(os.fsencode(key)).hexdigest()
    name = key if _PLAIN.fullmatch(key) else f"%{digest}"
    return digest[0], digest[1], name


def place_of_export(name: str) -> Place:
    """Return where the exported file, or directory, *name* lies.

    :raises BadNameError: a part of it can't be a name, or not exactly this one
    """
    place = tuple(name.split("/"))
    for part in place:
        if check_name(part) != part:
            raise BadNameError(
                "a name can't be kept as it is",
                why="its accents are letters of their own, and would be joined (NFC)",
                fix="rename it",
            )
    return place


def path_of(cap: str, place: Place) -> str:
    """Return the gateway's path of *place* below the directory *cap*."""
    return "/uri/" + "/".join(quote(part, safe="") for part in (cap, *place))
