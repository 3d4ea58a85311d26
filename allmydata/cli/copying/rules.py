"""Where what is copied lands: pure.

    tahoe cp FILE TARGET          TARGET/FILE if TARGET is a directory, else TARGET
    tahoe cp A B… TARGET          TARGET/A, TARGET/B …; TARGET is made if it is missing
    tahoe cp -r TREE TARGET       TARGET/TREE/…, whether TARGET was there or not
    tahoe cp -r TREE/ TARGET      TARGET/…: a slash at the end means what is in it

What has no name of its own (the root of an alias, a bare capability, ``.``) is copied as
with a slash.  Unlike with ``cp`` of the shell, a copy made twice lands in the same place,
so that one that was interrupted is made whole by the same words.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from attrs import frozen

from allmydata.errors import ConflictError, UsageError


class Kind(Enum):
    """What stands, or does not, in some place."""

    FILE = "a file"
    DIRECTORY = "a directory"
    MISSING = "missing"


@frozen
class Source:
    """One of the things to copy.

    :param text: as the user wrote it
    :param name: its own name; empty: it has none
    :param slash: it was written with a slash at its end
    """

    text: str
    kind: Kind
    name: str
    slash: bool = False


def landings(
    sources: Sequence[Source],
    target: str,
    target_kind: Kind,
    *,
    target_slash: bool = False,
    recursive: bool = False,
) -> list[str | None]:
    """Return the name in the target that each source gets.

    None means the target itself: a file becomes it, a tree's contents come into it.

    :param target: what the user calls the target
    :param target_slash: the target is to be a directory
    :raises UsageError: the words don't fit together
    :raises ConflictError: the target is a file where a directory is needed
    """
    into = target_slash or target_kind is Kind.DIRECTORY or len(sources) > 1
    into = into or any(source.kind is Kind.DIRECTORY for source in sources)
    if into and target_kind is Kind.FILE:
        raise ConflictError(f"{target} is a file, where a directory is needed")
    names = [_landing(source, into, recursive) for source in sources]
    _check_twins(sources, names)
    return names


def _landing(source: Source, into: bool, recursive: bool) -> str | None:
    if source.kind is Kind.DIRECTORY:
        if not recursive:
            raise UsageError(f"{source.text} is a directory", fix="tahoe cp -r …")
        return None if source.slash or not source.name else source.name
    if not into:
        return None
    if not source.name:
        raise UsageError(
            f"{source.text} has no name that it could have in a directory",
            fix="name the file that it is to become",
        )
    return source.name


def _check_twins(sources: Sequence[Source], names: Sequence[str | None]) -> None:
    """Refuse two sources of one name, unless both are directories: those are merged."""
    seen: dict[str, Source] = {}
    for source, name in zip(sources, names, strict=True):
        if name is None:
            continue
        twin = seen.get(name)
        seen[name] = source
        if twin and Kind.FILE in (twin.kind, source.kind):
            raise UsageError(
                f"{twin.text} and {source.text} would both become {name!r}",
                fix="copy them one by one, each under a name of its own",
            )
