"""Mutable shares on a server's disk."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allmydata.errors import (
    BadShareError,
    BadWriteEnablerError,
    NoSpaceError,
    UsageError,
)
from allmydata.formats.slot import DATA, LEASE, Slot
from allmydata.storage import slots
from allmydata.storage.disk import SYSTEM, Calls
from allmydata.storage.slotfile import SlotClaim, SlotFile
from allmydata.storage.slots import read_slots
from allmydata.storage.slots import test_and_write as write_if
from allmydata.storage.tree import ShareTree

SI = b"\x11" * 16
NEW = [(0, 1, b"eq", b"")]  # the share must not be there


def claim(name=b"a", expires=1000, enabler=b"e"):
    return SlotClaim(SI, enabler * 32, name * 32, name * 32, b"t" * 20, expires)


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path)


def make_tree(place, calls=SYSTEM):
    tree = ShareTree(place, calls)
    tree.prepare()
    return tree


def write(tree, parts, tests=(), cut=None, shnum=0, **whose):
    ok, _ = write_if(tree, claim(**whose), {shnum: (list(tests), parts, cut)}, [])
    return ok


def content(tree, shnum=0):
    found = read_slots(tree, SI, {shnum}, [(0, 10**6)])
    return found[shnum][0] if found else None


def leases(tree, shnum=0):
    share = SlotFile.open(tree.bucket(SI) / str(shnum), SYSTEM)
    try:
        return share.leases()
    finally:
        share.close()


def test_a_new_share_reads_back_and_is_the_size_it_should_be(tree):
    assert write(tree, [(0, b"hello")], NEW)
    assert content(tree) == b"hello"
    path = tree.bucket(SI) / "0"
    assert path.stat().st_size == DATA + 5 + 4
    assert path.read_bytes()[:32] == b"Tahoe mutable container v2\n\xc3\x55\x21\x99\x25"
    assert not list((tree.shares / "incoming").rglob("*"))


def test_what_a_writer_believes_must_be_so(tree):
    write(tree, [(0, b"one")])
    assert not write(tree, [(0, b"two")], NEW)
    assert not write(tree, [(0, b"two")], [(0, 3, b"eq", b"ONE")])
    assert not write(tree, [(0, b"two")], [(0, 4, b"eq", b"one\0")])
    assert content(tree) == b"one"
    assert write(tree, [(0, b"two")], [(0, 3, b"eq", b"one"), (3, 5, b"eq", b"")])
    assert content(tree) == b"two"


def test_shares_are_written_all_or_none_and_what_was_is_told(tree):
    write(tree, [(0, b"one")], shnum=1)
    writes = {
        1: ([(0, 3, b"eq", b"one")], [(0, b"ONE")], None),
        2: (NEW, [(0, b"two")], None),
    }
    ok, before = write_if(tree, claim(), writes, [(0, 2), (1, 9)])
    assert ok and before == {1: [b"on", b"ne"]}
    ok, before = write_if(tree, claim(), writes, [(0, 9)])
    assert not ok and before == {1: [b"ONE"], 2: [b"two"]}
    assert read_slots(tree, SI, set(), [(0, 9)]) == {1: [b"ONE"], 2: [b"two"]}


def test_who_does_not_know_the_write_enabler_changes_nothing(tree):
    write(tree, [(0, b"one")])
    with pytest.raises(BadWriteEnablerError, match="recorded by nodeid 'or2hi5"):
        write(tree, [(0, b"two")], enabler=b"x")
    with pytest.raises(BadWriteEnablerError):
        write(tree, [(0, b"two")], shnum=5, enabler=b"x")
    assert content(tree) == b"one" and content(tree, 5) is None


def test_a_hole_is_filled_with_zeros_and_a_cut_is_no_growth(tree):
    write(tree, [(0, b"ab"), (5, b"f")])
    assert content(tree) == b"ab\0\0\0f"
    write(tree, [], cut=3)
    assert content(tree) == b"ab\0"
    write(tree, [], cut=100)
    assert content(tree) == b"ab\0"
    write(tree, [(5, b"g")])
    assert content(tree) == b"ab\0\0\0g"  # what was cut off does not come back


def test_a_share_cut_to_nothing_is_gone_and_the_directory_with_the_last(tree):
    write(tree, [(0, b"one")], shnum=1)
    write(tree, [(0, b"two")], shnum=2)
    write(tree, [], cut=0, shnum=1)
    assert read_slots(tree, SI, set(), [(0, 9)]) == {2: [b"two"]}
    write(tree, [], cut=0, shnum=2)
    assert not tree.bucket(SI).exists()


def test_leases_of_four_lie_in_the_header_and_further_ones_move_as_the_data_grows(tree):
    for i in range(7):
        write(tree, [(0, b"x" * 10)], name=bytes([65 + i]), expires=1000 + i)
    write(tree, [(0, b"x" * 5000)], name=b"C", expires=5000)
    write(tree, [(0, b"x" * 5000)], name=b"C", expires=10)
    found = leases(tree)
    assert sorted(lease.expires for lease in found) == [
        1000,
        1001,
        1003,
        1004,
        1005,
        1006,
        5000,
    ]
    assert content(tree) == b"x" * 5000
    raw = (tree.bucket(SI) / "0").read_bytes()
    assert len(raw) == DATA + 5000 + 4 + 3 * LEASE.size
    assert b"A" * 32 not in raw  # secrets lie there hashed


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.integers(0, 40), st.binary(max_size=30)), max_size=3),
            st.none() | st.integers(1, 50),
        ),
        max_size=6,
    )
)
def test_any_writes_leave_what_a_plain_buffer_would_hold(tmp_path_factory, changes):
    tree = make_tree(tmp_path_factory.mktemp("slots"))
    wanted = bytearray()
    for number, (parts, cut) in enumerate(changes):
        for offset, data in parts:
            wanted.extend(bytes(max(0, offset + len(data) - len(wanted))))
            wanted[offset : offset + len(data)] = data
        if cut is not None:
            del wanted[cut:]
        assert write(tree, parts, cut=cut, name=bytes([65 + number]))
        assert content(tree) == wanted
    assert len(leases(tree) if changes else []) == len(changes)


def test_a_large_share_is_changed_in_place(tree, monkeypatch):
    monkeypatch.setattr(slots, "COPIED", 100)
    write(tree, [(0, b"x" * 1000)])
    inode = os.stat(tree.bucket(SI) / "0").st_ino
    write(tree, [(500, b"y")])
    assert os.stat(tree.bucket(SI) / "0").st_ino == inode
    assert content(tree)[499:502] == b"xyx"


def test_a_disk_that_fails_leaves_what_was_there(tmp_path):
    def full(fd, data, offset):
        raise OSError(28, "No space left on device")

    write(make_tree(tmp_path), [(0, b"one")])
    tree = make_tree(tmp_path, Calls(pwrite=full))
    with pytest.raises(NoSpaceError):
        write(tree, [(0, b"two")])
    assert content(tree) == b"one"
    assert not list((tree.shares / "incoming").rglob("*"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: raw[:99],
        lambda raw: b"X" + raw[1:],
        lambda raw: raw[:84] + b"\xff" * 8 + raw[92:],
        lambda raw: raw[:92] + b"\xff" * 8 + raw[100:],
        lambda raw: raw[:92] + bytes(8) + raw[100:],
        lambda raw: raw[:470],
    ],
)
def test_a_file_that_is_no_mutable_share_is_left_alone_and_never_written_over(tree, damage):
    write(tree, [(0, b"one")])
    path = tree.bucket(SI) / "0"
    path.write_bytes(damage(path.read_bytes()))
    raw = path.read_bytes()
    assert content(tree) is None
    with pytest.raises(BadShareError):
        SlotFile.open(path, SYSTEM)
    assert not write(tree, [(0, b"two")], NEW)
    assert path.read_bytes() == raw


@pytest.mark.parametrize(
    "writes",
    [
        {0: ([(0, 1, b"ne", b"x")], [(0, b"x")], None)},
        {256: ([], [(0, b"x")], None)},
        {-1: ([], [(0, b"x")], None)},
        {0: ([], [(-1, b"x")], None)},
        {0: ([], [(70_000 * 10**12, b"x")], None)},
    ],
)
def test_what_can_not_be_meant_is_refused(tree, writes):
    with pytest.raises(UsageError):
        write_if(tree, claim(), writes, [])
    assert not tree.bucket(SI).exists()


def test_a_version_1_file_keeps_its_secrets_as_they_came(tree):
    slot = Slot(1, b"t" * 20, b"e" * 32)
    path = tree.bucket(SI) / "0"
    path.parent.mkdir(parents=True)
    path.write_bytes(slot.pack_new())
    write(tree, [(0, b"one")], name=b"s")
    assert [lease.renew_secret for lease in leases(tree)] == [b"s" * 32]
