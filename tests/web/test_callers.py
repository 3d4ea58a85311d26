"""What programs that know the gateway of Tahoe-LAFS ask, in their order."""

import json
from urllib.parse import quote

import pytest
from pytest_twisted import ensureDeferred

HELLO = "URI:LIT:nbswy3dp"


@ensureDeferred
async def test_a_bench_that_measures_directories(grid, url):
    cap = await grid.make()
    body = json.dumps(
        {f"name-{i:05}": ["filenode", {"ro_uri": HELLO}] for i in range(1000)}
    )
    headers = {"Content-Type": "application/json"}
    assert (await grid.ask("POST", url(cap, t="set_children"), body, headers))[0] == 200
    for i in range(3):
        assert (await grid.ask("PUT", url(cap, f"extra-{i}", t="uri"), HELLO))[0] == 200
    assert len((await grid.told(url(cap)))[1]["children"]) == 1003


@ensureDeferred
async def test_a_program_that_backs_up_into_a_folder(grid, url):
    base = url(await grid.make()) + "/my%20folder"
    close = {"Connection": "close"}
    assert (await grid.ask("GET", base + "/?t=json", headers=close))[0] == 404
    assert (await grid.ask("POST", base + "/?t=mkdir", headers=close))[0] == 200
    binary = close | {"Content-Type": "application/binary"}
    assert (await grid.ask("PUT", base + "/a%20b.zip", b"zip" * 99, binary))[0] == 201
    kind, facts = await grid.told(base + "/")
    ((name, (what, child)),) = facts["children"].items()
    assert (kind, name, what, child["size"]) == ("dirnode", "a b.zip", "filenode", 297)
    assert isinstance(child["metadata"]["tahoe"]["linkmotime"], float)
    assert (await grid.ask("GET", base + "/a%20b.zip"))[2] == "zip" * 99
    assert (await grid.ask("DELETE", base + "/a%20b.zip"))[0] == 200
    assert (await grid.ask("DELETE", base + "/a%20b.zip"))[0] == 404
    assert (await grid.ask("PUT", url(HELLO) + "/x", b"x"))[0] == 400


@ensureDeferred
async def test_a_program_that_keeps_folders_and_does_not_quote(grid):
    cap = await grid.make()
    status, _, sub = await grid.ask("POST", f"/uri/{cap}?t=mkdir&name=sub")
    assert status == 200
    assert (await grid.ask("PUT", f"/uri/{cap}/f", b"hello"))[0] == 201
    place = f"/uri/{cap}/?t=uri&name=again&uri={sub}"
    assert (await grid.ask("POST", place))[0] == 200
    kind, facts = await grid.told(f"/uri/{cap}/")
    assert facts["children"]["again"][1]["rw_uri"] == sub
    for status in (200, 404):
        place = f"/uri/{cap}/?t=unlink&name=again"
        assert (await grid.ask("POST", place))[0] == status
    assert (kind, await grid.names(cap)) == ("dirnode", ["f", "sub"])


@pytest.mark.parametrize("replace", ["true", "false"])
@ensureDeferred
async def test_a_program_that_links_snapshots(replace, grid, url):
    cap = await grid.make()
    for status in (200, 200 if replace == "true" else 409):
        reply = await grid.ask("PUT", url(cap, "snap", t="uri", replace=replace), HELLO)
        assert reply[0] == status


@ensureDeferred
async def test_a_program_that_mounts_a_directory(grid, url):
    cap = await grid.make()
    plain = {"Accept": "text/plain"}
    pieces = (b"x" * 1000 for _ in range(10))
    place = url(cap, "f", format="CHK")
    assert (await grid.gateway.ask("PUT", place, pieces, plain))[0] == 201
    kind, facts = await grid.told(url(cap, "f"))
    assert (kind, facts["format"], facts["size"]) == ("filenode", "CHK", 10000)
    _, _, body = await grid.ask("GET", url(cap, "f"), headers={"Range": "bytes=9990-10010"})
    assert body == "x" * 10
    headers = {"Range": "bytes=20000-20010"}
    assert (await grid.ask("GET", url(cap, "f"), headers=headers))[0] == 416
    assert (await grid.ask("POST", url(cap, "d", t="mkdir")))[2].startswith("URI:DIR:")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = "t=rename&from_name=f&to_name=g"
    assert (await grid.ask("POST", url(cap), body, form))[0] == 200
    assert (await grid.ask("DELETE", url(cap, "g")))[0] == 200
    assert await grid.names(cap) == ["d"]


@ensureDeferred
async def test_a_program_that_follows_redirects_to_a_directory(grid):
    cap = await grid.make(f=HELLO)
    _, headers, _ = await grid.ask("GET", f"/uri?uri={quote(cap, safe='')}")
    status, _, page = await grid.ask("GET", headers["Location"])
    assert (status, ">f</bdi>" in page) == (200, True)
