"""The URI extension block: what a share says of its file, sealed by the capability.

    name ":" netstring(value)      for each name, in ascending order

Names are letters, ``_`` and ``-``; integers are decimal text; hashes are 32 raw bytes.
Format: docs/formats/extension.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import frozen

from allmydata.crypto.hashutil import HASH_SIZE
from allmydata.errors import BadShareError
from allmydata.util.netstring import netstring, split_netstring

CODEC_NAME = b"crs"
LARGEST_SEGMENT = 2**26  # bytes; a segment is held in memory whole, so no more is read

_NAME = re.compile(rb"([a-zA-Z_\-]+):")
_DECIMAL = re.compile(rb"0|[1-9][0-9]{0,19}")


def pack(fields: Mapping[str, bytes | int]) -> bytes:
    """Return the block that holds *fields*, sorted by name."""
    parts = []
    for name in sorted(fields):
        value = fields[name]
        data = b"%d" % value if isinstance(value, int) else value
        parts.append(name.encode("ascii") + b":" + netstring(data))
    return b"".join(parts)


def unpack(block: bytes) -> dict[str, bytes]:
    """Return name to value; what the values mean is not looked at.

    :raises BadShareError: the block does not parse, or a name comes twice
    """
    fields: dict[str, bytes] = {}
    at = 0
    while at < len(block):
        found = _NAME.match(block, at)
        if not found:
            raise BadShareError(f"URI extension has no name at offset {at}")
        name = found.group(1).decode("ascii")
        if name in fields:
            raise BadShareError(f"URI extension has {name} twice")
        try:
            fields[name], at = split_netstring(block, found.end())
        except ValueError as e:
            raise BadShareError(f"URI extension: {e}") from e
    return fields


@frozen
class Extension:
    """What a downloader needs from the block, checked against the capability's numbers.

    :param segment_size: bytes of every segment but the last
    """

    segment_size: int
    crypttext_root_hash: bytes
    share_root_hash: bytes

    @classmethod
    def parse(cls, block: bytes, *, k: int, n: int, size: int) -> Extension:
        """Read *block*, whose hash the caller has checked.

        :param size: bytes of the file
        :raises BadShareError: a field is missing, malformed, or contradicts k, n, or size
        """
        fields = unpack(block)
        wanted = {
            "codec_name": CODEC_NAME,
            "needed_shares": k,
            "total_shares": n,
            "size": size,
        }
        for name, value in wanted.items():
            expected = b"%d" % value if isinstance(value, int) else value
            if fields.get(name, expected) != expected:
                raise BadShareError(
                    f"URI extension: {name} is not what the capability says"
                )
        segment_size = _decimal(fields, "segment_size")
        if segment_size % k or not 0 < segment_size <= LARGEST_SEGMENT:
            raise BadShareError(
                f"URI extension: segments of {segment_size} bytes, k is {k}"
            )
        return cls(
            segment_size,
            _hash(fields, "crypttext_root_hash"),
            _hash(fields, "share_root_hash"),
        )


def _decimal(fields: Mapping[str, bytes], name: str) -> int:
    text = fields.get(name, b"")
    if not _DECIMAL.fullmatch(text):
        raise BadShareError(f"URI extension: {name} is no number")
    return int(text)


def _hash(fields: Mapping[str, bytes], name: str) -> bytes:
    value = fields.get(name, b"")
    if len(value) != HASH_SIZE:
        raise BadShareError(f"URI extension: {name} is {len(value)} bytes, wanted 32")
    return value
