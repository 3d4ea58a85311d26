"""Files under a name that the client chooses."""

from urllib.parse import quote

import pytest
from pytest_twisted import ensureDeferred

from allmydata.web.files import SANDBOX

DATA = bytes(range(256)) * 40
HELLO = "URI:LIT:nbswy3dp"


@pytest.mark.parametrize("first", ["named", "file"])
@pytest.mark.parametrize(
    ("rest", "content_type"),
    [
        ("/a.jpg", "image/jpeg"),
        ("/any/thing/a.html", "text/html"),
        ("/@@name=/a.jpg", "image/jpeg"),
        ("/..%2Fa.png", "image/png"),
        ("/a.jpg/b", "text/plain"),
        ("/a.jpg/", "text/plain"),
        ("", "text/plain"),
        ("/a.jpg?filename=b.png", "image/png"),
        ("/%F0%9F%98%80.svg", "image/svg+xml"),
    ],
)
@ensureDeferred
async def test_the_last_word_tells_the_type(first, rest, content_type, gateway):
    _, _, cap = await gateway.ask("PUT", "/uri", DATA)
    place = f"/{first}/{quote(cap, safe='')}{rest}"
    status, headers, body = await gateway.ask("GET", place)
    assert (status, body) == (200, DATA)
    assert headers["Content-Type"] == content_type
    is_active = "html" in content_type or "xml" in content_type
    assert headers["Content-Security-Policy"] == (SANDBOX if is_active else None)
    etag = headers["ETag"]
    status, head, body = await gateway.ask("HEAD", place)
    assert (status, head["Content-Length"], body) == (200, "10240", b"")
    assert head["Content-Type"] == content_type
    again = await gateway.ask("GET", place, headers={"If-None-Match": etag})
    assert again[0] == 304


@ensureDeferred
async def test_ranges_and_saving_are_as_under_uri(gateway):
    place = f"/named/{HELLO}/my.txt"
    _, _, body = await gateway.ask("GET", place, headers={"Range": "bytes=1-2"})
    assert body == b"el"
    _, headers, _ = await gateway.ask("GET", place + "?save=true")
    assert headers["Content-Disposition"] == 'attachment; filename="my.txt"'
    assert (await gateway.ask("GET", place + "?t=uri"))[2] == HELLO.encode()
    assert b'"size": 5' in (await gateway.ask("GET", place + "?t=json"))[2]


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
@ensureDeferred
async def test_it_only_reads(method, gateway):
    status, headers, body = await gateway.ask(method, f"/file/{HELLO}/a", b"x")
    assert (status, body) == (400, b"/file can only be used with GET or HEAD")
    assert headers["Allow"] == "GET, HEAD"


@ensureDeferred
async def test_only_files_have_other_names(fake):
    chk = (await fake.ask("PUT", "/uri", "x" * 99))[2]
    facts = await fake.told("/uri/" + quote(chk, safe=""))
    for cap in (await fake.make(), facts[1]["verify_uri"], "garbage", "x-other:1", ""):
        status, _, body = await fake.ask("GET", f"/named/{quote(cap, safe='')}/a")
        assert (status, body[:22]) == (400, "this is not a file-cap"), cap
        assert not cap or cap not in body
    for place in ("/file", "/named"):
        status, headers, _ = await fake.ask("GET", place)
        assert (status, headers["Content-Type"]) == (404, "text/plain;charset=utf-8")
