import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmydata.errors import CorruptError
from allmydata.formats.http1 import (
    MAX_HEADERS,
    Chunks,
    pack_head,
    parse_request,
    parse_status,
)


def test_a_head_reads_back():
    packed = pack_head(
        b"GET /a HTTP/1.1", [(b"Host", b"h"), (b"X-Many", b"a"), (b"X-Many", b"b")]
    )
    head = parse_request(packed.removesuffix(b"\r\n\r\n"))
    assert head.start == (b"GET", b"/a", b"1")
    assert head.only(b"host") == b"h" and head.every(b"x-many") == [b"a", b"b"]
    assert head.only(b"none") is None and head.body_size is None and head.keeps_alive


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET /a",
        b"GET /a HTTP/2.0",
        b"get /a HTTP/1.1",
        b"GET  /a HTTP/1.1",
        b"GET http://a/ HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET /\xff HTTP/1.1",
        b"GET /a HTTP/1.1\nHost: a",
        b"GET /a HTTP/1.1\r\nHost : a",
        b"GET /a HTTP/1.1\r\n folded",
        b"GET /a HTTP/1.1\r\nHost: a\0b",
        b"GET /a HTTP/1.1\r\nHost: a\rb",
        b"GET /a HTTP/1.1\r\nno colon",
        b"GET /a HTTP/1.1\r\n" + b"A: b\r\n" * MAX_HEADERS + b"A: b",
    ],
)
def test_what_is_no_request_is_refused(data):
    with pytest.raises(CorruptError):
        parse_request(data)


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 1\r\nContent-Length: 1",
        b"Content-Length: +1",
        b"Content-Length: 1, 1",
        b"Content-Length: ",
        b"Content-Length: 1" + b"0" * 30,
        b"Content-Length: 1\r\nTransfer-Encoding: chunked",
    ],
)
def test_a_length_that_can_be_taken_two_ways_is_refused(headers):
    head = parse_request(b"PUT /a HTTP/1.1\r\n" + headers)
    with pytest.raises(CorruptError):
        assert head.body_size


@pytest.mark.parametrize(
    ("line", "keeps"),
    [
        (b"HTTP/1.1 200 OK", True),
        (b"HTTP/1.1 200", True),
        (b"HTTP/1.0 200 OK", False),
        (b"HTTP/1.1 200 OK\r\nConnection: Close", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive", True),
    ],
)
def test_an_answer_tells_whether_the_connection_stays(line, keeps):
    head = parse_status(line)
    assert head.start[0] == b"200" and head.keeps_alive is keeps


@pytest.mark.parametrize("line", [b"HTTP/1.1 20 OK", b"HTTP/1.1 600 X", b"ICY 200 OK"])
def test_what_is_no_answer_is_refused(line):
    with pytest.raises(CorruptError):
        parse_status(line)


@given(st.lists(st.binary(min_size=1, max_size=50)), st.integers(1, 30))
def test_chunks_come_together_however_they_arrive(parts, step):
    sent = b"".join(b"%x;x=y\r\n%b\r\n" % (len(part), part) for part in parts)
    sent += b"0\r\nTrailer: 1\r\n\r\n"
    chunks, got = Chunks(), []
    for at in range(0, len(sent), step):
        assert not chunks.is_over
        got += chunks.feed(sent[at : at + step])
    assert chunks.is_over and b"".join(got) == b"".join(parts)


@pytest.mark.parametrize(
    "data", [b"x\r\n", b"-1\r\n", b"\r\n", b"1\r\nab\r\n", b"1" * 2000, b"f" * 16 + b"\r\n"]
)
def test_what_is_not_in_chunks_is_refused(data):
    with pytest.raises(CorruptError):
        Chunks().feed(data)
