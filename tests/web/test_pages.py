"""The pages, as a browser meets them: what they show, and what their forms do."""

import re
from html import unescape
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

import pytest
from pytest_twisted import ensureDeferred

from allmydata.web.listing import batch_label, batch_name, batch_origin
from allmydata.web.pages import ago, date
from allmydata.web.welcome import Outlook
from tests.support.fake_client import fake_server
from tests.web.test_hostile_names import GOOD

HELLO = "URI:LIT:nbswy3dp"
PRIVATE = "/vdrive/private"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def do(grid, act, headers=(), **fields):
    """Send a form of a page; return (status, where it leads to, body)."""
    body = urlencode({"act": act, **fields}, doseq=True)
    reply = await grid.ask("POST", "/_/do", body, {**FORM, **dict(headers)})
    status, headers, body = reply
    return status, headers["Location"], body


async def names(grid, place):
    return sorted((await grid.told(place))[1]["children"])


# ---- every page


@pytest.mark.parametrize("place", ["/", "/_/grid", PRIVATE, f"{PRIVATE}/?t=details"])
@ensureDeferred
async def test_a_page_runs_and_loads_nothing_of_others(place, fake):
    status, headers, body = await fake.ask("GET", place)
    assert status == 200
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy and "form-action 'self'" in policy
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"
    assert not re.search(r"<script[^>]*>[^<]|\son\w+=|\sstyle=|<style|https?://", body)
    assert len(body) < 30_000
    for source in re.findall(r'(?:src|href)="(/_/[a-z.]+\?v=\w+)"', body):
        assert (await fake.ask("GET", source))[0] == 200


@pytest.mark.parametrize("name", ["nope.css", "..", "style.css/x", "%2e%2e%2fpages.py"])
@ensureDeferred
async def test_only_what_pages_are_made_with_is_served(name, fake):
    assert (await fake.ask("GET", f"/_/{name}"))[0] == 404


@pytest.mark.parametrize("name", GOOD, ids=ascii)
@ensureDeferred
async def test_hostile_names_are_only_text_on_every_page(name, fake, url):
    await fake.ask("PUT", url(PRIVATE, name, t="uri"), HELLO)
    await fake.ask("PUT", url(PRIVATE, "in", name, "x"), b"hello")
    details = f"{PRIVATE}/?t=details&name={quote(name, safe='')}"
    for place in (PRIVATE, details, url(PRIVATE, "in", name) + "/"):
        status, _, body = await fake.ask("GET", place)
        assert status == 200
        assert "<b>" not in body
    status, where, _ = await do(fake, "delete", place=PRIVATE, item=quote(name, safe=""))
    assert status == 303
    assert await names(fake, PRIVATE) == sorted([".Trash", "in"])
    _, _, body = await fake.ask("GET", f"{PRIVATE}/.Trash/")
    assert "<b>" not in body
    batch = quote(parse_qs(urlsplit(where).query)["undo"][0], safe="")
    assert (await do(fake, "restore", batch=batch))[0] == 303
    assert len(await names(fake, PRIVATE)) == 3


# ---- files


@ensureDeferred
async def test_a_large_folder_comes_in_pages_of_a_size_that_loads_fast(fake, url):
    cap = await fake.make(**{f"n{i:05}": HELLO for i in range(1200)}, sub=await fake.make())
    for number, expected in ((1, 500), (2, 500), (3, 201), (4, 0)):
        _, _, body = await fake.ask("GET", f"{url(cap)}/?page={number}")
        assert len(body) < 200_000
        assert body.count('<td class="name">') == expected
        assert ('rel="next"' in body) == (number < 3)
    assert "1 folder, 1200 files" in body
    for number in ("0", "-1", "x", "²"):
        assert (await fake.ask("GET", f"{url(cap)}/?page={quote(number)}"))[0] == 400


@ensureDeferred
async def test_crumbs_lead_back_to_the_root(fake, url):
    await fake.ask("PUT", url(PRIVATE, "a", "b & c", "f"), b"hello")
    _, _, body = await fake.ask("GET", url(PRIVATE, "a", "b & c"))
    crumbs = re.search(r'aria-label="Way to here">(.+?)</nav>', body, re.S)[1]
    assert re.findall('href="(.+?)"', crumbs) == [f"{PRIVATE}/", f"{PRIVATE}/a/"]


@ensureDeferred
async def test_forms_make_rename_and_upload(grid, form):
    where = f"{PRIVATE}/"
    assert (await do(grid, "mkdir", place=PRIVATE, name=" new "))[:2] == (303, where)
    assert await names(grid, PRIVATE) == ["new"]
    reply = await do(grid, "rename", place=PRIVATE, item="new", to="b & ü")
    assert reply[:2] == (303, where)
    assert await names(grid, PRIVATE) == ["b & ü"]
    _, _, body = await grid.ask("GET", where)
    [action] = re.findall(r'<form [^>]*multipart[^>]*?action="([^"]+)"', body, re.S)
    data, headers = form(file=("x.txt", b"hello"))
    status, headers, _ = await grid.ask("POST", unescape(action), data, headers)
    assert (status, headers["Location"]) == (302, where)
    assert await names(grid, PRIVATE) == ["b & ü", "x.txt"]


@pytest.mark.parametrize(
    ("act", "fields", "status", "words"),
    [
        ("mkdir", {"place": PRIVATE, "name": "f"}, 409, "already a child"),
        ("mkdir", {"place": PRIVATE, "name": "a/b"}, 400, "holds a slash"),
        ("mkdir", {"place": f"{PRIVATE}/f", "name": "x"}, 400, "no folder"),
        ("mkdir", {"place": f"{PRIVATE}/<b>", "name": "x"}, 404, "&lt;b&gt;"),
        ("mkdir", {"place": "/elsewhere", "name": "x"}, 400, "place="),
        ("mkdir", {"place": "/vdrive/other", "name": "x"}, 400, "no folder"),
        ("rename", {"place": PRIVATE, "item": "f", "to": "g"}, 409, "already a child"),
        ("rename", {"place": PRIVATE, "item": "no", "to": "x"}, 404, "No such child: no"),
        ("delete", {"place": PRIVATE}, 400, "nothing is chosen"),
        ("delete", {"place": PRIVATE, "item": "no"}, 404, "No such child: no"),
        ("restore", {"batch": "no"}, 404, "No such child"),
        ("empty", {}, 404, "No such child"),
        ("open", {"cap": "garbage"}, 400, "no capability"),
        ("open", {"cap": ""}, 400, ""),
        ("bogus", {}, 400, "no such act"),
    ],
)
@ensureDeferred
async def test_what_goes_wrong_is_told_on_a_page(act, fields, status, words, fake, url):
    for name in ("f", "g"):
        await fake.ask("PUT", url(PRIVATE, name, t="uri"), HELLO)
    got, where, body = await do(fake, act, **fields)
    assert (got, where) == (status, None)
    assert "<h1>That did not work</h1>" in body and "<b>" not in body
    assert words in body
    assert (await do(fake, act, {"Accept": "application/json"}, **fields))[2][0] == "{"
    assert {"f", "g"} <= set(await names(fake, PRIVATE))


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
    ],
)
@ensureDeferred
async def test_pages_of_other_sites_can_not_send_forms(headers, fake, url):
    await fake.ask("PUT", url(PRIVATE, "f", t="uri"), HELLO)
    _, where, _ = await do(fake, "delete", place=PRIVATE, item="f")
    await fake.ask("PUT", url(PRIVATE, "f", t="uri"), HELLO)
    batch = quote(parse_qs(urlsplit(where).query)["undo"][0], safe="")
    for act, fields in [
        ("mkdir", {"place": PRIVATE, "name": "x"}),
        ("mkdir", {"place": "/%76drive/private", "name": "x"}),
        ("rename", {"place": PRIVATE, "item": "f", "to": "x"}),
        ("delete", {"place": PRIVATE, "item": "f"}),
        ("restore", {"batch": batch}),
        ("empty", {}),
    ]:
        assert (await do(fake, act, headers, **fields))[0] == 403
    assert await names(fake, PRIVATE) == [".Trash", "f"]


@ensureDeferred
async def test_a_place_that_leads_elsewhere_is_refused(fake):
    for place in ("/vdrive/private/..", "/vdrive/private%2f..", "//vdrive/private", "/uri"):
        assert (await do(fake, "mkdir", place=place, name="x"))[0] == 400


# ---- deleting


@ensureDeferred
async def test_what_is_deleted_in_the_private_root_can_be_brought_back(grid, url):
    for name in ("f", "g & h", "kept"):
        await grid.ask("PUT", url(PRIVATE, "a", "b", name), b"hello")
    place = f"{PRIVATE}/a/b"
    status, where, _ = await do(grid, "delete", place=place, item=["f", "g%20%26%20h"])
    assert (status, urlsplit(where).path) == (303, f"{place}/")
    assert await names(grid, place) == ["kept"]
    _, _, body = await grid.ask("GET", where)
    batch = re.search(r'name="batch" value="(.+?)"', body)[1]
    assert await names(grid, f"{PRIVATE}/.Trash/{batch}") == ["f", "g & h"]
    _, _, body = await grid.ask("GET", f"{PRIVATE}/.Trash/")
    assert "“f” and 1 more from My files / a / b" in body
    await grid.ask("DELETE", f"{PRIVATE}/a")
    assert (await do(grid, "restore", batch=batch))[:2] == (303, f"{place}/")
    assert await names(grid, place) == ["f", "g & h"]
    assert await names(grid, f"{PRIVATE}/.Trash") == []


@ensureDeferred
async def test_what_is_deleted_in_one_second_stays_apart(fake, url):
    for _ in range(3):
        await fake.ask("PUT", url(PRIVATE, "f", t="uri"), HELLO)
        assert (await do(fake, "delete", place=PRIVATE, item="f"))[0] == 303
    assert len(await names(fake, f"{PRIVATE}/.Trash")) == 3


@ensureDeferred
async def test_bringing_back_replaces_nothing(fake, url):
    await fake.ask("PUT", url(PRIVATE, "f", t="uri"), HELLO)
    _, where, _ = await do(fake, "delete", place=PRIVATE, item="f")
    await fake.ask("PUT", url(PRIVATE, "f"), b"newer")
    batch = quote(parse_qs(urlsplit(where).query)["undo"][0], safe="")
    assert (await do(fake, "restore", batch=batch))[0] == 409
    assert await fake.content(PRIVATE, "f") == "newer"
    assert await names(fake, f"{PRIVATE}/.Trash/{batch}") == ["f"]


@ensureDeferred
async def test_elsewhere_and_in_the_trash_deleting_is_for_good(fake, url):
    cap = await fake.make(f=HELLO)
    place = url(cap)
    assert (await do(fake, "delete", place=place, item="f"))[:2] == (303, f"{place}/")
    assert await fake.names(cap) == []
    await fake.ask("PUT", url(PRIVATE, "f", t="uri"), HELLO)
    await do(fake, "delete", place=PRIVATE, item="f")
    trash = f"{PRIVATE}/.Trash"
    [batch] = await names(fake, trash)
    await do(fake, "delete", place=trash, item=quote(batch, safe=""))
    assert await names(fake, trash) == []
    assert (await do(fake, "empty"))[:2] == (303, f"{PRIVATE}/")
    assert await names(fake, PRIVATE) == []


@pytest.mark.parametrize("way", [[], ["a"], ["a b", "c%d+ü"], ["x" * 255] * 3])
@pytest.mark.parametrize("items", [["f"], ["f & g", "h"]])
@pytest.mark.parametrize("attempt", [1, 2])
def test_the_name_in_the_trash_tells_where_things_were(way, items, attempt):
    name = batch_name(0.0, way, items, attempt)
    assert len(name.encode()) <= 255
    is_long = len("".join(way)) > 255
    assert batch_origin(name) == ([] if is_long else way)
    assert (f"“{items[0]}”" in batch_label(name)) != is_long
    assert ("and 1 more" in batch_label(name)) == (len(items) > 1)


def test_other_names_in_the_trash_are_as_they_are():
    assert batch_label("holi\nday") == "holi␊day"
    assert batch_origin("holiday") == []


# ---- one thing


@pytest.mark.parametrize(
    ("name", "element"),
    [("a.png", "<img"), ("a.mp3", "<audio"), ("a.webm", "<video"), ("a.pdf", "<object")],
)
@ensureDeferred
async def test_a_file_is_shown_by_its_kind(name, element, fake, url):
    cap = await fake.make(**{name: HELLO, "a.bin": HELLO})
    _, _, body = await fake.ask("GET", f"{url(cap)}/?t=details&name={name}")
    preview = body.partition('class="preview">')[2].partition("</div>")[0]
    assert element in preview
    [source] = re.findall(r'(?:src|data)="(.+?)"', preview)
    assert (await fake.ask("GET", source))[2] == "hello"
    _, _, body = await fake.ask("GET", f"{url(cap)}/?t=details&name=a.bin")
    assert 'class="preview"' not in body and "Download" in body


@ensureDeferred
async def test_the_key_that_is_shared_only_reads(fake, url):
    sub = await fake.make()
    cap = await fake.make(sub=sub, f=HELLO)
    for query, expected in [
        ("", await fake.readonly(cap)),
        ("&name=sub", await fake.readonly(sub)),
        ("&name=f", HELLO),
    ]:
        _, _, body = await fake.ask("GET", f"{url(cap)}/?t=details{query}")
        assert re.search(r'id="cap" readonly value="(.+?)"', body)[1] == expected
        assert not re.search(r"<title>.*URI.*</title>", body)
    assert (await fake.ask("GET", f"{url(cap)}/?t=details&name=no"))[0] == 404


@ensureDeferred
async def test_a_pasted_capability_leads_to_its_page(fake, url):
    cap = await fake.make(f=HELLO)
    for text in (cap, f"  {cap}\n", f"http://127.0.0.1:1{url(cap)}/"):
        status, where, _ = await do(fake, "open", cap=text)
        assert (status, unquote(where)) == (303, f"/uri/{cap}/")
    assert (await do(fake, "open", cap=HELLO))[1] == url(HELLO, t="info")
    assert (await do(fake, "open", cap=f"{cap}/f"))[1] == url(cap, "f", t="info")


# ---- words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "just now"), (59, "just now"), (60, "1 minute ago"), (7300, "2 hours ago")],
)
def test_ages_are_for_people(seconds, words):
    assert ago(seconds) == words


@pytest.mark.parametrize(("seconds", "words"), [(0, "1970-01-01 00:00"), (1e99, "")])
def test_dates_that_are_none_are_left_out(seconds, words):
    assert date(seconds) == words


@pytest.mark.parametrize(
    ("num_up", "num_down", "parameters", "reads", "stores"),
    [
        (5, 0, (3, 4, 5), True, True),  # one may die
        (4, 1, (3, 4, 5), False, False),
        (9, 0, (3, 7, 10), True, True),
        (7, 0, (3, 7, 10), True, False),
        (7, 4, (3, 7, 10), False, False),
        (1, 0, (1, 1, 1), False, False),
    ],
)
def test_what_happens_if_a_server_dies(num_up, num_down, parameters, reads, stores):
    servers = [fake_server(f"up{i}") for i in range(num_up)]
    servers += [fake_server(f"down{i}", connected=False) for i in range(num_down)]
    outlook = Outlook.of(servers, parameters)
    assert [good for good, _ in outlook.if_it_dies(servers[0])] == [reads, stores]


@ensureDeferred
async def test_the_grid_has_a_card_for_each_server(gateway):
    gateway.client.servers += [fake_server("<b>one"), fake_server("two", connected=False)]
    status, _, body = await gateway.ask("GET", "/_/grid")
    assert (status, body.count(b'<li class="card')) == (200, 2)
    assert b"&lt;b&gt;one" in body and b"<b>" not in body
    assert b"If it dies" in body and b"While it is down" in body
    assert b"1 of 2 storage servers connected" in body


@ensureDeferred
async def test_a_node_without_directories_still_stores_files(gateway):
    gateway.client.vdrive = None
    status, _, body = await gateway.ask("GET", "/")
    assert status == 200
    assert b'action="/uri?t=upload"' in body and b'class="tile go"' not in body
