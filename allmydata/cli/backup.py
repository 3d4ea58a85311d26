"""``tahoe backup``: snapshots of a directory, of which each costs only what has changed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from attrs import asdict

from allmydata.cli.aliases import Target, find, url_path
from allmydata.cli.backupdb import BackupDB
from allmydata.cli.completion import Place
from allmydata.cli.copying.content import Recogniser
from allmydata.cli.copying.crew import Crew
from allmydata.cli.copying.exclude import VCS, Exclusions, patterns_in
from allmydata.cli.copying.gateway import Gateway
from allmydata.cli.copying.local import LocalFile, look
from allmydata.cli.copying.report import Report
from allmydata.cli.copying.snapshot import Counts, Learning, Snapshot
from allmydata.cli.localfiles import ended_by_signals
from allmydata.cli.session import Session, json_option, pass_session, show
from allmydata.errors import GridError, UploadSourceError, UsageError
from allmydata.webapi import RemoteNodeError

DATABASE = "backupdb.sqlite"


@click.command()
@click.argument("source", metavar="FROM", type=click.Path())
@click.argument("place", metavar="TO", type=Place())
@click.option("--exclude", metavar="PATTERN", multiple=True, help="Leave such names out.")
@click.option(
    "--exclude-from",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Leave out what the patterns in FILE match, one a line.",
)
@click.option("--exclude-vcs", is_flag=True, help="Leave out .git, .hg, .svn and the like.")
@click.option(
    "--ignore-timestamps", is_flag=True, help="Read every file, to see if it has changed."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@json_option
@pass_session
def backup(
    session: Session,
    source: str,
    place: str,
    exclude: tuple[str, ...],
    exclude_from: tuple[Path, ...],
    exclude_vcs: bool,
    ignore_timestamps: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    r"""Keep the directory FROM, as it is now, in the directory TO of the grid.

    \b
    TO/Archives/2026-11-21_07:49:03Z    this snapshot, named by the time in UTC
    TO/Latest                           the last one

    Files that have not changed since the last backup are not read, and what is on the grid
    already is not sent again.  Nobody can change a snapshot.  Links and special files are
    left out.  What can't be read is named, the rest goes on, and the exit code is 1.
    Below a directory of Tahoe-LAFS, snapshots are made of directories of that kind.

    To get files back:  tahoe cp -r TO/Latest/ DIRECTORY
    """
    exclusions = Exclusions(tuple(_patterns(exclude, exclude_from, exclude_vcs)))
    if isinstance(look(source), LocalFile):
        raise UsageError(f"{source} is a file", fix=f"tahoe cp {source} {place}")
    node = session.node()
    gateway = Gateway(node.url, node.basedir, node.token)
    target = find(session, place)
    report = Report(session.quiet, keep=as_json)
    database = session.basedir() / "private" / DATABASE
    with ended_by_signals(), closing(BackupDB.opened(database)) as db:
        _learn(gateway, target, db, report, session)
        snapshot = Snapshot(
            Crew(),
            gateway,
            Recogniser.of_node(session.basedir()),
            db,
            report,
            exclusions,
            dry=dry_run,
            look_inside=ignore_timestamps,
            in_files=target.root.startswith("URI:DIR2"),
        )
        cap = snapshot.keep(str(Path(source).absolute()))
        name = None if dry_run else _link(gateway, target, cap)
    return _tell(snapshot.counts, report, name, as_json)


def _patterns(given: Sequence[str], files: Sequence[Path], vcs: bool) -> list[str]:
    patterns = [*given, *(VCS if vcs else ())]
    for path in files:
        try:
            patterns += patterns_in(path.read_text("utf-8"))
        except (OSError, ValueError) as e:
            raise UploadSourceError(f"{path} can't be read", why=str(e)) from e
    return patterns


def _learn(
    gateway: Gateway, target: Target, db: BackupDB, report: Report, session: Session
) -> None:
    """Fill a database that is new from the last snapshot, if there is one."""
    if db.damaged:
        session.say(f"the backup database was damaged; it is now {db.damaged}")
    if not db.is_new:
        return
    latest = gateway.cap_at(url_path(target.child("Latest")))
    if latest:
        session.say("the backup database is new: reading the last snapshot")
        Learning(Crew(), gateway, db, report).learn(latest)


def _link(gateway: Gateway, target: Target, cap: str) -> str:
    """Give the snapshot *cap* its names; return the one that is its own."""
    now = time.strftime("%Y-%m-%d_%H:%M:%SZ", time.gmtime())
    archives, name, number = target.child("Archives"), now, 1
    while True:
        try:
            gateway.link(url_path(archives.child(name)), cap, replace=False)
            break
        except RemoteNodeError as e:
            if e.code != "conflict" or number > 9:
                raise
            number += 1
            name = f"{now}_{number}"  # two in one second
    gateway.link(url_path(target.child("Latest")), cap)
    return name


def _tell(counts: Counts, report: Report, name: str | None, as_json: bool) -> int:
    if as_json:
        said: dict[str, Any] = {"snapshot": name, **asdict(counts)}
        said |= {"bytes_uploaded": report.bytes_copied, "elapsed_s": report.elapsed_s}
        show(said | {"errors": report.problems})
        return 1 if report.problems else 0
    click.echo(
        f"{counts.files_uploaded} files uploaded ({counts.files_reused} reused), "
        f"{counts.files_skipped} files skipped, "
        f"{counts.directories_created} directories created "
        f"({counts.directories_reused} reused), "
        f"{counts.directories_skipped} directories skipped"
    )
    done = "backup done" if name else "dry run done"
    click.echo(f"{done}, elapsed time: {timedelta(seconds=report.elapsed_s)}")
    if report.problems:
        raise GridError(
            f"{len(report.problems)} could not be kept",
            why="each is named above; all else is in the snapshot",
        )
    return 0
