"""Directories are made, with children or without."""

import json

import pytest
from pytest_twisted import ensureDeferred

HELLO = "URI:LIT:nbswy3dp"
OTHER = "URI:LIT:mfrgg"  # abc
EXISTS = "There was already a child by that name, and you asked me to not replace it."
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}


def children_json(**children):
    return json.dumps({name: ["filenode", facts] for name, facts in children.items()})


@pytest.mark.parametrize(("method", "kind"), [("PUT", "text/plain"), ("POST", "text/html")])
@ensureDeferred
async def test_mkdir_makes_the_way_and_is_content_with_what_is_there(
    method, kind, grid, url
):
    cap = await grid.make(f=HELLO)
    for names in (("a",), ("b", "c"), ("b", "c", "d")):
        for end in ("", "/"):
            place = url(cap, *names) + end + "?t=mkdir"
            status, _, made = await grid.ask(method, place)
            assert status == 200
            assert (await grid.ask("GET", url(cap, *names, t="uri")))[2] == made
    assert await grid.names(cap) == ["a", "b", "f"]
    reply = await grid.ask(method, url(cap, "f", t="mkdir"))
    what = "PUT to a file" if method == "PUT" else "POST to file"
    assert reply[::2] == (400, f"{what}: bad t=mkdir")
    reply = await grid.ask(method, url(cap, "f", "x", t="mkdir"))
    assert reply[0] in (400, 409)
    reply = await grid.ask(method, url(cap, t="mkdir"))
    assert reply[::2] == (200, cap)
    status, headers, _ = await grid.ask(method, url(cap, "new", t="mkdir"))
    assert (status, headers["Content-Type"]) == (200, kind)


@ensureDeferred
async def test_mkdir_with_a_name_makes_a_new_directory(grid, url):
    cap = await grid.make()
    seen = set()
    for place in (url(cap), url(cap) + "/"):
        status, _, made = await grid.ask("POST", place + "?t=mkdir&name=n")
        assert status == 200
        seen.add(made)
    status, _, made = await grid.ask("POST", url(cap), "t=mkdir&name=n", URLENCODED)
    seen.add(made)
    assert len(seen) == 3
    assert (await grid.ask("GET", url(cap, "n", t="uri")))[2] == made
    reply = await grid.ask("POST", url(cap, t="mkdir", name="n", replace="false"))
    assert reply[::2] == (409, EXISTS)
    reply = await grid.ask("POST", url(cap, t="mkdir", name="n", replace="only-files"))
    assert reply[::2] == (400, "invalid boolean argument: b'only-files'")
    await grid.ask("POST", url(cap, "way", "there", t="mkdir", name="n"))
    assert await grid.names(cap, "way", "there") == ["n"]


@ensureDeferred
async def test_directories_are_made_with_children(grid, url):
    cap = await grid.make()
    body = children_json(f={"ro_uri": HELLO, "metadata": {"a": 1}}, d={"rw_uri": cap})
    for place in (
        "/uri?t=mkdir-with-children",
        url(cap, t="mkdir-with-children", name="x"),
        url(cap, "y", "z", t="mkdir-with-children"),
        url(cap, "y", t="mkdir-with-children", name="v"),
    ):
        status, _, made = await grid.ask("POST", place, body)
        assert status == 200
        assert await grid.names(made) == ["d", "f"]
    assert await grid.names(cap) == ["x", "y"]
    assert await grid.names(cap, "y") == ["v", "z"]
    assert await grid.names(cap, "y", "z") == ["d", "f"]
    for query, status in [("", 400), ("&name=x&replace=false", 409), ("&name=e", 200)]:
        place = url(cap, t="mkdir-with-children") + query
        assert (await grid.ask("POST", place))[0] == status
    assert await grid.names(cap, "e") == []
    status, _, body = await grid.ask("POST", "/uri?t=mkdir-with-children")
    assert await grid.names(body) == []


@pytest.mark.parametrize("word", ["set_children", "set-children"])
@ensureDeferred
async def test_children_are_set_together(word, grid, url):
    cap = await grid.make(old=HELLO, kept=HELLO)
    target = await grid.make()
    body = children_json(
        old={"ro_uri": OTHER},
        both={"rw_uri": target, "ro_uri": await grid.readonly(target)},
        weak={"ro_uri": target},
    )
    for headers in ({}, URLENCODED, {"Content-Type": "application/json"}):
        reply = await grid.ask("POST", url(cap, t=word), body, headers)
        assert reply[::2] == (200, "Okay so I did it.")
    children = await grid.children(cap)
    assert sorted(children) == ["both", "kept", "old", "weak"]
    assert children["both"][1]["rw_uri"] == target
    assert "rw_uri" not in children["weak"][1]  # a writer's cap given to be read only
    assert await grid.content(cap, "old") == "abc"
    for flag in ("overwrite", "replace"):
        reply = await grid.ask("POST", url(cap, t=word, **{flag: "false"}), body)
        assert reply[::2] == (409, EXISTS)
    body = children_json(new={"ro_uri": OTHER}, old={"ro_uri": HELLO})
    assert (await grid.ask("POST", url(cap, t=word, overwrite="no"), body))[0] == 409
    assert "new" not in await grid.children(cap)
    assert (await grid.ask("POST", url(cap, "nope", t=word), body))[0] == 404
    assert (await grid.ask("POST", url(cap, t=word)))[0] == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("nonsense", "the children are not JSON"),
        (b"\xff", "the children are not JSON"),
        ("[" * 100_000, "the children are not JSON"),
        ("[1]", "the children must be a JSON object"),
        ('{"a": 1}', "child 'a' must be like"),
        ('{"a": ["filenode"]}', "child 'a' must be like"),
        ('{"a": ["filenode", {}]}', "child 'a': it has neither rw_uri nor ro_uri"),
        ('{"a": ["filenode", {"ro_uri": 1}]}', "child 'a': a capability must be text"),
        ('{"a": ["filenode", {"ro_uri": "a b"}]}', "child 'a': this is not a cap"),
        ('{"a": ["filenode", {"rw_uri": "URI:CHK:"}]}', "child 'a': mistyped cap"),
        ('{"a": ["filenode", {"rw_uri": "x:"}]}', "child 'a': MustNotBeUnknownRWError"),
        ('{"": ["filenode", {"ro_uri": "URI:LIT:"}]}', "'' can't be a name"),
        ('{"a/b": ["filenode", {"ro_uri": "URI:LIT:"}]}', "'a/b' can't be a name"),
        (r'{"\ud800": ["filenode", {"ro_uri": "URI:LIT:"}]}', r"'\ud800' can't be a name"),
        (
            r'{"\u00e9": ["", {"ro_uri": "x:"}], "e\u0301": ["", {"ro_uri": "x:"}]}',
            "the name 'é' is there twice",
        ),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
@pytest.mark.parametrize("kind", ["set_children", "mkdir-with-children"])
@ensureDeferred
async def test_children_that_make_no_sense_are_refused_by_name(
    kind, body, words, fake, url
):
    cap = await fake.make()
    for place in (url(cap, t=kind, name="x"), "/uri?t=mkdir-with-children"):
        status, _, told = await fake.ask("POST", place, body)
        assert (status, told.startswith(words)) == (400, True), told
        assert "\n" not in told
    assert await fake.names(cap) == []


@ensureDeferred
async def test_more_children_than_a_body_may_hold_are_refused(fake, url):
    cap = await fake.make()
    status, _, told = await fake.ask("POST", url(cap, t="set_children"), bytes(2**24 + 1))
    assert (status, told.startswith("the body is too long")) == (413, True)
