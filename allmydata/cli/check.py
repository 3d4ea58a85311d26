"""``tahoe check``: whether all shares of a file are there, and right; and mending it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlencode

import click

from allmydata.cli.aliases import about, find, url_path
from allmydata.cli.completion import Place
from allmydata.cli.failures import report
from allmydata.cli.printing import emit
from allmydata.cli.session import Session, json_option, pass_session
from allmydata.errors import GridError
from allmydata.webapi import RemoteNodeError

F = TypeVar("F", bound=Callable[..., Any])

Words = dict[str, Any]


def wish_options(command: F) -> F:
    """Add the options that say what is done with each file."""
    for option in (
        click.option("--raw", is_flag=True, help="The gateway's JSON; the same as --json."),
        click.option("--add-lease", is_flag=True, help="Have this node's leases renewed."),
        click.option("--repair", is_flag=True, help="Make what is missing again."),
        click.option("--verify", is_flag=True, help="Read every byte of every share."),
    ):
        command = option(command)
    return command


def wish_query(kind: str, *, verify: bool, repair: bool, add_lease: bool) -> str:
    """Return the arguments of a request."""
    wishes = {"verify": verify, "repair": repair, "add-lease": add_lease}
    asked = {name: "true" for name, is_wanted in wishes.items() if is_wanted}
    return urlencode({"t": kind, "output": "JSON", **asked})


@click.command()
@click.argument("places", type=Place(), metavar="PLACE...", nargs=-1, required=True)
@wish_options
@json_option
@pass_session
def check(
    session: Session,
    places: tuple[str, ...],
    verify: bool,
    repair: bool,
    add_lease: bool,
    raw: bool,
    as_json: bool,
) -> int:
    """See whether the file at PLACE is safe: which of its shares are there.

    PLACE is a name, or a capability that reads or verifies.  Servers are asked, and
    believed; with --verify every byte of every share is read and compared.  --repair makes
    missing and bad shares again and gives them to other servers; no key is needed.

    Exit code 0 whether the file is healthy or not; 13 if it is to be repaired and can't be.
    """
    query = wish_query("check", verify=verify, repair=repair, add_lease=add_lease)
    code = 0
    for place in places:
        try:
            answer = _ask(session, place, query)
        except GridError as e:
            if len(places) == 1:
                raise
            code = code or report(e, as_json=False, verbose=session.verbose)
            continue
        if raw or as_json:
            emit(answer.decode("utf-8", "replace"))
        else:
            emit(*_lines(_parsed(answer)))
    return code


def _ask(session: Session, place: str, query: str) -> bytes:
    target = find(session, place)
    with about(target):
        path = f"{url_path(target)}?{query}"
        return b"\n".join(session.node().lines("POST", path, limit_s=None))


def _parsed(answer: bytes) -> Words:
    try:
        words: Words = json.loads(answer)
        words["storage-index"]
    except (ValueError, KeyError, TypeError) as e:
        raise RemoteNodeError("failed", "the node tells of this in no known way") from e
    return words


def _lines(words: Words) -> list[str]:
    """Return what people read."""
    before = words.get("pre-repair-results", words)
    is_repair = "repair-attempted" in words
    is_healthy = before.get("results", {}).get("healthy", True)
    brief = ("not healthy", "healthy")[is_healthy]
    first = brief if is_repair else before.get("summary", "Healthy (LIT)")
    lines = [f"Summary: {first}", f" storage index: {words['storage-index']}"]
    lines += _of_shares(before.get("results", {}))
    if words.get("repair-attempted"):
        lines += of_repair(words)
        after = words.get("post-repair-results", {}).get("results", {})
        lines += [f" good-shares now: {after.get('count-shares-good')}"]
    return lines


def _of_shares(results: Words) -> list[str]:
    if "count-shares-good" not in results:
        return []
    k, n = results["count-shares-needed"], results["count-shares-expected"]
    lines = [
        f" good-shares: {results['count-shares-good']} (encoding is {k}-of-{n})",
        f" wrong-shares: {results['count-wrong-shares']}",
    ]
    spare = results.get("count-spare-servers")
    if spare is not None and spare >= 0:
        lines.append(f" servers that may still die, whichever: {spare}")
    corrupt = results["list-corrupt-shares"]
    lines += [" corrupt shares:"] if corrupt else []
    return lines + [f"  {bad_share(one)}" for one in corrupt]


def bad_share(one: list[Any]) -> str:
    """Return which share is bad, and where."""
    server, index, shnum = one
    return f"server {server}, SI {index}, shnum {shnum}"


def of_repair(words: Words) -> list[str]:
    """Return what came of a repair that was attempted."""
    if words.get("repair-successful"):
        return [" repair successful"]
    return [
        " repair failed",
        *(f"  {words[key]}" for key in ("repair-error",) if key in words),
    ]
