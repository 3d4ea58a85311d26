"""Make docs/pictures/*.png: each page of the gateway, of a demo that runs, in Chromium.

    python misc/tools/pictures.py [NAME ...]

What is on them is stored on the demo first.  Sizes are fixed; times and free space are
those of the day.  Needs the Debian package chromium.
"""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect
from small_png import small_png

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.support.chromium import chromium, wait_until  # noqa: E402
from tests.support.media import pdf, wav  # noqa: E402
from tests.support.running_demo import (  # noqa: E402
    GridFolder,
    RunningDemo,
    make_folder,
    running_demo,
)

TARGET = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 1000, 740
PHONE = {"viewport": {"width": 360, "height": 720}, "is_mobile": True}
MOST_BYTES = 150_000
PIXELS = """async (url) => {
  const picture = new Image();
  picture.src = url;
  await picture.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [picture.width, picture.height];
  const pen = canvas.getContext("2d");
  pen.drawImage(picture, 0, 0);
  const data = pen.getImageData(0, 0, picture.width, picture.height).data;
  let text = "";
  for (let i = 0; i < data.length; i += 32768) {
    text += String.fromCharCode(...data.subarray(i, i + 32768));
  }
  return [picture.width, picture.height, btoa(text)];
}"""
DRAW = (Path(__file__).parent / "harbour.js").read_text()
LETTER = """Dear Rosa,

the boat is painted and the engine runs again, which surprised us both. We sail on the
ninth if the wind allows it; come to the harbour by eight, and bring the good kettle.

All of this year's pictures are in the folder. Keep the key I sent you somewhere safe:
whoever has it can look at them, and nobody can change them but us.

                                                                    Yours, Tom
"""
Show = Callable[["Studio"], None]


class Studio:
    """A demo with things on it, and browsers to look at them."""

    def __init__(self, demo: RunningDemo, browser: Browser) -> None:
        self.demo = demo
        self.root = GridFolder(demo, "/vdrive/private")
        self._browser = browser
        page = browser.new_page()
        page.goto(demo.login)
        self._session = page.context.storage_state()
        self._workshop = browser.new_page()
        self._store()

    def _store(self) -> None:
        view = base64.b64decode(self._workshop.evaluate(DRAW))
        for name in ("Letters", "Photos", "Photos/2025", "Photos/2026", "Recipes"):
            make_folder(self.demo, f"{self.root.path}/{name}")
        self.root.put("Harbour.png", view)
        self.root.put("To Rosa.txt", LETTER.encode())
        self.root.put("Garden plan.pdf", pdf("Garden plan"))
        self.root.put("Evening song.wav", wav(40))
        self.root.put("Accounts 2026.csv", b"month,in,out\n" * 4000)
        self.root.put("Backup of the laptop.tar.gz", os.urandom(9_000_000))

    @contextmanager
    def page(
        self, path: str = "", *, logged_in: bool = True, **options: object
    ) -> Iterator[Page]:
        """Give a page that shows *path*."""
        look = {"viewport": {"width": WIDTH, "height": HEIGHT}, "reduced_motion": "reduce"}
        if logged_in:
            look["storage_state"] = self._session
        context = self._browser.new_context(**{**look, **options})
        try:
            page = context.new_page()
            answer = page.goto(self.demo.url + path)
            if answer.status != (200 if logged_in else 401):
                raise SystemExit(f"{path} was answered with {answer.status}")
            yield page
        finally:
            context.close()

    def keep(self, name: str, page: Page, *, whole: bool = False, height: int = 0) -> None:
        """Write what a page shows.

        :param whole: and what one would have to scroll to
        :param height: in place of the usual
        """
        if height:
            page.set_viewport_size({"width": page.viewport_size["width"], "height": height})
        page.mouse.move(1, 1)
        page.wait_for_timeout(200)
        shot = base64.b64encode(page.screenshot(full_page=whole)).decode()
        found = self._workshop.evaluate(PIXELS, f"data:image/png;base64,{shot}")
        data = small_png(found[0], found[1], base64.b64decode(found[2]))
        if len(data) > MOST_BYTES:
            raise SystemExit(f"{name}.png has {len(data):,} bytes, wanted {MOST_BYTES:,}")
        (TARGET / f"{name}.png").write_bytes(data)
        print(f"{name}.png  {found[0]} x {found[1]}  {len(data):,} bytes", flush=True)


# ---- the pictures ----------------------------------------------------------------------


def welcome(studio: Studio) -> None:
    """Show the first page."""
    with studio.page("/") as page:
        studio.keep("welcome", page, whole=True)


def login(studio: Studio) -> None:
    """Show what a stranger sees."""
    with studio.page("/vdrive/private/", logged_in=False) as page:
        studio.keep("login", page, height=420)


def files(studio: Studio) -> None:
    """Show a folder."""
    with studio.page("/vdrive/private/") as page:
        studio.keep("files", page)


def item(studio: Studio) -> None:
    """Show a picture in a folder."""
    with studio.page("/vdrive/private/?t=details&name=Harbour.png") as page:
        page.locator(".preview img").evaluate("one => one.decode()")
        studio.keep("item", page, height=860)


def where(studio: Studio) -> None:
    """Show which servers hold a file."""
    with studio.page("/vdrive/private/?t=where&name=Harbour.png") as page:
        page.locator("#whereabouts").scroll_into_view_if_needed()
        studio.keep("where", page)


def share(studio: Studio) -> None:
    """Show what sharing a folder means."""
    with studio.page("/vdrive/private/?t=details&name=Photos") as page:
        page.get_by_role("heading", name="Share it").scroll_into_view_if_needed()
        studio.keep("share", page)


def move(studio: Studio) -> None:
    """Show where two files could go."""
    path = "/vdrive/private/?t=move&item=Harbour.png&item=Evening%20song.wav"
    with studio.page(f"{path}&at=%2Fvdrive%2Fprivate%2FPhotos") as page:
        studio.keep("move", page, height=400)


def dark(studio: Studio) -> None:
    """Show a folder in the dark."""
    with studio.page("/vdrive/private/", color_scheme="dark") as page:
        studio.keep("dark", page)


def phone(studio: Studio) -> None:
    """Show a folder on a phone."""
    with studio.page("/vdrive/private/", **PHONE) as page:
        studio.keep("phone", page)


def grid(studio: Studio) -> None:
    """Show the servers, one of them down."""
    studio.demo.tell("kill", 3)
    with studio.page("/_/grid") as page:
        studio.keep("grid", page, whole=True)
    studio.demo.tell("revive", 3)
    studio.demo.until({3: "up"})


def health(studio: Studio) -> None:
    """Show how safe the files are."""
    with studio.page("/_/health") as page:
        studio.keep("health", page, height=560)


def live(studio: Studio) -> None:
    """Show a download and an upload while a server is frozen."""
    demo, size = studio.demo, 44_000_000
    studio.root.put("large", os.urandom(size))
    host = urlsplit(demo.url).netloc
    down, up = HTTPConnection(host, timeout=60), HTTPConnection(host, timeout=60)
    proof = {"Authorization": f"tahoe-lafs {demo.token}"}
    with studio.page("/_/live") as page:
        down.request("GET", "/vdrive/private/large", headers=proof)
        reply = down.getresponse()
        reply.read(9_000_000)
        up.putrequest("PUT", "/uri?convergence=none")
        for name, value in (proof | {"Content-Length": str(size)}).items():
            up.putheader(name, value)
        up.endheaders()
        up.send(os.urandom(16_000_000))
        moves = page.locator("#moves > li.running")
        expect(moves).to_have_count(2)
        giving = moves.filter(has_text="Download").locator(".active bdi").first.inner_text()
        number = int(giving.removeprefix("storage"))
        demo.tell("freeze", number)
        reply.read(20_000_000)
        up.send(os.urandom(20_000_000))
        expect(moves.locator(".replaced")).to_have_count(1)
        page.wait_for_timeout(2500)
        studio.keep("live", page, height=900)
    down.close()
    up.close()
    demo.tell("revive", number)
    demo.until({number: "up"})


def demo(studio: Studio) -> None:
    """Show the page of the demo, with a film that plays while servers are down."""
    with studio.page("/_/demo") as page:
        page.get_by_role("button", name="Put a film on the grid").click()
        film = page.locator("video")
        expect(film).to_be_visible(timeout=30_000)
        film.evaluate("one => { one.currentTime = 21; return one.play() }")
        page.get_by_role("button", name="Kill storage2").click()
        expect(page.locator("#server2 .is")).to_have_text("killed")
        page.get_by_role("button", name="Freeze storage4").click()
        expect(page.locator("#server4 .is")).to_have_text("frozen")
        wait_until(page, "one => one.currentTime > 24", film.element_handle())
        studio.keep("demo", page, height=960)
    studio.demo.tell("revive", 2, 4)
    studio.demo.until({2: "up", 4: "up"})


SHOWS: list[Show] = [
    welcome, login, files, item, where, share, move, dark, phone, health, live, grid, demo,
]  # fmt: skip


def main(names: list[str]) -> None:
    """Make those named, or all."""
    with running_demo() as demo, chromium() as browser:
        studio = Studio(demo, browser)
        for show in SHOWS:
            if not names or show.__name__ in names:
                show(studio)


if __name__ == "__main__":
    main(sys.argv[1:])
