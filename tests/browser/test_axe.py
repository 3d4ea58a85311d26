"""axe-core finds nothing serious or critical on any page, in light and in dark."""

from tests.browser.places import fill, visit_all
from tests.support.axe import findings


def both(page):
    """Return what is found on a page, in light and in dark."""
    page.emulate_media(color_scheme="light")
    found = findings(page)
    page.emulate_media(color_scheme="dark")
    return found + [f"in the dark, {one}" for one in findings(page, "color-contrast")]


def test_axe_finds_nothing_grave_on_any_page(make_page, folder):
    page = make_page(is_watched=False, bypass_csp=True, reduced_motion="reduce")
    fill(folder)
    folder.put("gone.txt", b"x")
    page.goto(folder.url)
    page.get_by_label("Choose gone.txt").check()
    page.get_by_role("button", name="Delete what is ticked").click()
    found = {"undo": both(page)}
    for name in visit_all(page, folder):
        for closed in page.locator("details:not([open]) > summary").all():
            closed.click()
        found[name] = both(page)
    assert not {name: some for name, some in found.items() if some}


def test_axe_finds_nothing_grave_on_what_a_stranger_sees(make_page, demo):
    page = make_page(
        logged_in=False, is_watched=False, bypass_csp=True, reduced_motion="reduce"
    )
    found = {}
    for path in ("/", "/vdrive/private/", "/_/login?code=wrong"):
        page.goto(demo.url + path)
        found[path] = both(page)
    assert not {name: some for name, some in found.items() if some}
