"""Several parts of a file in one reply."""

from email import message_from_bytes
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_twisted import ensureDeferred

from allmydata.errors import CorruptError
from allmydata.web.byteranges import Framing
from allmydata.web.ranges import MAX_RANGES, BeyondEndError, Part, parse_ranges

DATA = bytes(range(256)) * 40  # 10240 bytes


@pytest.mark.parametrize(
    ("header", "parts"),
    [
        ("bytes=0-1,5-6", [(0, 2), (5, 2)]),
        ("bytes= 0-1 ,\t5-6 ", [(0, 2), (5, 2)]),
        ("bytes=5-6,0-1", [(5, 2), (0, 2)]),
        ("bytes=0-1,,5-6", [(0, 2), (5, 2)]),
        ("bytes=0-1,-2", [(0, 2), (10238, 2)]),
        ("bytes=0-1,10238-", [(0, 2), (10238, 2)]),
        ("bytes=0-5,3-8", [(0, 9)]),
        ("bytes=0-5,6-8", [(0, 9)]),
        ("bytes=0-9,2-3", [(0, 10)]),
        ("bytes=20-29,0-1,25-39", [(20, 20), (0, 2)]),
        ("bytes=0-1,20000-20001", [(0, 2)]),
        ("bytes=0-1,20000-,-0", [(0, 2)]),
        ("bytes=0-,-1,5-6", [(0, 10240)]),
        ("bytes=" + ",".join(f"{i * 9}-{i * 9}" for i in range(MAX_RANGES)),
         [(i * 9, 1) for i in range(MAX_RANGES)]),
    ],
)  # fmt: skip
def test_ranges_that_select_parts(header, parts):
    assert parse_ranges(header, 10240) == tuple(Part(*part, 10240) for part in parts)


@pytest.mark.parametrize(
    "header",
    [
        "bytes=0-1,5-2",
        "bytes=0-1,x",
        "bytes=0-1;5-6",
        "bytes=0-1,-",
        "bytes=,,",
        "lines=0-1,5-6",
        "bytes=" + ",".join(["0-0"] * (MAX_RANGES + 1)),
    ],
)
def test_ranges_that_mean_the_whole(header):
    assert parse_ranges(header, 10240) == ()


@pytest.mark.parametrize(
    ("header", "total"),
    [("bytes=20000-,30000-30001", 10240), ("bytes=0-1,5-6", 0), ("bytes=-0,-0", 9)],
)
def test_ranges_of_which_none_is_there(header, total):
    with pytest.raises(BeyondEndError):
        parse_ranges(header, total)


@given(
    st.lists(st.tuples(st.integers(0, 70), st.integers(0, 20)), min_size=2, max_size=9),
    st.integers(1, 60),
)
def test_parts_are_apart_and_are_together_what_was_asked_for(asked, total):
    header = "bytes=" + ",".join(f"{first}-{first + more}" for first, more in asked)
    wanted = {i for first, more in asked for i in range(first, first + more + 1)}
    try:
        parts = parse_ranges(header, total)
    except BeyondEndError:
        assert min(wanted) >= total
        return
    got = [i for part in parts for i in range(part.offset, part.end)]
    assert sorted(got) == sorted(wanted & set(range(total)))
    starts = sorted((part.offset, part.end) for part in parts)
    assert all(end < begin for (_, end), (begin, _) in pairwise(starts))


def test_the_frame_is_that_of_the_standard():
    framing = Framing("B", "text/plain", (Part(0, 2, 9), Part(5, 1, 9)))
    assert framing.content_type == "multipart/byteranges; boundary=B"
    (first, _), (second, _) = framing.pieces()
    body = first + b"ab" + second + b"c" + framing.tail
    assert body == (
        b"\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/9\r\n\r\nab"
        b"\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 5-5/9\r\n\r\nc"
        b"\r\n--B--\r\n"
    )
    assert framing.size == len(body)


async def stored(gateway, data=DATA):
    _, _, cap = await gateway.ask("PUT", "/uri", data)
    return "/uri/" + quote(cap, safe="")


@pytest.mark.parametrize("data", [b"0123456789", DATA, DATA * 100], ids=len)
@ensureDeferred
async def test_a_client_gets_each_part_with_its_place(data, gateway):
    place, connection = await stored(gateway, data) + "?filename=a.png", gateway.connect()
    for _ in range(2):  # the connection goes on
        status, headers, body = await gateway.ask(
            "GET", place, headers={"Range": "bytes=0-1,5-6,-2"}, connection=connection
        )
        assert status == 206
        assert headers["Content-Range"] is None
        assert headers["Content-Length"] == str(len(body))
        whole = message_from_bytes(
            f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode() + body
        )
        assert whole.get_content_type() == "multipart/byteranges"
        told = [
            (part.get_content_type(), part["Content-Range"], part.get_payload(decode=True))
            for part in whole.get_payload()
        ]
        size = len(data)
        assert told == [
            ("image/png", f"bytes 0-1/{size}", data[0:2]),
            ("image/png", f"bytes 5-6/{size}", data[5:7]),
            ("image/png", f"bytes {size - 2}-{size - 1}/{size}", data[-2:]),
        ]
    assert gateway.downloader.calls[:3] == [(0, 2), (5, 2), (size - 2, 2)]


@ensureDeferred
async def test_long_parts_come_whole(gateway):
    data = DATA * 300  # 3 MB
    place = await stored(gateway, data)
    header = {"Range": "bytes=0-1499999,1600000-3000000"}
    _, headers, body = await gateway.ask("GET", place, headers=header)
    assert len(body) == int(headers["Content-Length"])
    assert data[:1500000] in body and data[1600000:3000001] in body


@ensureDeferred
async def test_head_tells_the_same_and_asks_no_server(gateway):
    place = await stored(gateway)
    header = {"Range": "bytes=0-1,5-6"}
    status, headers, body = await gateway.ask("HEAD", place, headers=header)
    assert (status, body, gateway.downloader.calls) == (206, b"", [])
    _, other, body = await gateway.ask("GET", place, headers=header)
    assert headers["Content-Length"] == other["Content-Length"] == str(len(body))
    kind, _, boundary = headers["Content-Type"].partition("=")
    assert kind == "multipart/byteranges; boundary"
    assert other["Content-Type"].partition("=")[2] != boundary  # nobody can foresee it


@ensureDeferred
async def test_an_error_before_the_first_part_has_a_status_of_its_own(gateway):
    place = await stored(gateway)
    gateway.downloader.error = CorruptError("a share is bad")
    reply = await gateway.ask("GET", place, headers={"Range": "bytes=0-1,5-6"})
    assert reply[::2] == (500, b"a share is bad")
    reply = await gateway.ask("GET", place, headers={"Range": "bytes=99999-,88888-"})
    assert reply[::2] == (416, b"First beyond end of file")
