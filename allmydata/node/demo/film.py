"""The film that a demo plays, made as large as films are.

Its frames are few and flat, 330 kB in all.  So that its playing takes as long as it
lasts, and what happens to servers meanwhile matters, clusters of frames stand apart, with
Void elements between them, which players pass over.

    EBML header, Segment { Info, Tracks, Cues, Cluster, Void, Cluster, Void, … }

Made by misc/tools/make_film.py.  Format: RFC 9559 (Matroska), RFC 8794 (EBML).
"""

from __future__ import annotations

import re
import struct
from importlib.resources import files
from itertools import pairwise

NAME = "A film of a grid.webm"
SIZE = 60 * 10**6
_SEGMENT, _CLUSTER, _VOID = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75", b"\xec"
_PLACE = re.compile(rb"\xf1\x88(.{8})", re.S)  # of a cluster, in a cue


def film(size: int = SIZE) -> bytes:
    """Return the film, in about so many bytes."""
    return spread((files("allmydata.node.demo") / "film.webm").read_bytes(), size)


def spread(data: bytes, size: int) -> bytes:
    """Return a WebM file with its clusters apart, *size* bytes long or a little less.

    :param data: one whose cues name every cluster, in their order, with 8 bytes each
    """
    start = data.index(_SEGMENT) + len(_SEGMENT) + 8  # sizes are 8 bytes wide
    first = data.index(_CLUSTER)
    head = data[start:first]
    old = [struct.unpack(">Q", place)[0] + start for place in _PLACE.findall(head)]
    clusters = [data[a:b] for a, b in pairwise([*old, len(data)])]
    gap = max(len(_void(0)), (size - len(data)) // len(clusters))
    body, places = [], []
    at = len(head)
    for cluster in clusters:
        places.append(at)
        body += [cluster, _void(gap - len(_void(0)))]
        at += len(cluster) + gap
    new = iter(places)
    head = _PLACE.sub(lambda _: b"\xf1\x88" + struct.pack(">Q", next(new)), head)
    return b"".join([data[: start - 8], _length(at), head, *body])


def _void(size: int) -> bytes:
    """Return an element that says nothing, in *size* bytes."""
    return _VOID + _length(size) + bytes(size)


def _length(size: int) -> bytes:
    """Return a size as EBML writes it in 8 bytes."""
    return struct.pack(">Q", 1 << 56 | size)
