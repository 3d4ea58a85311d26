"""Names of every kind, by every way in: stored and read back, or refused by name."""

import json
from unicodedata import normalize
from urllib.parse import quote, quote_from_bytes

import pytest
from pytest_twisted import ensureDeferred

GOOD = [
    "...",
    "..x",
    " ",
    " x ",
    "-rf",
    "a\\b",
    "a\nb",
    "a\rb",
    "a\tb",
    "\x01\x1b[31m",
    "\x7f",
    "%2e%2e",
    "%00",
    "%2f",
    "?t=json",
    "#x",
    "a&t=unlink",
    "a;b",
    "a+b",
    "a=b",
    '"',
    "'",
    "<b>",
    "\u202eevil",
    "e\u0301",
    "\u200b",
    "\ufeff",
    "日本語",
    "\U0001f4a9",
    "~",
    "URI:LIT:",
    "children",
    "@@name=",
    "con",
    "x" * 255,
    "é" * 127,
]
BAD = ["", ".", "..", "/", "a/b", "../x", "\0", "a\0b", "x" * 256, "é" * 128]
HELLO = "URI:LIT:nbswy3dp"


async def ways_in(grid, url, form, cap, name):
    """Yield the status and the text of each way to make a child of such a name."""
    link = json.dumps({name: ["filenode", {"ro_uri": HELLO}]})
    fields, headers = form(file=("x", b"hello"), name=name)
    yield await grid.ask("PUT", url(cap, name), b"hello")
    yield await grid.ask("PUT", url(cap, name, t="uri"), HELLO)
    yield await grid.ask("POST", url(cap, t="set_children"), link)
    yield await grid.ask("POST", "/uri?t=mkdir-with-children", link)
    yield await grid.ask(
        "POST", f"{url(cap)}?t=uri&uri={HELLO}&name={quote(name, safe='')}"
    )
    if name and name.strip() == name:
        yield await grid.ask("POST", url(cap, t="upload"), fields, headers)
    await grid.ask("PUT", url(cap, "plain", t="uri"), HELLO)
    yield await grid.ask("POST", url(cap, t="rename", from_name="plain", to_name=name))


@pytest.mark.parametrize("name", GOOD)
@ensureDeferred
async def test_names_that_only_look_bad_come_back_as_they_went_in(name, grid, url, form):
    cap = await grid.make()
    async for status, _, body in ways_in(grid, url, form, cap, name):
        assert status in (200, 201), body
        if body.startswith("URI:DIR:"):
            assert await grid.names(body) == [normalize("NFC", name)]
        else:
            assert normalize("NFC", name) in await grid.names(cap)
            assert await grid.content(cap, name) == "hello"
    assert await grid.names(cap) == [normalize("NFC", name)]
    assert (await grid.ask("GET", url(cap)))[0] == 200
    assert (await grid.ask("POST", url(cap, name, "d", t="mkdir")))[0] == 409
    assert (await grid.ask("DELETE", url(cap, name)))[0] == 200
    assert (await grid.ask("POST", url(cap, name, "d", t="mkdir")))[0] == 200
    assert await grid.names(cap, name) == ["d"]


@pytest.mark.parametrize("name", BAD, ids=ascii)
@ensureDeferred
async def test_bad_names_are_refused_by_name_and_nothing_is_made(name, grid, url, form):
    cap = await grid.make(kept=HELLO)
    async for status, _, body in ways_in(grid, url, form, cap, name):
        assert status == 400
        assert "\n" not in body and "\0" not in body
    assert await grid.names(cap) == ["kept", "plain"]


@pytest.mark.parametrize(
    "raw",
    [b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xc0\xae\xc0\xae", b"\xf8\x88\x80\x80\x80"],
)
@ensureDeferred
async def test_names_that_are_no_unicode_are_refused(raw, grid, url):
    cap = await grid.make()
    quoted = quote_from_bytes(raw)
    for method, place in [
        ("PUT", f"{url(cap)}/{quoted}"),
        ("GET", f"{url(cap)}/{quoted}"),
        ("POST", f"{url(cap)}?t=mkdir&name={quoted}"),
        ("POST", f"{url(cap)}/{quoted}?t=mkdir"),
    ]:
        status, _, body = await grid.ask(method, place, b"x" * (method == "PUT"))
        assert (status, "not UTF-8" in body) == (400, True)
    assert await grid.names(cap) == []


@ensureDeferred
async def test_dots_in_a_path_lead_nowhere(grid, url):
    sub = await grid.make()
    cap = await grid.make(sub=sub, f=HELLO)
    for path in ("sub/../f", "sub/%2e%2e/f", "./f", "%2e/f", "sub/..%2ff"):
        for method in ("GET", "DELETE"):
            status, _, body = await grid.ask(method, f"{url(cap)}/{path}")
            assert (status, "can't be a name" in body) == (400, True)
    assert await grid.names(cap) == ["f", "sub"]
