"""What the keeper knows, in ``private/keeper.sqlite``: all SQL there is.

    files     a verify capability in parts; what was seen of the file, and when
    servers   numbers for node ids; how far the renewal of leases has come
    notes     a few values by name

``held`` and ``bad`` of a file are pairs of 2-byte numbers, big-endian: a server's, and a
share's.  No read key is in here, nor any name.  A file that is damaged, or something else,
is refused and left alone.  Format: docs/formats/keeper.md.
"""

from __future__ import annotations

import sqlite3
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from allmydata.errors import ConflictError
from allmydata.keeper.counts import Counts, Entry
from allmydata.keeper.schedule import Holdings, Judgement, State, Watched
from allmydata.keeper.storefile import connect, explained
from allmydata.uri import CHKFileVerifierURI

MOST_SERVERS = 2**16
_PAIR = struct.Struct(">HH")
_FILE = (
    "number, idx, seal, k, n, size, state, held, bad, spare, weak_since, checked, failures,"
    " due"
)
_TOLD = _FILE + ", num_good, loss, due, verified, repaired, repaired_from, error"


class KeeperStore:
    """The file *path*, made when first something is kept.  Threads take turns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = RLock()
        self._open: sqlite3.Connection | None = None
        self._number_of: dict[str, int] = {}
        self._nodeid_of: dict[int, str] = {}

    @property
    def is_there(self) -> bool:
        """Whether anything was ever kept."""
        return self._path.exists()

    def close(self) -> None:
        """Let go of the file; it is opened again when it is needed."""
        with self._lock:
            if self._open:
                self._open.close()
            self._open = None

    # ---- which files ---------------------------------------------------------------------

    def add(self, caps: Iterable[CHKFileVerifierURI]) -> int:
        """Keep files from now on; return how many of them are new."""
        rows = [_row(cap) for cap in caps]
        with self._changing(lasting=True) as db:
            before = db.total_changes
            words = "INSERT OR IGNORE INTO files (idx, seal, k, n, size) VALUES (?,?,?,?,?)"
            db.executemany(words, rows)
            return db.total_changes - before

    def remove(self, caps: Iterable[CHKFileVerifierURI] | None) -> int:
        """Keep files no longer, or with None all; return how many of them were kept."""
        if not self.is_there:
            return 0
        with self._changing(lasting=True) as db:
            before = db.total_changes
            if caps is None:
                db.execute("DELETE FROM files")
            else:
                where = "idx = ? AND seal = ? AND k = ? AND n = ? AND size = ?"
                db.executemany(f"DELETE FROM files WHERE {where}", map(_row, caps))  # noqa: S608
            return db.total_changes - before

    def entries(self, after: int = 0, limit: int = 1000) -> list[Entry]:
        """Return what is known of files, in the order they were added."""
        rows = self._all(
            f"SELECT {_TOLD} FROM files WHERE number > ? ORDER BY number LIMIT ?",  # noqa: S608
            (after, limit),
        )
        return [Entry(self._watched(row), *row[14:]) for row in rows]

    def files(self, after: int = 0, limit: int = 1000) -> list[Watched]:
        """Return files, in the order they were added."""
        return self._files("number > ? ORDER BY number LIMIT ?", after, limit)

    # ---- what is to be done --------------------------------------------------------------

    def due(self, now: float, limit: int) -> list[Watched]:
        """Return files to look at, the longest due first."""
        words = f"state != {State.WEAK:d} AND due <= ? ORDER BY due LIMIT ?"
        return self._files(words, now, limit)

    def weakest(self, now: float, limit: int) -> list[Watched]:
        """Return files to repair, the weakest first."""
        words = (
            f"state = {State.WEAK:d} AND due <= ? ORDER BY spare, num_good, number LIMIT ?"
        )
        return self._files(words, now, limit)

    def sampled(self, limit: int) -> list[Watched]:
        """Return files to read."""
        return self._files("sampled = 1 ORDER BY number LIMIT ?", limit)

    def next_due(self) -> float | None:
        """Return when the next look is due; None where there are no files to look at."""
        words = f"SELECT min(due) FROM files WHERE state != {State.WEAK:d}"  # noqa: S608
        found = self._all(words, ())
        return found[0][0] if found else None

    def hasten(self, now: float, *states: State) -> None:
        """Look at files now: those in *states*, or all of them.

        Also at those that are being looked at: that look began before.
        """
        if not self.is_there:
            return
        marks = ",".join("?" * len(states))
        where = f"WHERE state IN ({marks})" if states else ""
        with self._changing() as db:
            words = f"UPDATE files SET due = ?, failures = 0 {where}"  # noqa: S608
            db.execute(words, (now, *states))

    def look_at(self, numbers: Sequence[int], now: float) -> None:
        """Look at these files now."""
        with self._changing() as db:
            words = "UPDATE files SET due = min(due, ?) WHERE number = ?"
            db.executemany(words, [(now, number) for number in numbers])

    def mend(self, numbers: Sequence[int], now: float) -> None:
        """Repair these files, whatever is found of them until then."""
        words = "UPDATE files SET state = ?, due = ?, wanted = 1 WHERE number = ?"
        with self._changing() as db:
            db.executemany(words, [(State.WEAK, now, number) for number in numbers])

    def sample(
        self, choose: Callable[[list[str]], bool], is_done: Callable[[], bool]
    ) -> None:
        """Let *choose* decide of each file, in random order, by its servers."""
        with self._changing() as db:
            rows = db.execute("SELECT number, held FROM files ORDER BY random()")
            chosen = []
            for number, held in rows:
                if is_done():
                    break
                if choose(list(self._unpack(held))):
                    chosen.append((number,))
            db.execute("UPDATE files SET sampled = 0 WHERE sampled = 1")
            db.executemany("UPDATE files SET sampled = 1 WHERE number = ?", chosen)

    def suspect(self, nodeid: str) -> None:
        """Read every file that a server holds: one of its shares was bad."""
        with self._changing() as db:
            rows = db.execute("SELECT number, held FROM files")
            found = [(n,) for n, held in rows if nodeid in self._unpack(held)]
            db.executemany("UPDATE files SET sampled = 1 WHERE number = ?", found)

    # ---- what was found ------------------------------------------------------------------

    def save_look(
        self,
        file: Watched,
        found: Judgement,
        held: Holdings,
        bad: Holdings,
        loss: float,
        now: float,
        *,
        verified: bool = False,
        mended: bool = False,
    ) -> None:
        """Keep what a look at *file* found, or a repair.

        Whoever wanted it looked at again meanwhile gets that: the due time has changed.
        """
        failures = file.failures if found.state == State.WEAK else 0
        with self._changing() as db:
            db.execute(
                """UPDATE files SET state = ?, held = ?, bad = ?, num_good = ?, spare = ?,
                   loss = ?, due = CASE WHEN due = ? THEN ? ELSE min(due, ?) END,
                   weak_since = ?, checked = ?, failures = ?, error = '',
                   verified = CASE WHEN ? THEN ? ELSE verified END,
                   sampled = CASE WHEN ? THEN 0 ELSE sampled END,
                   wanted = CASE WHEN ? THEN 0 ELSE wanted END WHERE number = ?""",
                (
                    *(found.state, self._pack(held), self._pack(bad), found.num_good),
                    *(found.spare, loss, file.due, found.due, found.due),
                    *(found.weak_since, now, failures),
                    *(verified, now, verified, mended, file.number),
                ),
            )
            words = "UPDATE files SET state = ?, due = ? WHERE number = ? AND wanted = 1"
            if found.state == State.WELL:  # but its owner wants it spread
                db.execute(words, (State.WEAK, now, file.number))

    def save_repair(self, file: Watched, now: float) -> None:
        """Keep that *file* was repaired, and how weak it was before."""
        with self._changing() as db:
            words = "UPDATE files SET repaired = ?, repaired_from = ? WHERE number = ?"
            db.execute(words, (now, file.spare, file.number))

    def save_failure(self, file: Watched, due: float, error: str) -> None:
        """Keep that nothing could be done with *file*, and when to try again."""
        words = """UPDATE files SET due = ?, failures = failures + 1, error = ?,
                   sampled = 0 WHERE number = ?"""
        with self._changing() as db:
            db.execute(words, (due, error[:200], file.number))

    # ---- leases --------------------------------------------------------------------------

    def renewal(self, nodeid: str) -> tuple[float, int]:
        """Return when a server's leases were all renewed, and how far it has come since."""
        number = self._number(nodeid)
        words = "SELECT renewed, reached FROM servers WHERE number = ?"
        renewed, reached = self._all(words, (number,))[0]
        return renewed, reached

    def save_renewal(self, nodeid: str, renewed: float, reached: int) -> None:
        """Keep how far the renewal has come; *reached* is 0 at its end."""
        number = self._number(nodeid)
        with self._changing() as db:
            words = "UPDATE servers SET renewed = ?, reached = ? WHERE number = ?"
            db.execute(words, (renewed, reached, number))

    def held_by(self, nodeid: str, after: int, limit: int) -> tuple[list[Watched], int]:
        """Return files that a server holds, and the number of the last one looked at.

        The number is 0 when there are no more.
        """
        found: list[Watched] = []
        while len(found) < limit:
            page = self.files(after, limit - len(found))
            if not page:
                return found, 0
            after = page[-1].number
            found += [file for file in page if nodeid in file.held]
        return found, after

    # ---- notes and counts ----------------------------------------------------------------

    def note(self, name: str) -> float:
        """Return a value; 0 for one never kept."""
        found = self._all("SELECT value FROM notes WHERE name = ?", (name,))
        return found[0][0] if found else 0.0

    def save_note(self, name: str, value: float) -> None:
        """Keep a value."""
        with self._changing() as db:
            db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    def counts(self) -> Counts:
        """Return how many files are how."""
        rows = self._all(
            """SELECT state, spare, count(*), sum(size), sum(loss), max(loss),
               sum(sampled), min(checked) FROM files GROUP BY state, spare""",
            (),
        )
        states: Counter[State] = Counter()
        spares: Counter[int] = Counter()
        missing = 0
        for state, spare, num, size, *_ in rows:
            states[State(state)] += num
            if state != State.NEW:
                spares[spare] += num
            missing += size if state == State.WEAK else 0
        checks = [row[7] for row in rows if row[7] is not None]
        return Counts(
            dict(states),
            dict(spares),
            sum(row[3] for row in rows),
            sum(row[4] or 0 for row in rows),
            max((row[5] or 0 for row in rows), default=0),
            missing,
            sum(row[6] for row in rows),
            min(checks, default=None),
        )

    def num_held(self) -> Counter[str]:
        """Return how many files each server holds shares of."""
        rows = self._each("SELECT held FROM files")
        return Counter(server for (held,) in rows for server in self._unpack(held))

    # ---- inside --------------------------------------------------------------------------

    def _files(self, where: str, *values: Any) -> list[Watched]:
        rows = self._all(f"SELECT {_FILE} FROM files WHERE {where}", values)  # noqa: S608
        return [self._watched(row) for row in rows]

    def _watched(self, row: Sequence[Any]) -> Watched:
        number, *parts = row[:6]
        state, held, bad, spare, *rest = row[6:14]
        cap = CHKFileVerifierURI(*parts)
        holdings, wrong = self._unpack(held), self._unpack(bad)
        return Watched(number, cap, State(state), holdings, wrong, spare or 0, *rest)

    def _all(self, words: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._lock:
            return list(self._each(words, values))

    def _each(self, words: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        if not self.is_there:
            return
        with self._lock, explained():
            yield from self._connection().execute(words, values)

    @contextmanager
    def _changing(self, *, lasting: bool = False) -> Iterator[sqlite3.Connection]:
        """Give the connection for one transaction.

        :param lasting: it is to outlast a crash of the machine, not just of the process
        """
        with self._lock, explained():
            db = self._connection()
            db.execute(f"PRAGMA synchronous = {'FULL' if lasting else 'NORMAL'}")
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def _connection(self) -> sqlite3.Connection:
        if self._open is None:
            self._open = connect(self._path)
            rows = self._open.execute("SELECT number, nodeid FROM servers")
            self._nodeid_of = dict(rows.fetchall())
            self._number_of = {nodeid: i for i, nodeid in self._nodeid_of.items()}
        return self._open

    # ---- holdings ------------------------------------------------------------------------

    def _pack(self, holdings: Holdings) -> bytes:
        pairs = sorted((self._number(s), i) for s, held in holdings.items() for i in held)
        return b"".join(_PAIR.pack(*pair) for pair in pairs)

    def _unpack(self, data: bytes) -> dict[str, frozenset[int]]:
        found: dict[str, set[int]] = {}
        for number, shnum in _PAIR.iter_unpack(data[: len(data) // 4 * 4]):
            found.setdefault(self._nodeid_of.get(number, ""), set()).add(shnum)
        return {server: frozenset(held) for server, held in found.items() if server}

    def _number(self, nodeid: str) -> int:
        with self._lock, explained():
            db = self._connection()
            if nodeid not in self._number_of:
                number = len(self._number_of) + 1
                if number >= MOST_SERVERS:
                    raise ConflictError(f"the keeper knows {number} servers: no more")
                words = "INSERT INTO servers (number, nodeid) VALUES (?, ?)"
                db.execute(words, (number, nodeid))
                self._number_of[nodeid], self._nodeid_of[number] = number, nodeid
            return self._number_of[nodeid]


def _row(cap: CHKFileVerifierURI) -> tuple[Any, ...]:
    parts = cap.storage_index, cap.uri_extension_hash
    return *parts, cap.needed_shares, cap.total_shares, cap.size
