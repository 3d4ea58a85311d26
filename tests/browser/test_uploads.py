"""Files and folders are dropped on a page, or chosen, and arrive whole."""

import base64
import os

from playwright.sync_api import expect

from tests.support.chromium import wait_until

DROP = """([zone, files]) => {
  const held = new DataTransfer();
  for (const [name, text] of files) {
    const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    held.items.add(new File([bytes], name));
  }
  for (const kind of ["dragenter", "dragover", "drop"]) {
    const how = {dataTransfer: held, bubbles: true, cancelable: true};
    zone.dispatchEvent(new DragEvent(kind, how));
  }
}"""


def drop(page, **files):
    """Drop files on the table of the page."""
    held = [(name, base64.b64encode(data).decode()) for name, data in files.items()]
    page.evaluate(DROP, [page.locator("main").element_handle(), held])


def limit_uploads(devtools, bytes_a_second):
    """Let uploads be no faster; -1: as fast as they can be."""
    devtools.send("Network.enable")
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1}
    conditions["uploadThroughput"] = bytes_a_second
    devtools.send("Network.emulateNetworkConditions", conditions)


def row(page, name):
    """Return the row of a file in the table."""
    return page.locator("table.files tr").filter(has=page.get_by_text(name, exact=True))


def test_files_that_are_dropped_are_stored(page, folder):
    page.goto(folder.url)
    big = os.urandom(3_000_000)
    drop(page, **{"big one.bin": big, "a&b <c>.txt": b"small", "empty": b""})
    for name in ("big one.bin", "a&b <c>.txt", "empty"):
        expect(row(page, name)).to_be_visible()
    assert folder.names() == sorted(["big one.bin", "a&b <c>.txt", "empty"])
    assert folder.get("big one.bin") == big
    assert folder.get("a&b <c>.txt") == b"small"
    expect(row(page, "big one.bin")).to_contain_text("MB")


def test_files_that_are_chosen_are_stored(page, folder):
    page.goto(folder.url)
    page.get_by_label("File to upload").set_input_files(
        [
            {"name": f"{i}.txt", "mimeType": "text/plain", "buffer": b"%d" % i}
            for i in range(5)
        ]
    )
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(row(page, "4.txt")).to_be_visible()
    assert [folder.get(f"{i}.txt") for i in range(5)] == [b"0", b"1", b"2", b"3", b"4"]


def test_a_folder_that_is_dropped_arrives_with_all_below(page, folder, tmp_path):
    tree = {"Trip/one.txt": b"1", "Trip/days/two.txt": b"2", "Trip/days/x/ü.txt": b"3"}
    for name, data in tree.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    page.goto(folder.url)
    middle = {"x": 400, "y": 300}
    data = {"items": [], "files": [str(tmp_path / "Trip")], "dragOperationsMask": 1}
    devtools = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, **middle, "data": data})
    expect(row(page, "Trip")).to_be_visible()
    assert {name: folder.get(name) for name in tree} == tree


def test_an_upload_shows_how_far_it_is_and_can_be_stopped_and_tried_again(page, folder):
    page.goto(folder.url)
    devtools = page.context.new_cdp_session(page)
    limit_uploads(devtools, 200_000)
    data = os.urandom(1_000_000)
    drop(page, **{"slow.bin": data})
    upload = page.locator("#uploads li")
    expect(upload).to_contain_text("slow.bin")
    wait_until(page, "() => document.querySelector('#uploads progress').value > 0")
    upload.get_by_role("button", name="Stop").click()
    expect(upload).to_contain_text("stopped")
    assert folder.names() == []
    limit_uploads(devtools, -1)
    upload.get_by_role("button", name="Retry").click()
    expect(row(page, "slow.bin")).to_be_visible()
    assert folder.get("slow.bin") == data


def test_the_queue_can_be_paused(page, folder):
    page.goto(folder.url)
    devtools = page.context.new_cdp_session(page)
    limit_uploads(devtools, 400_000)
    drop(page, **{f"{i}.bin": os.urandom(400_000) for i in range(4)})
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#uploads li").filter(has_text="stored")).to_have_count(2)
    expect(page.locator("#uploads")).to_contain_text("nothing begins until you go on")
    assert len(folder.names()) == 2
    limit_uploads(devtools, -1)
    page.get_by_role("button", name="Go on").click()
    expect(row(page, "3.bin")).to_be_visible()
    assert len(folder.names()) == 4


def test_a_file_can_be_stored_from_the_first_page(page, demo, folder):
    page.goto(demo.url)
    name = f"{folder.path.rpartition('/')[2][:20]}.txt"
    page.get_by_label("File to store").set_input_files(
        {"name": name, "mimeType": "text/plain", "buffer": b"from the first page"}
    )
    page.get_by_role("button", name="Upload").click()
    expect(page).to_have_url(f"{demo.url}/vdrive/private/")
    expect(row(page, name)).to_be_visible()
    assert demo.ask("GET", f"/vdrive/private/{name}").text == "from the first page"
