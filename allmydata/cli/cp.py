"""``tahoe cp``: files and trees, between this machine and the grid, or within either."""

from __future__ import annotations

import os

import click
from attrs import frozen

from allmydata.cli.aliases import Target, find, is_remote, url_path
from allmydata.cli.completion import Place
from allmydata.cli.copying.content import Recogniser
from allmydata.cli.copying.crew import Crew
from allmydata.cli.copying.gateway import Gateway
from allmydata.cli.copying.grid import (
    GridDirectory,
    GridFile,
    GridPlace,
    of_cap,
    read_only,
)
from allmydata.cli.copying.local import LocalDirectory, LocalFile, LocalPlace, look
from allmydata.cli.copying.report import Report
from allmydata.cli.copying.rules import Kind, Source, landings
from allmydata.cli.copying.tree import Copying
from allmydata.cli.localfiles import ended_by_signals
from allmydata.cli.session import Session, json_option, pass_session, show
from allmydata.errors import BadNameError, GridError, NotFoundError, UsageError
from allmydata.util.names import check_name

Item = LocalFile | LocalDirectory | GridFile | GridDirectory


@click.command()
@click.argument(
    "sources", nargs=-1, required=True, metavar="SOURCE...", type=Place(local=True)
)
@click.argument("target", type=Place(local=True))
@click.option("-r", "--recursive", is_flag=True, help="Copy directories and all in them.")
@json_option
@pass_session
def cp(
    session: Session, sources: tuple[str, ...], target: str, recursive: bool, as_json: bool
) -> int:
    r"""Copy each SOURCE to TARGET; each may be a local file or on the grid.

    \b
    tahoe cp notes.txt work:              work:notes.txt
    tahoe cp notes.txt work:a/b           work:a/b, or in it if it is a directory
    tahoe cp -r photos work:              work:photos/…
    tahoe cp -r photos/ work:pictures     the contents of photos, in work:pictures
    tahoe cp -r work:photos out           out/photos/…

    Missing directories are made.  What is there already with the same content is not sent
    again, so the same words again finish a copy that was interrupted.  Local links are
    followed.  What can't be copied is named, the rest goes on, and the exit code is 1.
    """
    node = session.node()
    words = _Words(session, Gateway(node.url, node.basedir, node.token))
    starts, end = [words.start(text) for text in sources], words.end(target)
    one = len(starts) == 1 and starts[0].source.kind is Kind.FILE
    report = Report(session.quiet, keep=as_json or one)
    recogniser = Recogniser.of_node(session.basedir())
    copying = Copying(Crew(), words.gateway, recogniser, report)
    with ended_by_signals():
        _give(copying, words, starts, end, recursive)
        copying.run()
    if one and report.last_error:
        raise report.last_error
    if as_json:
        show(report.counts())
    elif report.problems:
        raise _incomplete(report)
    else:
        click.echo(f"Success: {'file' if one else 'files'} copied")
    return 1 if report.problems else 0


def _incomplete(report: Report) -> GridError:
    num_bad = len(report.problems)
    done = report.files_copied + report.files_same
    return GridError(
        f"{num_bad} could not be copied; {done} files are there",
        why="each is named above",
        fix="what else is missing, the same command again will copy",
    )


@frozen
class _Start:
    """Something that is copied.

    :param place: where on the grid it is, if it is there
    """

    source: Source
    item: Item
    place: Target | None = None


@frozen
class _End:
    """Where a copy goes.

    :param slash: it is to be a directory
    :param place: itself, if it is a directory
    :param parent: the directory that it is in under *name*, if it is a file
    """

    label: str
    kind: Kind
    slash: bool
    name: str
    place: str | Target
    parent: str | Target


def _give(
    copying: Copying, words: _Words, starts: list[_Start], end: _End, recursive: bool
) -> None:
    """Have *copying* do what the words say."""
    names = landings(
        [start.source for start in starts],
        end.label,
        end.kind,
        target_slash=end.slash,
        recursive=recursive,
    )
    for start in starts:
        _check_not_inside(start, end)
    alone = starts[0].source.kind is Kind.FILE and names == [None]
    place = words.place(end.parent if alone else end.place)
    for start, name in zip(starts, names, strict=True):
        try:
            _give_one(copying, start.item, place, name, end.name)
        except BadNameError as e:
            copying.problem(start.source.text, e)


def _give_one(
    copying: Copying,
    item: Item,
    place: LocalPlace | GridPlace,
    name: str | None,
    end_name: str,
) -> None:
    if name and isinstance(place, GridPlace):
        name = check_name(name)
    if isinstance(item, LocalFile | GridFile):
        copying.file(item, place, name or end_name)
    elif name:
        copying.subtree(item, place, name)
    else:
        copying.tree(item, place)


def _check_not_inside(start: _Start, end: _End) -> None:
    """Refuse what anybody can see to be a copy of a directory into itself.

    :raises UsageError: it is
    """
    item, to = start.item, end.place
    inside = False
    if isinstance(item, LocalDirectory) and isinstance(to, str):
        real = os.path.realpath(item.path)
        inside = os.path.commonpath([real, os.path.realpath(to)]) == real
    elif isinstance(item, GridDirectory) and start.place and isinstance(to, Target):
        path = start.place.path
        same_root = read_only(start.place.root) == read_only(to.root)
        inside = same_root and to.path[: len(path)] == path
    if inside:
        raise UsageError(f"{end.label} is inside {item.label}: it can't be copied there")


@frozen
class _Words:
    """What the words of a command mean, here and on the grid."""

    session: Session
    gateway: Gateway

    def start(self, text: str) -> _Start:
        """Return what the source *text* is.

        :raises NotFoundError: it is nothing
        """
        if not is_remote(text):
            item: Item = look(text)
            name = os.path.basename(text.rstrip(os.sep))
            name = "" if name in (".", "..") else name
            return _Start(_source(text, item, name, text.endswith(os.sep)), item)
        place = find(self.session, text)
        label = _label(place)
        cap = self._cap(place)
        if cap is None:
            raise NotFoundError(f"No such file or directory '{label}'")
        item = of_cap(cap, label)
        return _Start(_source(label, item, place.name, place.slash), item, place)

    def end(self, text: str) -> _End:
        """Return where the target *text* is."""
        if not is_remote(text):
            return _local_end(text)
        place = find(self.session, text)
        label, kind = _label(place), Kind.MISSING
        cap = self._cap(place)
        if cap is not None:
            is_file = isinstance(of_cap(cap, label), GridFile)
            kind = Kind.FILE if is_file else Kind.DIRECTORY
        parent = place.parent() if place.path else place
        return _End(label, kind, place.slash, place.name, place, parent)

    def place(self, where: str | Target) -> LocalPlace | GridPlace:
        """Return the directory *where*, made if it is missing."""
        if isinstance(where, str):
            return LocalPlace.at(where)
        cap = self.gateway.mkdir(url_path(where)) if where.path else where.root
        return GridPlace.of(_label(where), cap)

    def _cap(self, place: Target) -> str | None:
        return self.gateway.cap_at(url_path(place)) if place.path else place.root


def _source(label: str, item: Item, name: str, slash: bool) -> Source:
    is_file = isinstance(item, LocalFile | GridFile)
    return Source(label, Kind.FILE if is_file else Kind.DIRECTORY, name, slash)


def _label(place: Target) -> str:
    """Return what messages call *place*: as the user does, but for a capability in it."""
    if place.root in place.text:
        return "/".join(["URI:…", *place.path])
    return place.text


def _local_end(text: str) -> _End:
    kind = Kind.MISSING
    if os.path.isdir(text):
        kind = Kind.DIRECTORY
    elif os.path.isfile(text):
        kind = Kind.FILE
    elif os.path.exists(text):
        raise UsageError(
            f"{text} is no plain file", fix="tahoe get SOURCE - writes to whatever it is"
        )
    parent, name = os.path.split(os.path.realpath(text))
    return _End(text, kind, text.endswith(os.sep), name, text, parent)
