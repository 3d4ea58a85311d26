"""Files through the gateway, over a real socket."""

import json
import os
from urllib.parse import quote

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.threads import deferToThread

from allmydata import uri
from allmydata.errors import (
    CorruptError,
    NoSpaceError,
    NotEnoughServersError,
    NotEnoughSharesError,
)
from allmydata.util import base32

DATA = bytes(range(256)) * 40  # 10240 bytes
MEGABYTE = os.urandom(10**6)


async def stored(gateway, data=DATA):
    _, _, cap = await gateway.ask("PUT", "/uri", data)
    return cap.decode()


def path(cap):
    return "/uri/" + quote(cap, safe="")


# ---- PUT


@pytest.mark.parametrize("place", ["/uri", "/cap", "/uri?format=chk&mutable=t", "/uri?t="])
@ensureDeferred
async def test_put_replies_with_the_bare_cap(place, gateway):
    status, headers, cap = await gateway.ask("PUT", place, DATA)
    assert (status, headers["Content-Type"]) == (200, "text/html")
    assert gateway.uploader.files[cap.decode()] == DATA
    assert uri.from_string(cap.decode()).to_string() == cap.decode()


@pytest.mark.parametrize("data", [b"", b"x", b"y" * 55], ids=len)
@ensureDeferred
async def test_small_files_live_in_their_cap(data, gateway):
    status, _, cap = await gateway.ask("PUT", "/uri", data)
    assert (status, cap.decode()) == (200, "URI:LIT:" + base32.b2a(data))


@ensureDeferred
async def test_put_without_any_body_stores_the_empty_file(gateway):
    def put():
        connection = gateway.connect()
        connection.putrequest("PUT", "/uri")
        connection.endheaders()
        return connection.getresponse().read()

    assert await deferToThread(put) == b"URI:LIT:"


@pytest.mark.parametrize("size", [0, 10, 100_000, 3_000_000])
@ensureDeferred
async def test_chunked_bodies_are_stored(size, gateway):
    data = os.urandom(size)
    pieces = (data[i : i + 50_000] for i in range(0, size, 50_000))
    status, _, cap = await gateway.ask("PUT", "/uri", pieces)
    assert status == 200
    assert gateway.uploader.files[cap.decode()] == data


@ensureDeferred
async def test_the_same_content_converges_unless_told_not_to(gateway):
    first, second = await stored(gateway), await stored(gateway)
    assert first == second
    for _ in range(2):
        await gateway.ask("PUT", "/uri?convergence=none", DATA)
    pieces = (DATA[i : i + 100] for i in range(0, len(DATA), 100))
    await gateway.ask("PUT", "/uri?convergence=none", pieces)
    assert list(gateway.uploader.files.values()) == [DATA] * 4


@ensureDeferred
async def test_happy_is_handed_on(gateway):
    await gateway.ask("PUT", "/uri?happy=3", DATA)
    await gateway.ask("PUT", "/uri", DATA)
    assert gateway.uploader.happy == [3, None]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("happy=0", 400, "happy= must be a number from 1 to 256"),
        ("happy=257", 400, "happy= must be"),
        ("happy=x", 400, "happy= must be"),
        ("happy=%C2%B2", 400, "happy= must be"),
        ("happy=%ff", 400, "not UTF-8"),
        ("convergence=maybe", 400, "convergence= must be none or node"),
        ("format=bogus", 400, "Unknown format: bogus, I know CHK, SDMF, MDMF"),
        ("mutable=bogus", 400, "invalid boolean argument: b'bogus'"),
        ("t=upload", 400, "/uri accepts only PUT"),
        ("t=bogus", 400, "/uri accepts only PUT, PUT?t=mkdir, POST?t=upload, and POST"),
    ],
)
@ensureDeferred
async def test_put_refuses(query, status, words, gateway):
    connection = gateway.connect()
    got, _, body = await gateway.ask("PUT", f"/uri?{query}", DATA, connection=connection)
    assert got == status
    assert words in body.decode()
    assert b"\n" not in body
    assert gateway.uploader.files == {}
    # the connection goes on
    assert (await gateway.ask("GET", "/healthz", connection=connection))[0] == 200


@pytest.mark.parametrize(
    ("error", "status", "begins"),
    [
        (
            NotEnoughServersError("shares could be placed on only 2 server(s)"),
            500,
            "allmydata.interfaces.UploadUnhappinessError: shares could be placed on only 2",
        ),
        (NoSpaceError("full"), 507, "full"),
    ],
)
@pytest.mark.parametrize("query", ["", "?convergence=none"])
@ensureDeferred
async def test_put_tells_why_an_upload_failed(error, status, begins, query, gateway):
    gateway.uploader.error = error
    for size in (1000, 5_000_000):
        got, headers, body = await gateway.ask("PUT", "/uri" + query, bytes(size))
        assert got == status
        assert body.decode().startswith(begins)
        assert headers["Content-Type"] == "text/plain;charset=utf-8"


@ensureDeferred
async def test_errors_are_objects_for_those_who_accept_json(gateway):
    gateway.uploader.error = NotEnoughServersError("few", why="2 of 7", fix="start more")
    accept = {"Accept": "application/json, */*;q=0.1"}
    _, headers, body = await gateway.ask("PUT", "/uri", DATA, headers=accept)
    assert json.loads(body) == {
        "error": {
            "code": "not-enough-servers",
            "message": "few",
            "why": "2 of 7",
            "fix": "start more",
        }
    }
    assert headers["Content-Type"].startswith("application/json")


# ---- GET and HEAD


@pytest.mark.parametrize("data", [b"", b"x", DATA, MEGABYTE], ids=len)
@ensureDeferred
async def test_get_gives_back_what_was_put(data, gateway):
    cap = await stored(gateway, data)
    for place in (path(cap), "/uri/" + cap, "/cap/" + cap):
        status, headers, body = await gateway.ask("GET", place)
        assert status == 200
        assert body == data
        assert headers["Content-Length"] == str(len(data))
        assert headers["Content-Type"] == "text/plain"
        assert headers["Accept-Ranges"] == "bytes"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"


@ensureDeferred
async def test_head_is_get_without_body_and_without_asking_a_server(gateway):
    cap = await stored(gateway)
    gateway.uploader.files.clear()
    status, headers, body = await gateway.ask("HEAD", path(cap))
    assert (status, headers["Content-Length"], body) == (200, "10240", b"")
    assert headers["Accept-Ranges"] == "bytes"
    assert gateway.downloader.calls == []


@pytest.mark.parametrize(
    ("header", "status", "content_range", "first", "end"),
    [
        ("bytes=0-9", 206, "bytes 0-9/10240", 0, 10),
        ("bytes=10-", 206, "bytes 10-10239/10240", 10, 10240),
        ("bytes=-5", 206, "bytes 10235-10239/10240", 10235, 10240),
        ("bytes=0-1,2-6", 206, "bytes 0-6/10240", 0, 7),
        ("bytes=10240-", 200, None, 0, 10240),
        ("bytes=5-2", 200, None, 0, 10240),
        ("lines=1-2", 200, None, 0, 10240),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@ensureDeferred
async def test_ranges(method, header, status, content_range, first, end, gateway):
    cap = await stored(gateway)
    reply = await gateway.ask(method, path(cap), headers={"Range": header})
    assert reply[0] == status
    assert reply[1]["Content-Range"] == content_range
    assert reply[1]["Content-Length"] == str(end - first)
    assert reply[2] == (DATA[first:end] if method == "GET" else b"")


@pytest.mark.parametrize("data", [b"", b"x" * 20, DATA], ids=len)
@ensureDeferred
async def test_a_range_beyond_the_end_can_not_be_satisfied(data, gateway):
    cap = await stored(gateway, data)
    header = {"Range": "bytes=20000-20001"}
    status, headers, body = await gateway.ask("GET", path(cap), headers=header)
    assert (status, body) == (416, b"First beyond end of file")
    assert headers["Content-Range"] is None


@ensureDeferred
async def test_a_range_asks_for_no_more_than_it_needs(gateway):
    cap = await stored(gateway)
    await gateway.ask("GET", path(cap), headers={"Range": "bytes=100-199"})
    await gateway.ask("GET", path(cap))
    assert gateway.downloader.calls == [(100, 100), (0, None)]


@ensureDeferred
async def test_etag_is_the_storage_index_and_saves_the_download(gateway):
    cap = await stored(gateway)
    index = base32.b2a(uri.from_string(cap).storage_index)
    _, headers, _ = await gateway.ask("GET", path(cap))
    assert headers["ETag"] == f"{index}-"
    gateway.downloader.calls.clear()
    for etag in (f"{index}-", "*", f'"other", "{index}-"'):
        reply = await gateway.ask("GET", path(cap), headers={"If-None-Match": etag})
        assert (reply[0], reply[2]) == (304, b"")
    assert gateway.downloader.calls == []
    other = {"If-None-Match": "other"}
    assert (await gateway.ask("GET", path(cap), headers=other))[0] == 200
    _, headers, _ = await gateway.ask("GET", path(cap) + "?t=json")
    assert headers["ETag"] == f"{index}-json"
    _, headers, _ = await gateway.ask("GET", path("URI:LIT:nbswy3dp"))
    assert headers["ETag"] is None


@pytest.mark.parametrize(
    ("query", "content_type", "encoding", "disposition"),
    [
        ("filename=a.jpg", "image/jpeg", None, None),
        ("filename=a.tar.gz", "text/plain", "gzip", None),
        ("filename=f", "text/plain", None, None),
        ("filename=a.txt&save=true", "text/plain", None, 'attachment; filename="a.txt"'),
        ("filename=a%22b&save=t", "text/plain", None, 'attachment; filename="a\\"b"'),
        ("filename=a%0D%0AX:b&save=1", "text/plain", None, 'attachment; filename="a X:b"'),
        ("save=true", "text/plain", None, "attachment"),
    ],
)
@ensureDeferred
async def test_the_name_decides_type_and_disposition(
    query, content_type, encoding, disposition, gateway
):
    _, headers, _ = await gateway.ask("GET", path("URI:LIT:nbswy3dp") + "?" + query)
    assert headers["Content-Type"] == content_type
    assert headers["Content-Encoding"] == encoding
    assert headers["Content-Disposition"] == disposition


@ensureDeferred
async def test_json_tells_of_a_file_without_asking_a_server(gateway):
    cap = await stored(gateway)
    gateway.uploader.files.clear()
    status, headers, body = await gateway.ask("GET", path(cap) + "?t=json")
    verifier = uri.from_string(cap).get_verify_cap().to_string()
    facts = {"mutable": False, "format": "CHK", "size": 10240}
    facts |= {"ro_uri": cap, "verify_uri": verifier}
    assert (status, json.loads(body)) == (200, ["filenode", facts])
    assert headers["Content-Type"] == "text/plain"
    assert body.startswith(b'[\n "filenode",\n') and body.endswith(b"]\n")
    _, _, body = await gateway.ask("GET", path("URI:LIT:nbswy3dp") + "?t=json")
    facts = {"mutable": False, "format": "CHK", "size": 5, "ro_uri": "URI:LIT:nbswy3dp"}
    assert json.loads(body) == ["filenode", facts]
    _, _, body = await gateway.ask("GET", path(verifier) + "?t=json")
    facts = {"mutable": False, "format": "CHK", "size": 10240, "verify_uri": verifier}
    assert json.loads(body) == ["filenode", facts]


@pytest.mark.parametrize("kind", ["uri", "readonly-uri"])
@ensureDeferred
async def test_a_cap_tells_its_caps(kind, gateway):
    cap = await stored(gateway)
    status, headers, body = await gateway.ask("GET", path(cap) + "?t=" + kind)
    assert (status, body.decode()) == (200, cap)
    assert headers["Content-Type"] == "text/plain"


# ---- what can't be had


@pytest.mark.parametrize("place", ["garbage", "URI%3ACHK%3Aabc", "x-future:abc", "%20"])
@ensureDeferred
async def test_what_is_no_cap_can_only_be_asked_for_json(place, gateway):
    status, headers, body = await gateway.ask("GET", "/uri/" + place)
    assert status == 400
    first, hint = body.decode().split("\n")
    assert first == "GET unknown URI type: can only do t=info and t=json, not t=."
    assert hint
    assert headers["Content-Type"] == "text/plain;charset=utf-8"
    status, _, body = await gateway.ask("GET", f"/uri/{place}?t=json")
    assert (status, json.loads(body)) == (200, ["unknown", {}])
    status, _, body = await gateway.ask(
        "GET", "/uri/" + place, headers={"Accept": "application/json"}
    )
    assert json.loads(body)["error"]["code"] == "bad-cap"


@ensureDeferred
async def test_a_verify_cap_does_not_read(gateway):
    verifier = uri.from_string(await stored(gateway)).get_verify_cap().to_string()
    status, _, body = await gateway.ask("GET", path(verifier))
    assert status == 400
    assert body.startswith(b"GET unknown URI type")
    assert gateway.downloader.calls == []


@pytest.mark.parametrize(
    ("method", "place", "status"),
    [
        ("GET", "?t=bogus", 400),
        ("GET", "?save=bogus", 400),
        ("GET", "?filename=%ff", 400),
        ("GET", "/child", 400),
        ("GET", "/", 400),
        ("PUT", "", 400),
        ("PUT", "?offset=1", 400),
        ("POST", "?t=upload", 400),
        ("DELETE", "", 400),
        ("BREW", "", 501),
    ],
)
@ensureDeferred
async def test_a_file_refuses(method, place, status, gateway):
    cap = await stored(gateway)
    got, _, body = await gateway.ask(method, path(cap) + place)
    assert got == status
    assert b"URI:" not in body and body


@pytest.mark.parametrize(
    ("error", "status", "begins"),
    [
        (
            NotEnoughSharesError("2 found", why="k 3"),
            410,
            "NotEnoughSharesError: 2 found; k 3",
        ),
        (CorruptError("never whole"), 500, "never whole"),
    ],
)
@ensureDeferred
async def test_a_failed_download_says_why(error, status, begins, gateway):
    cap = await stored(gateway)
    gateway.downloader.error = error
    got, headers, body = await gateway.ask("GET", path(cap), headers={"Range": "bytes=1-2"})
    assert got == status
    assert body.decode().startswith(begins)
    assert (headers["ETag"], headers["Content-Range"]) == (None, None)


@ensureDeferred
async def test_a_file_without_shares_is_gone(gateway):
    cap = await stored(gateway)
    gateway.uploader.files.clear()
    status, _, body = await gateway.ask("GET", path(cap))
    assert (status, body[:14]) == (410, b"NoSharesError:")


# ---- /uri itself


@ensureDeferred
async def test_uri_equals_redirects_to_the_cap(gateway):
    cap = await stored(gateway)
    for method in ("GET", "HEAD"):
        status, headers, _ = await gateway.ask(method, f"/uri?uri={quote(cap)}&t=json")
        assert (status, headers["Location"]) == (302, path(cap) + "?t=json")
    for place in ("/uri?uri=garbage", "/uri?uri=URI:CHK:x"):
        status, _, body = await gateway.ask("GET", place)
        assert (status, body) == (400, b"Invalid capability")
    assert (await gateway.ask("GET", "/uri"))[::2] == (400, b"GET /uri requires uri=")


@pytest.mark.parametrize(
    ("method", "place", "status"),
    [
        ("POST", "/uri?t=upload", 400),
        ("POST", "/uri", 400),
        ("POST", "/uri?t=bogus", 400),
        ("DELETE", "/uri", 405),
        ("BREW", "/uri", 501),
        ("GET", "/nope", 404),
        ("GET", "/uri%2Fx", 404),
        ("GET", "/%ff", 400),
        ("PUT", "/", 405),
    ],
)
@ensureDeferred
async def test_other_requests_are_refused(method, place, status, gateway):
    got, headers, body = await gateway.ask(method, place, b"some body")
    assert got == status
    assert (headers["Allow"] is not None) == (status == 405)
    assert body
