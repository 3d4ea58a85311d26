import hashlib
import io
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import unquote

import pytest

from allmydata.cli.main import main
from allmydata.util import base32

WELCOME = {
    "introducers": {"statuses": ["Connected to tcp:127.0.0.1:1 via tcp"]},
    "servers": [
        {
            "nodeid": "v0-a",
            "nickname": "s1",
            "connection_status": "Connected to tcp:127.0.0.1:2 via tcp",
            "available_space": 5_000_000_000,
            "version": "allmydata/0.1.0",
        },
        {
            "nodeid": "v0-b",
            "nickname": "s2",
            "connection_status": "Reconnecting in 2 seconds (last attempt 0s ago)",
            "available_space": None,
            "version": None,
        },
    ],
}


def cap_of(data):
    digest = hashlib.sha256(data).digest()
    return f"URI:CHK:{base32.b2a(digest[:16])}:{base32.b2a(digest)}:3:10:{len(data) or 1}"


class Gateway:
    """A node's gateway, as far as the command line can tell: it keeps files in memory.

    ``errors`` maps a method to the (status, type, body) it answers; ``cuts`` holds, for
    each GET of a file to come, after how many bytes its body ends.
    """

    def __init__(self):
        self.files = {}
        self.requests = []
        self.errors = {}
        self.cuts = []
        self.resumable = True
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                gateway.get(self)

            def do_PUT(self):
                gateway.put(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def hold(self, data):
        cap = cap_of(data)
        self.files[cap] = data
        return cap

    def refuse(self, method, status, code, message, **words):
        error = {"code": code, "message": message, **words}
        self.errors[method] = status, "application/json", json.dumps({"error": error})

    def get(self, request):
        self.requests.append(request)
        if request.path == "/?t=json":
            return self.reply(request, 200, "application/json", json.dumps(WELCOME))
        if self.errors.get("GET"):
            return self.reply(request, *self.errors["GET"])
        data = self.files[unquote(request.path.removeprefix("/uri/"))]
        start = 0
        wanted = request.headers.get("Range", "")
        if wanted and self.resumable:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(data) - start))
        request.end_headers()
        end = self.cuts.pop(0) if self.cuts else None
        request.wfile.write(data[start:] if end is None else data[start:][:end])
        if end is not None:
            request.close_connection = True

    def put(self, request):
        self.requests.append(request)
        if self.errors.get("PUT"):
            request.close_connection = True
            return self.reply(request, *self.errors["PUT"])
        body = self.body(request)
        if body is not None:
            self.reply(request, 200, "text/html", self.hold(body))

    def body(self, request):
        if "chunked" not in request.headers.get("Transfer-Encoding", ""):
            size = int(request.headers["Content-Length"])
            body = request.rfile.read(size)
            return body if len(body) == size else None
        pieces = []
        while size := int(request.rfile.readline() or b"0", 16):
            pieces.append(request.rfile.read(size))
            request.rfile.readline()
        request.rfile.readline()
        return b"".join(pieces)

    def reply(self, request, status, kind, text):
        body = text.encode()
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


@pytest.fixture
def gateway():
    gateway = Gateway()
    thread = threading.Thread(target=gateway.server.serve_forever, args=(0.01,))
    thread.start()
    yield gateway
    gateway.server.shutdown()
    gateway.server.server_close()
    thread.join()


@pytest.fixture
def node(gateway, tmp_path):
    """A client's directory, whose gateway answers."""
    basedir = tmp_path / "node"
    basedir.mkdir()
    (basedir / "tahoe-client.tac").touch()
    (basedir / "tahoe.cfg").write_text("[node]\n")
    (basedir / "node.url").write_text(gateway.url + "\n")
    return basedir


@pytest.fixture
def tahoe(capfdbinary, monkeypatch):
    """Run the command in this process; give its exit code and what it wrote."""
    monkeypatch.delenv("TAHOE_NODE_DIRECTORY", raising=False)

    def run(*words, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfdbinary.readouterr()
        code = main([str(word) for word in words])
        out, err = capfdbinary.readouterr()
        return SimpleNamespace(
            code=code, data=out, out=out.decode("utf-8", "replace"), err=err.decode()
        )

    return run
