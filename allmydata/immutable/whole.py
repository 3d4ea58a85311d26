"""Small files: coded in memory, and each server given its shares in one call.

That is the short way for the files a grid has most of: one round trip instead of
three.  Where a server does not know the call, holds shares already, is late or refuses,
nothing is lost: the long way (:mod:`.shareholders`, :mod:`.encode`) finds what is there,
and does the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IReactorTime

from allmydata.coding.erasure import coder
from allmydata.coding.geometry import Geometry
from allmydata.coding.hashing import FileHashes, encode_segment
from allmydata.coding.placement import Placement
from allmydata.crypto.hashutil import HASH_SIZE, uri_extension_hash
from allmydata.formats.share import pack_chain
from allmydata.grid.pace import Paces
from allmydata.grid.patience import Questions
from allmydata.grid.server import StorageServerProxy as Server
from allmydata.grid.shape import ShareShape

MOST_WHOLE = 2**18  # bytes of a file: larger ones gain little
HERE_AND_NOW = 2**16  # bytes of a file that is coded before a thread would have begun
Answer = tuple[set[int], set[int]]  # shares that were held, and those kept now


@frozen
class WholeFile:
    """All shares of one file, whole.

    :param shares: by number
    :param seal: the hash of the URI extension
    """

    shares: list[bytes]
    seal: bytes


def make_shares(crypttext: bytes, geometry: Geometry) -> WholeFile:
    """Return the shares of a file of one segment; pure, and may run in a thread."""
    code, hashes = coder(geometry.k, geometry.n), FileHashes(geometry)
    segment = encode_segment(code, crypttext, geometry.block_bytes(0))
    hashes.update_crypttext(crypttext)
    hashes.add_segment(segment)
    seals = hashes.finish()
    shape = ShareShape(geometry)
    extension = shape.pack_extension(
        seals.crypttext_hash, seals.crypttext_tree.root, seals.share_tree.root
    )
    before, after = shape.layout.pack(), shape.layout.pack_extension(extension)
    no_plaintext = bytes(HASH_SIZE)  # the tree of one segment is one hash
    shares = [
        b"".join(
            [
                before,
                block,
                no_plaintext,
                *seals.crypttext_tree,
                *seals.block_tree(shnum),
                pack_chain(seals.share_chain(shnum)),
                after,
            ]
        )
        for shnum, block in enumerate(segment.blocks)
    ]
    return WholeFile(shares, uri_extension_hash(extension))


def takes_whole(plan: Placement[Server], size: int, happy: int) -> bool:
    """Tell whether the file would be happy so, and all its servers take shares whole.

    :param size: bytes of a share
    """
    where = plan.new.values()
    return plan.happiness >= happy and all(s.version.whole_shares >= size for s in where)


async def put_whole(
    storage_index: bytes,
    file: WholeFile,
    plan: Placement[Server],
    happy: int,
    paces: Paces[Server],
    clock: IReactorTime,
) -> bool:
    """Give each server its shares; return whether all have what the plan says."""
    wanted: dict[Server, dict[int, bytes]] = {}
    for shnum, server in plan.new.items():
        wanted.setdefault(server, {})[shnum] = file.shares[shnum]

    def done(answers: Mapping[Server, Answer]) -> int:
        return sum(_has(answer, wanted[server]) for server, answer in answers.items())

    questions = Questions[Server](
        clock,
        lambda answers: done(answers) >= happy,
        lambda server: paces.is_late(server, clock.seconds()),
        paces=paces,
    )
    questions.ask(
        ((s, s.put_shares(storage_index, shares)) for s, shares in wanted.items()), "put"
    )
    await questions.wait(_too_late)
    for server in questions.pending:
        paces.late(server, clock.seconds())
    return done(questions.answers) == len(wanted)


def _has(answer: Answer, shares: Mapping[int, Any]) -> bool:
    held, kept = answer
    return shares.keys() <= held | kept


def _too_late(_: Server, __: Answer) -> None:
    """Let a share be that was stored after all: whoever looks finds it."""
