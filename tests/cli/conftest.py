import hashlib
import io
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from allmydata import uri
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

TOKEN = "the-token-of-the-node-in-tests"


def cap_of(data):
    digest = hashlib.sha256(data).digest()
    return f"URI:CHK:{base32.b2a(digest[:16])}:{base32.b2a(digest)}:3:10:{len(data) or 1}"


class RefusedError(Exception):
    """What a gateway answers instead: a status, a word and a message."""


class Drive:
    """The directories of a gateway: each a dict of name to capability.

    ``roots`` has those the gateway has words for; ``times`` when a name was last changed.
    """

    def __init__(self, gateway):
        self.gateway = gateway
        self.directories = {}
        self.times = {}
        self.readable = {}  # read-only capability: the one that writes
        self.roots = {"private": self.make(), "public": self.make()}

    def make(self, **children):
        number = len(self.directories) + 1
        cap = uri.DirnodeURI(f"pb://{'a' * 32}@tcp:h:1/v", number.to_bytes(16, "big"))
        self.directories[cap.to_string()] = children
        self.readable[self.readonly(cap.to_string())] = cap.to_string()
        return cap.to_string()

    def readonly(self, cap):
        return uri.from_string(cap).get_readonly().to_string()

    def children(self, cap):
        if cap not in self.directories and cap not in self.readable:
            raise RefusedError(400, "usage", "a file has no children")
        return self.directories[self.readable.get(cap, cap)]

    def find(self, names):
        top, first, *rest = names
        cap = self.roots[first] if top == "vdrive" else first
        for name in rest:
            if name not in self.children(cap):
                raise RefusedError(404, "not-found", f"No such child: {name}")
            readonly = cap in self.readable
            cap = self.children(cap)[name]
            cap = self.readonly(cap) if readonly else cap
        return cap

    def make_all(self, names):
        cap = self.find(names[:2])
        for name in names[2:]:
            self.children(cap)
            if name not in self.directories.get(cap, {}):
                self.link(cap, name, self.make())
            cap = self.children(cap)[name]
        self.children(cap)
        return cap

    def link(self, cap, name, child, replace="true"):
        there = self.children(cap)
        if cap in self.readable:
            raise RefusedError(403, "not-permitted", "NotWriteableError: it is read-only")
        if name in there and replace == "false":
            raise RefusedError(409, "conflict", "There was already a child by that name")
        if there.get(name) in self.directories and replace == "only-files":
            raise RefusedError(409, "conflict", "a directory is in the way")
        there[name] = child

    def told(self, cap, depth=0):
        if cap.startswith(("URI:CHK:", "URI:LIT:")):
            size = uri.from_string(cap).get_size()
            return [
                "filenode",
                {"mutable": False, "format": "CHK", "size": size, "ro_uri": cap},
            ]
        if not cap.startswith("URI:DIR"):
            return ["unknown", {"rw_uri": cap}]
        words = {"mutable": True, "ro_uri": self.readonly(cap)}
        words |= {"rw_uri": cap} if cap in self.directories else {}
        if not depth:
            words["children"] = {
                name: self.told_child(cap, name) for name in sorted(self.children(cap))
            }
        return ["dirnode", words]

    def told_child(self, cap, name):
        child = self.children(cap)[name]
        kind, words = self.told(self.readonly(child) if cap in self.readable else child, 1)
        changed = self.times.get(name)
        times = {"tahoe": {"linkmotime": changed}} if changed else {}
        return [kind, words | {"metadata": times}]

    def walk(self, cap, path=(), seen=None):
        seen = set() if seen is None else seen
        if cap in seen:
            return
        seen.add(cap)
        kind = {"dirnode": "directory", "filenode": "file"}.get(
            self.told(cap, 1)[0], "unknown"
        )
        literal = cap.startswith("URI:LIT:")
        words = {"path": path, "cap": cap, "type": kind}
        words |= dict.fromkeys(
            ("verifycap", "repaircap"), "" if literal else "V" + cap[-8:]
        )
        yield words | {"storage-index": "" if literal else "s" + cap[-8:]}
        if kind == "directory":
            for name, child in sorted(self.children(cap).items()):
                yield from self.walk(child, (*path, name), seen)

    def show(self, cap, kind):
        told = json.dumps(self.told(cap), indent=1) + "\n" if kind == "json" else ""
        return told or (cap if kind == "uri" else self.readonly(cap))

    def answer(self, method, names, words, body):
        """Return the status and the body that a request for a directory is answered."""
        kind = words.get("t", "")
        match method, kind:
            case "POST", "mkdir" if names == ["uri"]:
                return 200, self.make()
            case "POST", "mkdir":
                return 200, self.make_all(names)
            case "POST", "stream-manifest":
                lines = [*self.walk(self.find(names)), STATS]
                return 200, "".join(json.dumps(line) + "\n" for line in lines)
            case "POST", _ if kind in self.gateway.answers:
                return 200, self.gateway.answers[kind](self.find(names), words)
            case "POST", "relink":
                there = self.children(here := self.find(names))
                child = self.find([*names, words["from_name"]])
                self.link(words["to_dir"], words["to_name"], child, words["replace"])
                self.link(here, words["from_name"], child)
                del there[words["from_name"]]
                return 200, "thing moved"
            case "GET", _:
                return 200, self.show(self.find(names), kind)
            case "DELETE", "":
                child = self.find(names)
                self.link(self.find(names[:-1]), names[-1], child)
                del self.children(self.find(names[:-1]))[names[-1]]
                return 200, child
            case "PUT", "uri" | "":
                new = names[-1] not in self.children(parent := self.make_all(names[:-1]))
                if not kind and self.children(parent).get(names[-1]) in self.directories:
                    raise RefusedError(400, "usage", "PUT to a directory")
                cap = body.decode() if kind else self.gateway.hold(body)
                self.link(parent, names[-1], cap, words.get("replace"))
                return 201 if new and not kind else 200, cap
        raise RefusedError(400, "usage", f"{method} {kind}")


STATS = {
    "type": "stats",
    "stats": {
        "api-version": 1,
        "count-files": 2,
        "size-immutable-files": 12345,
        "size-files-histogram": [[11, 31, 2]],
    },
}


class Gateway:
    """A node's gateway, as far as the command line can tell: it keeps files in memory.

    ``errors`` maps a method to the (status, type, body) it answers; ``cuts`` holds, for
    each GET of a file to come, after how many bytes its body ends.  Its directories are
    in ``drive``.
    """

    def __init__(self):
        self.files = {}
        self.requests = []
        self.errors = {}
        self.answers = {}  # kind of a POST: what makes the answer from a cap and the words
        self.cuts = []
        self.resumable = True
        self.drive = Drive(self)
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                gateway.get(self)

            def do_PUT(self):
                gateway.put(self)

            def do_POST(self):
                gateway.directory(self)

            do_DELETE = do_POST  # noqa: N815

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
        if "?t=" in request.path:
            return self.directory(request, b"")
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
        if body is not None and request.path.split("?")[0] != "/uri":
            self.directory(request, body)
        elif body is not None:
            self.reply(request, 200, "text/html", self.hold(body))

    def directory(self, request, body=None):
        if body is None:
            self.requests.append(request)
            body = self.body(request)
        if request.path.startswith("/_/code?") and not self.errors.get("POST"):
            place = request.path.partition("next=")[2]
            login = {"path": f"/_/login?code=once&next={place}"}
            return self.reply(request, 200, "application/json", json.dumps(login))
        parts = urlsplit(request.path)
        names = [unquote(name) for name in parts.path.removeprefix("/").split("/")]
        words = {word: values[0] for word, values in parse_qs(parts.query).items()}
        if self.errors.get(request.command):
            return self.reply(request, *self.errors[request.command])
        try:
            status, text = self.drive.answer(request.command, names, words, body)
        except RefusedError as e:
            status, code, message = e.args
            text = json.dumps({"error": {"code": code, "message": message}})
        self.reply(request, status, "text/plain", text)

    def body(self, request):
        if "chunked" not in request.headers.get("Transfer-Encoding", ""):
            size = int(request.headers.get("Content-Length", 0))
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
def drive(gateway):
    return gateway.drive


@pytest.fixture
def node(gateway, tmp_path):
    """A client's directory, whose gateway answers."""
    basedir = tmp_path / "node"
    basedir.mkdir()
    (basedir / "tahoe-client.tac").touch()
    (basedir / "tahoe.cfg").write_text("[node]\n")
    (basedir / "node.url").write_text(gateway.url + "\n")
    (basedir / "private").mkdir(mode=0o700)
    (basedir / "private" / "api_auth_token").write_text(f"{TOKEN}\n")
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
