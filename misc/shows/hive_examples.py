"""The two examples of the hive's documentation, as printed; every function, every code.

    python misc/shows/hive_examples.py

The examples name hosts that are not there: their names and ports lead to a hive of ours.
"""

from __future__ import annotations

import io
import re
import socket
import sys
import threading
import uuid
from pathlib import Path
from types import SimpleNamespace

import wrpme
from hive_node import hive_node
from under_demo import ShowError, run_beside_demo

DOCS = Path(__file__).parents[2] / "docs/doors/hive.md"
HOSTS = ("dataserver.mydomain", "docserver.mydomain")


class Document(io.BytesIO):
    """What upload() expects: a file that tells its size."""

    def size(self) -> int:
        """Return the bytes of it."""
        return len(self.getbuffer())


def must(condition: object, what: str) -> None:
    """Want something.

    :raises ShowError: it is not so
    """
    if not condition:
        raise ShowError(what)
    print(f"  {what}")


def lead(place: tuple[str, int]) -> None:
    """Let the hosts of the examples lead to *place*."""
    connect = socket.create_connection

    def create(address: tuple[str, int], *rest: object, **more: object) -> socket.socket:
        return connect(place if address[0] in HOSTS else address, *rest, **more)

    socket.create_connection = create


def examples() -> list[SimpleNamespace]:
    """Return the modules that the page prints."""
    found = re.findall(r"```python\n(import.*?)```", DOCS.read_text(), re.S)
    modules = [one for one in found if "mydomain" in one]
    made = []
    for source in modules:
        names: dict = {}
        exec(compile(source, str(DOCS), "exec"), names)
        made.append(SimpleNamespace(**names))
    return made


def show_examples() -> None:
    """Use both."""
    store, documents = examples()
    must(store.load("nobody") is None, "load() of what is not there is None")
    store.save("id", {"a": [1, 2]})
    store.save("id", {"a": [1, 2, 3]})
    must(store.load("id") == {"a": [1, 2, 3]}, "save() makes, then replaces")
    for size in (0, 5, 10 * 2**20, 10 * 2**20 + 1, 33_000_000):
        content = uuid.uuid4().bytes * (size // 16 + 1)
        name = documents.upload(Document(content[:size]))
        out = io.BytesIO()
        documents.download(name, out)
        must(out.getvalue() == content[:size], f"a document of {size} bytes comes back")


def show_functions(place: tuple[str, int]) -> None:
    """Call every function for every outcome that a good hive gives."""
    handle = wrpme.open()
    must(
        wrpme.put(handle, "f", "x") == wrpme.error_invalid_input,
        "not connected: invalid_input",
    )
    must(wrpme.connect(handle, *place) == wrpme.error_ok, "connect: ok")
    must(
        wrpme.get(handle, "f") == (wrpme.error_alias_not_found, b""), "get: alias_not_found"
    )
    must(
        wrpme.delete(handle, "f") == wrpme.error_alias_not_found, "delete: alias_not_found"
    )
    must(wrpme.put(handle, "f", "one") == wrpme.error_ok, "put: ok")
    must(
        wrpme.put(handle, "f", "two") == wrpme.error_alias_already_exists,
        "put again: alias_already_exists",
    )
    must(wrpme.update(handle, "f", "three") == wrpme.error_ok, "update: ok")
    must(wrpme.get(handle, "f") == (wrpme.error_ok, b"three"), "get: ok, and the content")
    must(wrpme.delete(handle, "f") == wrpme.error_ok, "delete: ok")
    long = wrpme.put(handle, "x" * 1025, "")
    must(long == wrpme.error_alias_too_long, "1,025 bytes: alias_too_long")
    nowhere = wrpme.connect(wrpme.open(), "no-such-host.invalid")
    must(nowhere == wrpme.error_host_not_found, "no such host: host_not_found")
    wrpme.close(handle)
    must(wrpme.get(handle, "f")[0] == wrpme.error_invalid_input, "closed: invalid_input")


STATUSES = {
    "error_system": 403,
    "error_internal": 500,
    "error_no_memory": 507,
    "error_timeout": 504,
    "error_invalid_command": 405,
    "error_invalid_input": 413,
    "error_unexpected_reply": 302,
}


def show_codes(place: tuple[str, int]) -> None:
    """See the codes that only a bad hive gives, from one that answers as it is told to."""
    for name, status in STATUSES.items():
        code, _ = _against(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)
        must(code.name == name, f"{status}: {name}")
    must(_against(b"")[0] == wrpme.error_connection_reset, "hung up: connection_reset")
    _, refused = _against(b"")
    must(refused == wrpme.error_connection_refused, "nobody: connection_refused")
    _, strange = _against(b"", hello=b"SSH-2.0-OpenSSH\r\n")
    must(strange == wrpme.error_invalid_protocol, "no hive: invalid_protocol")
    try:
        wrpme.RawClient(*place, colour="red")
    except wrpme.InvalidOption as e:
        must(e.code == wrpme.error_invalid_option, "an unknown option: invalid_option")
    with wrpme.RawClient(*place, max_size=2) as client:
        client.update("long", "abc")
        try:
            client.get("long")
        except wrpme.BufferTooSmall as e:
            must(e.code == wrpme.error_buffer_too_small, "too long: buffer_too_small")


def _against(answer: bytes, hello: bytes | None = None) -> tuple[wrpme.Code, wrpme.Code]:
    """Return what get() says to *answer*, and what connect() says afterwards."""
    body = b'{"hive": 1}'
    good = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            line = listener.accept()[0]
            line.recv(65536)
            line.sendall(good if hello is None else hello)
            if hello is None and line.recv(65536):
                line.sendall(answer)
            line.close()
            if not answer and hello is None:  # the idle connection is tried once more
                again = listener.accept()[0]
                again.recv(65536)
                again.close()

        server = threading.Thread(target=serve)
        server.start()
        handle = wrpme.open()
        connected = wrpme.connect(handle, "127.0.0.1", port)
        code = wrpme.get(handle, "a")[0]
        server.join()
    wrpme.close(handle)
    if hello is not None:
        return code, connected
    return code, wrpme.connect(wrpme.open(), "127.0.0.1", port)


def show(place: Path) -> None:
    """All of it."""
    with hive_node(place) as node:
        lead(node.place)
        print("the examples:")
        show_examples()
        print("the functions:")
        show_functions(node.place)
        print("the codes:")
        show_codes(node.place)


if __name__ == "__main__":
    sys.exit(run_beside_demo(show))
