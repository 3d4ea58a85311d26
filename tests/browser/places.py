"""Every page that the gateway has, so that a rule can be asked of each."""

from collections.abc import Iterator

from playwright.sync_api import Page

from tests.support.media import pdf, png
from tests.support.running_demo import GridFolder

NODE_PAGES = ("grid", "live", "health", "demo")


def fill(folder: GridFolder) -> None:
    """Put something of each kind into a folder, and something into the trash."""
    folder.put("view.png", png())
    folder.put("notes.txt", b"remember the milk\n" * 20)
    folder.put("paper.pdf", pdf("A paper"))
    folder.put("a name that is " + "very " * 30 + "long.txt", b"x")
    folder.put("NoSpacesInThisName" * 12, b"x")
    folder.make("A folder")
    folder.put("gone.txt", b"x")
    folder.throw_away("gone.txt")


def pages_of(folder: GridFolder) -> dict[str, str]:
    """Return the address of each page, by what it is called."""
    demo = folder.demo
    places = {
        "login": f"{demo.url}/_/login",
        "welcome": f"{demo.url}/",
        "files": folder.url,
        "picture": folder.details("view.png"),
        "text": folder.details("notes.txt"),
        "document": folder.details("paper.pdf"),
        "where": f"{folder.url}?t=where&name=notes.txt",
        "move": f"{folder.url}?t=move&item=notes.txt",
        "folder": folder.details("A folder"),
        "share": f"{folder.url}?t=details",
        "trash": f"{demo.url}/vdrive/private/.Trash/",
        "public": f"{demo.url}/vdrive/public/",
        "trouble": f"{demo.url}/vdrive/private/nowhere/?t=details&name=x",
    }
    return places | {name: f"{demo.url}/_/{name}" for name in NODE_PAGES}


def visit_all(page: Page, folder: GridFolder) -> Iterator[str]:
    """Go to each page, and yield what it is called."""
    for name, url in pages_of(folder).items():
        assert page.goto(url).status == (404 if name == "trouble" else 200), name
        yield name
