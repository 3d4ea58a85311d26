"""Changes of a directory in a file: gathered, made again, and each told its own outcome."""

import pytest
from attrs import define
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred

from allmydata.crypto.mutable_keys import MutableKeys
from allmydata.errors import (
    BusyError,
    ConflictError,
    NoSuchChildError,
    ServerLostError,
    UncoordinatedWriteError,
)
from allmydata.util.deferreds import as_deferred, settle
from allmydata.vdrive.dir2link import Link, Linker
from allmydata.vdrive.dir2table import Put, Rename, TakeOut, unpack
from allmydata.vdrive.dir2writer import Rewrites

LIT, OTHER = "URI:LIT:nbuq", "URI:LIT:mfrgg"
LINKER = Linker(MutableKeys.from_write_key(b"w" * 16), 1000.0)


@define
class File:
    """A mutable file in memory.

    :ivar gate: what a rewrite waits for
    :ivar error: what it ends with
    """

    content: bytes = b""
    num_rewrites: int = 0
    gate: Deferred | None = None
    error: Exception | None = None

    def get_refresh_capability(self):
        return "URI:SSK-Verifier:x"

    @as_deferred
    async def modify(self, change):
        self.num_rewrites += 1
        if self.gate is not None:
            await self.gate
        found = change(self.content)
        if self.error is not None:
            raise self.error
        if found is not None:
            self.content = found


def put(name, cap=LIT, replace=True):
    return Put(LINKER, {name: Link(cap)}, replace)


@ensureDeferred
async def test_what_waits_goes_in_one_rewrite():
    file, rewrites, gate = File(), Rewrites(), Deferred()
    file.gate = gate
    works = [rewrites.make(file, put(f"n{i}")) for i in range(20)]
    works.append(rewrites.make(file, TakeOut("absent")))
    file.gate = None
    gate.callback(None)
    outcomes = await settle(works)
    assert outcomes[:20] == [None] * 20 and outcomes[20].check(NoSuchChildError)
    assert (file.num_rewrites, len(unpack(file.content))) == (2, 20)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UncoordinatedWriteError("again"), BusyError),
        (ServerLostError("gone"), ServerLostError),
        (ZeroDivisionError(), ZeroDivisionError),
    ],
)
@ensureDeferred
async def test_a_rewrite_that_fails_fails_all_its_changes_and_no_later_one(error, told):
    file, rewrites = File(error=error), Rewrites()
    outcomes = await settle(rewrites.make(file, put(name)) for name in "ab")
    assert all(one.check(told) for one in outcomes)
    assert not any(one.check(ConflictError) for one in outcomes)  # no name was taken
    file.error = None
    await rewrites.make(file, put("c"))
    assert list(unpack(file.content)) == ["c"]


@ensureDeferred
async def test_a_change_that_its_caller_gave_up_does_not_hold_up_others():
    file, rewrites, gate = File(), Rewrites(), Deferred()
    file.gate = gate
    first, second = rewrites.make(file, put("a")), rewrites.make(file, put("b"))
    first.addErrback(lambda _: None)
    first.cancel()
    gate.callback(None)
    await second
    assert list(unpack(file.content)) == ["a", "b"]


@ensureDeferred
async def test_nothing_is_written_where_nothing_changes():
    file = File()
    await settle([Rewrites().make(file, TakeOut("x"))])
    assert file.content == b""


# ---- a change made again does not take its own work for somebody else's ----------------


def test_a_name_that_was_put_by_itself_is_not_taken():
    change, entries = put("x", replace=False), {}
    change(entries)
    before = dict(entries)
    change(entries)
    assert entries == before
    entries["x"] = LINKER.entry("x", Link(OTHER), None)
    with pytest.raises(ConflictError):
        change(entries)


def test_all_are_put_or_none():
    entries = {"b": LINKER.entry("b", Link(OTHER), None)}
    change = Put(LINKER, {"a": Link(LIT), "b": Link(LIT)}, False)
    with pytest.raises(ConflictError, match="'b'"):
        change(entries)
    assert list(entries) == ["b"]


def test_what_was_taken_out_by_itself_was_there():
    change, entries = TakeOut("x"), {"x": LINKER.entry("x", Link(LIT), None)}
    change(entries)
    change(entries)
    assert entries == {}


def test_what_was_renamed_by_itself_is_where_it_belongs():
    entries = {"x": LINKER.entry("x", Link(LIT), None)}
    change = Rename(LINKER, "x", "y", False)
    change(entries)
    change(entries)
    assert list(entries) == ["y"] and entries["y"].name == "y"
    with pytest.raises(NoSuchChildError):
        Rename(LINKER, "x", "z", False)(entries)
    entries["z"] = LINKER.entry("z", Link(OTHER), None)
    with pytest.raises(ConflictError):
        Rename(LINKER, "y", "z", False)(entries)
