"""Messages of the HTTPS storage protocol: CBOR, checked member by member.

Each message is written by one side and read by the other; both are here.  A reader takes
exactly the members there are, of the types they have, no matter who sent them.
Protocol: docs/protocols/https.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, NoReturn

from attrs import frozen

from allmydata.errors import CorruptError
from allmydata.formats import cbor

MAX_SHARES = 256
USUAL_SIZE = 64  # bytes of an answer that is like many others
MAX_VECTORS = 30
MAX_REASON = 32_765  # bytes
MAX_OFFSET = 2**63
STORAGE_V1 = b"http://allmydata.org/tahoe/protocols/storage/v1"
SIZES = (b"maximum-immutable-share-size", b"maximum-mutable-share-size", b"available-space")
APPLICATION = b"application-version"

Parts = list[tuple[int, int]]  # offset, length
Writes = dict[
    int, tuple[list[tuple[int, int, bytes, bytes]], list[tuple[int, bytes]], int | None]
]


# ---- version ---------------------------------------------------------------------------


def pack_version(version: Mapping[bytes, Any]) -> bytes:
    """Return what a server says of itself: those members that everybody knows."""
    sizes = version[STORAGE_V1]
    facts = {name: sizes[name] for name in SIZES}
    return cbor.encode({STORAGE_V1: facts, APPLICATION: version[APPLICATION]})


def parse_version(body: bytes) -> dict[bytes, Any]:
    """Read it; members that are not known are passed over.

    :raises CorruptError: it is no version
    """
    told = _decode(body)
    sizes = told.get(STORAGE_V1)
    if not isinstance(sizes, dict) or not all(_is_count(sizes.get(n)) for n in SIZES):
        _refuse("no version of a storage server")
    return {STORAGE_V1: sizes, APPLICATION: told.get(APPLICATION)}


def pack_about(facts: Mapping[bytes, Any]) -> bytes:
    """Return what only servers of this make say."""
    return cbor.encode(dict(facts))


def parse_about(body: bytes) -> dict[bytes, Any]:
    """Read it.

    :raises CorruptError: it is no map
    """
    return _decode(body)


# ---- room for shares -------------------------------------------------------------------


def pack_allocation(shnums: Collection[int], size: int) -> bytes:
    """Return the wish for room for shares of *size* bytes."""
    return cbor.encode({"share-numbers": frozenset(shnums), "allocated-size": size})


def parse_allocation(body: bytes) -> tuple[frozenset[int], int]:
    """Return the numbers and the size wished for.

    :raises CorruptError: it is no such wish
    """
    told = _members(body, {"share-numbers", "allocated-size"})
    size = told["allocated-size"]
    if not _is_size(size):
        _refuse("a size that can't be")
    return _numbers(told["share-numbers"]), size


def pack_allocated(held: Collection[int], begun: Collection[int]) -> bytes:
    """Return the answer: what is held, and what there is room for."""
    return _pack_allocated(frozenset(held), frozenset(begun))


@lru_cache(maxsize=256)  # most are alike: nothing held, and the one that was asked for
def _pack_allocated(held: frozenset[int], begun: frozenset[int]) -> bytes:
    return cbor.encode({"already-have": held, "allocated": begun})


def parse_allocated(body: bytes) -> tuple[frozenset[int], frozenset[int]]:
    """Return what is held, and what there is room for.

    :raises CorruptError: it is no such answer
    """
    parse = _allocated if len(body) <= USUAL_SIZE else _allocated.__wrapped__
    return parse(body)


@lru_cache(maxsize=256)
def _allocated(body: bytes) -> tuple[frozenset[int], frozenset[int]]:
    told = _members(body, {"already-have", "allocated"})
    return _numbers(told["already-have"]), _numbers(told["allocated"])


def pack_shares(shares: Mapping[int, bytes]) -> bytes:
    """Return whole shares, to be stored."""
    return cbor.encode({"shares": dict(shares)})


def parse_shares(body: bytes) -> dict[int, bytes]:
    """Return whole shares, by number.

    :raises CorruptError: it is no map of them
    """
    shares = _members(body, {"shares"})["shares"]
    if not isinstance(shares, dict) or len(shares) > MAX_SHARES:
        _refuse(f"wanted a map of at most {MAX_SHARES} shares")
    if not all(isinstance(one, bytes) for one in shares.values()):
        _refuse("a share that is no bytes")
    return {_number(n): one for n, one in shares.items()}


def pack_missing(ranges: Collection[tuple[int, int]]) -> bytes:
    """Return which bytes of a share are still to come."""
    return cbor.encode({"required": [{"begin": a, "end": b} for a, b in ranges]})


def pack_numbers(shnums: Collection[int]) -> bytes:
    """Return which shares are here."""
    return cbor.encode(frozenset(shnums))


def parse_numbers(body: bytes) -> frozenset[int]:
    """Return which shares are there.

    :raises CorruptError: it is no set of share numbers
    """
    return _numbers(cbor.decode(body))


def pack_reason(reason: str) -> bytes:
    """Return what was seen of a damaged share; a text too long is cut."""
    fits = reason.encode("utf-8")[: MAX_REASON - 4].decode("utf-8", "ignore")
    return cbor.encode({"reason": fits or "?"})


def parse_reason(body: bytes) -> str:
    """Return what was seen of a damaged share.

    :raises CorruptError: nothing, or too much
    """
    reason = _members(body, {"reason"})["reason"]
    if not isinstance(reason, str) or not 0 < len(reason.encode("utf-8")) <= MAX_REASON:
        _refuse(f"a reason is a text of 1 to {MAX_REASON} bytes")
    return reason


# ---- mutable shares --------------------------------------------------------------------


@frozen
class SlotRequest:
    """What to test, write and read of the mutable shares of one file."""

    writes: Writes
    reads: Parts


def pack_slot_request(writes: Mapping[int, Any], reads: Parts) -> bytes:
    """Return the wish to write mutable shares that are as they are believed to be."""
    vectors = {n: _pack_vector(*one) for n, one in writes.items()}
    return cbor.encode({"test-write-vectors": vectors, "read-vector": _pack_parts(reads)})


def _pack_vector(tests: Any, writes: Any, new_length: int | None) -> dict[str, Any]:
    return {
        "test": [{"offset": o, "size": n, "specimen": s} for o, n, _, s in tests],
        "write": [{"offset": offset, "data": data} for offset, data in writes],
        "new-length": new_length,
    }


def _pack_parts(parts: Parts) -> list[dict[str, int]]:
    return [{"offset": offset, "size": size} for offset, size in parts]


def parse_slot_request(body: bytes) -> SlotRequest:
    """Read such a wish.

    :raises CorruptError: it is none
    """
    told = _members(body, {"test-write-vectors", "read-vector"})
    vectors = told["test-write-vectors"]
    if not isinstance(vectors, dict) or len(vectors) > MAX_SHARES:
        _refuse("no map of vectors")
    writes = {_number(n): _parse_vector(one) for n, one in vectors.items()}
    reads = [_part(one) for one in _list(told["read-vector"], MAX_VECTORS)]
    return SlotRequest(writes, reads)


def _parse_vector(value: Any) -> Any:
    told = _map(value, {"test", "write", "new-length"})
    tests = [_test(one) for one in _list(told["test"], MAX_VECTORS)]
    writes = [_write(one) for one in _list(told["write"], cbor.MAX_ITEMS)]
    new_length = told["new-length"]
    if new_length is not None and not _is_size(new_length):
        _refuse("a length that can't be")
    return tests, writes, new_length


def _test(value: Any) -> tuple[int, int, bytes, bytes]:
    told = _map(value, {"offset", "size", "specimen"})
    if not isinstance(told["specimen"], bytes):
        _refuse("a specimen that is no bytes")
    return (*_offset_and_size(told), b"eq", told["specimen"])


def _write(value: Any) -> tuple[int, bytes]:
    told = _map(value, {"offset", "data"})
    if not isinstance(told["data"], bytes) or not _is_size(told["offset"]):
        _refuse("data that is no bytes")
    return told["offset"], told["data"]


def _part(value: Any) -> tuple[int, int]:
    return _offset_and_size(_map(value, {"offset", "size"}))


def _offset_and_size(told: Mapping[str, Any]) -> tuple[int, int]:
    if not (_is_size(told["offset"]) and _is_size(told["size"])):
        _refuse("an offset or size that can't be")
    return told["offset"], told["size"]


def pack_slot_answer(done: bool, data: Mapping[int, list[bytes]]) -> bytes:
    """Return whether it was written, and what was asked of each share."""
    return cbor.encode({"success": done, "data": dict(data)})


def parse_slot_answer(body: bytes) -> tuple[bool, dict[int, list[bytes]]]:
    """Return whether it was written, and what was asked of each share.

    :raises CorruptError: it is no such answer
    """
    told = _members(body, {"success", "data"})
    done, data = told["success"], told["data"]
    if not isinstance(done, bool) or not isinstance(data, dict):
        _refuse("no answer to a write")
    for parts in data.values():
        if not all(isinstance(one, bytes) for one in _list(parts, MAX_VECTORS)):
            _refuse("a part of a share that is no bytes")
    return done, {_number(n): parts for n, parts in data.items()}


# ---- members ---------------------------------------------------------------------------


def _decode(body: bytes) -> dict[Any, Any]:
    told = cbor.decode(body)
    if not isinstance(told, dict):
        _refuse("a message that is no map")
    return told


def _members(body: bytes, names: set[str]) -> dict[str, Any]:
    return _map(cbor.decode(body), names)


def _map(value: Any, names: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != names:
        _refuse(f"wanted a map of {', '.join(sorted(names))}")
    return value


def _list(value: Any, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        _refuse(f"wanted a list of at most {most}")
    return value


def _numbers(value: Any) -> frozenset[int]:
    if not isinstance(value, frozenset) or len(value) > MAX_SHARES:
        _refuse(f"wanted a set of at most {MAX_SHARES} share numbers")
    return frozenset(map(_number, value))


def _number(value: Any) -> int:
    if not _is_size(value) or value >= MAX_SHARES:
        _refuse(f"shares are numbered 0 to {MAX_SHARES - 1}")
    return int(value)


def _is_size(value: Any) -> bool:
    return _is_count(value) and value < MAX_OFFSET


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _refuse(why: str) -> NoReturn:
    raise CorruptError(why)
