"""Directories of any size, told without being held: as JSON, and as a page."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_twisted import ensureDeferred
from twisted.internet.defer import succeed
from twisted.internet.threads import deferToThread

from allmydata.uri import CHKFileURI
from allmydata.util.deferreds import Gate
from allmydata.web import excerpt
from allmydata.web.children import as_members, facts_of_child
from allmydata.web.excerpt import NEAR, PAGE_SIZE, Excerpt, is_folder
from tests.support.fake_drive import FURL, FakeChild
from tests.web.conftest import turn

FILE = CHKFileURI(bytes(range(16)), b"h" * 32, 3, 10, 12345).to_string()
FOLDER = f"URI:DIR-RO:{FURL}:{'a' * 26}"
HELLO = "URI:LIT:nbswy3dp"
DATES = {"linkcrtime": 1.0, "linkmotime": 2.5}


# ---- JSON


def get(gateway, place):
    """Return a socket on which *place* was asked for, and nothing read."""
    line = gateway.socket()
    token = gateway.headers["Authorization"]
    words = f"GET {place} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {token}\r\n"
    line.sendall(f"{words}Connection: close\r\n\r\n".encode())
    return line


def read_until(line, wanted):
    data = b""
    while wanted not in data:
        piece = line.recv(65536)
        assert piece, "the connection ended"
        data += piece
    return data


def read_all(line):
    data = b""
    while piece := line.recv(2**20):
        data += piece
    return data


def children_of(chunked):
    """Return the children in a chunked reply, which must be whole."""
    _, _, rest = chunked.partition(b"\r\n\r\n")
    body, size = b"", None
    while size != 0:
        line, _, rest = rest.partition(b"\r\n")
        size = int(line, 16)
        body, rest = body + rest[:size], rest[size + 2 :]
    return json.loads(body)[1]["children"]


@ensureDeferred
async def test_the_first_bytes_of_a_listing_leave_before_the_last_rows_come(
    fake, url, until
):
    names = [f"n{i}" for i in range(10)]
    cap = await fake.make(**dict.fromkeys(names, FILE))
    drive, gate = fake.gateway.client.vdrive, Gate()
    drive.page_size, drive.calls[:] = 2, []
    drive.hold = lambda _: gate.wait() if len(drive.calls) == 4 else succeed(None)
    line = await deferToThread(get, fake.gateway, url(cap, t="json"))
    begun = await deferToThread(read_until, line, b"ro_uri")
    await until(lambda: len(drive.calls) == 4)
    assert not gate.is_open
    gate.open()
    rest = await deferToThread(read_all, line)
    assert sorted(children_of(begun + rest)) == names


@ensureDeferred
async def test_whoever_does_not_read_has_the_node_stop_asking(fake, url):
    names = [f"n{i:05}" for i in range(30_000)]  # more bytes than sockets hold
    cap = await fake.make()
    drive = fake.gateway.client.vdrive
    table = drive.tables[await fake.readonly(cap)]
    table |= {n: FakeChild(n, 1.0, 2.0, (None, FILE), drive) for n in names}
    drive.page_size, drive.calls[:] = 50, []
    line = await deferToThread(get, fake.gateway, url(cap, t="json"))
    before = -1
    while before < len(drive.calls):
        before = len(drive.calls)
        for _ in range(50):
            await turn()
    assert 2 <= before < 550  # of 600
    assert sorted(children_of(await deferToThread(read_all, line))) == names
    assert len(drive.calls) == 600


def child(name, text, metadata):
    class Child(FakeChild):
        @property
        def metadata(self):
            return metadata

    texts = (text, "") if text.startswith("x-") else (None, text)
    return Child(name, 1.0, 2.5, texts, None)


@pytest.mark.parametrize("text", [FILE, FOLDER, HELLO, "x-future:1"])
@pytest.mark.parametrize(
    "metadata",
    [
        {"tahoe": DATES},
        {"tahoe": {"linkcrtime": 1e22, "linkmotime": -0.0}},
        {"tahoe": {"linkcrtime": 1e308, "linkmotime": 1e308}},
        {"tahoe": {"linkcrtime": float("inf"), "linkmotime": float("nan")}},
        {"tahoe": {"linkcrtime": True, "linkmotime": 2.5}},
        {"tahoe": {"linkcrtime": 1, "linkmotime": 2}},
        {"tahoe": dict(reversed(DATES.items()))},
        {"tahoe": DATES | {"more": "ü"}},
        {"tahoe": "none"},
        {"tahoe": DATES, "note": 'a "word"'},
        {},
    ],
)
def test_children_are_written_as_json_writes_them(text, metadata):
    names = ["plain", 'qu"ote', "back\\slash", "ü\u202e", "two\nlines", "\x7f"]
    children = [child(name, text, metadata) for name in names]
    told = [
        f"{json.dumps(one.name)}: {json.dumps(facts_of_child(one))}" for one in children
    ]
    assert as_members(children) == ",\n".join(told)


# ---- the page


def in_order(children, is_reversed):
    """Return all of them as pages show them."""
    key = [(not is_folder(one), one.name.casefold(), one.name) for one in children]
    order = sorted(range(len(key)), key=key.__getitem__, reverse=is_reversed)
    return [children[i].name for i in order]


class Directory:
    """A directory that is asked for children by their names."""

    def __init__(self, children):
        self._children = {one.name: one for one in children}

    async def get_children(self, names):
        return {name: self._children[name] for name in names}


def result_of(coroutine):
    """Return what a coroutine that waits for nothing returns."""
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    return ended.value.value


rows = st.lists(
    st.builds(
        lambda name, text: FakeChild(name, 1.0, 2.0, (None, text), None),
        st.text("aAbBß\u1e9e\u017fs\u0130é -", min_size=1, max_size=3),
        st.sampled_from([FILE, FOLDER]),
    ),
    unique_by=lambda one: one.name,
    max_size=40,
)


@given(rows, st.integers(1, 9), st.booleans(), st.sampled_from([None, "a"]))
def test_a_page_is_what_sorting_all_would_show(children, number, is_reversed, hidden):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(excerpt, "PAGE_SIZE", 3)
        patch.setattr(excerpt, "NEAR", 4)
        page = Excerpt(number, is_reversed, hidden)
        for start in range(0, len(children), 5):
            page.add(children[start : start + 5])
            assert page.num_held <= 2 * number * 3 + 5
        shown = [one for one in children if one.name != hidden]
        wanted = in_order(shown, is_reversed)[3 * (number - 1) : 3 * number]
        assert [one.name for one in result_of(page.children(Directory(children)))] == wanted
        assert page.num_folders + page.num_files == len(shown)
        assert page.num_folders == sum(map(is_folder, shown))
        assert page.last == max(1, -(-len(shown) // 3))
        assert page.has_hidden == (len(shown) < len(children))


@pytest.mark.parametrize("number", [1, 2, NEAR, NEAR + 1])
def test_what_can_not_be_on_the_page_is_forgotten(number):
    names = [f"n{i}" for i in range(40_000)]
    random.Random(1).shuffle(names)
    page, num_made, num_gone = Excerpt(number), 0, 0

    class Child(FakeChild):
        def __del__(self):
            nonlocal num_gone
            num_gone += 1

    for start in range(0, len(names), 1000):
        made = [Child(n, 1.0, 2.0, (None, FILE), None) for n in names[start : start + 1000]]
        page.add(made)
        num_made += len(made)
        del made
        most = 2 * number * PAGE_SIZE + 1000
        assert page.num_held <= most
        assert num_made - num_gone <= (most if number <= NEAR else 1)
    assert page.num_files == 40_000


@ensureDeferred
async def test_pages_far_on_ask_for_the_children_they_show(fake, url):
    names = [f"n{i:05}" for i in range(NEAR * PAGE_SIZE + 3)]
    cap = await fake.make()
    drive = fake.gateway.client.vdrive
    table = drive.tables[await fake.readonly(cap)]
    table |= {n: FakeChild(n, 1.0, 2.0, (None, FILE), drive) for n in names}
    for number, shown in ((NEAR, names[-503:-3]), (NEAR + 1, names[-3:]), (NEAR + 2, [])):
        _, _, body = await fake.ask("GET", f"{url(cap)}/?page={number}")
        assert body.count('<td class="name">') == len(shown)
        assert all(name in body for name in shown)
        assert f"of {NEAR + 1} <button" in body and f"{len(names)} files" in body
    assert drive.calls.count("get many") == 1


@ensureDeferred
async def test_what_is_taken_out_meanwhile_is_left_out(fake, url):
    cap = await fake.make()
    drive = fake.gateway.client.vdrive
    table = drive.tables[await fake.readonly(cap)]
    names = [f"n{i:05}" for i in range(NEAR * PAGE_SIZE + 3)]
    table |= {n: FakeChild(n, 1.0, 2.0, (None, FILE), drive) for n in names}

    def take_out(what):
        if what == "get many":
            del table[names[-1]]
        return succeed(None)

    drive.hold = take_out
    status, _, body = await fake.ask("GET", f"{url(cap)}/?page={NEAR + 1}")
    assert (status, body.count('<td class="name">')) == (200, 2)
