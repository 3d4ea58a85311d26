"""The page Live, while files move on a grid where a server hangs."""

import os
import re
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.alone

SIZE, BEFORE = 24_000_000, 6_000_000
FROZEN = 4


@pytest.fixture
def freeze(demo):
    """Let a server hang; it goes on afterwards."""
    yield lambda: demo.tell("freeze", FROZEN)
    demo.tell("revive", FROZEN)
    demo.until({FROZEN: "up"})


@pytest.fixture
def line(demo):
    """A line to the gateway on which a file moves as slowly as the test wants."""
    line = HTTPConnection(urlsplit(demo.url).netloc, timeout=60)
    yield line
    line.close()


def begin_upload(line, demo):
    """Send the beginning of a file, which is stored while it comes."""
    line.putrequest("PUT", "/uri?convergence=none")
    line.putheader("Content-Length", str(SIZE))
    line.putheader("Authorization", f"tahoe-lafs {demo.token}")
    line.endheaders()
    line.send(os.urandom(BEFORE))


def newest(page, kind):
    """Return the picture of the newest transfer of a kind."""
    return page.locator("#moves > li").filter(has_text=kind).first


def row(picture, number):
    """Return the row of a server in a picture."""
    return picture.locator(".rows > li").filter(
        has=picture.page.get_by_text(f"storage{number}", exact=True)
    )


@pytest.fixture
def page(page, demo):
    """The page Live, which has begun to listen."""
    page.goto(f"{demo.url}/_/live")
    expect(page.locator("#link.on")).to_be_visible()
    return page


def upload_to_all(page, line, demo):
    """Begin an upload; again, while a busy machine made one of the servers late."""
    for tries_left in reversed(range(8)):
        begin_upload(line, demo)
        picture = newest(page, "Upload")
        try:
            for number in range(1, 6):
                expect(row(picture, number)).to_contain_text("takes", timeout=5000)
            return picture
        except AssertionError:
            if not tries_left:
                raise
            line.close()
            expect(picture.locator(".outcome")).to_have_text("cancelled")
    raise AssertionError("no server takes a share")


def test_an_upload_shows_the_server_that_froze(page, demo, freeze, line):
    picture = upload_to_all(page, line, demo)
    expect(picture.locator(".outcome")).to_have_text("running")
    freeze()
    line.send(os.urandom(SIZE - BEFORE))
    expect(picture.locator(".outcome")).to_have_text("done")
    assert line.getresponse().read().startswith(b"URI:CHK:")
    for number in (1, 2, 3, 5):
        expect(row(picture, number)).to_contain_text("took its share")
    assert row(picture, FROZEN).get_attribute("class") in ("late", "failed")
    cells = [len(filled(row(picture, number))) for number in range(1, 6)]
    assert cells[FROZEN - 1] < cells[0] == cells[1] == cells[2] == cells[4]
    ended = page.locator("#lines tr").first
    expect(ended).to_contain_text("upload")
    expect(ended).to_contain_text("24.0 MB")
    expect(ended).to_contain_text("servers: 1 ")


def test_a_download_shows_who_fell_silent_and_whose_share_took_its_place(
    page, folder, demo, line
):
    data = os.urandom(3 * SIZE)  # much more than the node fetches ahead of its reader
    folder.put("large.bin", data)
    begin = {"Authorization": f"tahoe-lafs {demo.token}"}
    line.request("GET", f"{folder.path}/large.bin", headers=begin)
    reply = line.getresponse()
    got = reply.read(BEFORE)
    picture = newest(page, "Download")
    expect(picture.locator(".outcome")).to_have_text("running")
    expect(picture.locator(".rows > li.active").first).to_be_visible()
    gone = int(picture.locator(".active bdi").first.inner_text().removeprefix("storage"))
    demo.tell("freeze", gone)
    try:
        got += reply.read()
        assert got == data
        expect(picture.locator(".outcome")).to_have_text("done")
        left = row(picture, gone)
        # it may have been late before it was replaced
        expect(left).to_have_class(re.compile("^(replaced|late)$"))
        expect(left).to_contain_text("took its place")
        stand_in = picture.locator(
            ".rows > li.stand-in"
        ).first  # it may stand for others too
        expect(stand_in).to_contain_text("in place of storage")
        drawn = [picture.locator(".rows").inner_text(), fills(picture)]
        page.reload()  # what the script drew is what the gateway draws
        picture = newest(page, "Download")
        assert [picture.locator(".rows").inner_text(), fills(picture)] == drawn
    finally:
        demo.tell("revive", gone)
        demo.until({gone: "up"})


def filled(row):
    """Return the path of the cells of a server."""
    return row.locator("path.got").get_attribute("d") or ""


def fills(picture):
    return [one.get_attribute("d") for one in picture.locator("path.got").all()]


def test_the_pictures_hold_no_capability(page, folder):
    folder.put("seen.bin", os.urandom(100_000))
    expect(newest(page, "Upload").locator(".outcome")).to_have_text("done")
    key, seal = folder.cap("seen.bin").split(":")[2:4]
    text = page.content()
    assert "URI:" not in text and key not in text and seal not in text
