"""Everything below a directory, as it is found."""

import json

import pytest
from pytest_twisted import ensureDeferred

from allmydata.errors import CorruptError
from allmydata.uri import CHKFileURI
from allmydata.util import base32
from allmydata.web.stats import Stats

HELLO = "URI:LIT:nbswy3dp"
CHK = CHKFileURI(bytes(16), b"h" * 32, 3, 10, 2000)


async def manifest(grid, place):
    status, headers, body = await grid.ask("POST", place)
    assert (status, headers["Content-Type"]) == (200, "text/html")
    *lines, last = map(json.loads, body.splitlines())
    assert last["type"] == "stats"
    return lines, last["stats"]


@ensureDeferred
async def test_each_object_has_a_line_and_comes_once(grid, url):
    low = await grid.make(f=HELLO)
    mid = await grid.make(low=low, again=CHK.to_string())
    cap = await grid.make(a=CHK.to_string(), b=HELLO, mid=mid, low2=low)
    await grid.ask("PUT", url(low, "up", t="uri"), cap)  # a way back to the top
    await grid.ask("PUT", url(cap, "u", t="uri"), "ro.x-future:1")
    for end in ("", "/"):
        lines, stats = await manifest(grid, url(cap) + end + "?t=stream-manifest")
        found = {line["cap"]: line for line in lines}
        assert lines[0]["path"] == [] and lines[0]["cap"] == cap
        assert sorted("/".join(line["path"]) for line in lines[1:]) in (
            ["a", "b", "low2", "low2/f", "mid", "u"],
            ["b", "low2", "low2/f", "mid", "mid/again", "u"],
        )
    verify_cap = CHK.get_verify_cap().to_string()
    assert found[CHK.to_string()] == {
        "path": ["a"],
        "cap": CHK.to_string(),
        "type": "file",
        "verifycap": verify_cap,
        "repaircap": verify_cap,
        "storage-index": base32.b2a(CHK.storage_index),
    }
    nothing = {"verifycap": "", "repaircap": "", "storage-index": ""}
    assert found[mid] == {"path": ["mid"], "cap": mid, "type": "directory", **nothing}
    assert found["ro.x-future:1"]["type"] == "unknown"
    assert stats == {
        "api-version": 1,
        "count-immutable-files": 1,
        "count-mutable-files": 0,
        "count-literal-files": 2,
        "count-files": 3,
        "count-directories": 3,
        "count-unknown": 1,
        "size-immutable-files": 2000,
        "size-literal-files": 10,
        "size-directories": 0,
        "largest-directory": 0,
        "largest-directory-children": 5,
        "largest-immutable-file": 2000,
        "size-files-histogram": [[4, 10, 2], [1001, 3162, 1]],
    }


@ensureDeferred
async def test_what_is_seen_through_a_read_only_cap_is_read_only(grid, url):
    cap = await grid.make(sub=await grid.make(f=HELLO))
    lines, _ = await manifest(grid, url(await grid.readonly(cap), t="stream-manifest"))
    assert [line["cap"][:11] for line in lines] == ["URI:DIR-RO:"] * 2 + ["URI:LIT:nbs"]


@pytest.mark.parametrize("page_size", [1, 2, 1000])
@ensureDeferred
async def test_large_trees_are_walked_parents_first(page_size, fake, url):
    cap = await fake.make()
    for i in range(30):
        names = [f"d{j}" for j in range(i % 5)]
        await fake.ask("PUT", url(cap, *names, f"f{i}"), b"%d" % i)
    fake.gateway.client.vdrive.page_size = page_size
    lines, stats = await manifest(fake, url(cap, t="stream-manifest"))
    assert (stats["count-literal-files"], stats["count-directories"]) == (30, 5)
    seen = set()
    for line in lines:
        assert not line["path"] or tuple(line["path"][:-1]) in seen
        if line["type"] == "directory":
            seen.add(tuple(line["path"]))


@ensureDeferred
async def test_a_directory_that_can_not_be_read_is_told_and_the_rest_goes_on(fake, url):
    cap = await fake.make(a=await fake.make(x=HELLO), b=await fake.make(y=HELLO))
    gone = (await fake.ask("GET", url(cap, "a", t="readonly-uri")))[2]
    del fake.gateway.client.vdrive.tables[gone]
    status, _, body = await fake.ask("POST", url(cap, t="stream-manifest"))
    assert status == 200
    errors = [line for line in body.splitlines() if line.startswith("ERROR:")]
    assert errors == ["ERROR: NotFoundError: the vdrive server has no such directory"]
    assert '"path": ["b", "y"]' in body and '"type": "stats"' in body.splitlines()[-1]


@ensureDeferred
async def test_a_root_that_can_not_be_read_is_an_error(fake, url):
    cap = await fake.make()
    fake.gateway.client.vdrive.error = CorruptError("a row does not open")
    reply = await fake.ask("POST", url(cap, t="stream-manifest"))
    assert reply[::2] == (500, "a row does not open")


@pytest.mark.parametrize(
    ("size", "low", "high"),
    [
        (0, 0, 0),
        (1, 1, 3),
        (3, 1, 3),
        (4, 4, 10),
        (11, 11, 31),
        (100, 32, 100),
        (101, 101, 316),
        (1000, 317, 1000),
        (10**15, 316227766016838, 10**15),
    ],
)
def test_sizes_fall_into_bins_of_half_a_decade(size, low, high):
    stats = Stats()
    stats.count("filenode", {"size": size})
    (row,) = stats.as_json()["size-files-histogram"]
    assert row == [low, high, 1]
