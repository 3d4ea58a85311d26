"""What the command line calls things on the grid: ``ALIAS:PATH``, ``CAP/PATH``, ``PATH``.

    work:a/b            a/b below the directory that private/aliases calls work
    URI:DIR:…/a/b       a/b below that directory
    a/b                 the same as tahoe:a/b, where a command takes no local files
    ./a:b               a local file, where a command takes both

Format of ``private/aliases``: a line ``name: CAP`` each; lines that are empty or begin with
``#`` are kept.  A directory's capability holds slashes and colons of its own, so it is
matched whole before the path is cut off (docs/cli.md).
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from attrs import frozen

from allmydata.cli.printing import safe
from allmydata.cli.session import Session
from allmydata.errors import (
    BadCapError,
    ConfigError,
    ConflictError,
    NotFoundError,
    UsageError,
)
from allmydata.util.fileutil import make_private_directory, write_atomically
from allmydata.util.names import check_name
from allmydata.webapi import NodeHTTP, RemoteNodeError

DEFAULT_ALIAS = "tahoe"
PRIVATE_ROOT = "/vdrive/private"  # what the gateway calls the directory of that alias

_DIRECTORY = re.compile(r"(URI:DIR(?:-RO)?:pb://[^/]+/[^/:]+:[a-z2-7]{26})(?:/(.*))?", re.S)
_CAP = re.compile(r"(?:ro\.|imm\.)?URI:")
_OWN_DIRECTORY = re.compile(r"(?:ro\.|imm\.)?URI:DIR(?:-RO)?:")
_SOME_DIRECTORY = re.compile(r"(?:ro\.|imm\.)?URI:DIR2?(?:-[A-Z]+)*:")
_ALIAS = re.compile(r"([^/:]*):(.*)", re.S)
_BAD_IN_ALIAS = re.compile(r"[\s:/\x00-\x1f\x7f\ud800-\udfff]")


@frozen
class Target:
    """A place on the grid.

    :param root: a capability, or PRIVATE_ROOT
    :param path: the names below it
    :param text: what the user calls it, for messages
    :param slash: it was written with a slash at its end, or without a path: whoever
        writes to it means a directory
    """

    root: str
    path: tuple[str, ...] = ()
    text: str = ""
    slash: bool = True

    @property
    def name(self) -> str:
        """The last name of the path; empty for the root itself."""
        return self.path[-1] if self.path else ""

    def child(self, name: str) -> Target:
        """Return the place *name* in this one.

        :raises BadNameError: it can't be the name of a child
        """
        end = "" if not self.text or self.text.endswith(("/", ":")) else "/"
        text = f"{self.text}{end}{name}"
        return Target(self.root, (*self.path, check_name(name)), text, False)

    def parent(self) -> Target:
        """Return the directory this place is in.

        :raises UsageError: it is a root, and in none that is known
        """
        if not self.path:
            raise UsageError(f"{self.text} is no name in a directory", fix="add a path")
        kept = self.text.rstrip("/").removesuffix(self.path[-1]).rstrip("/")
        return Target(self.root, self.path[:-1], kept)


def is_remote(text: str) -> bool:
    """Tell whether *text* is of the grid, not a local file, where both may stand."""
    return bool(_CAP.match(text.lstrip()) or _ALIAS.fullmatch(text))


def resolve(text: str, aliases: Mapping[str, str]) -> Target:
    """Return the place that *text* means.

    Without an alias it is below DEFAULT_ALIAS; where there is no such alias, that is
    PRIVATE_ROOT.

    :raises BadCapError: a mistyped capability
    :raises BadNameError: a part of the path can't be a name
    :raises NotFoundError: there is no such alias
    """
    root, path = _split(text, aliases)
    names = path.removeprefix("/")
    slash = not names or names.endswith("/")
    names = names.removesuffix("/")
    parts = tuple(map(check_name, names.split("/"))) if names else ()
    return Target(root, parts, text, slash)


def _split(text: str, aliases: Mapping[str, str]) -> tuple[str, str]:
    bare = text.lstrip()
    if _CAP.match(bare):
        return _split_cap(bare)
    found = _ALIAS.fullmatch(text)
    name, path = found.groups() if found else (DEFAULT_ALIAS, text)
    if name in aliases:
        return aliases[name], path
    if name == DEFAULT_ALIAS:
        return PRIVATE_ROOT, path
    known = " ".join(sorted(aliases)) or "none yet"
    raise NotFoundError(
        f"there is no alias {name!r}",
        why=f"aliases: {known}",
        fix=f"tahoe create-alias {name}   (a local file of that name is ./{name}:…)",
    )


def _split_cap(text: str) -> tuple[str, str]:
    bare = text.rstrip()
    found = _DIRECTORY.fullmatch(text) or _DIRECTORY.fullmatch(bare)
    if found:
        return found.group(1), found.group(2) or ""
    if _OWN_DIRECTORY.match(text):
        raise BadCapError(
            "mistyped capability of a directory",
            fix="copy the whole capability, from URI: to its end; a path follows a slash",
        )
    cap, _, path = text.partition("/")
    return cap.rstrip(), path


def url_path(target: Target) -> str:
    """Return what the gateway calls *target*: the path of a URL, each name quoted."""
    root = target.root if target.root.startswith("/") else "/uri/" + quote(target.root, "")
    return "/".join([root, *(quote(name, "") for name in target.path)])


def find(session: Session, text: str) -> Target:
    """Return the place that *text* means to the user of *session*.

    The first use of DEFAULT_ALIAS makes it: it stands for the private root of the node.

    :raises GridError: as of :func:`resolve`, and the node's own errors
    """
    file = AliasFile.of(session.basedir())
    target = resolve(text, file.read())
    if target.root != PRIVATE_ROOT:
        return target
    cap = session.node().cap(PRIVATE_ROOT)
    try:
        file.add(DEFAULT_ALIAS, cap)
    except ConflictError:
        pass  # another command has made it meanwhile
    return resolve(text, file.read())


@contextmanager
def about(target: Target) -> Iterator[None]:
    """Say of *target*, in the words of other tools, that it is missing.

    :raises NotFoundError: the node said so, inside
    """
    try:
        yield
    except RemoteNodeError as e:
        if e.code != "not-found":
            raise
        raise NotFoundError(
            f"No such file or directory: {safe(target.text) or 'tahoe:'}",
            why=safe(e.message),
        ) from e


def cap_at(node: Callable[[], NodeHTTP], target: Target, *, readonly: bool = False) -> str:
    """Return the capability of *target*; the node is asked only where it must be.

    :param readonly: the one that only reads
    :raises NotFoundError: nothing is there
    """
    if not (target.path or readonly or target.root == PRIVATE_ROOT):
        return target.root
    with about(target):
        return node().cap(url_path(target), readonly=readonly)


def is_directory(cap: str) -> bool:
    """Tell whether *cap* is of a directory, of whatever kind."""
    return bool(_SOME_DIRECTORY.match(cap))


@frozen
class AliasFile:
    """The file *path* that says what each alias stands for; only its owner may read it."""

    path: Path

    @classmethod
    def of(cls, basedir: Path) -> AliasFile:
        """Return the one of the node in *basedir*; it need not exist."""
        return cls(basedir / "private" / "aliases")

    def read(self) -> dict[str, str]:
        """Return the capability of each alias.

        :raises ConfigError: a line is none, or the file can't be read
        """
        found = {}
        for number, line in enumerate(self._lines(), 1):
            pair = _parse(line)
            if pair is None:
                continue
            if not all(pair):
                raise ConfigError(f"{self.path}:{number}: this is no line 'name: CAP'")
            found[pair[0]] = pair[1]
        return found

    def add(self, name: str, cap: str) -> None:
        """Let *name* stand for *cap*.

        :raises ConflictError: it stands for something already
        """
        with self._locked():
            if name in self.read():
                raise already_exists(name)
            self._write([*self._lines(), f"{name}: {cap}"])

    def remove(self, name: str) -> str:
        """Forget *name*; return the capability it stood for.

        :raises NotFoundError: there is no such alias
        """
        with self._locked():
            known = self.read()
            if name not in known:
                raise NotFoundError(f"there is no alias {name!r}", fix="tahoe list-aliases")
            kept = [line for line in self._lines() if (_parse(line) or [""])[0] != name]
            self._write(kept)
            return known[name]

    def _lines(self) -> list[str]:
        try:
            text = self.path.read_text("utf-8")
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as e:
            raise ConfigError(f"{self.path} can't be read", why=str(e)) from e
        return text.removesuffix("\n").split("\n") if text else []

    def _write(self, lines: list[str]) -> None:
        text = "".join(line + "\n" for line in lines)
        write_atomically(self.path.resolve(), text.encode("utf-8"), private=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold off other commands that would write the file."""
        make_private_directory(self.path.parent)
        fd = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def check_alias(name: str) -> str:
    """Return *name*, without a colon at its end, as the name of an alias.

    :raises UsageError: it can't be one
    """
    bare = name.removesuffix(":")
    if not bare or _BAD_IN_ALIAS.search(bare) or bare[0] in "#-" or bare == "URI":
        raise UsageError(
            f"{name!r} can't be an alias",
            why="it may hold no colon, slash or space, and not begin with # or -",
        )
    return bare


def already_exists(name: str) -> ConflictError:
    """Return the error of an alias that is to be made and is there."""
    return ConflictError(f"Alias {name!r} already exists!", fix=f"tahoe rm-alias {name}")


def _parse(line: str) -> tuple[str, str] | None:
    """Return alias and capability, empty where missing; None if *line* is a comment."""
    line = line.strip()
    if not line or line.startswith("#"):
        return None
    name, _, cap = line.partition(":")
    return name.strip(), cap.strip()
