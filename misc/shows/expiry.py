"""Shares that nobody wants go, and none that somebody wants, whatever the clock does.

    python misc/shows/expiry.py [--files 200] [--years 3] [--seed N]

A storage server with a grace of 30 days lives through some years, twelve hours at a time.
Half of its files are renewed every ten days, half are given up at some time.  Its clock
jumps by ten years, forward or back, again and again, and returns; the server is stopped for
months; its lease index is deleted, or overwritten with noise, while it is off; it is killed
(what lay on its disk while it ran is what it starts on).  At no time may a file that is
renewed lack its share, or one go before its grace; in the end those given up are gone.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from foolscap.api import Referenceable
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react

from allmydata.crypto.keys import LeaseSecrets
from allmydata.formats.renewals import pack_renewals
from allmydata.storage.expiry import DAY_S, ExpiryPolicy
from allmydata.storage.leaseindex import FILE_NAME
from allmydata.storage.server import StorageServer
from allmydata.util.workers import Workers

TUBID = b"\2" * 20
SECRETS = LeaseSecrets(b"show")
STEP_S = 12 * 3600
RENEW_EVERY = 20  # steps: ten days
POLICY = ExpiryPolicy(enabled=True, mode="age")
JUMPS_S = (10 * 365 * DAY_S, -10 * 365 * DAY_S)


class Canary(Referenceable):
    """A client that stays connected."""

    def notifyOnDisconnect(self, *_: Any) -> None:  # noqa: N802
        """Never call."""

    def dontNotifyOnDisconnect(self, _: Any) -> None:  # noqa: N802
        """Nothing to take back."""


class Wall:
    """The reactor's timers, and a clock on the wall that somebody moves."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.callLater = reactor.callLater

    def seconds(self) -> float:
        """Return what the clock shows."""
        return self.now


class Life:
    """The server, its files, and what is done to them."""

    def __init__(self, base: Path, rng: random.Random, num_files: int) -> None:
        self.storedir = base / "storage"
        self.copy = base / "copy"
        self.rng = rng
        self.wall = Wall()
        self.running = 0.0
        self.jumped = 0
        self.server: StorageServer | None = None
        self.workers = Workers(2, "disk")
        self.wanted = {rng.randbytes(16) for _ in range(num_files)}
        self.renewed = 0.0  # the running time of the last renewal
        self.given_up: dict[bytes, float] = {}  # that of theirs
        self.num_gone = 0
        self.events: dict[str, int] = {}

    async def start(self) -> None:
        """Start the server on its directory; wait until it knows its files."""
        self.server = StorageServer(
            self.storedir,
            TUBID,
            workers=self.workers,
            clock=self.wall,
            expiry=POLICY,
            monotonic=lambda: self.running,
        )
        self.server.startService()
        while not self.server.books.ledger.is_true:
            await deferLater(reactor, 0.001)

    async def stop(self) -> None:
        """Stop it."""
        await self.server.stopService()

    async def fill(self) -> None:
        """Upload a share of each file."""
        for one in self.wanted:
            args = SECRETS.renewal(one, TUBID), SECRETS.cancel(one, TUBID), {0}, 10
            _, writers = await self.server.remote_allocate_buckets(one, *args, Canary())
            await writers[0].remote_write(0, one[:10])
            await writers[0].remote_close()

    async def live(self, until: float, left: int) -> None:
        """Let time go by; give up files until *left* are wanted."""
        step, give_up = 0, sorted(self.wanted)[left:]
        often = max(1, int(0.6 * (until - self.running) / STEP_S / max(1, len(give_up))))
        while self.running < until or give_up:
            step += 1
            self.running += STEP_S
            self.wall.now += STEP_S
            if give_up and step % often == 0:
                one = give_up.pop()
                self.wanted.discard(one)
                self.given_up[one] = self.renewed
            if step % RENEW_EVERY == 0:
                await self.renew()
            if self.rng.random() < 0.04:
                await self.disturb()
            await self.server.books.reaper.cycle()
            self.must_be_right()

    async def renew(self) -> None:
        """Renew what is wanted."""
        packed = pack_renewals(
            (one, SECRETS.renewal(one, TUBID), SECRETS.cancel(one, TUBID))
            for one in sorted(self.wanted)
        )
        answer = await self.server.remote_renew_leases(packed, Canary())
        if set(answer) - {1}:
            raise SystemExit("WRONG: a renewal was not taken")
        self.renewed = self.running

    async def disturb(self) -> None:
        """Do one of the things that must do no harm."""
        acts = [self.jump, self.jump, self.sleep, self.kill]
        acts += [self.lose_index, self.spoil_index]
        act = self.rng.choice(acts)
        self.events[act.__name__] = self.events.get(act.__name__, 0) + 1
        await act()

    async def jump(self) -> None:
        """Move the clock by ten years, or back to where it belongs."""
        delta = -self.jumped or self.rng.choice(JUMPS_S)
        self.jumped += delta
        self.wall.now += delta

    async def sleep(self) -> None:
        """Be off for some months."""
        await self.stop()
        self.wall.now += self.rng.randrange(200) * DAY_S
        await self.start()
        await self.renew()

    async def lose_index(self) -> None:
        """Delete the index."""
        await self.stop()
        os.unlink(self.storedir / FILE_NAME)
        self.begin_anew()
        await self.start()

    async def spoil_index(self) -> None:
        """Overwrite the index with noise."""
        await self.stop()
        with open(self.storedir / FILE_NAME, "r+b") as f:
            f.write(self.rng.randbytes(20_000))
        self.begin_anew()
        await self.start()

    async def kill(self) -> None:
        """Go on from what lay on the disk while the server ran: nothing was closed."""
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(self.storedir, self.copy)
        await self.stop()
        shutil.rmtree(self.storedir)
        self.copy.rename(self.storedir)
        await self.start()

    def begin_anew(self) -> None:
        """Take note that no grace before now counts."""
        for one in self.given_up:
            self.given_up[one] = max(self.given_up[one], self.running)

    def held(self) -> set[bytes]:
        """Return the first bytes of every share on the disk."""
        shares = self.storedir.joinpath("shares").glob("[a-z2-7][a-z2-7]/*/0")
        return {path.read_bytes()[12:22] for path in shares}

    def must_be_right(self) -> None:
        """Compare what is on the disk with what has to be."""
        held = self.held()
        for one in self.wanted:
            if one[:10] not in held:
                raise SystemExit("WRONG: a share that is renewed was deleted")
        for one in [one for one in self.given_up if one[:10] not in held]:
            if self.running - self.given_up.pop(one) < POLICY.grace_s:
                raise SystemExit("WRONG: a share went before its grace was over")
            self.num_gone += 1


async def show(options: argparse.Namespace) -> None:
    """Live, and see what is left."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="show-expiry-") as base:
        life = Life(Path(base), random.Random(options.seed), options.files)
        life.workers.start()
        try:
            await life.start()
            await life.fill()
            await life.live(options.years * 365 * DAY_S, options.files // 2)
            life.wall.now += 11 * 365 * DAY_S - life.jumped  # past all leases given up
            await life.renew()
            end = life.running + 100 * DAY_S
            while life.running < end:  # undisturbed
                life.running += STEP_S
                life.wall.now += STEP_S
                if int(life.running / STEP_S) % RENEW_EVERY == 0:
                    await life.renew()
                await life.server.books.reaper.cycle()
                life.must_be_right()
            left = len(life.held())
            await life.stop()
        finally:
            life.workers.stop()
    told = ", ".join(f"{name} {num}" for name, num in sorted(life.events.items()))
    print(f"{life.running / DAY_S / 365:.1f} years of running time; {told}")
    if left != len(life.wanted):
        raise SystemExit(f"WRONG: {left} shares are left, {len(life.wanted)} are wanted")
    print(f"{len(life.wanted)} files renewed: none of their shares was ever missing")
    print(f"{life.num_gone} given up: all gone, none before its grace was over")
    print(f"({time.monotonic() - began:.0f} s)")


def main(*_: Any) -> Deferred[None]:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--years", type=float, default=3)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    return Deferred.fromCoroutine(show(options))


if __name__ == "__main__":
    react(main)
