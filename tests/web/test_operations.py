"""Walks that a client starts, and asks for later."""

import json
from urllib.parse import urlencode

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.task import Clock

from allmydata.errors import CorruptError
from allmydata.uri import CHKFileURI
from allmydata.util.deferreds import Gate
from allmydata.util.workers import Workers
from allmydata.web.operations import ASKED_S, MAX_HANDLES, UNASKED_S
from allmydata.web.site import make_site

HELLO = "URI:LIT:nbswy3dp"
CHK = CHKFileURI(bytes(16), b"h" * 32, 3, 10, 2000)
GONE = (404, "unknown/expired handle 'h'")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def gateway(gateway, clock):
    workers = Workers(1, "unused")  # nothing is uploaded here
    site = make_site(gateway.client, workers, gateway.directory, clock, keys=gateway.keys)
    gateway.site.router = site.router
    return gateway


async def begin(grid, place, kind, handle="h", **words):
    more = "".join(f"&{k.replace('_', '-')}={v}" for k, v in words.items())
    place = f"{place}?t=start-{kind}&ophandle={handle}{more}"
    return await grid.ask("POST", place)


async def status(grid, query="output=JSON", handle="h"):
    got, _, body = await grid.ask("GET", f"/operations/{handle}?{query}")
    return got, body


async def result(grid, until, handle="h"):
    """Return what is told when it has finished."""
    for _ in range(1000):
        got, body = await status(grid, handle=handle)
        assert got == 200, body
        told = json.loads(body)
        if told["finished"]:
            return told
    raise AssertionError("it never finished")


async def make_tree(grid):
    low = await grid.make(f=HELLO)
    return await grid.make(a=CHK.to_string(), b=HELLO, low=low)


@pytest.mark.parametrize("kind", ["manifest", "deep-size", "deep-stats"])
@ensureDeferred
async def test_what_begins_a_walk_may_stand_in_a_form(kind, fake, url, form, until):
    cap = await make_tree(fake)
    fields = {"t": f"start-{kind}", "ophandle": "h", "output": "text", "retain-for": "5"}
    for body, headers in ((urlencode(fields), FORM), form(**fields)):
        got, headers, _ = await fake.ask("POST", url(cap), body, headers)
        assert got == 302
        assert headers["Location"].endswith("/operations/h?output=text")
        assert (await result(fake, until))["finished"]
        await fake.ask("POST", "/operations/h", "t=cancel", FORM)
    body = urlencode({**fields, "when_done": "/elsewhere"})
    got, headers, _ = await fake.ask("POST", url(cap), body, FORM)
    assert (got, headers["Location"]) == (302, "/elsewhere")
    assert (await result(fake, until))["finished"]
    got, _, body = await fake.ask("POST", url(HELLO), urlencode(fields), FORM)
    assert (got, body) == (400, f"POST to file: bad t=start-{kind}")


@ensureDeferred
async def test_a_manifest_lists_everything_once(grid, url, until):
    cap = await make_tree(grid)
    got, headers, _ = await begin(grid, url(cap), "manifest")
    port = grid.gateway.port
    where = f"http://127.0.0.1:{port}/operations/h"
    assert (got, headers["Location"]) == (302, where)
    told = await result(grid, until)
    low = (await grid.ask("GET", url(cap, "low", t="uri")))[2]
    entries = {"/".join(path): cap for path, cap in told["manifest"]}
    assert entries == {
        "": cap,
        "a": CHK.to_string(),
        "b": HELLO,
        "low": low,
        "low/f": HELLO,
    }
    verifier = CHK.get_verify_cap().to_string()
    assert told["verifycaps"] == [verifier]
    assert told["storage-index"] == [verifier.split(":")[2]]
    assert (told["finished"], told["origin"]) == (True, "")
    assert told["stats"]["count-literal-files"] == 2
    got, text = await status(grid, "output=text")
    assert text.splitlines()[0] == "finished: yes"
    assert f"low/f {HELLO}" in text.splitlines()


@ensureDeferred
async def test_sizes_and_statistics_are_told(grid, url, until):
    cap = await make_tree(grid)
    await begin(grid, url(cap), "deep-size")
    told = await result(grid, until)
    assert list(told) == ["finished", "size"]
    assert told["size"]["size-immutable-files"] == 2000
    assert await status(grid, "output=text") == (200, "finished: yes\nsize: 2010\n")
    await begin(grid, url(cap) + "/", "deep-stats")
    told = await result(grid, until)
    assert told.pop("finished") is True
    assert (told["count-directories"], told["count-files"]) == (2, 3)
    _, text = await status(grid, "output=text")
    assert json.loads(text)["count-directories"] == 2


@ensureDeferred
async def test_the_page_holds_no_cap_and_no_name(grid, url, until):
    await begin(grid, url(await grid.make(secretname=HELLO)), "manifest")
    await result(grid, until)
    got, headers, page = await grid.ask("GET", "/operations/h")
    assert (got, headers["Content-Type"]) == (200, "text/html;charset=utf-8")
    assert "finished: yes" in page
    assert "URI:" not in page and "secretname" not in page


@ensureDeferred
async def test_names_can_not_make_lines(fake, url, until):
    cap = await fake.make(**{"a\nfinished: no": HELLO})
    await begin(fake, url(cap), "manifest")
    await result(fake, until)
    _, text = await status(fake, "output=text")
    assert len(text.splitlines()) == 3


class SlowDrive:
    """Makes every directory wait until it may be read."""

    def __init__(self, drive):
        self.gate = Gate()
        self.num_ended = 0
        self._drive = drive

    async def get_node(self, cap):
        return SlowNode(self, await self._drive.get_node(cap))

    def __getattr__(self, name):
        return getattr(self._drive, name)


class SlowNode:
    def __init__(self, drive, node):
        self._drive = drive
        self._node = node

    async def pages(self):
        try:
            await self._drive.gate.wait()
        finally:
            self._drive.num_ended += 1
        async for page in self._node.pages():
            yield page

    def __getattr__(self, name):
        return getattr(self._node, name)


@pytest.fixture
def slow(fake):
    fake.gateway.client.vdrive = SlowDrive(fake.gateway.client.vdrive)
    yield fake.gateway.client.vdrive
    fake.gateway.client.vdrive.gate.open()


@ensureDeferred
async def test_what_runs_is_told_as_such_and_does_not_expire(fake, slow, url, clock, until):
    await begin(fake, url(await fake.make(f=HELLO)), "manifest")
    clock.advance(10 * UNASKED_S)
    got, body = await status(fake)
    assert (got, json.loads(body)["finished"]) == (200, False)
    assert (await status(fake, "output=text"))[1] == "finished: no\n"
    assert "finished: no" in (await status(fake, ""))[1]
    slow.gate.open()
    await result(fake, until)


@ensureDeferred
async def test_cancelling_ends_the_walk(fake, slow, url, until):
    await begin(fake, url(await fake.make(f=HELLO)), "manifest")
    for reply in ((200, "Operation cancelled"), GONE):
        assert (await fake.ask("POST", "/operations/h?t=cancel"))[::2] == reply
        assert slow.num_ended == 1
    assert await status(fake) == GONE
    await begin(fake, url(await fake.make()), "manifest")
    assert (await fake.ask("POST", "/operations/h", "t=cancel", FORM))[0] == 200


@ensureDeferred
async def test_a_handle_means_what_was_started_last(fake, slow, url, until):
    await begin(fake, url(await fake.make(f=HELLO)), "manifest")
    await begin(fake, url(await fake.make()), "deep-size")
    assert slow.num_ended == 1
    assert "size" in json.loads((await status(fake))[1])


@pytest.mark.parametrize(
    ("words", "asks", "seconds"),
    [
        ({}, False, UNASKED_S),
        ({}, True, ASKED_S),
        ({"retain_for": 10}, False, 10),
        ({"retain_for": 10}, True, 10),
        ({"retain_for": 10**6}, True, 10**6),
    ],
)
@ensureDeferred
async def test_what_finished_is_kept_for_a_time(
    words, asks, seconds, fake, url, clock, until
):
    clock.advance(1000)
    await begin(fake, url(await fake.make()), "deep-stats", **words)
    await until(lambda: True)
    if asks:
        clock.advance(5)
        await result(fake, until)
    clock.advance(seconds - 1)
    # another handle's request does not make this one live longer
    assert (await status(fake, handle="other"))[0] == 404
    got = await fake.ask("HEAD", "/operations/h")
    assert got[0] == 200
    clock.advance(1)
    assert await status(fake) == GONE


@ensureDeferred
async def test_whoever_asks_may_say_how_long(fake, url, clock, until):
    await begin(fake, url(await fake.make()), "deep-stats")
    await result(fake, until)
    await status(fake, "output=JSON&retain-for=7")
    clock.advance(6)
    await status(fake)
    clock.advance(6)
    last = "output=JSON&release-after-complete=true"
    assert (await status(fake, last))[0] == 200
    assert await status(fake) == GONE


@ensureDeferred
async def test_what_still_runs_is_not_released(fake, slow, url, until):
    await begin(fake, url(await fake.make()), "deep-stats")
    for _ in range(2):
        got, _ = await status(fake, "output=JSON&release-after-complete=t")
        assert got == 200


@ensureDeferred
async def test_there_are_not_too_many_handles(fake, url, clock, until):
    place = url(await fake.make())
    for i in range(MAX_HANDLES + 1):
        clock.advance(1)
        assert (await begin(fake, place, "deep-size", f"n{i}"))[0] == 302
    assert (await status(fake, handle="n0"))[0] == 404
    for i in (1, MAX_HANDLES):
        assert (await status(fake, handle=f"n{i}"))[0] == 200


@ensureDeferred
async def test_no_more_are_started_when_too_many_run(fake, slow, url):
    place = url(await fake.make())
    for i in range(MAX_HANDLES):
        assert (await begin(fake, place, "deep-size", f"n{i}"))[0] == 302
    got, _, body = await begin(fake, place, "deep-size", "more")
    assert (got, "slow operations are running" in body) == (503, True)
    assert (await begin(fake, place, "deep-size", "n3"))[0] == 302


@ensureDeferred
async def test_what_can_not_be_read_is_told(fake, url, until):
    cap = await fake.make(a=await fake.make(x=HELLO), b=await fake.make(y=HELLO))
    gone = (await fake.ask("GET", url(cap, "a", t="readonly-uri")))[2]
    del fake.gateway.client.vdrive.tables[gone]
    await begin(fake, url(cap), "manifest")
    told = await result(fake, until)
    assert told["errors"] == [
        "ERROR: NotFoundError: the vdrive server has no such directory"
    ]
    assert ["b", "y"] in [path for path, _ in told["manifest"]]
    fake.gateway.client.vdrive.error = CorruptError("a row does not open")
    await begin(fake, url(cap), "manifest")
    assert await status(fake) == (500, "a row does not open")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("t=start-manifest", "slow operation requires ophandle="),
        ("t=start-deep-size&ophandle=", "slow operation requires ophandle="),
        (f"t=start-manifest&ophandle={'x' * 257}", "ophandle= has at most 256"),
        ("t=start-manifest&ophandle=h&retain-for=x", "retain-for= must be a number"),
        ("t=start-manifest&ophandle=h&retain-for=-1", "retain-for= must be a number"),
        ("t=start-bogus&ophandle=h", "POST to a directory with bad t=start-bogus"),
    ],
)
@ensureDeferred
async def test_starting_refuses(query, words, fake, url):
    place = url(await fake.make())
    got, _, body = await fake.ask("POST", f"{place}?{query}")
    assert (got, words in body) == (400, True), body
    assert await status(fake) == GONE


@ensureDeferred
async def test_asking_refuses(fake, url, until):
    got, _, body = await begin(fake, url(HELLO), "manifest")
    assert (got, body) == (400, "POST to file: bad t=start-manifest")
    await begin(fake, url(await fake.make()), "manifest", "a%2F%3Fb", output="JSON")
    got, _, body = await fake.ask("GET", "/operations/a%2F%3Fb?output=bogus")
    assert (got, body) == (400, "Unknown output value: 'bogus'")
    assert (await fake.ask("POST", "/operations/a%2F%3Fb?t=bogus"))[0] == 400
    assert (await fake.ask("GET", "/operations/a%2F%3Fb?retain-for=x"))[0] == 400
    assert (await fake.ask("DELETE", "/operations/a%2F%3Fb"))[0] == 405
    assert (await fake.ask("POST", "/operations/a%2F%3Fb?t=status&output=text"))[0] == 200
    assert (await fake.ask("GET", "/operations"))[0] == 404


@ensureDeferred
async def test_the_way_to_the_handle_is_quoted_and_keeps_the_output(fake, url):
    _, headers, _ = await begin(
        fake, url(await fake.make()), "manifest", "a%2F%3Fb", output="JSON"
    )
    place = headers["Location"].partition("/operations/")[2]
    assert place == "a%2F%3Fb?output=JSON"


@ensureDeferred
async def test_a_program_with_the_capability_and_a_handle_nobody_guesses_needs_no_token(
    fake, url
):
    place, handle = url(await fake.make()), "k3hqz7d2m5x4w6a7"
    fake.gateway.headers.clear()
    assert (await begin(fake, place, "manifest", handle))[0] == 302
    assert (await status(fake, handle=handle))[0] == 200
    assert (await fake.ask("POST", f"/operations/{handle}?t=cancel"))[0] == 200


@ensureDeferred
async def test_a_walk_through_the_owners_own_root_is_the_owners_to_ask_for(fake):
    handle = "k3hqz7d2m5x4w6a7"
    assert (await begin(fake, "/vdrive/private", "manifest", handle))[0] == 302
    fake.gateway.headers.clear()
    assert (await status(fake, handle=handle))[0] == 401


@ensureDeferred
async def test_only_the_owner_can_ask(fake, url):
    await begin(fake, url(await fake.make()), "manifest")
    fake.gateway.headers.clear()
    for method in ("GET", "POST"):
        assert (await fake.ask(method, "/operations/h?t=cancel"))[0] == 401
