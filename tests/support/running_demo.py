"""A grid as its user has it: the real ``tahoe demo``, in a process of its own."""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from attrs import frozen

TAHOE = [sys.executable, "-P", "-m", "allmydata.cli.main"]


@frozen
class RunningDemo:
    """What the demo said when it was ready, and ways to ask it for more.

    :param url: of the gateway, without a slash at the end
    :param login: the address that its user is told to open
    """

    url: str
    login: str
    node_directory: Path
    environment: dict[str, str]

    @property
    def token(self) -> str:
        """What programs show to the gateway."""
        return (self.node_directory / "private" / "api_auth_token").read_text().strip()

    def tahoe(self, *words: object) -> str:
        """Run a command; return what it printed."""
        done = subprocess.run(
            [*TAHOE, "-d", str(self.node_directory), *map(str, words)],
            env=self.environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def tell(self, action: str, *servers: int) -> None:
        """Kill, revive, freeze or corrupt servers."""
        self._control("POST", f"/{action}?servers={','.join(map(str, servers))}")

    def _control(self, method: str, path: str) -> Any:
        """Ask the demo's own port, as ``tahoe demo kill`` does."""
        record = json.loads((self.node_directory.parent / "demo.json").read_text())
        token = {"Authorization": f"Bearer {record['token']}"}
        answer = _ask(record["control"], method, path, b"", token)
        assert answer.status == 200, answer.text
        return answer.json

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> "Answer":
        """Ask the gateway as a program does that has the token."""
        sent = {"Authorization": f"tahoe-lafs {self.token}"}
        return self.ask_bare(method, path, body, sent | headers)

    def ask_bare(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> "Answer":
        """Ask the gateway, with these headers alone."""
        return _ask(urlsplit(self.url).netloc, method, path, body, headers or {})

    def until(self, states: dict[int, str]) -> None:
        """Wait until servers are in these states, and the client has noticed."""
        for _ in range(200):
            servers = self._control("GET", "/status")["servers"]
            known = {one["number"]: (one["state"], one["connected"]) for one in servers}
            if all(known[i] == (state, state != "killed") for i, state in states.items()):
                return
            time.sleep(0.1)
        raise AssertionError(f"wanted {states}, found {known}")


@frozen
class Answer:
    """What the gateway answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def _ask(host: str, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
    line = http.client.HTTPConnection(host, timeout=60)
    try:
        line.request(method, path, body, headers)
        reply = line.getresponse()
        return Answer(reply.status, dict(reply.getheaders()), reply.read())
    finally:
        line.close()


@frozen
class GridFolder:
    """A folder below the private root, as a program sees it."""

    demo: RunningDemo
    path: str  # /vdrive/private/NAME

    @property
    def url(self) -> str:
        """The address of its page."""
        return f"{self.demo.url}{self.path}/"

    def details(self, name: str) -> str:
        """Return the address of the page of one child."""
        return f"{self.url}?t=details&name={quote(name, safe='')}"

    def put(self, name: str, data: bytes) -> None:
        """Store a file."""
        path = f"{self.path}/{quote(name, safe='')}"
        answer = self.demo.ask("PUT", path, data)
        assert answer.status in (200, 201), answer.text

    def get(self, name: str) -> bytes:
        """Read a file; *name* may be a path."""
        answer = self.demo.ask("GET", f"{self.path}/{quote(name)}")
        assert answer.status == 200, answer.text
        return answer.body

    def names(self, below: str = "") -> list[str]:
        """Return the names of what is there, in order."""
        answer = self.demo.ask("GET", f"{self.path}/{quote(below)}?t=json")
        assert answer.status == 200, answer.text
        return sorted(answer.json[1]["children"])

    def cap(self, name: str) -> str:
        """Return the capability of a child."""
        return self.demo.ask("GET", f"{self.path}/{quote(name)}?t=uri").text.strip()

    def throw_away(self, name: str) -> None:
        """Delete a child into the trash, as the pages do."""
        form = urlencode({"act": "delete", "place": self.path, "item": quote(name)})
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        assert self.demo.ask("POST", "/_/do", form.encode(), **kind).status == 303

    def make(self, name: str) -> "GridFolder":
        """Make a folder in it."""
        return make_folder(self.demo, f"{self.path}/{quote(name, safe='')}")


def make_folder(demo: RunningDemo, path: str) -> GridFolder:
    """Make a folder."""
    answer = demo.ask("POST", f"{path}?t=mkdir")
    assert answer.status in (200, 201), answer.text
    return GridFolder(demo, path)


@contextmanager
def running_demo(*words: str) -> Iterator[RunningDemo]:
    """Start a demo; end it, and remove what it left, however the block ends."""
    with tempfile.TemporaryDirectory(prefix="demo-", ignore_cleanup_errors=True) as place:
        environment = {**os.environ, "XDG_RUNTIME_DIR": place, "TMPDIR": place}
        environment.pop("TAHOE_NODE_DIRECTORY", None)
        with subprocess.Popen(
            [*TAHOE, "demo", "--json", *words],
            env=environment, stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            try:
                said = json.loads(process.stdout.readline())
                assert "web" in said, said
                url = said["web"].rstrip("/")
                login = said.get("login", said["web"])
                yield RunningDemo(url, login, Path(said["node_directory"]), environment)
            finally:
                process.terminate()
