"""``tahoe blobs``: what doors keep under keys, and the index of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from allmydata.cli.localfiles import check_target, opened_source, whole_file
from allmydata.cli.printing import emit
from allmydata.cli.session import Session, json_option, pass_session, show
from allmydata.util import humanize

STREAM = Path("-")


@click.group()
def blobs() -> None:
    """List, put and get what doors keep under keys; recover their index.

    A collection belongs to a door: the hive's is called hive.
    """


@blobs.command()
@json_option
@pass_session
def status(session: Session, as_json: bool) -> None:
    """Say how many keys and contents there are."""
    _tell(session.node().json("/blobs?t=json"), as_json)


@blobs.command()
@json_option
@pass_session
def recover(session: Session, as_json: bool) -> None:
    """Make the index again from the grid, where all of it is.

    Nothing of this node is needed but the capability of its private root, which is in
    private/my_vdrive.uri.  Whoever wants something of a door waits meanwhile.
    """
    _tell(json.loads(session.node().ask("POST", "/blobs?t=recover")), as_json)


@blobs.command("list")
@click.argument("collection")
@json_option
@pass_session
def list_keys(session: Session, collection: str, as_json: bool) -> None:
    """Print the keys of COLLECTION, a line each.

    With --json an object a line: key, digest, size, version, time.
    """
    for one in _pages(session, collection):
        emit(json.dumps(one) if as_json else one["key"])


@blobs.command()
@click.argument("collection")
@click.argument("key")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--new", is_flag=True, help="Fail where the key is there.")
@pass_session
def put(session: Session, collection: str, key: str, file: Path | None, new: bool) -> None:
    """Keep FILE under KEY of COLLECTION.

    Without FILE, or with -, it is standard input.
    """
    words = {"replace": "false"} if new else {}
    with opened_source(file) as (source, size):
        session.node().put_at(_path(collection, key), source, size, words)


@blobs.command()
@click.argument("collection")
@click.argument("key")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@pass_session
def get(session: Session, collection: str, key: str, file: Path | None) -> None:
    """Fetch KEY of COLLECTION into FILE.

    Without FILE, or with -, it goes to standard output.
    """
    pieces = session.node().content(_path(collection, key))
    if file is None or file == STREAM:
        sys.stdout.buffer.writelines(pieces)
        return
    check_target(file)
    with whole_file(file) as target:
        target.writelines(pieces)


@blobs.command()
@click.argument("collection")
@click.argument("key")
@pass_session
def rm(session: Session, collection: str, key: str) -> None:
    """Take KEY out of COLLECTION."""
    session.node().ask("DELETE", _path(collection, key))


# ---- inside ------------------------------------------------------------------------------


def _path(collection: str, key: str) -> str:
    return f"/blobs/{quote(collection, safe='')}/{quote(os.fsencode(key), safe='')}"


def _pages(session: Session, collection: str) -> Iterator[dict[str, Any]]:
    after: str | None = ""
    while after is not None:
        words = f"t=list&after={quote(os.fsencode(after), safe='')}"
        told = session.node().json(f"/blobs/{quote(collection, safe='')}?{words}")
        yield from told["blobs"]
        after = told["next"]


def _tell(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show(told)
        return
    size = humanize.size(told["bytes"])
    click.echo(f"{told['contents']:,} contents, {size}, {told['packs']:,} packs")
    for name, number in told["collections"].items():
        click.echo(f"  {name:<20} {number:>9,} keys")
    for word, what in (
        ("missing", "keys whose content is not known"),
        ("dropped", "rows that could not be read"),
    ):
        if told[word]:
            click.echo(f"{what}: {told[word]:,}")
