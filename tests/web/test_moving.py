"""Children are taken out, renamed, and moved elsewhere."""

import json

import pytest
from pytest_twisted import ensureDeferred

HELLO = "URI:LIT:nbswy3dp"
OTHER = "URI:LIT:mfrgg"  # abc
EXISTS = "There was already a child by that name, and you asked me to not replace it."
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}


def children_json(**children):
    return json.dumps({name: ["filenode", facts] for name, facts in children.items()})


@pytest.mark.parametrize("word", ["unlink", "delete"])
@ensureDeferred
async def test_post_takes_a_child_out(word, grid, url):
    cap = await grid.make(f=HELLO, g=HELLO)
    for place in (f"{url(cap)}?t={word}&name=f", f"{url(cap)}/?t={word}&name=g"):
        assert (await grid.ask("POST", place))[::2] == (200, "thing unlinked")
    assert await grid.names(cap) == []
    reply = await grid.ask("POST", url(cap, t=word, name="f"))
    assert reply[::2] == (404, "No such child: f")
    assert (await grid.ask("POST", url(cap, t=word)))[::2] == (
        400,
        f"{word} requires a name",
    )


@ensureDeferred
async def test_delete_takes_a_child_out_and_tells_its_cap(grid, url):
    sub = await grid.make(x=HELLO)
    cap = await grid.make(f=HELLO, sub=sub)
    assert (await grid.ask("DELETE", url(cap, "sub", "x")))[::2] == (200, HELLO)
    assert (await grid.ask("DELETE", url(cap, "sub") + "/"))[::2] == (200, sub)
    assert (await grid.ask("DELETE", url(cap, "f")))[::2] == (200, HELLO)
    assert (await grid.ask("DELETE", url(cap, "f")))[::2] == (404, "No such child: f")
    for place in (url(cap), url(cap) + "/", url(HELLO)):
        status, _, body = await grid.ask("DELETE", place)
        assert (status, body[:36]) == (400, "only a name in a directory can be de")
    assert await grid.names(cap) == []


@ensureDeferred
async def test_rename_moves_within_a_directory(grid, url):
    cap = await grid.make(a=HELLO, b=OTHER, sub=await grid.make())

    async def rename(**words):
        return (await grid.ask("POST", url(cap, t="rename", **words)))[::2]

    assert await rename(from_name="a", to_name="c") == (200, "thing moved")
    assert await grid.content(cap, "c") == "hello"
    assert await rename(from_name="c", to_name="b", replace="false") == (409, EXISTS)
    assert await rename(from_name="c", to_name="sub", replace="only-files") == (409, EXISTS)
    assert await rename(from_name="c", to_name="b", replace="only-files") == (
        200,
        "thing moved",
    )
    assert await rename(from_name="b", to_name="b") == (200, "thing moved")
    assert await grid.names(cap) == ["b", "sub"]
    assert await grid.content(cap, "b") == "hello"
    assert await rename(from_name="a", to_name="x") == (404, "No such child: a")
    assert await rename(to_name="x") == (400, "from_name= is required")
    assert await rename(from_name="b") == (400, "to_name= is required for rename")
    bad = (400, "to_name= may not contain a slash")
    assert await rename(from_name="b", to_name="x/y") == bad
    reply = await grid.ask("POST", url(cap), "t=rename&from_name=b&to_name=z", URLENCODED)
    assert reply[0] == 200
    assert await grid.names(cap) == ["sub", "z"]


@ensureDeferred
async def test_relink_moves_between_directories(grid, url):
    there = await grid.make(taken=OTHER, deep=await grid.make())
    cap = await grid.make(a=HELLO, b=HELLO, c=HELLO)

    async def relink(**words):
        return (await grid.ask("POST", url(cap, t="relink", **words)))[::2]

    moved = (200, "thing moved")
    assert await relink(from_name="a", to_dir=there) == moved
    assert await relink(from_name="b", to_dir=there + "/deep", to_name="new") == moved
    assert await relink(from_name="c", to_name="d") == moved
    assert await relink(from_name="d", to_dir=there + "/deep/", to_name="d") == moved
    assert await grid.names(there, "deep") == ["d", "new"]
    assert await grid.names(there) == ["a", "deep", "taken"]
    assert await grid.names(cap) == []
    await grid.ask("PUT", url(cap, "x", t="uri"), HELLO)
    refused = dict(from_name="x", to_dir=there, to_name="taken", replace="false")
    assert await relink(**refused) == (409, EXISTS)
    refused = dict(from_name="x", to_dir=there, to_name="deep", replace="only-files")
    assert await relink(**refused) == (409, EXISTS)
    for to_dir in (there + "/taken", HELLO, "nonsense"):
        assert await relink(from_name="x", to_dir=to_dir) == (
            400,
            "to_dir is not a directory",
        )
    status, body = await relink(from_name="x", to_dir=there + "/nope")
    assert (status, body) == (404, "No such child: nope")
    assert await relink(from_name="y", to_dir=there) == (404, "No such child: y")
    status, body = await relink(from_name="x", to_dir=await grid.readonly(there))
    assert (status, "NotWriteableError" in body) == (403, True)
    assert await grid.names(cap) == ["x"]


@ensureDeferred
async def test_what_is_unknown_can_be_moved(grid, url):
    cap, there = await grid.make(), await grid.make()
    body = children_json(u={"rw_uri": "x-rw:1", "ro_uri": "x-ro:1"})
    await grid.ask("POST", url(cap, t="set_children"), body)
    reply = await grid.ask("POST", url(cap, t="relink", from_name="u", to_dir=there))
    assert reply[0] == 200
    kind, facts = (await grid.children(there))["u"]
    assert (kind, facts["rw_uri"], facts["ro_uri"]) == ("unknown", "x-rw:1", "ro.x-ro:1")
