import os
import socket

import pytest

from allmydata.cli.copying.content import Recogniser
from allmydata.cli.copying.crew import Crew
from allmydata.cli.copying.gateway import Gateway
from allmydata.cli.copying.grid import GridPlace
from allmydata.cli.copying.landing import landed
from allmydata.cli.copying.links import PERIOD_S, Linker
from allmydata.cli.copying.report import Report
from allmydata.cli.copying.rules import Kind, Source, landings
from allmydata.errors import CancelledError, ConflictError, UsageError
from allmydata.util import base32
from allmydata.webapi import RemoteNodeError
from tests.support.copying import SECRET, cap_for, local_tree, teach

# ---- where things land

A, B = Source("a", Kind.FILE, "a"), Source("x/b", Kind.FILE, "b")
NAMELESS = Source("URI:…", Kind.FILE, "")
TREE, CONTENTS = (Source("t", Kind.DIRECTORY, "t", slash) for slash in (False, True))
ROOT = Source("work:", Kind.DIRECTORY, "", True)


@pytest.mark.parametrize(
    ("sources", "kind", "slash", "names"),
    [
        ([A], Kind.MISSING, False, [None]),
        ([A], Kind.FILE, False, [None]),
        ([A], Kind.DIRECTORY, False, ["a"]),
        ([A], Kind.MISSING, True, ["a"]),
        ([A, B], Kind.MISSING, False, ["a", "b"]),
        ([NAMELESS], Kind.MISSING, False, [None]),
        ([TREE], Kind.MISSING, False, ["t"]),
        ([TREE], Kind.DIRECTORY, False, ["t"]),
        ([CONTENTS], Kind.DIRECTORY, False, [None]),
        ([ROOT], Kind.MISSING, False, [None]),
        ([A, TREE], Kind.MISSING, False, ["a", "t"]),
        ([TREE, TREE], Kind.MISSING, False, ["t", "t"]),
    ],
)
def test_each_source_lands_where_the_rules_say(sources, kind, slash, names):
    found = landings(sources, "to", kind, target_slash=slash, recursive=True)
    assert found == names


@pytest.mark.parametrize(
    ("sources", "kind", "recursive", "error"),
    [
        ([TREE], Kind.DIRECTORY, False, UsageError),
        ([TREE], Kind.FILE, True, ConflictError),
        ([A, B], Kind.FILE, True, ConflictError),
        ([A, A], Kind.DIRECTORY, True, UsageError),
        ([NAMELESS], Kind.DIRECTORY, True, UsageError),
        ([A, Source("y/a", Kind.DIRECTORY, "a")], Kind.DIRECTORY, True, UsageError),
    ],
)
def test_what_can_land_nowhere_is_refused(sources, kind, recursive, error):
    with pytest.raises(error):
        landings(sources, "to", kind, recursive=recursive)


# ---- what a file is called


@pytest.mark.parametrize("size", [0, 1, 55, 56, 1000, 2**20, 2**20 + 1])
def test_a_file_is_recognised_by_its_capability(tmp_path, size):
    data = os.urandom(size)
    path = tmp_path / "f"
    path.write_bytes(data)
    recogniser = Recogniser(SECRET)
    assert recogniser.is_content(cap_for(data), str(path), size)
    if size:
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        assert not recogniser.is_content(cap_for(data), str(path), size)
    path.write_bytes(data + b"x")
    assert not recogniser.is_content(cap_for(data), str(path), size + 1)
    assert not recogniser.is_content(cap_for(data + b"x" * 99), str(path), size)


def test_nothing_is_recognised_with_another_secret_or_none(tmp_path):
    data = os.urandom(100)
    (tmp_path / "f").write_bytes(data)
    (tmp_path / "private").mkdir()
    path = str(tmp_path / "f")
    assert not Recogniser(b"another").is_content(cap_for(data), path, 100)
    assert not Recogniser.of_node(tmp_path).is_content(cap_for(data), path, 100)
    (tmp_path / "private" / "convergence").write_text("not base 32")
    assert not Recogniser.of_node(tmp_path).is_content(cap_for(data), path, 100)
    (tmp_path / "private" / "convergence").write_text(base32.b2a(SECRET) + "\n")
    assert Recogniser.of_node(tmp_path).is_content(cap_for(data), path, 100)
    assert not Recogniser.of_node(tmp_path).is_content("x-future:abc", path, 100)


# ---- lines that are kept


def test_a_line_is_kept_and_taken_up_again_when_the_node_let_it_go(gateway):
    node = Gateway(gateway.url)
    caps = [node.mkdir()]
    line = node._mine.line
    caps.append(node.mkdir())
    assert node._mine.line is line
    line.sock.shutdown(socket.SHUT_RDWR)
    caps.append(node.mkdir())
    assert node._mine.line is not line
    assert len(set(caps)) == 3


def test_an_error_leaves_a_line_that_works(gateway):
    node = Gateway(gateway.url)
    with pytest.raises(RemoteNodeError, match="No such child"):
        node.cap("/vdrive/private/nope")
    assert node.cap_at("/vdrive/private/nope") is None
    assert node.cap_at("/vdrive/private") == gateway.drive.roots["private"]


def test_a_large_directory_is_made_in_several_changes(gateway, node):
    taught = teach(gateway, node)
    links = {f"{i:04}": ("filenode", {"ro_uri": "URI:LIT:"}) for i in range(1200)}
    cap = Gateway(gateway.url).make_filled(links)
    assert [len(batch) for batch in taught.batches] == [500, 500, 200]
    assert len(gateway.drive.children(cap)) == 1200


# ---- names in batches


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class DirectCrew(Crew):
    """Does what it is given at once."""

    def give(self, work, then, failed):
        then(work())


class Changes:
    """Takes the place of a gateway; keeps the names of each change."""

    def __init__(self):
        self.sizes = []

    def set_children(self, cap, links):
        self.sizes.append(len(links))


@pytest.fixture
def changes():
    return Changes()


@pytest.fixture
def linker(changes):
    return Linker(DirectCrew(), changes, Report(), Clock())


PLACE = GridPlace("work:", "URI:DIR:x", "x")
LINK = ("filenode", {"ro_uri": "URI:LIT:"})


def test_a_batch_leaves_when_it_is_full_and_when_the_last_file_has_come(linker, changes):
    for _ in range(1100):
        linker.expect(PLACE)
    for i in range(1100):
        linker.came(PLACE, str(i), LINK if i % 11 else None)
    assert changes.sizes == [500, 500]
    linker.tick()
    assert changes.sizes == [500, 500]


def test_a_name_waits_no_longer_than_the_period(linker, changes):
    linker.expect(PLACE)
    linker.expect(PLACE)
    linker.came(PLACE, "a", LINK)
    linker.tick()
    assert changes.sizes == []
    linker._clock.now += PERIOD_S
    linker.tick()
    assert changes.sizes == [1]
    linker.came(PLACE, "b", LINK)
    assert changes.sizes == [1, 1]


def test_what_waits_for_its_name_gets_it_when_the_copy_ends_early(linker, changes):
    linker.expect(PLACE)
    linker.expect(PLACE)
    linker.came(PLACE, "a", LINK)
    linker.finish()
    assert changes.sizes == [1]


def test_a_batch_that_was_sent_and_forgotten_is_sent_again_at_the_end(changes):
    class ForgetfulCrew(Crew):
        def give(self, work, then, failed):
            pass

    linker = Linker(ForgetfulCrew(), changes, Report(), Clock())
    linker.expect(PLACE)
    linker.came(PLACE, "a", LINK)
    assert changes.sizes == []
    linker.finish()
    assert changes.sizes == [1]


# ---- who works


def test_a_crew_does_all_and_what_follows_from_it():
    crew, done = Crew(4), []

    def give(depth):
        crew.give(lambda: depth, then, pytest.fail)

    def then(depth):
        done.append(depth)
        if depth:
            give(depth - 1)
            give(depth - 1)

    give(6)
    crew.run(lambda: None)
    crew.stop()
    assert len(done) == 2**7 - 1


def test_a_crew_hands_errors_on_and_raises_what_nobody_foresaw():
    crew, errors = Crew(2), []

    def fail(error):
        raise error

    crew.give(lambda: fail(PermissionError(13, "denied", "f")), pytest.fail, errors.append)
    crew.run(lambda: None)
    assert [(type(e).__name__, e.message) for e in errors] == [
        ("UploadSourceError", "f can't be read")
    ]
    crew.give(lambda: fail(ZeroDivisionError()), pytest.fail, pytest.fail)
    with pytest.raises(ZeroDivisionError):
        crew.run(lambda: None)
    crew.stop()


def test_long_work_ends_when_its_crew_is_stopped():
    crew = Crew(1)
    crew.check()
    crew.stop()
    with pytest.raises(CancelledError):
        crew.check()


# ---- files written in a tree


def test_a_file_that_fails_half_way_was_never_there(tmp_path):
    (tmp_path / "old").write_bytes(b"old")
    for name in ("new", "old"):
        with pytest.raises(ZeroDivisionError), landed(str(tmp_path / name)) as target:
            target.write(b"half")
            raise ZeroDivisionError
    assert local_tree(tmp_path) == {"old": b"old"}


@pytest.mark.parametrize("nameless", [True, False])
def test_a_file_lands_whole_on_any_filesystem(tmp_path, monkeypatch, nameless):
    if not nameless:
        monkeypatch.delattr(os, "O_TMPFILE")
    for data in (b"one", b"two"):
        with landed(str(tmp_path / "f")) as target:
            target.write(data)
        assert local_tree(tmp_path) == {"f": data}
