"""Directories of Tahoe-LAFS through the gateway, over a grid of three servers."""

import json

import pytest
import pytest_twisted
from pytest_twisted import ensureDeferred

from allmydata import uri
from allmydata.mutable.check import MutableChecker
from allmydata.util.deferreds import start
from tests.support.drive import DriveBench
from tests.support.grid import LocalGrid
from tests.web.conftest import Directories, url

LIT = "URI:LIT:nbuq"
PREFIXES = {"format=sdmf": "URI:DIR2:", "format=mdmf": "URI:DIR2-MDMF:"}
PREFIXES["kind=dir2"] = "URI:DIR2:"


@pytest.fixture
def grid(gateway, tmp_path):
    shares = LocalGrid(tmp_path / "grid", 3, (1, 2, 3))
    pytest_twisted.blockon(start(shares.start()))
    bench = DriveBench(tmp_path / "bench", grid=shares)
    served = pytest_twisted.blockon(start(bench.serve()))
    client = gateway.client
    client.vdrive = bench.drive(served)
    client.uploader, client.downloader = shares.uploader, shares.downloader
    client.mutables, client.mutable_checker = (
        shares.mutables,
        MutableChecker(shares.mutables),
    )
    client.checker, client.repairer = shares.checker, shares.repairer
    yield Directories(gateway, served)
    pytest_twisted.blockon(start(bench.stop()))
    pytest_twisted.blockon(start(shares.stop()))


async def make(grid, words="kind=dir2"):
    status, _, cap = await grid.ask("POST", f"/uri?t=mkdir&{words}")
    assert status == 200, cap
    return cap


def links(**caps):
    return json.dumps({name: ["filenode", {"ro_uri": cap}] for name, cap in caps.items()})


@pytest.mark.parametrize("words", PREFIXES)
@ensureDeferred
async def test_a_tree_is_made_changed_and_told(grid, words):
    cap = await make(grid, words)
    assert cap.startswith(PREFIXES[words])
    assert (await grid.ask("PUT", url(cap, "a", "b", "f"), b"hello"))[0] == 201
    status, _, sub = await grid.ask("PUT", url(cap, "a", t="mkdir"))
    assert status == 200 and sub.startswith(PREFIXES[words])
    reply = await grid.ask("POST", url(sub, t="set_children"), links(x=LIT, y=LIT))
    assert reply[::2] == (200, "Okay so I did it.")
    move = {"from_name": "x", "to_dir": cap, "to_name": "moved"}
    assert (await grid.ask("POST", url(sub, t="relink", **move)))[2] == "thing moved"
    rename = {"from_name": "y", "to_name": "z"}
    assert (await grid.ask("POST", url(sub, t="rename", **rename)))[2] == "thing moved"
    assert (await grid.ask("DELETE", url(sub, "z")))[2] == LIT
    assert (await grid.names(cap), await grid.names(sub)) == (["a", "moved"], ["b"])
    assert await grid.content(cap, "a", "b", "f") == "hello"
    reply = await grid.ask("PUT", url(cap, "moved", t="uri", replace="false"), LIT)
    assert reply[0] == 409


@ensureDeferred
async def test_json_tells_capabilities_and_what_is_said_of_children(grid):
    cap = await make(grid)
    parsed = uri.from_string(cap)
    child = ["filenode", {"ro_uri": LIT, "metadata": {"mine": 1}}]
    await grid.ask("POST", url(cap, t="set_children"), json.dumps({"f": child}))
    kind, facts = await grid.told(url(cap))
    found = facts.pop("children")["f"][1]
    assert (kind, facts) == (
        "dirnode",
        {
            "mutable": True,
            "rw_uri": cap,
            "ro_uri": parsed.get_readonly().to_string(),
            "verify_uri": parsed.get_verify_cap().to_string(),
        },
    )
    assert found["metadata"]["mine"] == 1 and "linkcrtime" in found["metadata"]["tahoe"]
    _, weak = await grid.told(url(facts["ro_uri"]))
    assert "rw_uri" not in weak and weak["mutable"] is True
    reply = await grid.ask("PUT", url(facts["ro_uri"], "x", t="uri"), LIT)
    assert reply[0] == 403 and reply[2].startswith("NotWriteableError")
    assert (await grid.told(url(facts["verify_uri"])))[0] == "unknown"


@ensureDeferred
async def test_immutable_directories_are_made_and_refuse_what_changes(grid):
    cap, body = await make(grid), links(a=LIT)
    for method_place in (
        "/uri?t=mkdir-immutable",
        url(cap, "by", "path", t="mkdir-immutable"),
    ):
        status, _, made = await grid.ask("POST", method_place, body)
        assert (status, made[:13]) == (200, "URI:DIR2-LIT:"), made
        assert await grid.names(made) == ["a"]
    place = url(cap, t="mkdir-immutable", name="named")
    assert (await grid.ask("POST", place, links(**{f"n{i}": LIT for i in range(9)})))[
        0
    ] == 200
    assert await grid.names(cap, "named") == [f"n{i}" for i in range(9)]
    made = (await grid.children(cap))["named"][1]
    assert made["mutable"] is False and made["ro_uri"].startswith("URI:DIR2-CHK:")
    _, headers, _ = await grid.ask("GET", url(made["ro_uri"], t="json"))
    assert headers["ETag"].startswith("DIR:")
    same = {"If-None-Match": headers["ETag"]}
    assert (await grid.ask("GET", url(made["ro_uri"], t="json"), None, same))[0] == 304
    status, _, why = await grid.ask("POST", place, links(sub=cap))
    assert status == 400 and why.startswith("MustBeDeepImmutableError: child 'sub'")
    assert len(await grid.names(cap, "named")) == 9
    assert (await grid.ask("PUT", url(made["ro_uri"], "x", t="uri"), LIT))[0] == 403


@ensureDeferred
async def test_directories_with_children_are_of_the_kind_of_the_one_they_are_in(grid):
    cap, ours = await make(grid, "format=mdmf"), await grid.make()
    for parent, prefix in ((cap, "URI:DIR2-MDMF:"), (ours, "URI:DIR:")):
        place = url(parent, t="mkdir-with-children", name="d")
        status, _, made = await grid.ask("POST", place, links(a=LIT))
        assert status == 200 and made.startswith(prefix)
        assert await grid.names(made) == ["a"]
    for place in (
        url(ours, "p", t="mkdir", format="SDMF"),
        url(ours, t="mkdir", name="q", kind="dir2"),
    ):
        assert (await grid.ask("POST", place))[2].startswith("URI:DIR2:")
    rename = {"from_name": "p", "to_dir": cap}
    assert (await grid.ask("POST", url(ours, t="relink", **rename)))[2] == "thing moved"
    assert (await grid.names(ours), await grid.names(cap)) == (["d", "q"], ["d", "p"])


@ensureDeferred
async def test_the_file_behind_a_directory_is_checked(grid, gateway):
    cap = await make(grid)
    await grid.ask("POST", url(cap, t="mkdir", name="sub"))
    parsed = uri.from_string(cap)
    for text in (cap, parsed.get_verify_cap().to_string()):
        _, _, body = await grid.ask("POST", url(text, t="check", output="JSON"))
        told = json.loads(body)
        assert (told["summary"], told["results"]["count-shares-good"]) == ("Healthy", 3)
    _, _, body = await grid.ask("POST", url(cap, t="stream-deep-check", verify="true"))
    lines = [json.loads(line) for line in body.splitlines()]
    assert [one["check-results"]["summary"] for one in lines[:-1]] == ["Healthy"] * 2
    _, _, body = await grid.ask("POST", url(cap, t="stream-manifest"))
    first = json.loads(body.splitlines()[0])
    assert (first["cap"], first["repaircap"]) == (cap, cap)
    assert first["verifycap"] == parsed.get_verify_cap().to_string()


@ensureDeferred
async def test_pages_show_such_a_folder_and_where_it_lies(grid):
    cap = await make(grid)
    await grid.ask("PUT", url(cap, "f.txt"), b"hello")
    dateless = links(a=LIT)
    await grid.ask("POST", url(cap, t="mkdir-immutable", name="im"), dateless)
    for place, words in (
        (url(cap) + "/", "f.txt"),
        (url(cap, "im") + "/", ">a<"),
        (url(cap, "im", "a", t="details"), "2 bytes"),
        (url(cap, t="where"), "3 shares of 3 found"),
    ):
        status, _, page = await grid.ask("GET", place)
        assert status == 200 and words in page, page
