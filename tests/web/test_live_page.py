"""The page of what moves: pictures, the table, and the way to it."""

import re

import pytest
from pytest_twisted import ensureDeferred

from allmydata.web.livepage import PICTURES, Line, Picture, cells, natural, rows
from tests.support.fake_client import INDEX, INDEX_WORDS

HOSTILE = "<script>alert('s1')</script>\n"


@pytest.fixture
def client(gateway):
    return gateway.client


async def live(gateway):
    status, _, body = await gateway.ask("GET", "/_/live")
    assert status == 200
    return body.decode()


def server(name, state="active", shares=(0,), cells="11", **more):
    told = {"name": name, "nodeid": "", "state": state, "shares": list(shares)}
    told |= {"segments": cells.count("1"), "bytes": 1, "cells": cells}
    return told | {"replaced_by": None, "why": ""} | more


def download(*servers, outcome="running"):
    return {
        "id": 7,
        "kind": "download",
        "storage_index": "aaaqe",
        "size": 1000,
        "done": 250,
        "segments": 2,
        "began": 1000.0,
        "ended": None if outcome == "running" else 1002.0,
        "seconds": 2.0,
        "outcome": outcome,
        "servers": list(servers),
    }


def standing(*servers, **more):
    return {row.name: (row.state, row.words) for row in rows(download(*servers, **more))}


# ---- pictures


def test_a_silent_server_is_marked_and_its_stand_in_named():
    silent = server("s2", "replaced", [1], "10", replaced_by=4)
    found = standing(server("s1"), silent, server("s9", shares=[4], cells="01"))
    assert found == {
        "s1": ("active", "gives"),
        "s2": ("replaced", "silent: share 4 on s9 took its place"),
        "s9": ("stand-in", "gives in place of s2"),
    }


def test_a_server_that_answers_after_all_is_called_late():
    late = server("s2", "active", [1], "10", replaced_by=4)
    found = standing(late, server("s9", shares=[4], cells="01"), outcome="done")
    assert found["s2"] == ("late", "late: share 4 on s9 took its place")
    assert found["s9"] == ("stand-in", "gave in place of s2")


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (server("s", "asked", cells="00"), ("asked", "asked")),
        (server("s", "active", cells="00"), ("asked", "at hand")),
        (server("s", "silent", cells="00"), ("silent", "silent")),
        (server("s", "late", cells="10"), ("late", "late: not waited for")),
        (server("s", "failed", why="it went"), ("failed", "failed: it went")),
        (server("s", "failed"), ("failed", "failed")),
    ],
)
def test_how_a_server_does_is_told_in_words(one, expected):
    assert standing(one) == {"s": expected}


def test_a_share_that_nobody_holds_has_a_number_only():
    found = standing(server("s2", "replaced", [1], "10", replaced_by=4))
    assert found["s2"][1] == "silent: share 4 took its place"


def test_rows_are_in_the_order_of_names():
    found = rows(download(*map(server, ["s10", "s2", "a", "s1"])))
    assert [row.name for row in found] == ["a", "s1", "s2", "s10"]
    assert natural("9" * 5000)  # however long


def test_a_cell_is_a_unit_wide_less_its_gaps():
    assert cells("") == cells("000") == ""
    assert cells("1") == "M0.0025 0h0.9950v1H0.0025z"
    path = cells("01" * 32)
    assert re.findall(r"M([\d.]+)", path)[:2] == ["1.0600", "3.0600"]


def test_a_transfer_of_nothing_known_yet_can_be_drawn():
    picture = Picture.of(download(server("s", "asked", cells="")) | {"segments": 0})
    assert (picture.columns, picture.bed, picture.rows[0].path) == (0, "", "")
    told = download() | {"size": 0, "done": 0, "seconds": 0.0, "ended": 1000.0}
    assert Picture.of(told).sums == "0 B of 0 B · 100 % · 0.00 s"
    assert Line.of(told).rate == ""


# ---- the page


@ensureDeferred
async def test_the_page_shows_what_runs_and_what_ran(gateway, client):
    client.move("upload", 300)
    with client.transfers.running("download", 1000, INDEX) as transfer:
        transfer.num_segments = 2
        transfer.asked("slow", 0)
        transfer.silent("slow")
        transfer.asked("quick", 4, instead_of={(0, "slow")})
        transfer.got("quick", range(1), 99)
        transfer.advance(500)
        client.now += 2
        body = await live(gateway)
    assert "1 running" in body
    assert "500 B of 1.0 kB · 50 % · 250 B/s · 2.00 s" in body
    assert "silent: share 4 on quick took its place" in body
    assert "gives in place of slow" in body
    assert body.index("Download") < body.index("Upload")
    assert body.count("<tr><td>upload") == 1 and "<tr><td>download" not in body
    assert INDEX_WORDS[:6] not in body


@ensureDeferred
async def test_few_are_drawn_and_a_hundred_listed(gateway, client):
    for _ in range(150):
        client.move()
    body = await live(gateway)
    assert body.count('class="move done"') == PICTURES
    assert body.count("<tr><td>upload") == 100


@ensureDeferred
async def test_a_page_without_transfers_says_so(gateway, client):
    assert re.search(r'id="nothing">Nothing has moved', await live(gateway))
    client.fail()
    body = await live(gateway)
    assert 'id="nothing" hidden' in body
    assert '<span class="failed">unrecoverable</span>' in body


@ensureDeferred
async def test_names_of_servers_are_only_text(gateway, client):
    with client.transfers.running("upload", 10, INDEX) as transfer:
        transfer.num_segments = 1
        transfer.asked(HOSTILE, 0)
        transfer.lost(HOSTILE, HOSTILE)
        body = await live(gateway)
    assert "<script>alert" not in body
    assert body.count("&lt;script&gt;") == 2 and "␊" in body


@ensureDeferred
async def test_a_browser_that_asks_for_live_is_led_to_the_page(gateway, client):
    status, headers, _ = await gateway.ask("GET", "/live", headers={"Accept": "text/html"})
    assert (status, headers["Location"]) == (302, "/_/live")
    assert (await gateway.ask("GET", "/live"))[0] == 400


@ensureDeferred
async def test_only_the_owner_sees_it(gateway, client):
    gateway.headers = {}
    assert (await gateway.ask("GET", "/_/live"))[0] == 401
    for name in ("live.js", "live.css", "demo.js"):
        assert (await gateway.ask("GET", f"/_/{name}"))[0] == 200
