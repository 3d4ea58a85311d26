"""Names and contents that somebody else chose run nothing, and tell nobody anything."""

from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.browser.payloads import CONTENTS, NAMES, hostile_contents
from tests.browser.places import fill, visit_all
from tests.browser.test_uploads import drop, row
from tests.support.media import png


@pytest.fixture
def page(make_page):
    """A page that knows whether a script of somebody else ran."""
    page = make_page(is_watched=False)
    page.ran = []
    page.context.expose_function("pwned", lambda *words: page.ran.append(words or "ran"))
    return page


def assert_harmless(page):
    assert (page.ran, page.watch.dialogs, page.watch.foreign) == ([], [], [])


def test_hostile_names_are_names(page, folder):
    inner = folder.make("<svg onload=pwned()>")
    for name in NAMES:
        inner.put(name, b"x")
        inner.make(f"d{name}")
    page.goto(inner.url)
    labels = page.locator("table.files td.name").all_inner_texts()
    assert len(labels) == 2 * len(NAMES)
    assert_harmless(page)
    for name in NAMES:
        page.goto(inner.details(name))
        assert page.get_by_role("heading", level=1).count() == 1, name
        page.goto(f"{inner.url}{quote(f'd{name}', safe='')}/")
        expect(page.get_by_text("This folder is empty.")).to_be_visible()
    assert_harmless(page)


def test_hostile_names_are_deleted_and_come_back(page, folder, demo):
    for name in NAMES:
        folder.put(name, name.encode())
    page.goto(folder.url)
    page.get_by_label("Choose all").check()
    page.get_by_role("button", name="Delete what is ticked").click()
    expect(page.get_by_text("This folder is empty.")).to_be_visible()
    page.goto(f"{demo.url}/vdrive/private/.Trash/")
    page.locator("table.files td.name a").first.click()
    expect(page.locator("table.files td.name")).to_have_count(len(NAMES))
    page.goto(f"{demo.url}/vdrive/private/.Trash/")
    page.locator("tr").nth(1).get_by_role("button", name="Put back").click()
    expect(page.locator("table.files td.name")).to_have_count(len(NAMES))
    assert {name: folder.get(name) for name in folder.names()} == {
        name: name.encode() for name in NAMES
    }
    assert_harmless(page)


def test_hostile_names_in_forms_and_addresses_are_told_as_text(page, folder, demo):
    folder.put("a", b"a")
    folder.put("taken", b"b")
    payload = "<svg onload=pwned()>"
    for address in (
        f"{demo.url}/{quote(payload)}",
        f"{demo.url}/vdrive/{quote(payload)}",
        f"{folder.url}{quote(payload)}",
        f"{folder.url}?t={quote(payload)}",
        f"{folder.url}?t=details&name={quote(payload)}",
        f"{folder.url}?page={quote(payload)}",
        f"{folder.url}?undo={quote(payload)}",
        f"{folder.url}?t=move&item={quote(payload)}",
        f"{demo.url}/uri/{quote(payload)}",
        f"{demo.url}/uri?uri={quote(payload)}",
        f"{demo.url}/named/{quote(payload)}/x",
        f"{demo.url}/operations/{quote(payload)}",
        f"{demo.url}/_/{quote(payload)}",
        f"{demo.url}/_/login?code={quote(payload)}&next={quote('javascript:pwned()')}",
        f"{demo.url}/_/login?next={quote('//attacker.example/')}",
    ):
        page.goto(address)
    page.goto(folder.details("a"))
    page.get_by_label("New name").fill("taken")
    page.get_by_label("New name").evaluate("(one, text) => { one.value = text }", payload)
    page.get_by_role("button", name="Rename").click()
    expect(row(page, payload)).to_be_visible()
    page.goto(demo.url)
    page.get_by_label("Capability").fill(payload)
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("That did not work")
    assert_harmless(page)


def test_hostile_names_are_uploaded_as_they_are(page, folder):
    names = [name for name in NAMES if name == name.strip()]
    page.goto(folder.url)
    drop(page, **dict.fromkeys(names, b"x"))
    expect(page.locator("table.files td.name")).to_have_count(len(names))
    assert folder.names() == sorted(names)
    assert_harmless(page)


def test_stored_pages_run_nothing_and_ask_for_nothing(page, folder, demo, other_site):
    for name, data in hostile_contents(other_site.url("")).items():
        folder.put(name, data)
        visit(page, f"{folder.url}{name}")
        visit(page, folder.details(name))
    for name in ("page.html", "page.svg", "page.xhtml", "page.txt", "page.pdf"):
        cap = quote(folder.cap(name), safe="")
        visit(page, f"{folder.url}{name}?preview=1")
        visit(page, f"{demo.url}/uri/{cap}?filename=x.html")
        visit(page, f"{demo.url}/named/{cap}/{name}")
    page.wait_for_timeout(300)  # for what comes late
    assert_harmless(page)
    assert not other_site.asked
    assert folder.names() == sorted(CONTENTS)


def visit(page, url):
    """Open an address, which may turn out to be a download."""
    try:
        page.goto(url)
    except Exception as e:
        if "Download is starting" not in str(e) and "ERR_ABORTED" not in str(e):
            raise


def test_a_stored_page_in_a_frame_or_as_a_script_runs_nothing(page, folder, other_site):
    for name, data in hostile_contents(other_site.url("")).items():
        folder.put(name, data)
    folder.put("view.png", png())
    page.goto(folder.details("view.png"))
    for name in CONTENTS:
        for tag, source in (("iframe", "src"), ("object", "data"), ("img", "src")):
            add = "([tag, source, url]) => document.body.append(" + ELEMENT + ")"
            page.evaluate(add, [tag, source, f"{folder.path}/{name}"])
    page.wait_for_timeout(500)
    assert_harmless(page)
    assert not other_site.asked


ELEMENT = "Object.assign(document.createElement(tag), {[source]: url})"


def test_pages_show_capabilities_only_where_one_is_asked_for(page, folder):
    """No title, no address, no link of the pages below /vdrive holds one."""
    fill(folder)
    for name in visit_all(page, folder):
        page.evaluate(
            "() => document.querySelectorAll('input').forEach((one) => one.remove())"
        )
        assert "URI:" not in page.title() + page.url, name
        text = page.locator("html").evaluate("one => one.outerHTML").replace("URI:…", "")
        text = text.replace("<code>URI:</code>", "")
        assert "URI:" not in text and "URI%3A" not in text, name
