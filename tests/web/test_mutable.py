"""Mutable files through the gateway, over a grid of five servers."""

import json
import random

import pytest
import pytest_twisted
from pytest_twisted import ensureDeferred

from allmydata import uri
from allmydata.mutable.check import MutableChecker
from allmydata.util.deferreds import start
from tests.support.grid import LocalGrid

DATA = random.Random(1).randbytes(300_000)
FORMATS = ["SDMF", "MDMF"]
PREFIX = {"SDMF": "URI:SSK:", "MDMF": "URI:MDMF:"}


@pytest.fixture
def shares(tmp_path, gateway):
    """A grid of five servers, on which the gateway's node keeps mutable files."""
    grid = LocalGrid(tmp_path / "grid", 5, (2, 3, 5))
    pytest_twisted.blockon(start(grid.start()))
    client = gateway.client
    client.mutables, client.mutable_checker = grid.mutables, MutableChecker(grid.mutables)
    client.checker, client.repairer = grid.checker, grid.repairer
    yield grid
    pytest_twisted.blockon(start(grid.stop()))


@pytest.fixture
def ask(gateway):
    """Return a function that gives (status, headers, body)."""

    async def ask(method, path, body=None, headers=()):
        return await gateway.ask(method, path.replace(":", "%3A"), body, headers)

    return ask


async def make(ask, format_="SDMF", data=DATA):
    status, _, cap = await ask("PUT", f"/uri?format={format_}", data)
    assert status == 200
    return cap.decode()


def readonly(cap):
    return uri.from_string(cap).get_readonly().to_string()


@pytest.mark.parametrize("format_", FORMATS)
@ensureDeferred
async def test_what_is_put_is_got_whole_and_in_ranges(shares, ask, format_):
    cap = await make(ask, format_.lower())
    assert cap.startswith(PREFIX[format_])
    for text in (cap, readonly(cap)):
        status, headers, body = await ask("GET", f"/uri/{text}")
        assert (status, body) == (200, DATA)
        assert headers["Content-Length"] == "300000" and "ETag" not in headers
        part = {"Range": "bytes=131000-140000"}
        status, headers, body = await ask("GET", f"/uri/{text}", headers=part)
        assert (status, body) == (206, DATA[131000:140001])
        assert headers["Content-Range"] == "bytes 131000-140000/300000"
    status, headers, body = await ask("HEAD", f"/uri/{cap}")
    assert (status, headers["Content-Length"]) == (200, "300000")
    beyond = {"Range": "bytes=300001-300002"}
    assert (await ask("GET", f"/uri/{cap}", headers=beyond))[0] == 416


@ensureDeferred
async def test_mutable_without_a_format_is_sdmf(shares, ask):
    status, _, cap = await ask("PUT", "/uri?mutable=true", b"x")
    assert status == 200 and cap.startswith(b"URI:SSK:")
    status, _, cap = await ask("PUT", "/uri?mutable=true&format=CHK", b"x")
    assert cap == b"URI:LIT:pa"


@pytest.mark.parametrize("format_", FORMATS)
@ensureDeferred
async def test_a_put_replaces_and_an_offset_changes_a_part(shares, ask, format_):
    cap = await make(ask, format_)
    status, _, body = await ask("PUT", f"/uri/{cap}", b"short")
    assert (status, body.decode()) == (200, cap)
    assert (await ask("GET", f"/uri/{cap}"))[2] == b"short"
    for offset, piece, held in (
        (1, b"HOR", b"sHORt"),
        (5, b"er", b"sHORter"),
        (9, b"!", b"sHORter\0\0!"),
    ):
        status, _, body = await ask("PUT", f"/uri/{cap}?offset={offset}", piece)
        assert (status, body.decode()) == (200, cap)
        assert (await ask("GET", f"/uri/{cap}"))[2] == held


@ensureDeferred
async def test_what_cannot_be_written_is_refused(shares, ask):
    cap = await make(ask, data=b"x")
    for query in ("", "?offset=0"):
        status, _, body = await ask("PUT", f"/uri/{readonly(cap)}{query}", b"y")
        assert status == 400
        assert b"replace or update requested with read-only cap" in body
    for offset in ("-1", "x", "1e3", "%C2%B2", "9" * 30):
        status, _, body = await ask("PUT", f"/uri/{cap}?offset={offset}", b"y")
        assert (status, body) == (400, b"PUT to a mutable file: Invalid offset")
    verify = uri.from_string(cap).get_verify_cap().to_string()
    assert (await ask("PUT", f"/uri/{verify}", b"y"))[0] == 400
    assert (await ask("GET", f"/uri/{verify}"))[0] == 400
    assert (await ask("GET", f"/uri/{cap}"))[2] == b"x"


@pytest.mark.parametrize("format_", FORMATS)
@ensureDeferred
async def test_json_tells_the_format_and_the_weaker_capabilities(shares, ask, format_):
    cap = await make(ask, format_)
    facts = {
        "mutable": True,
        "format": format_,
        "size": len(DATA),
        "ro_uri": readonly(cap),
        "verify_uri": uri.from_string(cap).get_verify_cap().to_string(),
    }
    for text, more in ((cap, {"rw_uri": cap}), (readonly(cap), {})):
        _, _, body = await ask("GET", f"/uri/{text}?t=json")
        assert json.loads(body) == ["filenode", facts | more]
    assert (await ask("GET", f"/uri/{cap}?t=uri"))[2].decode() == cap
    assert (await ask("GET", f"/uri/{cap}?t=readonly-uri"))[2].decode() == readonly(cap)


@ensureDeferred
async def test_a_file_in_a_directory_keeps_its_capability(shares, ask):
    _, _, root = await ask("POST", "/uri?t=mkdir")
    place = "/uri/" + root.decode().replace("/", "%2F") + "/f"
    status, _, cap = await ask("PUT", f"{place}?format=SDMF", b"one")
    assert status == 201 and cap.startswith(b"URI:SSK:")
    status, _, same = await ask("PUT", place, b"two")
    assert (status, same) == (200, cap)
    assert (await ask("GET", place))[2] == b"two"
    assert (await ask("PUT", f"{place}?offset=1", b"W"))[0] == 200
    assert (await ask("GET", "/uri/" + cap.decode()))[2] == b"tWo"
    assert (await ask("PUT", f"{place}?replace=false", b"three"))[0] == 409
    kind, facts = json.loads((await ask("GET", f"{place}?t=json"))[2])
    assert (kind, facts["mutable"], facts["format"]) == ("filenode", True, "SDMF")
    assert facts["rw_uri"] == cap.decode() and "size" not in facts


@ensureDeferred
async def test_a_check_tells_versions_and_a_repair_makes_whole(shares, ask):
    cap = await make(ask, data=b"precious")
    _, _, body = await ask("POST", f"/uri/{cap}?t=check&verify=true&output=JSON")
    told = json.loads(body)
    assert told["summary"] == "Healthy"
    names = [name.rpartition("-sh") for name in told["results"]["sharemap"]]
    assert [int(number) for *_, number in names] == list(range(5))
    assert all(name.startswith("seq1-") for name, *_ in names)
    for path in [*shares.share_files().values()][:2]:
        path.unlink()
    _, _, body = await ask("POST", f"/uri/{cap}?t=check&output=JSON")
    assert json.loads(body)["summary"] == "Unhealthy: 3 shares (enc 2-of-5)"
    status, _, body = await ask("POST", f"/uri/{readonly(cap)}?t=check&repair=true")
    assert status == 403 and b"write capability" in body
    _, _, body = await ask("POST", f"/uri/{cap}?t=check&repair=true&output=JSON")
    told = json.loads(body)
    assert told["repair-attempted"] and told["repair-successful"]
    assert told["post-repair-results"]["results"]["healthy"]
    assert (await ask("GET", f"/uri/{cap}"))[2] == b"precious"


@ensureDeferred
async def test_a_file_that_is_gone_is_gone(shares, ask):
    cap = await make(ask, data=b"x")
    for path in shares.share_files().values():
        path.unlink()
    status, _, body = await ask("GET", f"/uri/{cap}")
    assert status == 410 and body.startswith(b"NoSharesError")
    kind, facts = json.loads((await ask("GET", f"/uri/{cap}?t=json"))[2])
    assert kind == "filenode" and "size" not in facts


@ensureDeferred
async def test_a_body_that_is_too_large_is_refused_at_once(shares, gateway):
    from twisted.internet.threads import deferToThread

    def run():
        one = gateway.socket()
        one.sendall(
            b"PUT /uri?format=MDMF HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Length: 999999999\r\nExpect: 100-continue\r\n\r\n"
        )
        with one.makefile("rb") as reply:
            return reply.readline()

    assert b" 413 " in await deferToThread(run)
