"""The roots that need no capability; who may use them: test_guard.py."""

import pytest
from pytest_twisted import ensureDeferred


@pytest.mark.parametrize("root", ["/vdrive/private", "/vdrive/public"])
@ensureDeferred
async def test_roots_have_paths_of_their_own(root, grid, url):
    status, _, cap = await grid.ask("GET", root + "?t=uri")
    assert (status, cap[:8]) == (200, "URI:DIR:")
    assert (await grid.ask("PUT", root + "/a/b", b"hello"))[0] == 201
    for end in ("", "/"):
        kind, facts = await grid.told(root + end)
        assert (kind, list(facts["children"])) == ("dirnode", ["a"])
    assert await grid.content(cap, "a", "b") == "hello"
    assert (await grid.ask("POST", root + "/a?t=unlink&name=b"))[0] == 200
    assert (await grid.ask("DELETE", root + "/a"))[0] == 200
    assert (await grid.ask("DELETE", root))[0] == 400
    assert (await grid.ask("GET", "/vdrive/other"))[0] == 404
    assert (await grid.ask("GET", "/vdrive"))[0] == 404


@ensureDeferred
async def test_a_root_that_nobody_offers_is_told(fake):
    fake.gateway.client.vdrive.has_public_root = False
    status, _, body = await fake.ask("GET", "/vdrive/public?t=json")
    assert (status, body) == (404, "the vdrive server offers no public root")
