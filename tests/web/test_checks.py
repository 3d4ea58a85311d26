"""Files checked and mended through the gateway, one and whole trees."""

import json
import random
from types import SimpleNamespace

import pytest
import pytest_twisted
from pytest_twisted import ensureDeferred

from allmydata import uri
from allmydata.errors import NotFoundError
from allmydata.util.deferreds import start
from tests.support.grid import LocalGrid

HELLO = "URI:LIT:nbswy3dp"


@pytest.fixture
def shares(tmp_path, gateway):
    """A grid of five servers, which the gateway's node checks on."""
    grid = LocalGrid(tmp_path / "grid", 5, (2, 3, 5))
    pytest_twisted.blockon(start(grid.start()))
    gateway.client.checker, gateway.client.repairer = grid.checker, grid.repairer
    yield grid
    pytest_twisted.blockon(start(grid.stop()))


async def put(shares, size=2000):
    return await shares.put(random.Random(size).randbytes(size))


def lose(shares, *shnums, index=""):
    for path in shares.base.glob(f"server*/shares/??/{index or '*'}/*"):
        if int(path.name) in shnums:
            path.unlink()


def index_of(cap):
    return uri.from_string(cap).get_verify_cap().to_string().split(":")[2]


async def check(fake, url, cap, *names, **words):
    status, headers, body = await fake.ask("POST", url(cap, *names, t="check", **words))
    assert status == 200, body
    if words.get("output", "").lower() != "json":
        return body
    assert headers["Content-Type"].startswith("text/plain")
    return json.loads(body)


@ensureDeferred
async def test_a_healthy_file_is_told_of_in_the_words_of_tahoe_lafs(shares, fake, url):
    cap = await put(shares)
    nodeids = {proxy.nodeid for proxy in shares.proxies}
    for text in (cap, uri.from_string(cap).get_verify_cap().to_string()):
        for more in ({}, {"verify": "true"}, {"add-lease": "1"}):
            told = await check(fake, url, text, output="JSON", **more)
            results = told.pop("results")
            assert told == {"storage-index": index_of(cap), "summary": "Healthy"}
            assert set(results.pop("servers-responding")) == nodeids
            sharemap = results.pop("sharemap")
            assert sorted(sharemap) == list("01234")
            assert {server for (server,) in sharemap.values()} == nodeids
            assert results == {
                "count-happiness": 5,
                "count-shares-good": 5,
                "count-shares-needed": 2,
                "count-shares-expected": 5,
                "count-good-share-hosts": 5,
                "count-corrupt-shares": 0,
                "list-corrupt-shares": [],
                "count-wrong-shares": 0,
                "count-recoverable-versions": 1,
                "count-unrecoverable-versions": 0,
                "count-spare-servers": 3,
                "healthy": True,
                "recoverable": True,
            }


@ensureDeferred
async def test_what_is_missing_is_told_until_nothing_is_left(shares, fake, url):
    cap = await put(shares)
    lose(shares, 0, 1)
    told = await check(fake, url, cap, output="json")
    assert told["summary"] == "Not Healthy: 3 shares (enc 2-of-5)"
    results = told["results"]
    assert (results["healthy"], results["recoverable"]) == (False, True)
    lose(shares, 2, 3, 4)
    results = (await check(fake, url, cap, output="JSON"))["results"]
    assert results["sharemap"] == {} and not results["recoverable"]
    assert results["count-unrecoverable-versions"] == 1
    assert results["count-spare-servers"] == -1
    status, _, body = await fake.ask("POST", url(cap, t="check", repair="true"))
    assert status == 410 and body.startswith("NoSharesError: ")


@ensureDeferred
async def test_a_corrupt_share_is_listed_and_mended(shares, fake, url):
    cap = await put(shares)
    (i, shnum), path = next(iter(shares.share_files().items()))
    raw = bytearray(path.read_bytes())
    raw[200] ^= 1
    path.write_bytes(raw)
    told = await check(fake, url, cap, output="JSON", verify="true")
    bad = [[shares.proxies[i].nodeid, index_of(cap), shnum]]
    assert told["results"]["list-corrupt-shares"] == bad
    assert str(shnum) not in told["results"]["sharemap"]
    told = await check(fake, url, cap, output="JSON", verify="true", repair="true")
    assert (told["repair-attempted"], told["repair-successful"]) == (True, True)
    assert not told["pre-repair-results"]["results"]["healthy"]
    after = told["post-repair-results"]
    assert after["summary"] == "healthy" and after["results"]["healthy"]
    assert after["results"]["list-corrupt-shares"] == bad
    told = await check(fake, url, cap, output="JSON", repair="true")
    assert (told["repair-attempted"], told["repair-successful"]) == (False, False)
    assert told["post-repair-results"]["summary"] == "Healthy"


@ensureDeferred
async def test_a_repair_makes_again_what_lies_on_a_server_being_emptied(
    shares, gateway, fake, url
):
    shares.parameters = (2, 3, 4)
    cap = await put(shares)
    report = await shares.checker.check(cap)
    emptied = next(one for one in shares.proxies if report.holdings.get(one.nodeid))
    gateway.client.drains = SimpleNamespace(drained=frozenset({emptied.nodeid}))
    assert (await check(fake, url, cap, output="JSON"))["results"]["healthy"]
    told = await check(fake, url, cap, output="JSON", repair="true")
    assert (told["repair-attempted"], told["repair-successful"]) == (True, True)
    servers = {
        one
        for held in told["post-repair-results"]["results"]["sharemap"].values()
        for one in held
    }
    assert emptied.nodeid not in servers
    told = await check(fake, url, cap, output="JSON", repair="true")
    assert told["repair-attempted"] is False


@ensureDeferred
async def test_what_has_no_shares_is_told_of_in_brief(shares, fake, url):
    literal = {"storage-index": "", "results": {"healthy": True}}
    assert await check(fake, url, "URI:LIT:", output="JSON") == literal
    assert await check(fake, url, HELLO, output="JSON", repair="true") == literal
    cap = await fake.make(f=HELLO)
    assert await check(fake, url, cap, "f", output="JSON", verify="t") == literal
    told = await check(fake, url, cap, output="JSON")
    assert told == {**literal, "summary": "Healthy"}
    fake.gateway.client.vdrive.error = NotFoundError("no such directory")
    status, _, _ = await fake.ask("POST", url(cap, t="check", output="JSON"))
    assert status == 404


@ensureDeferred
async def test_people_get_a_page_that_holds_no_capability(shares, fake, url):
    cap = await put(shares)
    path = next(iter(shares.share_files().values()))
    raw = bytearray(path.read_bytes())
    raw[200] ^= 1
    path.write_bytes(raw)
    lose(shares, 4)
    directory = await fake.make(**{"<b>": cap})
    page = await check(fake, url, directory, "<b>", verify="true")
    assert "Not healthy: 3 of 5 shares" in page or "Not healthy: 4 of 5 shares" in page
    assert "URI:" not in page and "<b>" not in page and "&lt;b&gt;" in page
    page = await check(fake, url, cap, repair="true", verify="true")
    assert "Repaired: " in page and "It bears the loss of" in page
    assert "can be read" in await check(fake, url, directory)
    assert "it lies in its capability" in await check(fake, url, HELLO)


@ensureDeferred
async def test_what_can_not_be_meant_is_refused(shares, fake, url):
    cap = await put(shares)
    for path, status, words in (
        (url(cap, t="check", verify="maybe"), 400, "invalid boolean argument"),
        (url(cap, t="stream-deep-check"), 400, "POST to file: bad t=stream-deep-check"),
        (url(cap, t="start-deep-check", ophandle="h"), 400, "bad t=start-deep-check"),
        (url("x-unknown:1", t="check"), 400, "only files can be checked"),
        (url(await fake.make(), t="stream-deep-check", after="a/../b"), 400, "name"),
        (url(await fake.make(), "no", t="check"), 404, "No such child: no"),
    ):
        told = await fake.ask("POST", path)
        assert told[0] == status and words in told[2], path
    assert (await fake.ask("GET", url(cap, t="check")))[0] == 400
    fake.gateway.client.checker = None
    assert (await fake.ask("POST", url(cap, t="check")))[0] == 503


@ensureDeferred
async def test_arguments_may_stand_in_a_form(shares, fake, url, form):
    body, headers = form(t="check", output="JSON")
    status, _, told = await fake.ask("POST", url(await put(shares)), body, headers)
    assert status == 200 and json.loads(told)["summary"] == "Healthy"


# ---- trees -----------------------------------------------------------------------------


async def deep(fake, url, cap, **words):
    status, headers, body = await fake.ask("POST", url(cap, t="stream-deep-check", **words))
    assert (status, headers["Content-Type"]) == (200, "text/html"), body
    lines = [json.loads(x) if x[0] == "{" else x for x in body.splitlines()]
    assert lines[-1]["type"] == "stats"
    return lines[:-1], lines[-1]["stats"]


async def make_tree(fake, shares):
    """Return the capability of a tree, and those of its two files."""
    one, two = await put(shares), await put(shares, 3000)
    low = await fake.make(b=two)
    cap = await fake.make(a=one, again=one, lit=HELLO, sub=low)
    return cap, one, two


@ensureDeferred
async def test_every_object_has_a_line_with_what_was_found(shares, fake, url):
    cap, _, two = await make_tree(fake, shares)
    lose(shares, 3, index=index_of(two))
    lines, stats = await deep(fake, url, cap)
    found = {"/".join(line["path"]): line["check-results"] for line in lines}
    assert list(found) == ["", "a", "lit", "sub", "sub/b"]
    assert found["a"]["summary"] == found[""]["summary"] == "Healthy"
    assert found["lit"] == {"storage-index": "", "results": {"healthy": True}}
    assert found["sub/b"]["summary"] == "Not Healthy: 4 shares (enc 2-of-5)"
    assert (stats["count-files"], stats["count-directories"]) == (3, 2)


@ensureDeferred
async def test_a_tree_is_mended_and_what_is_lost_holds_nothing_up(shares, fake, url):
    cap, one, two = await make_tree(fake, shares)
    lose(shares, 0, index=index_of(one))
    lose(shares, *range(4), index=index_of(two))
    lines, _ = await deep(fake, url, cap, repair="true")
    found = {"/".join(line["path"]): line["check-and-repair-results"] for line in lines}
    assert found["lit"] == {"storage-index": "", "repair-attempted": False}
    assert found["a"]["repair-successful"] and found["sub/b"]["repair-attempted"]
    assert not found["sub/b"]["repair-successful"]
    assert "1 good shares were found" in found["sub/b"]["repair-error"]


@ensureDeferred
async def test_a_directory_that_can_not_be_read_is_unhealthy(shares, fake, url):
    cap = await fake.make(a=await fake.make(x=HELLO), b=await fake.make(y=HELLO))
    gone = (await fake.ask("GET", url(cap, "a", t="readonly-uri")))[2]
    del fake.gateway.client.vdrive.tables[gone]
    lines, _ = await deep(fake, url, cap)
    errors = [line for line in lines if isinstance(line, str)]
    assert errors == ["ERROR: NotFoundError: the vdrive server has no such directory"]
    ill = [line["path"] for line in lines if line not in errors and _is_ill(line)]
    assert ill == [["a"]]


def _is_ill(line):
    return not line["check-results"]["results"]["healthy"]


@pytest.mark.parametrize("page_size", [1, 3, 1000])
@ensureDeferred
async def test_a_walk_goes_on_with_the_directory_it_was_in(page_size, shares, fake, url):
    cap = await fake.make()
    for path in ("f", "a/f", "a/x/f", "b/f", "b/m/f", "b/m/n/f", "b/z/f", "c/f", "c/g"):
        await fake.ask("PUT", url(cap, *path.split("/")), path.encode())
    fake.gateway.client.vdrive.page_size = page_size
    everything = ["/".join(line["path"]) for line in (await deep(fake, url, cap))[0]]
    for after in ("a", "a/x", "b", "b/m", "b/m/n", "b/no", "b/z", "c", "zz"):
        lines, _ = await deep(fake, url, cap, after=after)
        told = ["/".join(line["path"]) for line in lines]
        place = tuple(after.split("/"))
        wanted = [p for p in everything if p and tuple(p.split("/")[:-1]) >= place]
        assert told == wanted, after


@ensureDeferred
async def test_a_walk_in_the_background_is_counted(shares, fake, url):
    cap, _, two = await make_tree(fake, shares)
    lose(shares, 3, index=index_of(two))
    told = await finished(fake, url, cap)
    listed = told.pop("list-unhealthy-files")
    assert [path for path, _ in listed] == [["sub", "b"]]
    assert told.pop("stats")["count-files"] == 3
    assert told == {
        "finished": True,
        "root-storage-index": "",
        "count-objects-checked": 4,
        "count-objects-healthy": 3,
        "count-objects-unhealthy": 1,
        "count-corrupt-shares": 0,
        "list-corrupt-shares": [],
    }
    told = await finished(fake, url, cap, repair="true")
    assert len(told.pop("list-unhealthy-files")) == 1
    told.pop("stats")
    assert told == {
        "finished": True,
        "root-storage-index": "",
        "count-objects-checked": 4,
        "count-objects-healthy-pre-repair": 3,
        "count-objects-unhealthy-pre-repair": 1,
        "count-objects-healthy-post-repair": 4,
        "count-objects-unhealthy-post-repair": 0,
        "count-repairs-attempted": 1,
        "count-repairs-successful": 1,
        "count-repairs-unsuccessful": 0,
        "count-corrupt-shares-pre-repair": 0,
        "count-corrupt-shares-post-repair": 0,
        "list-corrupt-shares": [],
        "list-remaining-corrupt-shares": [],
    }
    assert (await fake.ask("GET", "/operations/h?output=text"))[0] == 400


async def finished(fake, url, cap, **words):
    path = url(cap, t="start-deep-check", ophandle="h", **words)
    assert (await fake.ask("POST", path))[0] == 302
    while True:
        status, _, body = await fake.ask("GET", "/operations/h?output=JSON")
        assert status == 200, body
        if json.loads(body)["finished"]:
            return json.loads(body)
