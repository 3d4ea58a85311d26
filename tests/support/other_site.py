"""A web site of somebody else, on this machine: pages that attack, and who was asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from attrs import define, field


@define
class OtherSite:
    """Serves the pages it is given, at every name of this machine.

    :param asked: the path of each request, and its Referer
    """

    port: int = 0
    pages: dict[str, str] = field(factory=dict)
    asked: list[tuple[str, str]] = field(factory=list)

    def url(self, page: str, host: str = "attacker.example") -> str:
        """Return the address of a page."""
        return f"http://{host}:{self.port}/{page}"

    def show(self, name: str, text: str) -> None:
        """Serve a page."""
        self.pages[f"/{name}"] = f"<!DOCTYPE html><title>other</title>{text}"


@contextmanager
def other_site() -> Iterator[OtherSite]:
    """Run the site."""
    site = OtherSite()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append((self.path, self.headers.get("Referer", "")))
            body = site.pages.get(self.path.partition("?")[0], "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PUT = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
