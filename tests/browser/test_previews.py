"""Pictures, sounds, films, texts and documents are shown, and media are sought in."""

import pytest
from playwright.sync_api import expect

from tests.support.chromium import wait_until
from tests.support.media import pdf, png, wav


def test_a_picture_is_shown(page, folder):
    folder.put("view.png", png(64, 40))
    page.goto(folder.details("view.png"))
    picture = page.locator(".preview img")
    wait_until(page, "one => one.complete", picture.element_handle())
    assert picture.evaluate("one => [one.naturalWidth, one.naturalHeight]") == [64, 40]


def test_a_text_is_shown_as_text(page, folder):
    folder.put("notes.txt", b"<b>bold</b>\nsecond line " + "é".encode() * 10)
    page.goto(folder.details("notes.txt"))
    expect(page.locator(".preview")).to_contain_text("<b>bold</b>")
    expect(page.locator(".preview")).to_contain_text("second line éééééééééé")
    assert page.locator(".preview b").count() == 0


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_a_seek_asks_for_the_bytes_of_that_place_and_plays_on(kind, page, folder, film):
    name, data = {"audio": ("note.wav", wav(120)), "video": ("film.webm", film)}[kind]
    folder.put(name, data)
    asked = []
    page.on("request", lambda r: asked.append(r.headers.get("range", "")))
    page.goto(folder.details(name))
    media = page.locator(f".preview {kind}")
    element = media.element_handle()
    wait_until(page, "one => one.readyState > 0", element)
    length = media.evaluate("one => one.duration")
    assert length > 20
    asked.clear()
    media.evaluate("(one) => { one.muted = true; one.currentTime = one.duration * .8 }")
    wait_until(page, "one => !one.seeking && one.readyState >= 2", element)
    starts = [int(one.removeprefix("bytes=").partition("-")[0]) for one in asked if one]
    assert any(start > len(data) // 2 for start in starts), asked
    media.evaluate("one => one.play()")
    wait_until(page, "one => one.currentTime > one.duration * .8 + .2", element)
    assert media.evaluate("one => one.error") is None


def test_a_document_is_shown_by_the_browsers_own_viewer(page, folder):
    folder.put("paper.pdf", pdf("Two pages less one"))
    page.goto(folder.details("paper.pdf"))
    expect(page.locator(".preview object")).to_be_visible()
    expect(page.get_by_text("This browser shows no PDF")).not_to_be_visible()
