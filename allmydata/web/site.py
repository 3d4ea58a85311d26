"""Which path and method is answered by whom, and the factory of connections.

    /                       welcome page; ?t=json for programs
    /healthz  /readyz       does the node live; can it store
    /metrics  /statistics   numbers for monitoring
    /status  /live          what is moving, and what has
    /uri                    what has no name yet: PUT a file, POST ?t=mkdir
    /uri/CAP/a/b            what a capability, and a path from there, lead to
    /named/CAP/NAME         a file by another name; /file is the same
    /keeper /servers        who looks after files, and who keeps them
    /health                 how safe they are
    /blobs/COLLECTION/KEY   contents by name
    /operations/H           what was started below /uri and takes long
    /vdrive/private/a       the same from this node's own root
    /vdrive/public/a        the same from the root that everybody shares
    /_/grid /_/live …       pages about the node; their scripts and style
    /_/do                   what forms of pages do
    /_/login  /_/code       how a browser becomes the owner's

What needs no capability is for the owner only: :func:`allmydata.web.guard.check_own`.
``/cap`` is another name of ``/uri``.  Format: docs/webapi.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IProtocolNegotiationFactory, IReactorTime
from twisted.web import http
from zope.interface import implementer

from allmydata.interfaces import IClient
from allmydata.util.workers import Workers
from allmydata.web.acts import Acts
from allmydata.web.blobs import BlobCalls
from allmydata.web.changes import Changes
from allmydata.web.channel import IDLE_S, Channel
from allmydata.web.checks import Checks
from allmydata.web.crowd import Crowd, places
from allmydata.web.deepcheck import DeepChecks
from allmydata.web.errors import HTTPError
from allmydata.web.files import Files
from allmydata.web.guard import Guard, check_own
from allmydata.web.item import Items
from allmydata.web.keeper import KeeperCalls
from allmydata.web.live import Live
from allmydata.web.login import Door
from allmydata.web.metrics import Metrics
from allmydata.web.named import Named
from allmydata.web.nodepages import NodePages
from allmydata.web.objects import Objects
from allmydata.web.operations import Operations
from allmydata.web.pages import is_static
from allmydata.web.paths import Tree
from allmydata.web.reply import Reply
from allmydata.web.request import Answer, Request
from allmydata.web.session import GatewayKeys
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
        guard: Guard,
        welcome: Welcome,
        unlinked: Unlinked,
        objects: Objects,
        changes: Changes,
        named: Named,
        operations: Operations,
        numbers: Mapping[str, Answer],
        acts: Acts,
        door: Door,
        keeper: KeeperCalls,
        blobs: BlobCalls,
    ) -> None:
        self._guard, self._door = guard, door
        self._single = {
            "": _reading(welcome.page) | {b"POST": welcome.page},
            "healthz": _reading(welcome.health),
            "readyz": _reading(welcome.readiness),
        } | {name: _reading(answer) for name, answer in numbers.items()}
        self._unlinked = _reading(unlinked.redirect) | {
            b"PUT": unlinked.put,
            b"POST": unlinked.post,
        }
        self._object = _reading(objects.get) | {
            b"PUT": changes.put,
            b"POST": changes.post,
            b"DELETE": changes.delete,
        }
        refused = dict.fromkeys((b"PUT", b"POST", b"DELETE"), named.refuse)
        self._named = _reading(named.get) | refused
        self._operation = _reading(operations.get) | {b"POST": operations.post}
        self._pages = _reading(acts.get) | {b"POST": acts.post}
        self._keeper: dict[str, Methods] = {
            "keeper": _reading(keeper.get) | {b"POST": keeper.post},
            "servers": {b"POST": keeper.servers},
            "health": _reading(keeper.health),
        }
        self._blobs: Methods = _reading(blobs.get) | {
            b"POST": blobs.post,
            b"PUT": blobs.put,
            b"DELETE": blobs.delete,
        }
        login: Methods = _reading(door.get) | {b"POST": door.post}
        self._door_ways: dict[str, Methods] = {"login": login, "code": {b"POST": door.code}}

    def find(self, request: Request) -> Answer:
        """Return what answers *request*.

        :raises HTTPError: nothing does
        :raises GridError: whoever asks may not
        """
        request.standing = self._guard.look(request)
        if request.path.split(b"/")[1:2] == [b"blobs"]:  # a key may be no UTF-8
            check_own(request)
            methods = self._blobs
        else:
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

    def explain(self, request: Request, error: BaseException) -> Reply:
        """Return what to answer when *error* ended a request."""
        return self._door.explain(request, error)

    def _methods(self, request: Request) -> Methods:
        segments = request.segments
        if _is_owners(segments):
            check_own(request)
        match segments:
            case [name] if name in self._single:
                return self._single[name]
            case ["uri" | "cap"] | ["uri" | "cap", ""]:
                return self._unlinked
            case ["uri" | "cap", _, *_]:
                return self._object
            case ["named" | "file", _, *_]:
                return self._named
            case [("keeper" | "servers" | "health") as name]:
                check_own(request)
                return self._keeper[name]
            case ["operations", _] | ["operations", _, ""]:
                return self._operation
            case ["_", name]:
                return self._door_ways.get(name, self._pages)
            case ["vdrive", "private" | "public", *_]:
                return self._object
        raise HTTPError(404, "there is nothing here; see / for what there is")


def _is_owners(segments: list[str]) -> bool:
    """Return whether only the owner may ask.

    Acts, logins and operations look for themselves.
    """
    match segments:
        case ["_", name]:
            return name not in ("do", "login", "code") and not is_static(name)
        case [("status" | "live")]:
            return True
        case ["vdrive", _, *_]:
            return True
    return False


def _reading(answer: Answer) -> Methods:
    return {b"GET": answer, b"HEAD": answer}


@implementer(IProtocolNegotiationFactory)
class GatewaySite(http.HTTPFactory):
    """Makes a :class:`Channel` for each connection.

    Not a ``twisted.web.server.Site``: that brings resources and sessions of its own, which
    nobody uses here, and 3 MB of what they are made with.
    """

    protocol = Channel  # type: ignore[assignment]
    requestFactory = Request  # noqa: N815

    def __init__(self, router: Gateway) -> None:
        super().__init__(timeout=IDLE_S)
        self.crowd = Crowd(places())
        self.router = router

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802
        """Return what serves a new connection."""
        channel: Any = super().buildProtocol(addr)
        channel.requestFactory = self.requestFactory
        channel.site = self
        return channel

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
    *,
    keys: GatewayKeys | None = None,
    hosts: Collection[str] = (),
) -> GatewaySite:
    """Return the gateway of one node, to be listened with.

    :param private_dir: where uploads wait, encrypted, in files without a name
    :param clock: the reactor, unless a test has one of its own
    :param keys: of its owner; without them it has none
    :param hosts: names by which it may be asked, beside addresses and localhost
    """
    if clock is None:
        from twisted.internet import reactor

        clock = IReactorTime(reactor)
    tree, uploads = Tree(client), Uploads(client, workers, private_dir)
    checks = Checks(client)
    deep_checks = DeepChecks(checks)
    files, operations = Files(client), Operations(clock, deep_checks.walk)
    check = {"check": checks.answer}
    more = {**check, "stream-deep-check": deep_checks.send, **operations.acts()}
    changes = Changes(tree, uploads, more, check)
    objects, unlinked = Objects(tree, files, Items(client, clock)), Unlinked(tree, uploads)
    named = Named(files)
    welcome = Welcome(client)
    statistics = Statistics(client)
    numbers = {
        "metrics": Metrics(client).page,
        "statistics": statistics.counts,
        "status": statistics.status,
        "live": Live(client, clock).page,
    }
    guard = Guard(keys or GatewayKeys.unknown(), hosts)
    door = Door(guard)
    acts = Acts(tree, NodePages(client, welcome), door.logout)
    return GatewaySite(
        Gateway(
            guard,
            welcome,
            unlinked,
            objects,
            changes,
            named,
            operations,
            numbers,
            acts,
            door,
            KeeperCalls(client),
            BlobCalls(client),
        )
    )
