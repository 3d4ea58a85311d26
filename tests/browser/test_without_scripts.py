"""Everything works for somebody whose browser runs no scripts."""

import pytest
from playwright.sync_api import expect

from tests.browser.test_uploads import row


@pytest.fixture
def page(make_page):
    return make_page(java_script_enabled=False, accept_downloads=True)


def test_browse_upload_and_download(page, folder):
    folder.make("inner").put("deep.txt", b"deep")
    page.goto(folder.url)
    page.get_by_label("File to upload").set_input_files(
        {"name": "a & b.txt", "mimeType": "text/plain", "buffer": b"by a form"}
    )
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page).to_have_url(folder.url)
    page.get_by_role("link", name="a & b.txt", exact=True).click()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download", exact=True).click()
    assert waiting.value.suggested_filename == "a & b.txt"
    assert waiting.value.path().read_bytes() == b"by a form"
    page.goto(folder.url)
    page.get_by_role("link", name="inner", exact=True).click()
    expect(row(page, "deep.txt")).to_be_visible()


def test_rename_delete_and_undo(page, folder):
    folder.put("old.txt", b"kept")
    page.goto(folder.details("old.txt"))
    page.get_by_label("New name").fill("new.txt")
    page.get_by_role("button", name="Rename").click()
    expect(row(page, "new.txt")).to_be_visible()
    page.get_by_label("Choose new.txt").check()
    page.get_by_role("button", name="Delete what is ticked").click()
    expect(row(page, "new.txt")).to_have_count(0)
    assert folder.names() == []
    page.get_by_role("button", name="Undo").click()
    expect(row(page, "new.txt")).to_be_visible()
    assert folder.get("new.txt") == b"kept"


def test_nothing_that_needs_a_script_is_offered(page, folder):
    folder.put("one.txt", b"1")
    for url in (folder.url, folder.details("one.txt")):
        page.goto(url)
        buttons = page.locator("button:visible").all()
        assert buttons
        for button in buttons:
            assert button.evaluate("one => one.type === 'submit' && one.form !== null")
        expect(page.get_by_text("drop files")).to_have_count(0)
