"""A phone's screen, the dark, and the keyboard alone."""

import pytest
from playwright.sync_api import expect

from tests.browser.places import fill, visit_all
from tests.browser.test_uploads import row

PHONE = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}
BRIGHTNESS = """() => {
  const parts = getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g);
  return (+parts[0] + +parts[1] + +parts[2]) / 3;
}"""
TOO_WIDE = """() => {
  const room = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= room) return [];
  return [...document.querySelectorAll("body *")]
    .filter((one) => one.getBoundingClientRect().right > room + 1)
    .map((one) => one.outerHTML.slice(0, 120));
}"""


def test_no_page_is_wider_than_a_phone(make_page, folder):
    page = make_page(is_watched=False, **PHONE)
    fill(folder)
    found = {}
    for name in visit_all(page, folder):
        page.wait_for_load_state("load")
        assert page.evaluate("() => document.documentElement.clientWidth") == 360, name
        if wide := page.evaluate(TOO_WIDE):
            found[name] = wide
    assert not found


@pytest.mark.parametrize(
    ("scheme", "is_right"), [("dark", range(64)), ("light", range(200, 256))]
)
def test_pages_are_as_dark_as_was_wished(scheme, is_right, make_page, folder):
    page = make_page(is_watched=False, color_scheme=scheme)
    fill(folder)
    for name in visit_all(page, folder):
        assert int(page.evaluate(BRIGHTNESS)) in is_right, name


def test_a_file_is_found_and_renamed_by_the_keyboard_alone(page, folder):
    folder.put("only.txt", b"1")
    page.goto(folder.url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    tab_to(page, page.get_by_role("link", name="only.txt", exact=True))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("only.txt")
    tab_to(page, page.get_by_label("New name"))
    page.keyboard.press("Control+A")
    page.keyboard.type("renamed.txt")
    page.keyboard.press("Enter")
    expect(row(page, "renamed.txt")).to_be_visible()


def tab_to(page, wanted):
    """Press the tab key until *wanted* has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if wanted.evaluate("one => one === document.activeElement"):
            return
    raise AssertionError("the tab key does not lead there")
