"""Renaming, making folders, deleting, undoing, emptying the trash, sharing."""

import re

from playwright.sync_api import expect

from tests.browser.test_uploads import row


def test_a_file_is_renamed(page, folder):
    folder.put("old.txt", b"kept")
    page.goto(folder.details("old.txt"))
    page.get_by_label("New name").fill("new & better.txt")
    page.get_by_role("button", name="Rename").click()
    expect(row(page, "new & better.txt")).to_be_visible()
    assert folder.names() == ["new & better.txt"]
    assert folder.get("new & better.txt") == b"kept"


def test_a_name_that_is_taken_is_refused_in_words(make_page, folder):
    page = make_page(is_watched=False)  # a status above 400 is an error to Chromium
    folder.put("one.txt", b"1")
    folder.put("two.txt", b"2")
    page.goto(folder.details("one.txt"))
    page.get_by_label("New name").fill("two.txt")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("That did not work")
    assert (folder.get("one.txt"), folder.get("two.txt")) == (b"1", b"2")
    page.get_by_role("link", name="Go back").click()
    expect(page).to_have_url(folder.url)
    assert (page.watch.dialogs, page.watch.foreign) == ([], [])


def test_a_folder_is_made_and_entered(page, folder):
    page.goto(folder.url)
    page.get_by_label("Name of the new folder").fill("Über <b>")
    page.get_by_role("button", name="Make").click()
    page.get_by_role("link", name="Über <b>", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Über <b>")
    expect(page.get_by_text("This folder is empty.")).to_be_visible()
    assert folder.names() == ["Über <b>"]


def test_what_is_deleted_comes_back_by_undo(page, folder):
    for name in ("a.txt", "b.txt", "c.txt"):
        folder.put(name, name.encode())
    page.goto(folder.url)
    page.get_by_label("Choose a.txt").check()
    page.get_by_label("Choose c.txt").check()
    page.get_by_role("button", name="Delete what is ticked").click()
    expect(row(page, "a.txt")).to_have_count(0)
    assert folder.names() == ["b.txt"]
    page.get_by_role("button", name="Undo").click()
    expect(row(page, "a.txt")).to_be_visible()
    assert folder.names() == ["a.txt", "b.txt", "c.txt"]
    assert folder.get("a.txt") == b"a.txt"


def test_the_trash_gives_back_and_is_emptied(page, folder, demo):
    inner = folder.make("inner")
    inner.put("deep.txt", b"deep")
    folder.put("gone.txt", b"gone")
    page.goto(folder.url)
    for name in ("inner", "gone.txt"):
        page.get_by_label(f"Choose {name}").check()
        page.get_by_role("button", name="Delete what is ticked").click()
        expect(row(page, name)).to_have_count(0)
    page.goto(f"{demo.url}/vdrive/private/")
    page.get_by_role("link", name="Trash", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Trash")
    deleted = page.locator("table.files tr").filter(has_text="“inner” from My files")
    deleted.get_by_role("button", name="Put back").click()
    expect(page).to_have_url(folder.url)
    assert folder.names() == ["inner"] and inner.get("deep.txt") == b"deep"
    page.goto(f"{demo.url}/vdrive/private/.Trash/")
    page.get_by_role("button", name="Empty the trash").click()
    expect(page).to_have_url(f"{demo.url}/vdrive/private/")
    expect(page.get_by_role("link", name="Trash", exact=True)).to_have_count(0)
    assert demo.ask("GET", "/vdrive/private/.Trash?t=json").status == 404
    assert len(page.watch.dialogs) == 1 and "for good" in page.watch.dialogs.pop()


def test_what_is_shared_can_be_read_and_not_changed(page, make_page, folder, demo):
    inner = folder.make("Album")
    inner.put("one.txt", b"to be seen")
    page.goto(folder.details("Album"))
    expect(page.get_by_text("can't change anything: add, rename, delete")).to_be_visible()
    page.get_by_text("Show the key").click()
    cap = page.get_by_label("Read-only capability").input_value()
    assert re.match("URI:DIR-RO:", cap)
    other = make_page()
    other.goto(demo.url)
    other.get_by_label("Capability").fill(cap)
    other.get_by_role("button", name="Open").click()
    expect(other.get_by_text("(read-only)")).to_be_visible()
    expect(other.get_by_role("button", name="Delete what is ticked")).to_have_count(0)
    expect(other.get_by_label("File to upload")).to_have_count(0)
    other.get_by_role("link", name="one.txt", exact=True).click()
    expect(other.locator(".preview")).to_contain_text("to be seen")
    expect(other.get_by_role("button", name="Rename")).to_have_count(0)


def test_what_is_ticked_is_moved_to_the_folder_that_is_chosen(page, folder):
    folder.make("Box").make("inner & <b>")
    for name in ("a.txt", "b.txt", "c.txt"):
        folder.put(name, name.encode())
    page.goto(folder.url)
    page.get_by_label("Choose a.txt").check()
    page.get_by_label("Choose c.txt").check()
    page.get_by_role("button", name="Move what is ticked…").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Move")
    page.get_by_role("link", name="Box", exact=True).click()
    page.get_by_role("link", name="inner & <b>", exact=True).click()
    page.get_by_role("button", name="Move here").click()
    expect(page.get_by_role("status").filter(has_text="Moved into")).to_be_visible()
    assert folder.names() == ["Box", "b.txt"]
    assert folder.names("Box/inner & <b>") == ["a.txt", "c.txt"]
    assert folder.get("Box/inner & <b>/c.txt") == b"c.txt"


def test_a_file_is_asked_where_it_is_and_names_the_servers(page, folder, demo):
    folder.put("held.bin", bytes(200_000))
    page.goto(folder.details("held.bin"))
    page.get_by_role("link", name="Ask the servers").click()
    holders = page.locator("table.holders tbody tr")
    expect(holders).to_have_count(5)
    for number in range(1, 6):
        expect(page.locator("table.holders")).to_contain_text(f"storage{number}")
    expect(page.locator("#whereabouts")).not_to_contain_text("URI:")
