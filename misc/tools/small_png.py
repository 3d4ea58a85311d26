"""Pictures of screens as small PNG files: a palette of 256 colours, by median cut.

Source: P. Heckbert, "Color image quantization for frame buffer display", SIGGRAPH 1982;
the format: RFC 2083.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from itertools import chain

from attrs import define

Colour = tuple[int, ...]
NUM_COLOURS = 256


@define
class _Box:
    """Colours that may share a place in the palette, with how often each occurs."""

    colours: list[tuple[Colour, int]]

    @property
    def spread(self) -> tuple[int, int]:
        """How far its colours lie apart, weighed; and along which of the three axes."""
        weight = min(sum(count for _, count in self.colours), 20_000)
        widths = [
            max(axis) - min(axis)
            for axis in zip(*(one for one, _ in self.colours), strict=True)
        ]
        widest = max(range(3), key=widths.__getitem__)
        return widths[widest] * weight, widest

    def halves(self) -> tuple[_Box, _Box]:
        """Return its two halves, as many pixels in each as can be."""
        axis = self.spread[1]
        ordered = sorted(self.colours, key=lambda one: one[0][axis])
        half, seen, at = sum(count for _, count in ordered) / 2, 0, 0
        while at < len(ordered) - 1 and seen < half:
            seen += ordered[at][1]
            at += 1
        return _Box(ordered[: max(1, at)]), _Box(ordered[max(1, at) :])

    @property
    def middle(self) -> Colour:
        """The colour that stands for all: the one found most often."""
        return max(self.colours, key=lambda one: one[1])[0]


def small_png(width: int, height: int, rgba: bytes) -> bytes:
    """Return a picture with 256 colours at most.

    :param rgba: four bytes a pixel; the fourth is passed over
    """
    pixels = list(zip(rgba[0::4], rgba[1::4], rgba[2::4], strict=True))
    counts = Counter(pixels)
    palette = [box.middle for box in _boxes(counts)]
    place = {one: _nearest(one, palette) for one in counts}
    row = bytes(map(place.__getitem__, pixels))
    rows = b"".join(b"\0" + row[i * width : (i + 1) * width] for i in range(height))
    head = struct.pack(">2L5B", width, height, 8, 3, 0, 0, 0)
    parts = [(b"IHDR", head), (b"PLTE", bytes(chain(*palette)))]
    parts += [(b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, *zip(*parts, strict=True)))


def _boxes(counts: Counter[Colour]) -> list[_Box]:
    boxes = [_Box(list(counts.items()))]
    while len(boxes) < min(NUM_COLOURS, len(counts)):
        widest = max(
            (one for one in boxes if len(one.colours) > 1), key=lambda one: one.spread
        )
        boxes.remove(widest)
        boxes.extend(widest.halves())
    return boxes


def _nearest(colour: Colour, palette: list[Colour]) -> int:
    red, green, blue = colour
    far = [(red - r) ** 2 + (green - g) ** 2 + (blue - b) ** 2 for r, g, b in palette]
    return far.index(min(far))


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", check)
