"""The roots that need no capability, and who may use them."""

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


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:3456"}, 200),
        ({"Host": "[::1]:3456"}, 200),
        ({"Host": "10.0.0.1"}, 200),
        ({"Host": "127.0.0.1:99", "Origin": "http://127.0.0.1:99"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "["}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
@ensureDeferred
async def test_pages_of_other_sites_can_not_use_the_roots(headers, status, fake, url):
    for method, place in [
        ("GET", "/vdrive/private?t=uri"),
        ("POST", "/vdrive/private/a?t=mkdir"),
        ("PUT", "/vdrive/public/f"),
    ]:
        got, _, _ = await fake.ask(method, place, b"x" * (method == "PUT"), headers)
        assert got == status or (got, method) == (201, "PUT")
    cap = await fake.make()
    assert (await fake.ask("GET", url(cap), headers=headers))[
        0
    ] == 200  # it can't be guessed
