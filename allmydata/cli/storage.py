"""``tahoe storage``: what a storage node keeps, read from its directory, running or not."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from allmydata.cli.session import Session, json_option, pass_session, show
from allmydata.errors import GridError, NotFoundError
from allmydata.util import humanize
from allmydata.util.base32 import b2a

if TYPE_CHECKING:
    from allmydata.node.config import NodeConfig
    from allmydata.storage.accounts import Quotas
    from allmydata.storage.expiry import ExpiryPolicy
    from allmydata.storage.leaseindex import Doomed, LeaseIndex


@click.group()
def storage() -> None:
    """Say what a storage node keeps, for whom, and for how long.

    Both commands read the node's directory: they work while the node runs, and while it
    does not.
    """


@storage.command()
@json_option
@pass_session
def usage(session: Session, as_json: bool) -> None:
    """Say how much each account has here, and how much it may have.

    An account is the id of a client's node.  A share that several lease counts for each,
    and once in the total.  Leases that name nobody, as some of Tahoe-LAFS, are one account.
    """
    from allmydata.node.leases import quotas

    config = _config(session)
    with _opened(config) as index:
        told = _usage(index, quotas(config)) | {"max_size": config.storage_max_size}
    if as_json:
        show(told)
        return
    for one in told["accounts"]:
        name = f"  {one['name']}" if one["name"] else ""
        click.echo(f"{one['account']:<32} {_amount(one, one['quota'])}{name}")
    click.echo(f"{'all together':<32} {_amount(told, told['max_size'])}")
    if not told["counted"]:
        session.say("the node has not counted all its files yet")


def _usage(index: LeaseIndex, quotas: Quotas) -> dict[str, Any]:
    from allmydata.storage.accounts import ANONYMOUS
    from allmydata.storage.inventory import NOBODY

    tally, seen = index.tally(), index.accounts()
    idle = [one for one in quotas.named if one not in tally.accounts()]
    accounts = []
    for number in [*tally.accounts(), *idle]:
        unseen = quotas.tubids.get(number, f"number {number}"), None
        tubid, when = seen.get(number, unseen)
        held = tally.of(number)
        one = {
            "account": ANONYMOUS if number == NOBODY else tubid,
            "name": quotas.names.get(number, ""),
            "number": number,
            "shares": held.num_shares,
            "bytes": held.num_bytes,
            "quota": quotas.limit(number),
            "seen": when,
        }
        accounts.append(one)
    total = tally.of()
    return {
        "accounts": accounts,
        "shares": total.num_shares,
        "bytes": total.num_bytes,
        "counted": bool(index.fact("whole")),
    }


def _amount(told: dict[str, Any], limit: int | None) -> str:
    most = "" if limit is None else f" of {humanize.size(limit)}"
    return f"{told['shares']:>9,} shares  {humanize.size(told['bytes']):>9}{most}"


@storage.command()
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="Tell of so many shares at most.",
)
@json_option
@pass_session
def expiry(session: Session, limit: int, as_json: bool) -> None:
    """Say which shares nobody leases any more, when each goes, and why.

    A share goes when all its leases are over and were seen to be over for the whole of
    expire.grace, counted while the server ran.  Nothing goes unless expire.enabled is true.
    """
    from allmydata.node.leases import expiry_policy
    from allmydata.storage.reaper import read_history

    config = _config(session)
    policy = expiry_policy(config)
    with _opened(config) as index:
        told = _expiry(index, policy, limit)
    told["history"] = read_history(config.storage_dir)
    if as_json:
        show(told)
        return
    click.echo(f"expiry      {told['state']}")
    click.echo(f"a lease     is over {told['rule']}")
    grace = humanize.duration(told["grace_s"])
    click.echo(f"grace       {grace}, counted while the server runs")
    size = humanize.size(told["expired_bytes"])
    click.echo(f"expired     {told['expired']:,} shares, {size}")
    for one in told["shares"]:
        click.echo(f"  {_line(one)}")
    more = told["noted"] - len(told["shares"])
    if more > 0:
        click.echo(f"  … and {more:,} more")
    for past in told["history"][-3:]:
        click.echo(f"looked      {_past(past)}")


def _expiry(index: LeaseIndex, policy: ExpiryPolicy, limit: int) -> dict[str, Any]:
    running = index.fact("running")
    expired, size = index.count_over(policy.over(time.time()))
    state = "on; a dry run, nothing is deleted" if policy.dry_run else "on"
    return {
        "state": state if policy.enabled else "off: nothing is deleted",
        "enabled": policy.enabled,
        "dry_run": policy.dry_run,
        "rule": policy.words(),
        "grace_s": policy.grace_s,
        "running_s": running,
        "expired": expired,
        "expired_bytes": size,
        "noted": index.count_doomed(running)[0],
        "shares": [_doomed(one, policy, running) for one in index.doomed(limit=limit)],
    }


def _doomed(one: Doomed, policy: ExpiryPolicy, running: float) -> dict[str, Any]:
    storage_index, shnum = one.key
    return {
        "storage_index": b2a(storage_index),
        "share": shnum,
        "bytes": one.size,
        "last_lease_ended": one.latest,
        "goes_in_s": max(0.0, one.since + policy.grace_s - running),
    }


def _line(one: dict[str, Any]) -> str:
    name = f"{one['storage_index']}/{one['share']}"
    left = one["goes_in_s"]
    when = f"after {humanize.duration(left)} more" if left else "at the next look"
    size, ended = humanize.size(one["bytes"]), _date(one["last_lease_ended"])
    return f"{name:<30} {size:>9}  last lease ended {ended}; goes {when}"


def _past(past: dict[str, Any]) -> str:
    what = "would have gone" if past.get("dry_run") else "deleted"
    number = past.get("doomed" if past.get("dry_run") else "deleted", 0)
    when = _date(past.get("when", 0), "%Y-%m-%d %H:%M")
    return f"{when}: {past.get('expired', 0):,} expired, {number:,} {what}"


def _date(when: float, form: str = "%Y-%m-%d") -> str:
    return datetime.fromtimestamp(when, UTC).strftime(form)


# ---- where it is read from ---------------------------------------------------------------


def _config(session: Session) -> NodeConfig:
    from allmydata.node.config import read

    config = read(session.basedir(), "client")
    if not config.storage_enabled:
        raise NotFoundError(f"the node in {config.basedir} keeps no shares")
    return config


@contextmanager
def _opened(config: NodeConfig) -> Iterator[LeaseIndex]:
    from allmydata.storage.leaseindex import FILE_NAME, LeaseIndex

    path = config.storage_dir / FILE_NAME
    try:
        index = LeaseIndex.open_to_read(path)
    except (sqlite3.Error, ValueError) as e:
        raise NotFoundError(
            f"{path} can't be read", why=str(e), fix="it is made when the node starts"
        ) from e
    try:
        yield index
    except sqlite3.Error as e:
        raise GridError(f"{path} can't be read", why=str(e)) from e
    finally:
        index.close()
