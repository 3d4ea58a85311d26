"""Shares that a node of Tahoe-LAFS 1.20 made, given to our servers and read from them."""

import json
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred

from allmydata import uri
from allmydata.crypto.mutable_keys import MutableKeys
from allmydata.mutable.check import MutableChecker

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "mutable.json").read_text())
SAMPLES = [sample for sample in VECTORS["samples"] if "shares" in sample]


async def store(grid, sample):
    """Put each share of a sample on a server of its own."""
    cap = uri.from_string(sample["cap"])
    if isinstance(cap, uri.Dir2URI):
        cap = cap.file
    keys = MutableKeys.from_write_key(cap.write_key)
    for proxy, (number, share) in zip(grid.proxies, sample["shares"].items(), strict=False):
        enabler = keys.write_enabler(proxy.tubid)
        writes = {int(number): ([], [(0, bytes.fromhex(share))], None)}
        done, _ = await proxy.write_slots(cap.storage_index, enabler, writes, [])
        assert done
    return cap


def plaintext(sample):
    return bytes((i * i + 7 * i + 3) % 251 for i in range(sample["plaintext_size"]))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["format"])
@ensureDeferred
async def test_they_are_read_verified_and_replaced(grid, sample):
    cap = await store(grid, sample)
    node = grid.mutables.node_for(cap)
    held = await node.download_to_data()
    if "plaintext_size" in sample:
        assert held == plaintext(sample)
    checker = MutableChecker(grid.client())
    report = await checker.check(cap.to_string(), verify=True)
    assert report.is_recoverable and not report.damages
    assert report.num_good == len(sample["shares"])
    await node.update(b"ours", 3)
    wanted = held[:3] + b"ours" + held[7:]
    assert await grid.client().node_for(cap).download_to_data() == wanted
    assert (await checker.check(cap.to_string(), verify=True)).is_healthy
