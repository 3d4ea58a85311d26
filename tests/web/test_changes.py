"""Uploads by form, and what changes nothing."""

import json
import os

import pytest
from pytest_twisted import ensureDeferred

from allmydata.uri import from_string

HELLO = "URI:LIT:nbswy3dp"
EXISTS = "There was already a child by that name, and you asked me to not replace it."


def children_json(**children):
    return json.dumps({name: ["filenode", facts] for name, facts in children.items()})


# ---- uploads by form


@ensureDeferred
async def test_a_form_stores_a_file_in_a_directory(grid, url, form):
    cap = await grid.make()
    big = os.urandom(3 * 10**6)
    for fields, name in [
        ({"t": "upload", "file": ("a.bin", big)}, "a.bin"),
        ({"file": ("a.bin", big), "t": "upload", "name": "late"}, "late"),
        ({"name": "früh", "t": "upload", "file": ("x", b"")}, "früh"),
    ]:
        body, headers = form(**fields)
        status, _, file_cap = await grid.gateway.ask("POST", url(cap), body, headers)
        assert (status, from_string(file_cap.decode()).is_readonly()) == (200, True)
        _, _, data = await grid.gateway.ask("GET", url(cap, name))
        assert data == fields["file"][1]
    body, headers = form(file=("a.bin", b"abc"), replace="false")
    reply = await grid.ask("POST", url(cap, t="upload"), body, headers)
    assert reply[::2] == (409, EXISTS)
    body, headers = form(file=("a.bin", b"abc"), format="SDMF")
    assert (await grid.ask("POST", url(cap, t="upload"), body, headers))[0] == 503
    body, headers = form(file=("a.bin", b"abc"), when_done="../done?x=1")
    status, headers, _ = await grid.ask("POST", url(cap, t="upload"), body, headers)
    assert (status, headers["Location"]) == (302, "../done?x=1")
    assert await grid.content(cap, "a.bin") == "abc"


@ensureDeferred
async def test_a_form_replaces_a_file_by_its_own_place(grid, url, form):
    cap = await grid.make(f=HELLO)
    body, headers = form(file=("other", b"abc"))
    assert (await grid.ask("POST", url(cap, "f", t="upload"), body, headers))[0] == 200
    assert await grid.content(cap, "f") == "abc"
    assert await grid.names(cap) == ["f"]
    reply = await grid.ask("POST", url(cap, "nope", t="upload"), body, headers)
    assert reply[::2] == (404, "No such child: nope")
    assert (await grid.ask("POST", url(HELLO, t="upload"), body, headers))[0] == 400


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "x"}, "there must be a form of several parts, one of them named file"),
        ({"file": ("", b"x")}, "upload requires a name, or a file with one"),
        ({"file": ("a/b", b"x")}, "'a/b' can't be a name: it holds a slash"),
        ({"file": ("ok", b"x"), "name": ".."}, "'..' can't be a name"),
        ({"file": ("ok", b"x"), "happy": "0"}, "happy= must be"),
        ({"happy": "0", "file": ("ok", b"x" * 10**6)}, "happy= must be"),
    ],
)
@ensureDeferred
async def test_a_form_without_what_it_takes_is_refused(fields, words, grid, url, form):
    cap = await grid.make()
    body, headers = form(**fields)
    status, _, told = await grid.ask("POST", url(cap, t="upload"), body, headers)
    assert (status, told.startswith(words)) == (400, True), told
    assert await grid.names(cap) == []


# ---- read-only, and the rest


@ensureDeferred
async def test_nothing_changes_through_a_read_only_cap(grid, url, form):
    full = await grid.make(f=HELLO, sub=await grid.make())
    cap = await grid.readonly(full)
    body, headers = form(file=("x", b"x"))
    other = await grid.make()
    for method, place, *more in [
        ("PUT", url(cap, "x"), b"x" * 100),
        ("PUT", url(cap, "x"), b"x" * 10**6),
        ("PUT", url(cap, "f"), b"x"),
        ("PUT", url(cap, "way", "x"), b"x"),
        ("PUT", url(cap, "sub", "x"), b"x"),
        ("PUT", url(cap, "x", t="uri"), HELLO),
        ("PUT", url(cap, "x", t="mkdir")),
        ("POST", url(cap, "x", t="mkdir")),
        ("POST", url(cap, t="mkdir", name="x")),
        ("POST", url(cap, t="mkdir-with-children", name="x")),
        ("POST", url(cap, t="set_children"), children_json(x={"ro_uri": HELLO})),
        ("POST", url(cap, t="upload"), body, headers),
        ("POST", url(cap, t="uri", name="x", uri=HELLO)),
        ("POST", url(cap, t="unlink", name="f")),
        ("POST", url(cap, t="rename", from_name="f", to_name="x")),
        ("POST", url(cap, t="relink", from_name="f", to_dir=other)),
        ("DELETE", url(cap, "f")),
    ]:
        status, _, told = await grid.ask(method, place, *more)
        assert status == 403, (method, place, told)
        assert told.startswith("NotWriteableError: ") and cap not in told
    assert await grid.names(full) == ["f", "sub"]
    assert grid.gateway.uploader.files == {}
    status, _, told = await grid.ask(
        "DELETE", url(cap, "f"), headers={"Accept": "application/json"}
    )
    assert json.loads(told)["error"]["code"] == "not-permitted"


@pytest.mark.parametrize(
    ("method", "names", "query", "status", "words"),
    [
        ("POST", (), "", 400, "POST to a directory with bad t="),
        ("POST", (), "t=bogus", 400, "POST to a directory with bad t=bogus"),
        ("POST", ("f",), "t=bogus", 400, "POST to file: bad t=bogus"),
        ("POST", ("f",), "t=stream-manifest", 400, "POST to file: bad t=stream-manifest"),
        ("POST", (), "t=mkdir-immutable", 400, "mkdir-immutable requires a name"),
        ("POST", ("nope",), "t=unlink&name=x", 404, "No such child: nope"),
        ("PUT", ("nope",), "t=bogus", 404, "No such child: nope"),
        ("PUT", ("f",), "t=bogus", 400, "PUT to a file: bad t=bogus"),
        ("PUT", (), "t=uri", 400, "PUT to a directory: bad t=uri"),
        ("PUT", ("x", "", "y"), "", 400, "'' can't be a name"),
        ("DELETE", ("..",), "", 400, "'..' can't be a name"),
        ("BREW", (), "", 501, "this method is not known here"),
        ("OPTIONS", (), "", 405, "only these methods are allowed here"),
        ("POST", (), "t=unlink&name=f&when_done=a%0Ab", 400, "when_done= holds a control"),
    ],
)
@ensureDeferred
async def test_what_makes_no_sense_is_refused(
    method, names, query, status, words, grid, url
):
    cap = await grid.make(f=HELLO)
    got, _, told = await grid.ask(method, url(cap, *names) + "?" + query, b"body")
    assert (got, told.startswith(words)) == (status, True), told
    assert await grid.names(cap) == ["f"]


@ensureDeferred
async def test_when_done_sends_a_client_on(grid, url):
    cap = await grid.make(f=HELLO)
    for query in ("t=unlink&name=f", "t=mkdir&name=x", "t=rename&from_name=x&to_name=y"):
        place = f"{url(cap)}?{query}&when_done=http://there/%3Fa"
        status, headers, _ = await grid.ask("POST", place)
        assert (status, headers["Location"]) == (302, "http://there/?a")
    status, _, _ = await grid.ask("POST", url(cap, t="unlink", name="f", when_done="x"))
    assert status == 404
