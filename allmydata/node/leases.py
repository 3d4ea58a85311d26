"""What tahoe.cfg says of leases: when shares go, and how much each account may have."""

from __future__ import annotations

from allmydata.errors import ConfigError
from allmydata.node.config import NodeConfig
from allmydata.storage.accounts import FILE_NAME, Quotas, read_quotas
from allmydata.storage.expiry import ExpiryPolicy


def expiry_policy(config: NodeConfig) -> ExpiryPolicy:
    """Return what becomes of shares that nobody renews.

    :raises ConfigError: expiry is enabled, and it is not said when a lease is over
    """
    if config.expire_enabled and config.expire_mode is None:
        raise ConfigError(
            f"{config.basedir}: expire.enabled in [storage] needs expire.mode",
            fix="allowed: age, cutoff-date; to see what would go, set expire.dry_run",
        )
    if config.expire_mode == "cutoff-date" and config.expire_cutoff is None:
        raise ConfigError(
            f"{config.basedir}: expire.mode = cutoff-date in [storage] needs a date",
            fix="set expire.cutoff_date, such as 2026-01-31",
        )
    return ExpiryPolicy(
        enabled=config.expire_enabled,
        mode=config.expire_mode or "age",
        duration_s=config.expire_duration,
        cutoff=config.expire_cutoff,
        immutable=config.expire_immutable,
        mutable=config.expire_mutable,
        grace_s=config.expire_grace,
        dry_run=config.expire_dry_run,
    )


def quotas(config: NodeConfig) -> Quotas:
    """Return how much each account may have; exceptions are in ``private/quotas``.

    :raises ConfigError: a line of that file can't be understood
    """
    path = config.basedir / "private" / FILE_NAME
    return read_quotas(path, config.storage_quota)
