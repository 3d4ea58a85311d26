"""What a gateway tells of a directory, taken apart while it comes.

Our gateways tell one child a line, between the directory itself and the end:

    ["dirnode", {"mutable": true, "rw_uri": …, "ro_uri": …, "children": {
    "name": ["filenode", {"mutable": false, "size": 100, …}],
    }}]

An answer of any other shape, as from a gateway of Tahoe-LAFS, is read whole.  Format:
docs/webapi.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from allmydata.errors import GridError
from allmydata.webapi import RemoteNodeError, lines_of

Child = tuple[str, str, dict[str, Any]]  # name, kind, and what the gateway tells of it
T = TypeVar("T")

_HEAD = re.compile(rb'\["dirnode", \{.*"children": \{')
_NAME = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)": \["')


def names(own: str, pieces: Iterable[bytes]) -> Iterator[str]:
    """Yield the names of the children, in no order; of a file, its *own* alone.

    :raises GridError: the answer is cut, or makes no sense
    """
    return _read(pieces, _name, lambda answer: [name for name, *_ in _whole(own, answer)])


def children(own: str, pieces: Iterable[bytes]) -> Iterator[Child]:
    """Yield the children, in no order; of a file, itself.

    :param own: its name
    :raises GridError: the answer is cut, or makes no sense
    """
    return _read(pieces, _child, lambda answer: _whole(own, answer))


def _read(
    pieces: Iterable[bytes],
    of_line: Callable[[bytes], T],
    of_whole: Callable[[bytes], Iterable[T]],
) -> Iterator[T]:
    lines = lines_of(pieces)
    try:
        head = next(lines, b"")
        if _HEAD.fullmatch(head):
            yield from map(of_line, _members(lines))
        else:
            yield from of_whole(b"\n".join([head, *lines]))
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise RemoteNodeError("failed", "the node describes this in no known way") from e


def _members(lines: Iterable[bytes]) -> Iterator[bytes]:
    for line in lines:
        if line == b"}}]":
            return
        if line:
            yield line
    raise GridError(
        "the list ended before it was whole",
        why="the node ended the connection",
        fix="try again; its log says why",
    )


def _name(line: bytes) -> str:
    found = _NAME.match(line)
    if not found:
        raise ValueError("no name")
    name = found[1]
    return json.loads(b'"%b"' % name) if b"\\" in name else name.decode()


def _child(line: bytes) -> Child:
    ((name, (kind, told)),) = json.loads(b"{%b}" % line.removesuffix(b",")).items()
    return name, kind, told


def _whole(own: str, answer: bytes) -> list[Child]:
    kind, told = json.loads(answer)
    if kind != "dirnode":
        return [(own, kind, told)]
    return [(name, *child) for name, child in told["children"].items()]
