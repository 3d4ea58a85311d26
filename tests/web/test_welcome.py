"""What the node says of itself."""

import json
import re

import pytest
from pytest_twisted import ensureDeferred

from tests.support.fake_client import fake_server


@pytest.fixture
def servers(gateway):
    servers = [fake_server(f"s{i}", connected=i < 3) for i in range(5)]
    gateway.client.servers += servers
    gateway.client.introducers += ["Connected to tcp:127.0.0.1:2 via tcp"]
    return servers


@ensureDeferred
async def test_json_lists_servers_and_introducers(gateway, servers):
    status, headers, body = await gateway.ask("GET", "/?t=json")
    assert status == 200
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    statuses = ["Connected to tcp:127.0.0.1:2 via tcp"]
    encoding = {"needed": 3, "happy": 7, "total": 10, "segment_size": 2**20}
    assert json.loads(body) == {
        "introducers": {"statuses": statuses},
        "servers": servers,
        "encoding": encoding,
    }
    assert body.startswith(b'{\n "introducers"') and body.endswith(b"}\n")


@pytest.mark.parametrize("method", ["GET", "POST"])
@ensureDeferred
async def test_the_page_counts_connected_servers_first(method, gateway, servers):
    status, headers, body = await gateway.ask(method, "/")
    text = body.decode()
    assert status == 200
    assert headers["Content-Type"].startswith("text/html")
    assert re.findall(r"Connected to <span>(.+?)</span>", text) == ["3", "1"]
    assert "of <span>5</span> known storage servers" in text


@ensureDeferred
async def test_names_on_the_page_can_not_hold_markup(gateway, servers):
    gateway.client.nickname = "<script>x</script>"
    servers[0]["nickname"] = "<b>bold</b>"
    gateway.client.introducers[0] = "Connected to <i>"
    gateway.client.ready = (False, "<u>")
    _, _, body = await gateway.ask("GET", "/")
    for markup in (b"<script>", b"<b>", b"<i>", b"<u>"):
        assert markup not in body


@ensureDeferred
async def test_head_of_the_page_has_no_body(gateway):
    status, headers, body = await gateway.ask("HEAD", "/")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 0


@ensureDeferred
async def test_other_formats_are_refused(gateway):
    assert (await gateway.ask("GET", "/?t=bogus"))[0] == 400


@ensureDeferred
async def test_a_node_is_healthy_even_if_it_can_not_store(gateway):
    gateway.client.ready = (False, "2 of 7 servers are connected")
    assert (await gateway.ask("GET", "/healthz"))[0] == 200
    status, _, body = await gateway.ask("GET", "/readyz")
    words = {"ready": False, "why": "2 of 7 servers are connected"}
    assert (status, json.loads(body)) == (503, words)
    gateway.client.ready = (True, "")
    assert (await gateway.ask("GET", "/readyz"))[0] == 200
