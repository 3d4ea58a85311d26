"""From one folder to another: choosing where to, and the move."""

import re
from html import unescape
from unicodedata import normalize
from urllib.parse import quote, urlencode, urljoin

import pytest
from pytest_twisted import ensureDeferred

from tests.web.test_hostile_names import GOOD
from tests.web.test_pages import FORM, PRIVATE, do, names

HELLO = "URI:LIT:nbswy3dp"
PUBLIC = "/vdrive/public"


async def tree(grid, url):
    """Make some folders and files below the private root."""
    for way in (["a", "b", "f"], ["a", "g"], ["c", "h"]):
        await grid.ask("PUT", url(PRIVATE, *way), b"hello")


def links(body):
    """Return the folders that the page to choose leads to, by name."""
    found = re.findall(r'<a href="([^"]+)" class="folder"><bdi>(.*?)</bdi>', body)
    return {unescape(name): unescape(href) for href, name in found}


def target(body):
    """Return the value of the button that moves, if it can be pressed."""
    found = re.search(r'name="to" value="([^"]+)"', body)
    return found and unescape(found[1])


@ensureDeferred
async def test_things_are_moved_to_a_folder_that_links_lead_to(grid, url):
    await tree(grid, url)
    status, where, _ = await do(grid, "move", place=f"{PRIVATE}/a", item=["b", "g"])
    assert status == 303
    _, _, body = await grid.ask("GET", where)
    assert target(body) is None and links(body) == {}  # b is to be moved itself
    [root] = re.findall(r'<a href="([^"]+)" class="button main"', body)
    _, _, body = await grid.ask("GET", urljoin(where, unescape(root)))
    assert list(links(body)) == ["a", "c"] and target(body) == PRIVATE
    _, _, body = await grid.ask("GET", urljoin(where, links(body)["c"]))
    fields = {
        "place": f"{PRIVATE}/a",
        "item": re.findall(r'name="item" value="(.+?)"', body),
    }
    status, where, _ = await do(grid, "move", to=target(body), **fields)
    assert status == 303 and where.startswith(f"{PRIVATE}/a/?moved_to=")
    assert await names(grid, f"{PRIVATE}/a") == []
    assert await names(grid, f"{PRIVATE}/c") == ["b", "g", "h"]
    assert await names(grid, f"{PRIVATE}/c/b") == ["f"]
    _, _, body = await grid.ask("GET", where)
    assert "Moved into “<bdi>c</bdi>”" in body and f'href="{PRIVATE}/c/"' in body


@pytest.mark.parametrize("name", GOOD, ids=ascii)
@ensureDeferred
async def test_hostile_names_are_moved_as_they_are(name, fake, url):
    await fake.ask("PUT", url(PRIVATE, name, t="uri"), HELLO)
    await fake.ask("PUT", url(PRIVATE, "to", name, "x"), b"hello")
    name = normalize("NFC", name)
    item = quote(name, safe="")
    status, where, _ = await do(fake, "move", place=PRIVATE, item=item)
    _, _, body = await fake.ask("GET", where)
    assert status == 303 and "<b>" not in body
    _, _, body = await fake.ask("GET", urljoin(where, links(body)["to"]))
    [(_, way)] = links(body).items()
    _, _, body = await fake.ask("GET", urljoin(where, way))
    [held] = re.findall(r'name="item" value="(.+?)"', body)
    assert "<b>" not in body and held == item
    status, where, _ = await do(fake, "move", place=PRIVATE, item=held, to=target(body))
    assert status == 303
    assert await names(fake, url(PRIVATE, "to", name)) == sorted([name, "x"])
    assert "<b>" not in (await fake.ask("GET", where))[2]


@ensureDeferred
async def test_names_too_long_for_an_address_go_along_in_the_form(fake, url):
    many = [f"{i:03}" + "é" * 100 for i in range(50)]
    cap = await fake.make(**dict.fromkeys(many, HELLO), to=await fake.make())
    fields = {"place": url(cap), "item": [quote(name) for name in many]}
    status, _, body = await do(fake, "move", **fields)
    assert status == 200 and links(body) == {}
    [at] = re.findall(r'name="at" value="(.+?)" class="plain folder"', body)
    status, _, body = await do(fake, "move", at=at, **fields)
    assert (status, target(body)) == (200, url(cap, "to"))
    assert (await do(fake, "move", to=target(body), **fields))[0] == 303
    assert await fake.names(cap) == ["to"]
    assert await fake.names(cap, "to") == many


@pytest.mark.parametrize(
    ("items", "to", "status", "words"),
    [
        (["a"], f"{PRIVATE}/a", 409, "can't be moved into itself"),
        (["x", "a"], f"{PRIVATE}/a/b", 409, "can't be moved into itself"),
        (["a"], f"{PRIVATE}/again/b", 409, "can't be moved into itself"),
        (["x", "g"], f"{PRIVATE}/a", 409, "“g” in that folder already"),
        (["x"], PRIVATE, 400, "in this folder already"),
        (["x"], f"{PRIVATE}/x", 400, "only be moved into a folder"),
        (["x"], f"{PRIVATE}/x/y", 400, "no children"),
        (["x"], f"{PRIVATE}/no", 404, "No such child: no"),
        (["no"], f"{PRIVATE}/c", 404, "No such child: no"),
        (["x"], "", 400, "not the path of a folder"),
        (["x"], "/elsewhere", 400, "not the path of a folder"),
        (["x"], "//vdrive/private/c", 400, "not the path of a folder"),
        (["x"], "/uri/URI:LIT:", 400, "can't be moved there"),
        (["x"], "/uri/%2Fvdrive%2Fprivate", 400, "no capability"),
        (["x"], "/vdrive/other", 400, "can't be moved there"),
        ([], f"{PRIVATE}/c", 400, "nothing is chosen"),
    ],
)
@ensureDeferred
async def test_a_move_that_can_not_be_is_told_and_moves_nothing(
    items, to, status, words, fake, url
):
    await tree(fake, url)
    for name in ("x", "g"):
        await fake.ask("PUT", url(PRIVATE, name, t="uri"), HELLO)
    _, _, cap = await fake.ask("GET", url(PRIVATE, "a", t="uri"))
    await fake.ask("PUT", url(PRIVATE, "again", t="uri"), cap)
    before = await names(fake, PRIVATE)
    got, where, body = await do(fake, "move", place=PRIVATE, item=items, to=to)
    assert (got, where) == (status, None)
    assert "<h1>That did not work</h1>" in body and words in unescape(body)
    assert await names(fake, PRIVATE) == before
    assert await names(fake, f"{PRIVATE}/c") == ["h"]


@ensureDeferred
async def test_things_go_between_the_roots_of_the_node(fake, url):
    await fake.ask("PUT", url(PRIVATE, "x", t="uri"), HELLO)
    status, where, _ = await do(fake, "move", place=PRIVATE, item="x", to=PUBLIC)
    assert status == 303 and await names(fake, PUBLIC) == ["x"]
    assert "Shared by everybody" in (await fake.ask("GET", where))[2]


@ensureDeferred
async def test_nothing_leaves_or_enters_a_folder_that_only_reads(fake, url):
    cap = await fake.make(f=HELLO, sub=await fake.make())
    place = url(await fake.readonly(cap))
    assert (await fake.ask("GET", f"{place}?t=move&item=f"))[0] == 403
    fields = {"item": "f", "to": f"{place}/sub"}
    assert (await do(fake, "move", place=place, **fields))[0] == 403
    assert await fake.names(cap) == ["f", "sub"]


@ensureDeferred
async def test_the_trash_is_no_place_to_choose(fake, url):
    for name in ("f", "g"):
        await fake.ask("PUT", url(PRIVATE, name, t="uri"), HELLO)
    await do(fake, "delete", place=PRIVATE, item="f")
    _, _, body = await fake.ask("GET", f"{PRIVATE}/?t=move&item=g")
    assert ".Trash" not in body


@pytest.mark.parametrize("query", ["", "item=%ff", "item=a%2fb", "item=x&at=/nowhere/x"])
@ensureDeferred
async def test_the_page_to_choose_refuses_what_makes_no_sense(query, fake, url):
    await fake.ask("PUT", url(PRIVATE, "x", t="uri"), HELLO)
    assert (await fake.ask("GET", f"{PRIVATE}/?t=move&{query}"))[0] == 400


@ensureDeferred
async def test_a_page_can_not_be_made_to_say_that_things_went_elsewhere(fake, url):
    cap = await fake.make()
    for path in (url(cap), "/elsewhere", "http://evil.example/vdrive/private", "/uri/x"):
        query = urlencode({"moved_to": path})
        status, _, body = await fake.ask("GET", f"{PRIVATE}/?{query}")
        assert status == 200 and "Moved" not in body


@ensureDeferred
async def test_a_page_of_another_site_can_not_move(fake, url):
    await tree(fake, url)
    fields = urlencode({"act": "move", "place": PRIVATE, "item": "c", "to": f"{PRIVATE}/a"})
    headers = {**FORM, "Origin": "http://evil.example"}
    assert (await fake.ask("POST", "/_/do", fields, headers))[0] == 403
    assert await names(fake, PRIVATE) == ["a", "c"]


@ensureDeferred
async def test_a_root_can_not_be_had_as_if_it_were_a_capability(fake, url):
    await fake.ask("PUT", url(PRIVATE, "x", t="uri"), HELLO)
    for path in ("/uri/%2Fvdrive%2Fprivate", "/cap/%2fvdrive%2fprivate/x"):
        for query in ("", "?t=json", "?t=uri"):
            assert (await fake.ask("GET", path + query))[0] == 400
    assert (await fake.ask("DELETE", "/uri/%2Fvdrive%2Fprivate/x"))[0] == 400
    status, _, _ = await do(fake, "delete", place="/uri/%2Fvdrive%2Fprivate", item="x")
    assert status == 400 and await names(fake, PRIVATE) == ["x"]
