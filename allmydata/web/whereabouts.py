"""Where a file lies, in words: which server holds which of its shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from allmydata import uri
from allmydata.errors import GridError
from allmydata.web.children import MUTABLE
from allmydata.web.pages import count

CHK = uri.CHKFileURI | uri.CHKFileVerifierURI
LITERAL = (
    "This file is so small that it lies in its own capability: no server holds any of it, "
    "so none can lose it. Whoever keeps the capability keeps the file."
)
FOLDER = (
    "A folder is a list of names, encrypted, and lies on the vdrive server. Each file in "
    "it is spread over the storage servers: its own page tells where."
)
UNKNOWN = "Nothing is known of where such a thing lies."


@frozen
class Holder:
    """A server, and what it holds of one file.

    :param shares: the numbers of the shares that are good, and of those that are not
    :param note: what else is to be said
    """

    name: str
    shares: str
    note: str


@frozen
class Whereabouts:
    """What a page tells of where something lies.

    :param is_well: whether it can be brought back; None where no server matters
    :param words: the outcome, a sentence each
    """

    words: Sequence[str]
    is_well: bool | None = None
    holders: Sequence[Holder] = ()

    @property
    def has_notes(self) -> bool:
        """Whether there is more to say of a server than what it holds."""
        return any(holder.note for holder in self.holders)


async def look(client: Any, cap: uri.Cap | None) -> Whereabouts:
    """Ask the servers who holds shares of a file, unless there is no need to ask."""
    if isinstance(cap, uri.LiteralFileURI):
        return Whereabouts([LITERAL])
    if isinstance(cap, uri.Dir2URI):  # a file as well
        return await look(client, cap.file)
    if isinstance(cap, uri.DirnodeURI | uri.ReadOnlyDirnodeURI):
        return Whereabouts([FOLDER])
    is_mutable = isinstance(cap, MUTABLE)
    if cap is None or not isinstance(cap, CHK | MUTABLE):
        return Whereabouts([UNKNOWN])
    try:
        checker = client.getService("mutable-checker" if is_mutable else "checker")
        report = await checker.check(cap.to_string())
    except KeyError:
        return Whereabouts(["This node can't look for shares."])
    except GridError as e:
        return Whereabouts([f"It can't be told now: {e.message}."], is_well=False)
    return told(report, nicknames(client))


def nicknames(client: Any) -> dict[str, str]:
    """Return what each server is called, by its node id."""
    return {
        server["nodeid"]: server["nickname"]
        for server in client.server_statuses()
        if server["nickname"]
    }


def told(report: Any, names: Mapping[str, str]) -> Whereabouts:
    """Return what a report on one file says.

    :param report: a CheckReport, or that of a mutable file
    :param names: what servers are called, by node id
    """
    good = {one: sorted(held) for one, held in report.holdings.items() if held}
    bad: dict[str, list[int]] = {}
    for shnum, nodeid in report.corrupt:
        bad.setdefault(nodeid, []).append(shnum)
    holders = [
        Holder(names.get(one, one), _list(good.get(one, [])), _note(bad.get(one, [])))
        for one in good.keys() | bad.keys()
    ]
    silent = [Holder(names.get(one, one), "", "did not answer") for one in report.silent]
    holders = sorted(holders, key=_by_name) + sorted(silent, key=_by_name)
    return Whereabouts(_words(report, good), report.is_recoverable, holders)


def _words(report: Any, good: Mapping[str, Any]) -> list[str]:
    num_found = report.num_good
    found = f"{count(num_found, 'share')} of {report.total} found"
    any_k = f"any {report.needed} of them bring the file back"
    if not report.is_recoverable:
        left = "None was found." if not num_found else f"Only {found}."
        return [f"It can't be brought back now: it needs {report.needed} shares. {left}"]
    where = f"{found}, on {count(len(good), 'server')}: {any_k}."
    if report.spare < 1:
        return [where, "If one of these servers dies now, the file may be lost."]
    which = "Any of these servers" if report.spare == 1 else f"Any {report.spare} of them"
    return [where, f"{which} may die, and it is still there."]


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))


def _note(bad: Sequence[int]) -> str:
    return f"damaged: {_list(bad)}" if bad else ""


def _by_name(holder: Holder) -> str:
    return holder.name.casefold()
