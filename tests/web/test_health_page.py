"""The page that says how safe the files are."""

import pytest
from pytest_twisted import ensureDeferred

from allmydata.web.welcome import Outlook
from tests.support.fake_client import fake_server


@pytest.fixture
def client(gateway):
    return gateway.client


async def health(gateway):
    status, _, body = await gateway.ask("GET", "/_/health")
    assert status == 200
    return body.decode()


@pytest.mark.parametrize(
    ("needed", "happy", "down", "expected"),
    [
        (3, 7, 0, (True, "Every server is there: no file should be in danger.")),
        (
            3,
            7,
            2,
            (True, "2 servers are down: every file is there, and stays so"),
        ),
        (3, 4, 1, (False, "1 server is down: every file is there, but may be lost with")),
        (3, 4, 2, (False, "2 servers are down: some files may be unreadable.")),
        (1, 1, 0, (False, "Every server is there, but a file may be lost with a single")),
        (1, 1, 1, (False, "1 server is down: some files may be unreadable.")),
    ],
)
def test_one_line_says_it(needed, happy, down, expected):
    is_well, line = Outlook(needed, happy, 10, 10 - down, down).verdict
    assert is_well == expected[0] and line.startswith(expected[1])


@ensureDeferred
async def test_the_page_goes_by_who_is_connected(gateway, client):
    client.servers += [fake_server(f"s{i}") for i in range(10)]
    body = await health(gateway)
    assert "hero good" in body and "no file should be in danger" in body
    client.servers[:5] = [fake_server(f"s{i}", connected=False) for i in range(5)]
    body = await health(gateway)
    assert "hero bad" in body and "5 servers are down" in body
    assert "None: no client has told" in body


@ensureDeferred
async def test_reports_of_damage_are_listed_as_text(gateway, client):
    reason = "<b>hash</b> mismatch\n" + 500 * "x"
    told = {"when": 0.0, "storage_index": "aaaqe", "share": 3, "reason": reason}
    client.reports += [told, told | {"share": 4, "reason": ""}]
    body = await health(gateway)
    assert "Share 3 of <code>aaaqe…</code>, <time>1970-01-01 00:00 UTC" in body
    assert "Share 4 of" in body
    assert "&lt;b&gt;hash" in body and "<b>hash" not in body
    assert "x" * 300 not in body


class Health:
    num_kept = 90

    def verdict(self):
        return False, "3 of 90 files need repair."

    def facts(self):
        return [("Checked", "<i>an hour ago</i>")]


@ensureDeferred
async def test_a_health_service_is_believed(gateway, client):
    client.health = Health()
    body = await health(gateway)
    assert "hero bad" in body and "3 of 90 files need repair." in body
    assert "<dt>Checked</dt><dd>&lt;i&gt;an hour ago" in body
    assert "whether each file is whole" not in body
