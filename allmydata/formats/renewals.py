"""Many leases in one message: what a client asks of a server, and what it is told.

    asked, for each file:     16   storage index
                              32   renew secret
                              32   cancel secret
    answered, for each file:   1   what became of it, one of :class:`Renewal`

Both are back to back and in one order, with nothing before, between or behind.
Protocol: docs/protocols/storage.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import IntEnum

from allmydata.errors import UsageError

MOST_RENEWALS = 5000  # files in one message

_ASKED = struct.Struct("16s32s32s")


class Renewal(IntEnum):
    """What became of a wish to have one file's shares on one server kept."""

    NO_SHARE = 0  # the server has none of it
    RENEWED = 1  # every share that it can read has the lease
    UNREADABLE = 2  # it has files of that name, and can read none of them
    NO_SPACE = 3  # some share could not take the lease
    UNTOLD = 4  # never on the wire: a server too old to tell was asked, and did not refuse


def pack_renewals(asked: Iterable[tuple[bytes, bytes, bytes]]) -> bytes:
    """Return the message that asks for (storage index, renew secret, cancel secret)."""
    return b"".join(_ASKED.pack(*one) for one in asked)


def unpack_renewals(packed: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """Return what :func:`pack_renewals` packed.

    :raises UsageError: it does not end where a file's ends, or has too many
    """
    if len(packed) % _ASKED.size or len(packed) > MOST_RENEWALS * _ASKED.size:
        raise UsageError(
            f"{len(packed)} bytes are no renewals",
            why=f"{_ASKED.size} bytes for each file, {MOST_RENEWALS} files at most",
        )
    return list(_ASKED.iter_unpack(packed))


def parse_answer(answer: bytes, num_asked: int) -> list[Renewal]:
    """Return what a server said of each file.

    :raises ValueError: it said something else, or of another number of files
    """
    if len(answer) != num_asked or any(code >= Renewal.UNTOLD for code in answer):
        raise ValueError(f"{len(answer)} bytes do not answer for {num_asked} files")
    return [Renewal(code) for code in answer]
