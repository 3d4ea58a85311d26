"""The part of CBOR that storage servers speak (RFC 8949), bounded while it is read.

    major type      what it is here
    0, 1            an integer
    2, 3            bytes, text
    4, 5            a list, a dict whose keys are integers, bytes or text
    6               only tag 258: a list that is a set
    7               only false, true and null

Every length is definite.  What a message claims to hold is held against what is left of it
before anything is made, so that none costs more than its own size.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from attrs import define, field

from allmydata.errors import CorruptError

MAX_DEPTH = 8
MAX_ITEMS = 100_000
SET_TAG = 258

_UINT, _NEGATIVE, _BYTES, _TEXT, _LIST, _MAP, _TAG, _SIMPLE = range(8)
_SIMPLES = {20: False, 21: True, 22: None}
_WIDE = {24: struct.Struct(">B"), 25: struct.Struct(">H"), 26: struct.Struct(">L")}
_WIDE[27] = struct.Struct(">Q")


# ---- reading ---------------------------------------------------------------------------


def decode(data: bytes, *, max_depth: int = MAX_DEPTH, max_items: int = MAX_ITEMS) -> Any:
    """Return what *data* says; a set comes as a frozenset.

    :raises CorruptError: it is no CBOR, more than one item, or goes beyond the bounds
    """
    reader = _Reader(data, max_items)
    value = reader.item(max_depth)
    if reader.at != len(data):
        raise CorruptError(f"{len(data) - reader.at} bytes behind the end of a message")
    return value


@define
class _Reader:
    data: bytes
    left: int  # items that may still come
    at: int = field(default=0, init=False)

    def item(self, depth: int) -> Any:
        self.left -= 1
        if depth < 0 or self.left < 0:
            raise CorruptError("a message is nested too deeply, or has too many parts")
        major, argument = self._head()
        if major in (_LIST, _MAP):
            return self._collection(major, argument, depth)
        if major == _TAG:
            return self._set(argument, depth)
        return self._scalar(major, argument)

    def _scalar(self, major: int, argument: int) -> Any:
        if major == _UINT:
            return argument
        if major == _NEGATIVE:
            return -1 - argument
        if major == _SIMPLE:
            return _SIMPLES[argument]
        part = self._take(argument)
        try:
            return part if major == _BYTES else part.decode("utf-8")
        except UnicodeDecodeError as e:
            raise CorruptError("a text that is no UTF-8") from e

    def _head(self) -> tuple[int, int]:
        major, low = divmod(self._take(1)[0], 32)
        if major == _SIMPLE and low not in _SIMPLES:
            raise CorruptError("a message holds what is no part of this protocol")
        if low < 24 or major == _SIMPLE:
            return major, low
        if low not in _WIDE:
            raise CorruptError("a message with a length that is not told")
        wide = _WIDE[low]
        return major, int(wide.unpack(self._take(wide.size))[0])

    def _collection(self, major: int, count: int, depth: int) -> Any:
        if count > len(self.data) - self.at:
            raise CorruptError(f"a message claims {count} parts in {len(self.data)} bytes")
        if major == _LIST:
            return [self.item(depth - 1) for _ in range(count)]
        found: dict[Any, Any] = {}
        for _ in range(count):
            key = self.item(depth - 1)
            if not _is_plain(key) or key in found:
                raise CorruptError("a map with a key that can't be, or twice")
            found[key] = self.item(depth - 1)
        return found

    def _set(self, tag: int, depth: int) -> frozenset[Any]:
        parts = self.item(depth - 1) if tag == SET_TAG else None
        if not isinstance(parts, list) or not all(map(_is_plain, parts)):
            raise CorruptError("a tag other than that of a set of numbers or texts")
        if len(set(parts)) != len(parts):
            raise CorruptError("a set with something twice")
        return frozenset(parts)

    def _take(self, size: int) -> bytes:
        part = self.data[self.at : self.at + size]
        if len(part) != size:
            raise CorruptError(f"a message ends early: {len(self.data)} bytes")
        self.at += size
        return part


def _is_plain(value: object) -> bool:
    return isinstance(value, int | bytes | str) and not isinstance(value, bool)


# ---- writing ---------------------------------------------------------------------------


def encode(value: Any) -> bytes:
    """Return the bytes of *value*: sets are sorted, dicts keep their order."""
    parts: list[bytes] = []
    _add(value, parts)
    return b"".join(parts)


def _add(value: Any, parts: list[bytes]) -> None:
    if value is None or isinstance(value, bool):
        parts.append({False: b"\xf4", True: b"\xf5", None: b"\xf6"}[value])
    elif isinstance(value, int):
        parts.append(_start(_UINT, value) if value >= 0 else _start(_NEGATIVE, -1 - value))
    elif isinstance(value, str):
        text = value.encode("utf-8")
        parts += (_start(_TEXT, len(text)), text)
    elif isinstance(value, bytes | bytearray | memoryview):
        parts += (_start(_BYTES, len(value)), bytes(value))
    else:
        _add_collected(value, parts)


def _add_collected(value: Any, parts: list[bytes]) -> None:
    members: Iterable[Any] = value
    if isinstance(value, dict):
        parts.append(_start(_MAP, len(value)))
        members = (part for pair in value.items() for part in pair)
    elif isinstance(value, set | frozenset):
        parts += (_start(_TAG, SET_TAG), _start(_LIST, len(value)))
        members = sorted(value)
    elif isinstance(value, list | tuple):
        parts.append(_start(_LIST, len(value)))
    else:
        raise TypeError(f"no CBOR for a {type(value).__name__}")
    for one in members:
        _add(one, parts)


def _start(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major * 32 + argument])
    for low, wide in _WIDE.items():
        if argument < 1 << (8 * wide.size):
            return bytes([major * 32 + low]) + wide.pack(argument)
    raise ValueError("a number of more than 8 bytes")
