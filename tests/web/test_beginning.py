"""How a file begins, as text."""

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from allmydata.uri import CHKFileURI
from allmydata.util.deferreds import start
from allmydata.web.beginning import MAX_SIZE, PATIENCE_S, Beginning, decode, read_beginning
from tests.support.fake_client import FakeDownloader

CAP = CHKFileURI(bytes(16), b"h" * 32, 3, 5, 2**20).to_string()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain", "plain"),
        ("äöü 日本".encode(), "äöü 日本"),
        ("日本".encode()[:-1], "日"),  # the cut went through a character
        (b"\xef\xbb\xbfmarked", "marked"),
        ("ü\n".encode("utf-16"), "ü\n"),
        (b"\xfe\xff" + "ü".encode("utf-16-be"), "ü"),
        (b"caf\xe9 \x93x\x94", "café “x”"),
        (b"a\r\nb\rc\n", "a\nb\nc\n"),
        (b"\0\x07\x1b[31m\t\x7f", "␀␇␛[31m\t␡"),
        (b"<b>&amp;", "<b>&amp;"),
        (b"", ""),
    ],
)
def test_bytes_become_text(data, text):
    assert decode(data) == text


@ensureDeferred
async def test_no_more_is_read_than_is_shown():
    downloader = FakeDownloader({CAP: b"ab" * MAX_SIZE})
    found = await read_beginning(downloader, CAP, 2 * MAX_SIZE, Clock())
    assert found == Beginning("ab" * (MAX_SIZE // 2), is_cut=True)
    assert downloader.calls == [(0, MAX_SIZE)]


@ensureDeferred
async def test_nothing_is_asked_for_an_empty_file():
    downloader = FakeDownloader({})
    assert await read_beginning(downloader, "URI:LIT:", 0, Clock()) == Beginning()
    assert downloader.calls == []


@ensureDeferred
async def test_a_file_that_is_lost_is_told_in_words():
    found = await read_beginning(FakeDownloader({}), CAP, 100, Clock())
    assert found == Beginning(trouble="It can't be read now: no shares could be found.")


@ensureDeferred
async def test_a_page_does_not_wait_for_slow_servers():
    class Slow:
        def download(self, *_, **__):
            return Deferred()

    clock = Clock()
    waiting = start(read_beginning(Slow(), CAP, 100, clock))
    clock.advance(PATIENCE_S)
    assert "slow" in (await waiting).trouble
