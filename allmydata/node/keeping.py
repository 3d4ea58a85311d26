"""What a client node looks after: its servers, its files, and how safe they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen
from twisted.application.service import Service

from allmydata.grid.broker import StorageBroker
from allmydata.grid.drains import load_drained, save_drained
from allmydata.grid.uptime import Uptime
from allmydata.keeper.care import Care
from allmydata.keeper.drains import Drains
from allmydata.keeper.health import Health
from allmydata.keeper.schedule import Rules
from allmydata.keeper.service import Keeper
from allmydata.keeper.store import KeeperStore
from allmydata.node.config import NodeConfig
from allmydata.util.workers import Workers

if TYPE_CHECKING:  # loaded with what else is done with files
    from allmydata.immutable.check import Checker
    from allmydata.immutable.repair import Repairer


@frozen
class Keeping:
    """The services of it, in the order in which they are to be started."""

    uptime: Uptime
    keeper: Keeper | None
    drains: Drains
    health: Health

    @property
    def services(self) -> list[Service]:
        """All that there are."""
        every = [self.uptime, self.keeper, self.drains, self.health]
        return [one for one in every if one is not None]


def make_keeping(
    config: NodeConfig,
    private: Path,
    broker: StorageBroker,
    checker: Checker,
    repairer: Repairer,
    disk: Workers,
    clock: Any,
    readiness: Callable[[], tuple[bool, str]],
) -> Keeping:
    """Build them."""
    path = private / "drained"
    broker.drain(load_drained(path))
    uptime = Uptime(broker, private / "uptime.json", clock)
    store, rules = KeeperStore(private / "keeper.sqlite"), rules_of(config)
    care = Care(store, broker, uptime, checker, repairer, rules, disk, clock)
    keeper = Keeper(care) if config.keeper_enabled else None

    def keep_drained(nodeids: frozenset[str]) -> None:
        save_drained(path, nodeids)

    drains = Drains(care, keeper, keep_drained)
    return Keeping(uptime, keeper, drains, Health(broker, uptime, keeper, readiness))


def rules_of(config: NodeConfig) -> Rules:
    """Return what [keeper] says; nothing happens more than once a second."""
    return Rules(
        config.keeper_bandwidth,
        max(1, config.keeper_check_every),
        max(1, config.keeper_verify_every),
        config.keeper_patience,
    )
