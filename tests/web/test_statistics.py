"""``/statistics`` and ``/status``, as programs made for Tahoe-LAFS read them."""

import json

import pytest
from pytest_twisted import ensureDeferred

from tests.support.fake_client import INDEX_WORDS


@pytest.fixture
def client(gateway):
    return gateway.client


async def counts(gateway):
    status, headers, body = await gateway.ask("GET", "/statistics?t=json")
    assert (status, headers["Content-Type"]) == (200, "text/plain")
    return json.loads(body)


@ensureDeferred
async def test_a_counter_appears_with_its_first_use(gateway, client):
    assert (await counts(gateway))["counters"] == {}
    client.move("upload", 300)
    client.move("upload", 200)
    client.fail("download")
    assert (await counts(gateway))["counters"] == {
        "uploader.files_uploaded": 2,
        "uploader.bytes_uploaded": 500,
    }
    client.move("download", 10)
    found = (await counts(gateway))["counters"]
    assert found["downloader.files_downloaded"] == 1
    assert found["downloader.bytes_downloaded"] == 10


@ensureDeferred
async def test_the_process_is_told_of(gateway, client):
    stats = (await counts(gateway))["stats"]
    assert stats.keys() == {"cpu_monitor.total", "node.uptime"}
    assert stats["cpu_monitor.total"] > 0 and stats["node.uptime"] > 0


@pytest.mark.parametrize(("room", "accepts"), [(12345, 1), (0, 0)])
@ensureDeferred
async def test_a_storage_node_tells_of_its_room(gateway, client, room, accepts):
    client.figures = {"shares": 1, "bytes": 2, "available": room, "uploads": 0}
    stats = (await counts(gateway))["stats"]
    assert stats["storage_server.disk_avail"] == room
    assert stats["storage_server.accepting_immutable_shares"] == accepts


@ensureDeferred
async def test_open_metrics_are_sorted_and_end(gateway, client):
    client.move("upload", 300)
    status, headers, body = await gateway.ask("GET", "/statistics?t=openmetrics")
    kind = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert (status, headers["Content-Type"]) == (200, kind)
    *lines, end = body.decode().splitlines()
    assert end == "# EOF" and lines == sorted(lines)
    found = dict(line.split(" ") for line in lines)
    assert found["tahoe_counters_uploader_files_uploaded"] == "1"
    assert float(found["tahoe_stats_node_uptime"]) > 0
    assert not [name for name in found if "." in name or "-" in name]


@ensureDeferred
async def test_status_tells_what_runs_and_what_ended(gateway, client):
    client.move("upload", 300)
    client.fail("download")
    with client.transfers.running("download", 200, bytes(16)) as transfer:
        transfer.advance(50)
        status, headers, body = await gateway.ask("GET", "/status?t=json")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(body) == {
        "active": [
            {
                "type": "download",
                "storage-index-string": "aaaaa",
                "total-size": 200,
                "status": "Running",
                "progress": 0.25,
            }
        ],
        "recent": [
            {
                "type": "download",
                "storage-index-string": "aaaqe",
                "total-size": 100,
                "status": "Failed: unrecoverable",
                "progress": 0.0,
            },
            {
                "type": "upload",
                "storage-index-string": "aaaqe",
                "total-size": 300,
                "status": "Finished",
                "progress-hash": 1.0,
                "progress-ciphertext": 1.0,
                "progress-encode-push": 1.0,
            },
        ],
    }
    assert INDEX_WORDS[:6] not in body.decode()


@ensureDeferred
async def test_nothing_moved_is_an_empty_list(gateway, client):
    _, _, body = await gateway.ask("GET", "/status?t=json")
    assert json.loads(body) == {"active": [], "recent": []}


@ensureDeferred
async def test_a_part_of_no_bytes_is_whole(gateway, client):
    with client.transfers.running("download", 0, bytes(16)):
        pass
    _, _, body = await gateway.ask("GET", "/status?t=json")
    assert json.loads(body)["recent"][0]["progress"] == 1.0


@pytest.mark.parametrize("page", ["/statistics", "/statistics?t=x", "/status", "/live"])
@ensureDeferred
async def test_other_forms_are_refused(gateway, client, page):
    assert (await gateway.ask("GET", page))[0] == 400
