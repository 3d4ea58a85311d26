"""Which path and method is answered by whom, and the factory of connections.

    /                       welcome page; ?t=json for programs
    /healthz  /readyz       does the node live; can it store
    /metrics  /statistics   numbers for monitoring
    /status  /live          what is moving, and what has
    /uri                    what has no name yet: PUT a file, POST ?t=mkdir
    /uri/CAP/a/b            what a capability, and a path from there, lead to
    /named/CAP/NAME         a file by another name; /file is the same
    /operations/H           what was started below /uri and takes long
    /vdrive/private/a       the same from this node's own root
    /vdrive/public/a        the same from the root that everybody shares
    /_/grid  /_/do          pages, what their forms do, and their style

``/cap`` is another name of ``/uri``.  Format: docs/webapi.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from twisted.internet.interfaces import IReactorTime
from twisted.web import http, resource, server

from allmydata.interfaces import IClient
from allmydata.util.deferreds import Workers
from allmydata.web.acts import Acts
from allmydata.web.changes import Changes
from allmydata.web.errors import HTTPError
from allmydata.web.files import Files
from allmydata.web.guard import check_own
from allmydata.web.live import Live
from allmydata.web.metrics import Metrics
from allmydata.web.named import Named
from allmydata.web.objects import Objects
from allmydata.web.operations import Operations
from allmydata.web.paths import Tree
from allmydata.web.request import Answer, Channel, Request
from allmydata.web.statistics import Statistics
from allmydata.web.unlinked import Unlinked
from allmydata.web.uploads import Uploads
from allmydata.web.welcome import Welcome

Methods = dict[bytes, Answer]

KNOWN = {b"GET", b"HEAD", b"PUT", b"POST", b"DELETE", b"OPTIONS"}


class Gateway:
    """The table of routes."""

    def __init__(
        self,
        welcome: Welcome,
        unlinked: Unlinked,
        objects: Objects,
        changes: Changes,
        named: Named,
        operations: Operations,
        numbers: Mapping[str, Answer],
        acts: Acts,
    ) -> None:
        self._root = _reading(welcome.page) | {b"POST": welcome.page}
        self._health = {
            "healthz": _reading(welcome.health),
            "readyz": _reading(welcome.readiness),
        }
        self._unlinked = _reading(unlinked.redirect) | {
            b"PUT": unlinked.put,
            b"POST": unlinked.post,
        }
        self._object = _reading(objects.get) | {
            b"PUT": changes.put,
            b"POST": operations.or_else(changes.post),
            b"DELETE": changes.delete,
        }
        refused = dict.fromkeys((b"PUT", b"POST", b"DELETE"), named.refuse)
        self._named = _reading(named.get) | refused
        self._numbers = {name: _reading(answer) for name, answer in numbers.items()}
        self._operation = _reading(operations.get) | {b"POST": operations.post}
        self._pages = _reading(acts.get) | {b"POST": acts.post}

    def find(self, request: Request) -> Answer:
        """Return what answers *request*.

        :raises HTTPError: nothing does
        """
        methods = self._methods(request)
        if request.method in methods:
            return methods[request.method]
        if request.method not in KNOWN:
            raise HTTPError(501, "this method is not known here")
        allowed = ", ".join(sorted(method.decode() for method in methods))
        message = f"only these methods are allowed here: {allowed}"
        raise HTTPError(405, message, {"Allow": allowed})

    def wants_body(self, request: Request) -> bool:
        """Return whether the answer begins before the body has come, and takes it in."""
        return request.method in (b"PUT", b"POST")

    def _methods(self, request: Request) -> Methods:
        match request.segments:
            case [""]:
                return self._root
            case [("healthz" | "readyz") as name]:
                return self._health[name]
            case [("metrics" | "statistics" | "status" | "live") as name]:
                return self._numbers[name]
            case ["uri" | "cap"] | ["uri" | "cap", ""]:
                return self._unlinked
            case ["uri" | "cap", _, *_]:
                return self._object
            case ["named" | "file", _, *_]:
                return self._named
            case ["operations", _] | ["operations", _, ""]:
                check_own(request)
                return self._operation
            case ["_", _]:
                return self._pages
            case ["vdrive", "private" | "public", *_]:
                check_own(request)
                return self._object
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


def make_site(
    client: IClient,
    workers: Workers,
    private_dir: Path,
    clock: IReactorTime | None = None,
) -> server.Site:
    """Return the gateway of one node, to be listened with.

    :param private_dir: where uploads wait, encrypted, in files without a name
    :param clock: the reactor, unless a test has one of its own
    """
    if clock is None:
        from twisted.internet import reactor

        clock = IReactorTime(reactor)
    tree, uploads = Tree(client), Uploads(client, workers, private_dir)
    files, changes = Files(client), Changes(tree, uploads)
    objects, unlinked = Objects(tree, files), Unlinked(tree, uploads)
    named, operations = Named(files), Operations(tree, clock)
    welcome = Welcome(client)
    statistics = Statistics(client)
    numbers = {
        "metrics": Metrics(client).page,
        "statistics": statistics.counts,
        "status": statistics.status,
        "live": Live(client, clock).page,
    }
    acts = Acts(tree, welcome)
    return GatewaySite(
        Gateway(welcome, unlinked, objects, changes, named, operations, numbers, acts)
    )
