"""What a demo is made of: its numbers, its directories, its ports.

    DIR/introducer/    DIR/storage1/ … DIR/storageN/    DIR/client/

Each is a node directory like any other, whose ports are written in its tahoe.cfg: a
folder that is kept has the same ones next time, and its nodes can be run one by one.
"""

from __future__ import annotations

import json
from pathlib import Path

from attrs import frozen

from allmydata.errors import ConfigError, ConflictError, UsageError
from allmydata.node.config import CFG
from allmydata.node.create import CREATED, Answers, create
from allmydata.node.ports import LOOPBACK, free_ports

DEFAULT_SERVERS = 5
MOST_SERVERS = 50  # each connects to each other: more take very long to meet
MOST_SHARES = 256
HOST = LOOPBACK
INTRODUCER, CLIENT = "introducer", "client"


@frozen
class Shares:
    """Any *needed* of *total* shares bring a file back; they reach *happy* servers."""

    needed: int
    happy: int
    total: int

    @classmethod
    def parse(cls, text: str) -> Shares:
        """Read ``K/HAPPY/N``.

        :raises UsageError: it is something else, or can't be
        """
        try:
            needed, happy, total = map(int, text.split("/"))
        except ValueError:
            raise UsageError(
                f"--shares {text[:40]!r} is not K/HAPPY/N",
                fix="--shares 3/4/5, for example",
            ) from None
        if not (1 <= needed <= total <= MOST_SHARES and 1 <= happy <= total):
            raise UsageError(
                f"no file can be stored as {text}",
                why=f"K and HAPPY are from 1 to N, and N is {MOST_SHARES} at most",
            )
        return cls(needed, happy, total)

    @classmethod
    def suiting(cls, num_servers: int) -> Shares:
        """Return numbers in the proportions 3/4/5, one share for each server."""
        happy = max(1, num_servers * 4 // 5)
        return cls(max(1, num_servers * 3 // 5), happy, num_servers)

    def __str__(self) -> str:
        return f"{self.needed}/{self.happy}/{self.total}"


@frozen
class DemoPlan:
    """How large a demo is."""

    num_servers: int
    shares: Shares

    @classmethod
    def settle(cls, num_servers: int | None, shares: Shares | None) -> DemoPlan:
        """Fill in what was not asked for.

        :raises UsageError: the numbers don't go together
        """
        num_servers = num_servers or DEFAULT_SERVERS
        shares = shares or Shares.suiting(num_servers)
        if shares.happy > num_servers:
            raise UsageError(
                f"{num_servers} servers can't hold files as {shares}",
                why=f"each is to reach {shares.happy} different servers",
                fix=f"--servers {shares.happy}, or a smaller number in --shares",
            )
        return cls(num_servers, shares)


def storage_directories(root: Path, num_servers: int) -> list[Path]:
    """Return the directories of the storage nodes, the first server's first."""
    return [root / f"storage{number}" for number in range(1, num_servers + 1)]


# ---- a folder that is kept -------------------------------------------------------------


def plan_for(root: Path, num_servers: int | None, shares: Shares | None) -> DemoPlan:
    """Return the plan of the demo in *root*, which is to be made or was made before.

    :param num_servers: None for what it has, or else the default
    :param shares: the same
    :raises ConflictError: it was made with other numbers, or holds something else
    :raises UsageError: the numbers don't go together
    """
    if root.exists() and not root.is_dir():
        raise ConflictError(f"{root} is there and no directory")
    found = read_plan(root)
    if found is None:
        if root.exists() and not is_demo(root) and any(root.iterdir()):
            raise ConflictError(
                f"{root} holds something that is no demo",
                why="nothing in it was changed",
                fix="choose a directory that is empty or not there",
            )
        return DemoPlan.settle(num_servers, shares)
    other = (
        [f"--servers {num_servers}"] if num_servers not in (None, found.num_servers) else []
    )
    other += [f"--shares {shares}"] if shares not in (None, found.shares) else []
    if other:
        raise ConflictError(
            f"the demo in {root} was made with other numbers than {' '.join(other)}",
            why=f"it has --servers {found.num_servers} --shares {found.shares}",
            fix="leave the numbers out to start it again, or choose another directory",
        )
    return found


def is_demo(root: Path) -> bool:
    """Tell whether a demo was made in *root*, whole or in part."""
    return (root / INTRODUCER / "private" / CREATED).exists()


def read_plan(root: Path) -> DemoPlan | None:
    """Return the plan of the demo in *root*; None if none was made whole there."""
    client = root / CLIENT
    if not is_demo(root) or not (client / CFG).exists():
        return None
    answers = _answers_of(client)
    numbers = answers and (
        answers.shares_needed,
        answers.shares_happy,
        answers.shares_total,
    )
    servers = [path for path in root.glob("storage*") if path.name[7:].isdecimal()]
    if not numbers or None in numbers or not servers:
        raise ConfigError(
            f"{root} is a demo that lost a part of itself",
            why=f"{client / 'private' / CREATED} or the storage nodes are not as made",
            fix="choose another directory",
        )
    return DemoPlan(len(servers), Shares(*numbers))  # type: ignore[arg-type]


# ---- node directories ------------------------------------------------------------------


def make_introducer(root: Path, plan: DemoPlan) -> Path:
    """Make the introducer's directory, if it is not there; return it."""
    port = free_ports(1)[0]
    return _make(
        root / INTRODUCER,
        Answers(
            INTRODUCER,
            port=_endpoint(port),
            location=f"tcp:{HOST}:{port}",
            shares_needed=plan.shares.needed,
            shares_happy=plan.shares.happy,
            shares_total=plan.shares.total,
        ),
    )


def make_others(root: Path, plan: DemoPlan, furl: str) -> tuple[list[Path], Path]:
    """Make the other directories; return those of the storage nodes and the client's.

    :param furl: the introducer's
    """
    web, *ports = free_ports(1 + plan.num_servers)
    directories = storage_directories(root, plan.num_servers)
    for directory, port in zip(directories, ports, strict=True):
        _make(directory, _storage_answers(directory.name, port, furl))
    client = Answers(
        "client",
        nickname=CLIENT,
        introducer=furl,
        webport=_endpoint(web),
        listen=False,
        shares_needed=plan.shares.needed,
        shares_happy=plan.shares.happy,
        shares_total=plan.shares.total,
    )
    return directories, _make(root / CLIENT, client)


def _storage_answers(name: str, port: int, furl: str) -> Answers:
    return Answers(
        "client",
        nickname=name,
        introducer=furl,
        webport="none",
        port=_endpoint(port),
        location=f"tcp:{HOST}:{port}",
        storage=True,
        reserved_space="0",
    )


def _endpoint(port: int) -> str:
    return f"tcp:{port}:interface={HOST}"


def _make(directory: Path, answers: Answers) -> Path:
    """Make a node directory; one that was begun before keeps the answers of then."""
    if not (directory / CFG).exists():
        create(directory, _answers_of(directory) or answers)
    return directory


def _answers_of(directory: Path) -> Answers | None:
    try:
        return Answers(**json.loads((directory / "private" / CREATED).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
