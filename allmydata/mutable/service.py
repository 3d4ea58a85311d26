"""Mutable files made, found and written: ``getService("mutable")`` of a client."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from allmydata.crypto.mutable_keys import (
    MutableKeys,
    SigningKey,
    fingerprint_of,
    write_key_of,
)
from allmydata.errors import (
    BadCapError,
    NoSharesError,
    NotEnoughServersError,
    NotEnoughSharesError,
    UncoordinatedWriteError,
    UsageError,
)
from allmydata.formats import mutable as formats
from allmydata.formats.mutable import Prefix
from allmydata.grid.broker import StorageBroker
from allmydata.grid.patience import Doubts
from allmydata.grid.startup import StartUp
from allmydata.mutable.edition import Author, Edition, Shape, write_whole
from allmydata.mutable.filenode import Modify, MutableFileNode
from allmydata.mutable.memory import Memory
from allmydata.mutable.publish import Publication
from allmydata.mutable.retrieve import Retrieval
from allmydata.mutable.secret import fetch_author
from allmydata.mutable.servermap import ServerMap
from allmydata.mutable.survey import Surveyor
from allmydata.mutable.update import Patch
from allmydata.uri import (
    MDMF,
    SDMF,
    Cap,
    MutableFileURI,
    MutableFileVerifierURI,
    ReadOnlyMutableFileURI,
    from_string,
)
from allmydata.util.deferreds import as_deferred
from allmydata.util.workers import Workers

log = Logger()

MAX_SIZE = 2**27  # bytes of a file: all of it and its shares are held in memory
KINDS = {SDMF: formats.SDMF, MDMF: formats.MDMF}

AnyCap = MutableFileURI | ReadOnlyMutableFileURI | MutableFileVerifierURI
Readable = MutableFileURI | ReadOnlyMutableFileURI


class Mutables(Service):
    """All mutable files this client can reach.

    :param parameters: tells the (k, happy, n) of new files
    :param random: returns that many bytes nobody can foresee
    """

    name = "mutable"

    def __init__(
        self,
        broker: StorageBroker,
        workers: Workers,
        parameters: Callable[[], tuple[int, int, int]],
        clock: IReactorTime,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._broker = broker
        self.parameters = parameters
        self.workers = workers
        self.clock = clock
        self.random = random
        self.memory = Memory()
        self._surveyor = Surveyor(broker, clock, Doubts(clock))
        self.start_up = StartUp(broker, clock)

    @property
    def drained(self) -> frozenset[str]:
        """The node ids of servers that are being emptied."""
        return self._broker.drained

    # ---- nodes ---------------------------------------------------------------------------

    def node_for(self, cap: Cap | str) -> MutableFileNode:
        """Return the file that a capability names; no server is asked.

        :raises BadCapError: it is not one that reads a mutable file
        """
        found = from_string(cap) if isinstance(cap, str) else cap
        if not isinstance(found, Readable):
            raise BadCapError("this is not the capability of a mutable file")
        return MutableFileNode(found, self)

    @as_deferred
    async def create(self, kind: str, data: bytes = b"") -> MutableFileNode:
        """Make a file that holds *data*, under a key of its own.

        :param kind: :data:`~allmydata.uri.SDMF` or :data:`~allmydata.uri.MDMF`
        :raises NotEnoughServersError: too few servers took shares
        """
        _check_size(len(data))
        k, happy, n = self.parameters()
        await self._wait_for_servers(happy)
        signer = await self.workers.run(SigningKey.generate)
        cap = MutableFileURI(
            write_key_of(signer.der), fingerprint_of(signer.public_der), kind
        )
        author = Author(MutableKeys.from_write_key(cap.write_key), signer, self.random)
        shape = Shape(KINDS[kind], k, min(n, formats.MAX_SHARES))
        found = ServerMap(cap.storage_index, cap.fingerprint)
        found.answered = self._broker.for_index(cap.storage_index)
        edition = await self.workers.run(write_whole, author, shape, 1, data)
        await self._publish(found, edition, author.keys)
        return MutableFileNode(cap, self)

    @as_deferred
    async def replace_ssk(self, cap: Any, new_version: int, data: bytes) -> str:
        """Replace the content by version *new_version*; return the capability.

        :raises UncoordinatedWriteError: there is that version, or a newer one
        """
        node = self.node_for(cap if isinstance(cap, str) else cap.to_string())
        writable = node._demand_writable()
        async with self.memory.alone(writable.storage_index):
            await self.replace(writable, data, at_least=new_version)
        return node.get_uri()

    # ---- reading -------------------------------------------------------------------------

    async def survey(self, cap: AnyCap, *, everywhere: bool) -> ServerMap:
        """Return what servers hold of a file."""
        return await self._surveyor.look(
            cap.storage_index, cap.fingerprint, everywhere=everywhere
        )

    async def newest(self, cap: Readable, *, everywhere: bool = False) -> Retrieval:
        """Return what reads the newest version that can be brought back.

        :raises NotEnoughSharesError: there is none
        :raises RollbackError: it is older than one that was seen
        """
        found = await self.survey(cap, everywhere=everywhere)
        best = best_of(found)
        if not everywhere and best.seqnum < self.memory.seqnum(cap.storage_index):
            found = await self.survey(cap, everywhere=True)
            best = best_of(found)
        self.memory.check(cap.storage_index, best)
        return self.retrieval(cap, found, best)

    def retrieval(self, cap: Readable, found: ServerMap, version: Prefix) -> Retrieval:
        """Return what reads one version of a file."""
        return Retrieval(found, version, keys_of(cap), self.workers, self.clock)

    # ---- writing: whoever calls these holds the file's lock ------------------------------

    async def replace(self, cap: MutableFileURI, data: bytes, at_least: int = 0) -> None:
        """Make *data* the content.

        :param at_least: the sequence number of the new version must be no lower
        """
        _check_size(len(data))
        now = await self._to_be_replaced(cap)
        seqnum = now.found.next_seqnum()
        if at_least and seqnum > at_least:
            raise UncoordinatedWriteError(f"there is a version {seqnum - 1} already")
        await self._write_whole(cap, now, max(seqnum, at_least), data)

    async def modify(self, cap: MutableFileURI, change: Modify) -> None:
        """Make the content what *change* makes of it."""
        now = await self._to_be_replaced(cap)
        data = change(await now.content())
        if data is not None:
            _check_size(len(data))
            await self._write_whole(cap, now, now.found.next_seqnum(), data)

    async def update(self, cap: MutableFileURI, data: bytes, offset: int) -> None:
        """Write *data* at *offset*."""
        now = await self._to_be_replaced(cap)
        _check_size(max(now.version.size, offset + len(data)))
        author = await self._author(cap, now)
        patch = Patch(now, author, data, offset)
        edition = await patch.edition(self.workers)
        if edition is not None:
            await self._publish(now.found, edition, author.keys)
            return
        whole = await patch.whole()
        await self._write_whole(cap, now, now.found.next_seqnum(), whole, author)

    async def rewrite(self, cap: MutableFileURI, found: ServerMap) -> None:
        """Write the newest version that can be brought back anew, over all others."""
        now = self.retrieval(cap, found, best_of(found))
        seqnum = max(found.next_seqnum(), self.memory.seqnum(cap.storage_index) + 1)
        await self._write_whole(cap, now, seqnum, await now.content())

    async def _to_be_replaced(self, cap: MutableFileURI) -> Retrieval:
        now = await self.newest(cap, everywhere=True)
        newer = now.found.newer_than(now.version)
        if newer:
            have = len(now.found.numbers(newer[0]))
            raise UncoordinatedWriteError(
                f"a newer version was begun and can't be read: {have} shares are there",
                why=f"{newer[0].k} are needed; somebody is writing, or was cut off",
                fix="try again; if it stays so, go on from the last whole version:  "
                "tahoe check --repair",
            )
        return now

    async def _write_whole(
        self,
        cap: MutableFileURI,
        now: Retrieval,
        seqnum: int,
        data: bytes,
        author: Author | None = None,
    ) -> None:
        writer = author or await self._author(cap, now)
        old = now.version
        shape = Shape(old.kind, old.k, old.n)
        edition = await self.workers.run(write_whole, writer, shape, seqnum, data)
        await self._publish(now.found, edition, writer.keys)

    async def _author(self, cap: MutableFileURI, now: Retrieval) -> Author:
        return await fetch_author(cap, now, self.workers, self.random)

    async def _publish(self, found: ServerMap, edition: Edition, keys: MutableKeys) -> None:
        doubts = self._surveyor.doubts
        await Publication(found, edition, keys, self.clock, doubts).run()
        self.memory.see(found.storage_index, edition.prefix)

    async def _wait_for_servers(self, happy: int) -> None:
        """Give a client that has just started the time to find its servers."""
        await self.start_up.wait_for(happy)
        if not self._broker.connected():
            raise NotEnoughServersError("no storage server is connected")


def keys_of(cap: Readable) -> MutableKeys:
    """Return what the holder of a capability can work out."""
    if isinstance(cap, MutableFileURI):
        return MutableKeys.from_write_key(cap.write_key)
    return MutableKeys(cap.read_key)


def best_of(found: ServerMap) -> Prefix:
    """Return the newest version that can be brought back.

    :raises NotEnoughSharesError: there is none
    """
    best = found.best()
    if best is not None:
        return best
    versions = found.versions()
    asked = f"{len(found.answered)} servers answered, {len(found.silent)} did not"
    if not versions:
        raise NoSharesError("no good share of this mutable file was found", why=asked)
    have = len(found.numbers(versions[0]))
    raise NotEnoughSharesError(
        f"only {have} good shares were found of {versions[0].k} needed", why=asked
    )


def _check_size(size: int) -> None:
    if size > MAX_SIZE:
        raise UsageError(
            f"a mutable file of {size:,} bytes; at most {MAX_SIZE:,} are kept",
            fix="store it as an immutable file",
        )
