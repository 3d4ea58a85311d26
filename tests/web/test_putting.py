"""What is put into directories: files and links."""

import json
import os

import pytest
from pytest_twisted import ensureDeferred

from allmydata.errors import NotEnoughServersError
from allmydata.util.deferreds import gather

HELLO = "URI:LIT:nbswy3dp"
OTHER = "URI:LIT:mfrgg"  # abc
EXISTS = "There was already a child by that name, and you asked me to not replace it."
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}


# ---- PUT of a file


@ensureDeferred
async def test_put_makes_a_child_and_then_replaces_it(grid, url):
    cap = await grid.make()
    first, second = os.urandom(2000), os.urandom(3000)
    status, headers, file_cap = await grid.ask("PUT", url(cap, "f"), first)
    assert (status, headers["Content-Type"]) == (201, "text/html")
    assert grid.gateway.uploader.files[file_cap] == first
    status, _, file_cap = await grid.ask("PUT", url(cap, "f"), second)
    assert status == 200
    assert (await grid.children(cap))["f"][1]["ro_uri"] == file_cap
    assert (await grid.gateway.ask("GET", url(cap, "f")))[2] == second


@ensureDeferred
async def test_put_makes_the_directories_above(grid, url):
    cap = await grid.make(a=await grid.make())
    assert (await grid.ask("PUT", url(cap, "a", "b", "c", "f"), b"x" * 99))[0] == 201
    assert (await grid.ask("PUT", url(cap, "a", "b", "g"), b"y" * 99))[0] == 201
    assert await grid.names(cap, "a", "b") == ["c", "g"]
    assert await grid.content(cap, "a", "b", "c", "f") == "x" * 99


@ensureDeferred
async def test_many_may_make_the_same_directories_at_once(grid, url):
    cap = await grid.make()
    places = [url(cap, "a", "b", f"f{i}") for i in range(10)]
    replies = await gather(grid.ask("PUT", place, b"x") for place in places)
    assert [status for status, _, _ in replies] == [201] * 10
    assert await grid.names(cap, "a", "b") == sorted(f"f{i}" for i in range(10))


@ensureDeferred
async def test_put_replaces_only_what_it_may(grid, url):
    cap = await grid.make(f=HELLO, sub=await grid.make())
    for args, status, words in [
        (("f",), 409, EXISTS),
        (("f", "x"), 409, "Unable to create directory 'f': a file was in the way"),
        (("sub",), 400, "PUT to a directory"),
        (("f", ""), 400, "Files have no children named ''"),
    ]:
        for body in (b"x", b"x" * 10**6):
            place = url(cap, *args, replace="false")
            assert (await grid.ask("PUT", place, body))[::2] == (status, words)
    assert (await grid.ask("PUT", url(cap, "g", replace="false"), b"x"))[0] == 201
    assert (await grid.ask("PUT", url(cap, "f", replace="only-files"), b"abc"))[0] == 200
    place = url(cap, "sub", replace="only-files")
    assert (await grid.ask("PUT", place, b"x"))[0] == 400
    assert await grid.names(cap) == ["f", "g", "sub"]
    assert await grid.content(cap, "f") == "abc"


@ensureDeferred
async def test_what_is_put_is_chunked_or_not_converging_or_not(grid, url):
    cap = await grid.make()
    data = os.urandom(3 * 10**6)
    for query in ("", "?convergence=none", "?format=chk"):
        for body in (data, (data[i : i + 10**5] for i in range(0, len(data), 10**5))):
            place = url(cap, "new", "f") + query
            assert (await grid.gateway.ask("PUT", place, body))[0] in (200, 201)
            assert (await grid.gateway.ask("GET", url(cap, "new", "f")))[2] == data
    assert len(grid.gateway.uploader.files) == 3


@ensureDeferred
async def test_an_upload_that_fails_leaves_nothing_behind(grid, url):
    cap = await grid.make()
    grid.gateway.uploader.error = NotEnoughServersError("2 of 7")
    status, _, body = await grid.ask("PUT", url(cap, "a", "f"), bytes(1000))
    assert (status, "2 of 7" in body) == (500, True)
    assert await grid.names(cap) == []


@pytest.mark.parametrize("end", ["", "/"])
@ensureDeferred
async def test_a_directory_is_no_place_to_put_a_file(end, grid, url):
    cap = await grid.make(sub=await grid.make())
    for place in (url(cap) + end, url(cap, "sub") + end):
        assert (await grid.ask("PUT", place, b"x"))[::2] == (400, "PUT to a directory")
    file_cap = HELLO
    assert (await grid.ask("PUT", url(file_cap), b"x"))[::2] == (400, "PUT to a file")
    _, _, body = await grid.ask("PUT", url(file_cap, offset=1), b"x")
    assert body == "PUT to a file: append operation invoked on an immutable cap"
    _, _, body = await grid.ask("PUT", url(file_cap, "x"), b"x")
    assert body == "Files have no children named 'x'"


# ---- links


@pytest.mark.parametrize("names", [("x",), ("a", "b", "x")])
@ensureDeferred
async def test_put_links_a_cap(names, grid, url):
    cap, target = await grid.make(), await grid.make(inside=HELLO)
    for linked in (HELLO, target, await grid.readonly(target), "ro.x-future:1"):
        place = url(cap, *names, t="uri")
        status, _, body = await grid.ask("PUT", place, f" {linked}\n")
        assert (status, body) == (200, linked)
        assert (await grid.ask("GET", url(cap, *names, t="uri")))[2] == linked


@ensureDeferred
async def test_few_questions_are_asked_of_a_vdrive_server(grid, url):
    cap = await grid.make(f=HELLO)
    names = {f"n{i}": ["filenode", {"ro_uri": HELLO}] for i in range(1000)}
    for num_calls, method, place, *body in [
        (1, "PUT", url(cap, "x", t="uri"), HELLO),
        (1, "POST", url(cap, t="uri", name="x", uri=HELLO)),
        (1, "POST", url(cap, t="unlink", name="x")),
        (1, "POST", url(cap, t="set_children"), json.dumps(names)),
        (1, "GET", url(cap, "f")),
        (2, "PUT", url(cap, "f"), b"x"),
        (2, "POST", url(cap, t="mkdir", name="d")),
        (3, "PUT", url(cap, "d", "f"), b"x"),
    ]:
        before = grid.num_calls()
        assert (await grid.ask(method, place, *body))[0] in (200, 201)
        assert grid.num_calls() - before == num_calls, place


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("nonsense", "MustNotBeUnknownRWError"),
        ("x-future:1", "MustNotBeUnknownRWError"),
        ("URI:CHK:x", "mistyped capability"),
        ("", "this is not a capability"),
        (b"\xff", "this is not a capability"),
        ("a b", "this is not a capability"),
        ("x" * 5000, "the body is too long: at most 4096"),
    ],
)
@ensureDeferred
async def test_only_caps_are_linked(body, words, grid, url):
    cap = await grid.make()
    status, _, told = await grid.ask("PUT", url(cap, "x", t="uri"), body)
    assert status == (413 if len(body) > 4096 else 400)
    assert told.startswith(words)
    if isinstance(body, str) and body:
        place = url(cap, t="uri", name="x", uri=body)
        assert (await grid.ask("POST", place))[0] == 400
    assert await grid.names(cap) == []


@ensureDeferred
async def test_post_links_a_cap(grid, url):
    cap = await grid.make()
    for place in (url(cap), url(cap) + "/"):
        reply = await grid.ask("POST", f"{place}?t=uri&name=n&uri={HELLO}")
        assert reply[::2] == (200, HELLO)
    body = f"t=uri&name=caf%C3%A9+1&uri={HELLO}"
    assert (await grid.ask("POST", url(cap), body, URLENCODED))[0] == 200
    assert await grid.names(cap) == ["café 1", "n"]
    for query, status, words in [
        ("name=n", 400, "set-uri requires a uri"),
        (f"uri={HELLO}", 400, "set-uri requires a name"),
        (f"uri={HELLO}&name=n&replace=false", 409, EXISTS),
        (f"uri={HELLO}&name=n&replace=x", 400, "invalid replace= argument: 'x'"),
    ]:
        reply = await grid.ask("POST", f"{url(cap)}?t=uri&{query}")
        assert reply[::2] == (status, words)


@ensureDeferred
async def test_a_link_replaces_only_what_it_may(grid, url):
    sub = await grid.make()
    cap = await grid.make(f=HELLO, sub=sub)

    async def put(name, replace):
        return (await grid.ask("PUT", url(cap, name, t="uri", replace=replace), OTHER))[0]

    assert [await put("f", word) for word in ("false", "only-files", "true")] == [
        409,
        200,
        200,
    ]
    assert [await put("sub", word) for word in ("no", "Only-Files")] == [409, 409]
    assert (await grid.ask("GET", url(cap, "sub", t="uri")))[2] == sub
    assert await put("sub", "true") == 200
    assert await grid.content(cap, "sub") == "abc"


@ensureDeferred
async def test_a_link_made_anew_keeps_the_time_it_was_first_made(fake, url):
    cap = await fake.make(f=HELLO)
    fake.gateway.client.vdrive.now = 2000.5
    await fake.ask("PUT", url(cap, "f", t="uri"), OTHER)
    times = (await fake.children(cap))["f"][1]["metadata"]["tahoe"]
    assert times == {"linkcrtime": 1000.0, "linkmotime": 2000.5}
