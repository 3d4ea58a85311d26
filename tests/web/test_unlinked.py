"""/uri itself: files and directories without a name."""

from urllib.parse import quote, unquote

import pytest
from pytest_twisted import ensureDeferred

FORM = {"Content-Type": "multipart/form-data; boundary=x"}
FILE = (
    b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\nabc\r\n--x--\r\n"
)


@pytest.mark.parametrize(
    ("method", "place"),
    [
        ("PUT", "/uri?t=mkdir"),
        ("POST", "/uri?t=mkdir"),
        ("POST", "/cap?t=mkdir"),
        ("POST", "/uri?t=mkdir-with-children"),
    ],
)
@ensureDeferred
async def test_directories_are_made(method, place, grid, url):
    status, headers, cap = await grid.ask(method, place)
    assert (status, headers["Content-Type"]) == (200, "text/html")
    assert cap.startswith("URI:DIR:")
    assert await grid.names(cap) == []


@ensureDeferred
async def test_mkdir_sends_on_where_it_is_asked_to(grid, url):
    status, headers, cap = await grid.ask("POST", "/uri?t=mkdir&redirect_to_result=true")
    assert (status, headers["Location"]) == (303, "uri/" + quote(cap, safe=""))
    assert await grid.names(cap) == []
    status, headers, _ = await grid.ask("POST", "/uri?t=mkdir&when_done=../x")
    assert (status, headers["Location"]) == (302, "../x")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, _, cap = await grid.ask("POST", "/uri", "t=mkdir", form)
    assert (status, cap[:8]) == (200, "URI:DIR:")


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        (
            "t=mkdir&format=CHK",
            400,
            "format=CHK not currently accepted for POST /uri?t=mkdir",
        ),
        ("t=mkdir&format=bogus", 400, "Unknown format: bogus, I know CHK, SDMF, MDMF"),
        ("t=mkdir&format=SDMF", 501, "only directories of our own kind are made here"),
        ("t=mkdir&kind=dir3", 400, "Unknown kind of directory: dir3, I know dir2"),
        (
            "t=bogus",
            400,
            "/uri accepts only PUT, PUT?t=mkdir, POST?t=upload, and POST?t=mkdir",
        ),
        ("t=upload", 400, "there must be a form of several parts"),
        ("", 400, "there must be a form of several parts"),
        ("t=mkdir&when_done=a%0Db", 400, "when_done= holds a control character"),
        ("t=mkdir&redirect_to_result=x", 400, "invalid boolean argument: b'x'"),
    ],
)
@ensureDeferred
async def test_post_refuses(query, status, words, fake):
    got, _, body = await fake.ask("POST", "/uri?" + query)
    assert (got, body.startswith(words)) == (status, True), body


@ensureDeferred
async def test_a_form_stores_a_file_and_shows_its_cap(gateway):
    for place in ("/uri?t=upload", "/uri", "/uri?t=upload&output=json"):
        status, headers, page = await gateway.ask("POST", place, FILE, FORM)
        assert (status, headers["Content-Type"]) == (200, "text/html;charset=utf-8")
        assert b"<tt><span>URI:LIT:mfrgg</span></tt>" in page


@pytest.mark.parametrize(
    ("when_done", "location"),
    [
        ("/uri/%(uri)s", "http://127.0.0.1:{port}/uri/URI%3ALIT%3Amfrgg"),
        ("done?%(uri)s", "http://127.0.0.1:{port}/done?URI%3ALIT%3Amfrgg"),
        ("http://there/x", "http://there/x"),
    ],
)
@ensureDeferred
async def test_a_form_that_stored_a_file_sends_on(when_done, location, gateway):
    place = "/uri?t=upload&when_done=" + quote(when_done)
    status, headers, _ = await gateway.ask("POST", place, FILE, FORM)
    assert status == 302
    assert headers["Location"] == location.format(port=gateway.port)
    assert "mfrgg" in unquote(headers["Location"]) or "there" in location


@ensureDeferred
async def test_uri_equals_redirects_to_a_directory_too(grid, url):
    cap = await grid.make()
    status, headers, _ = await grid.ask("GET", "/uri?t=json&uri=" + quote(cap))
    assert (status, headers["Location"]) == (302, url(cap, t="json"))
