"""Debian's Chromium, driven by playwright, and what its pages must never do."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from attrs import define, field
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Request,
    expect,
    sync_playwright,
)

PATH = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--host-resolver-rules=MAP *.example 127.0.0.1",  # names that somebody made lead here
]
PATIENCE_MS = 15_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a browser."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PATH, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@define
class Watch:
    """What the pages of a context did that a page of the gateway must never do.

    :param own: the address of the gateway; what else is asked for is *foreign*
    """

    own: str
    errors: list[str] = field(factory=list)
    dialogs: list[str] = field(factory=list)
    foreign: list[str] = field(factory=list)

    @classmethod
    def over(cls, context: BrowserContext, own: str) -> "Watch":
        """Begin to watch, before there is a page; dialogs are answered with yes."""
        watch = cls(own)
        context.on("page", lambda page: watch._follow(page))
        context.on("requestfinished", lambda request: watch._see(request.url))
        context.on("requestfailed", lambda request: watch._see_failed(request))
        context.set_default_timeout(PATIENCE_MS)
        return watch

    def _follow(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "console", lambda said: said.type == "error" and self.errors.append(said.text)
        )
        page.on("dialog", lambda dialog: self._answer(dialog))

    def _see(self, url: str) -> None:
        found = urlsplit(url)
        if found.scheme in ("http", "https", "ws") and not url.startswith(self.own + "/"):
            self.foreign.append(url)

    def _see_failed(self, request: Request) -> None:
        if request.failure != "csp":  # that one did not leave the browser
            self._see(request.url)

    def _answer(self, dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.accept()

    def assert_quiet(self) -> None:
        """Want nothing to have happened."""
        assert (self.errors, self.dialogs, self.foreign) == ([], [], [])


def wait_until(page: Page, function: str, of: object = None) -> None:
    """Wait until a function of JavaScript is true.

    playwright's own way needs ``eval``, which the policy of our pages forbids.
    """
    end = time.monotonic() + PATIENCE_MS / 1000
    while not page.evaluate(function, of):
        assert time.monotonic() < end, f"never true: {function}"
        page.wait_for_timeout(20)
