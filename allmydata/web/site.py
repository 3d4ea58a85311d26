"""Which path and method is answered by whom, and the factory of connections.

    /                       welcome page; ?t=json for programs
    /healthz  /readyz       does the node live; can it store
    /uri                    PUT a file; GET ?uri=CAP goes to it
    /uri/CAP                GET or HEAD a file; ?t=json, ?t=uri, ?t=readonly-uri

``/cap`` is another name of ``/uri``.  Format: docs/webapi.md.
"""

from __future__ import annotations

from pathlib import Path

from twisted.web import http, resource, server

from allmydata.interfaces import IClient
from allmydata.util.deferreds import Workers
from allmydata.web.errors import HTTPError
from allmydata.web.files import Files
from allmydata.web.request import Answer, Channel, Request
from allmydata.web.welcome import Welcome

Methods = dict[bytes, Answer]

KNOWN = {b"GET", b"HEAD", b"PUT", b"POST", b"DELETE", b"OPTIONS"}


class Gateway:
    """The table of routes."""

    def __init__(self, welcome: Welcome, files: Files) -> None:
        self._root = _reading(welcome.page) | {b"POST": welcome.page}
        self._health = _reading(welcome.health)
        self._readiness = _reading(welcome.readiness)
        self._new_file = _reading(files.redirect) | {
            b"PUT": files.put,
            b"POST": files.refuse_post,
        }
        self._file: Methods = {
            b"GET": files.get,
            b"HEAD": files.get,
            b"PUT": files.refuse_change,
            b"POST": files.refuse_change,
            b"DELETE": files.refuse_change,
        }
        self._below_file: Methods = dict.fromkeys(self._file, files.refuse_child)

    def find(self, request: Request) -> Answer:
        """Return what answers *request*.

        :raises HTTPError: nothing does
        """
        methods = self._methods(request.segments)
        if request.method in methods:
            return methods[request.method]
        if request.method not in KNOWN:
            raise HTTPError(501, "this method is not known here")
        allowed = ", ".join(sorted(method.decode() for method in methods))
        message = f"only these methods are allowed here: {allowed}"
        raise HTTPError(405, message, {"Allow": allowed})

    def wants_body(self, request: Request) -> bool:
        """Return whether the body is to be streamed: only that of a new file."""
        return request.method == b"PUT" and request.path in (b"/uri", b"/cap")

    def _methods(self, segments: list[str]) -> Methods:
        match segments:
            case [""]:
                return self._root
            case ["healthz"]:
                return self._health
            case ["readyz"]:
                return self._readiness
            case ["uri" | "cap"] | ["uri" | "cap", ""]:
                return self._new_file
            case ["uri" | "cap", _]:
                return self._file
            case ["uri" | "cap", _, *_]:
                return self._below_file
        raise HTTPError(404, "there is nothing here; see / for what there is")


def _reading(answer: Answer) -> Methods:
    return {b"GET": answer, b"HEAD": answer}


class GatewaySite(server.Site):
    """Makes a :class:`Channel` for each connection."""

    protocol = Channel  # type: ignore[assignment]

    def __init__(self, router: Gateway) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            resource.Resource(), requestFactory=Request
        )
        self.router = router

    def acceptableProtocols(self) -> list[bytes]:  # noqa: N802
        """Return what a :class:`Channel` speaks, for ports with TLS."""
        return [b"http/1.1"]

    def log(self, request: http.Request) -> None:
        """Keep no access log: the path of a request holds a capability."""


def make_site(client: IClient, workers: Workers, private_dir: Path) -> server.Site:
    """Return the gateway of one node, to be listened with.

    :param private_dir: where uploads wait, encrypted, in files without a name
    """
    return GatewaySite(Gateway(Welcome(client), Files(client, workers, private_dir)))
