"""Forms as they come: what waits, what is refused, who goes away."""

import contextlib
import os
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.threads import deferToThread

from allmydata.web.forms import MAX_FIELDS_SIZE

MARKER = b"PLAINTEXT-MARKER"
BIG = MARKER * (8 * 2**20 // len(MARKER))
HEADERS = {"Content-Type": "multipart/form-data; boundary=xyz"}
FILE = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
NAME = b'\r\n--xyz\r\nContent-Disposition: form-data; name="name"\r\n\r\nlate'
END = b"\r\n--xyz--\r\n"


def open_files(directory):
    """Return a way to each file below *directory* that is open, named or not."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if os.readlink(link).startswith(str(directory)):
                found.append(link)
    return found


@ensureDeferred
async def test_no_plaintext_of_a_form_is_on_disk(gateway, fake, url, until):
    cap = await fake.make()
    gateway.uploader.gate.shut()
    body = FILE + BIG + NAME + END
    waiting = gateway.ask("POST", url(cap, t="upload"), body, HEADERS)
    await until(lambda: gateway.uploader.keys)
    (spool,) = open_files(gateway.directory)
    assert os.stat(spool).st_size == len(BIG)
    assert MARKER not in spool.read_bytes()
    assert list(gateway.directory.iterdir()) == []
    gateway.uploader.gate.open()
    assert (await waiting)[0] == 200
    assert await fake.names(cap) == ["late"]
    assert list(gateway.uploader.files.values()) == [BIG]
    assert not open_files(gateway.directory)


@ensureDeferred
async def test_the_same_file_has_the_same_cap_by_form_and_by_body(gateway):
    _, _, page = await gateway.ask("POST", "/uri?t=upload", FILE + BIG + END, HEADERS)
    _, _, cap = await gateway.ask("PUT", "/uri", BIG)
    assert b"<tt><span>" + cap + b"</span></tt>" in page
    body = b"--xyz\r\nContent-Disposition: form-data; name=convergence\r\n\r\nnone\r\n"
    await gateway.ask("POST", "/uri?t=upload", body + FILE + BIG + END, HEADERS)
    assert len(gateway.uploader.files) == 2


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (FILE + BIG, 400, "the form ends before its last part does"),
        (FILE + BIG + b"\r\n--xyzzy" + BIG, 400, "a boundary of the form stands where"),
        (b"nothing", 400, "the form ends before its last part does"),
        (
            FILE + BIG + NAME + b"x" * MAX_FIELDS_SIZE + END,
            413,
            "the form's fields are too",
        ),
        ((FILE + b"\r\n") * 20_000 + END, 413, "the form's fields are too long"),
    ],
    ids=["cut", "broken", "none", "long", "many"],
)
@pytest.mark.parametrize("place", ["/uri?t=upload", "/uri/URI:LIT:?t=upload"])
@ensureDeferred
async def test_a_broken_form_is_refused_and_forgotten(place, body, status, words, gateway):
    got, _, told = await gateway.ask("POST", place, body, HEADERS)
    assert (got, told.decode().startswith(words)) == (status, True), told
    assert gateway.uploader.files == {}
    assert not open_files(gateway.directory)


@ensureDeferred
async def test_a_form_without_boundary_is_refused(gateway):
    headers = {"Content-Type": "multipart/form-data"}
    status, _, body = await gateway.ask("POST", "/uri?t=upload", b"x", headers)
    assert (status, body) == (400, b"the form's Content-Type names no boundary")


@ensureDeferred
async def test_the_first_file_counts_and_other_fields_may_hold_files(gateway):
    other = FILE.replace(b'"file"', b'"other"') + b"12345\r\n"
    body = other + FILE + b"abc\r\n" + FILE + b"second" + END
    status, _, page = await gateway.ask("POST", "/uri", body, HEADERS)
    assert (status, b"URI:LIT:mfrgg<" in page) == (200, True)


@ensureDeferred
async def test_the_query_comes_before_the_form(fake, gateway, url):
    cap = await fake.make()
    body = FILE + b"abc" + NAME + END
    place = url(cap, t="upload", name="early")
    assert (await gateway.ask("POST", place, body, HEADERS))[0] == 200
    assert await fake.names(cap) == ["early"]


@ensureDeferred
async def test_a_client_that_goes_away_in_a_form_ends_it(gateway, fake, url, until):
    cap = await fake.make()
    head = f"POST {url(cap, t='upload')} HTTP/1.1\r\nHost: localhost\r\n"
    head += f"Content-Length: 99999999\r\nContent-Type: {HEADERS['Content-Type']}\r\n\r\n"

    def run():
        one = gateway.socket()
        one.sendall(head.encode() + FILE + BIG)
        return one

    one = await deferToThread(run)
    await until(lambda: open_files(gateway.directory))
    one.close()
    await until(lambda: not open_files(gateway.directory))
    assert await fake.names(cap) == []


@ensureDeferred
async def test_a_client_that_goes_away_in_a_body_changes_nothing(gateway, fake, url, until):
    cap = await fake.make()
    body = b'{"a": ["filenode", {"ro_uri": "URI:LIT:"}]}'
    place = url(cap, t="set_children")
    head = f"POST {place} HTTP/1.1\r\nHost: localhost\r\n"
    head += f"Content-Length: {len(body) + 1}\r\n\r\n"

    def run():
        one = gateway.socket()
        one.sendall(head.encode() + body)
        one.close()

    await deferToThread(run)
    await gateway.ask("GET", "/healthz")
    assert await fake.names(cap) == []
