"""The client node: builds every room, and hands each its neighbours."""

from __future__ import annotations

import os
import re
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foolscap.api import Referenceable
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.logger import Logger
from zope.interface import implementer

import allmydata
from allmydata.crypto.keys import LeaseSecrets
from allmydata.errors import ConfigError, NotFoundError
from allmydata.grid.broker import ConnectHttps, StorageBroker
from allmydata.grid.uptime import Uptime
from allmydata.immutable.transfers import PREFIX as INDEX_PREFIX
from allmydata.immutable.transfers import Transfers
from allmydata.interfaces import IClient, RIClient
from allmydata.interfaces.node import IDemo
from allmydata.introducer.client import IntroducerClient, PeerCache, ask_for_vdrive
from allmydata.node.announce import Announcer, static_servers
from allmydata.node.base import Node
from allmydata.node.config import NodeConfig, read
from allmydata.node.control import ControlPort
from allmydata.node.files import NAMES, Files, Means
from allmydata.node.https import HttpsConnector, offer_storage
from allmydata.node.keeping import make_keeping
from allmydata.node.lag import ReactorLag
from allmydata.node.parameters import DEFAULT_PARAMETERS, settle_parameters
from allmydata.node.schema import is_furl
from allmydata.node.tidying import Tidying
from allmydata.node.tub import cannot_listen
from allmydata.util import base32, malloc
from allmydata.util.deferreds import as_deferred, log_failure
from allmydata.util.fileutil import write_atomically
from allmydata.util.wire import serves
from allmydata.util.workers import Workers
from allmydata.vdrive.home import HomeServer

if TYPE_CHECKING:  # loaded where there is storage, and where there is a gateway
    from allmydata.storage.server import StorageServer
    from allmydata.web.session import GatewayKeys

log = Logger()

OLDEST_SUPPORTED = "0.1.0"
SEGMENT_THREADS = 2
BACKLOG = 1024  # clients of the gateway that have come and are not let in yet
DISK_THREADS = 4
TOKEN_SIZE = 32
_TOKEN = re.compile(r"[!-~]{20,200}")


@implementer(IClient)
class Client(Node):
    """A node that stores and fetches files, and may keep shares for others."""

    def __init__(self, config: NodeConfig, *, clock: Any = None) -> None:
        super().__init__(config, clock=clock)
        self._workers = Workers(SEGMENT_THREADS, "segments")
        self._disk = Workers(DISK_THREADS, "disk")
        self._has_threads = False
        self._introducers: list[IntroducerClient] = []
        self._peers = PeerCache(self.private / "peers.json", self.clock)
        self._storage: StorageServer | None = None
        self._storage_furl = ""
        self._nurls: list[str] = []
        self.broker: StorageBroker | None = None
        self.transfers = Transfers(self.clock.seconds)
        self.gateway_keys: GatewayKeys | None = None  # of its owner, where there is one
        self.demo: IDemo | None = None
        self._lag = ReactorLag(self.clock)
        self._uptime: Uptime | None = None
        self._files: Files | None = None

    @classmethod
    def from_basedir(cls, basedir: str | Path) -> Client:
        """Return the node of a directory, such as ``~/.tahoe``, not started.

        :raises ConfigError, NotFoundError: its tahoe.cfg does not allow that
        """
        return cls(read(Path(basedir), "client"))

    # ---- what the gateway and the control port ask -------------------------------------

    def getService(self, name: str) -> Any:  # noqa: N802
        """Return a part of a running node, such as ``uploader`` or ``mutable``."""
        if self._files is not None and name in NAMES:
            return self._files.part(name)
        return MultiService.getServiceNamed(self, name)

    def introducer_statuses(self) -> list[str]:
        """Return the state of the connection to each introducer, one line each."""
        return [introducer.status() for introducer in self._introducers]

    def server_statuses(self) -> list[dict[str, Any]]:
        """Return what is known of each storage server."""
        statuses = self.broker.statuses() if self.broker else []
        return [one | {"uptime": self._uptime_of(one["nodeid"])} for one in statuses]

    def _uptime_of(self, nodeid: str) -> float | None:
        record = self._uptime.of(nodeid) if self._uptime else None
        return record.uptime if record else None

    def readiness(self) -> tuple[bool, str]:
        """Return whether an upload could be happy now, and one line on why not."""
        if not self.broker:
            return False, "the node is starting"
        servers = [one for one in self.broker.connected() if not one.readonly]
        _, happy, _ = self.encoding_parameters()
        if len(servers) >= happy:
            return True, ""
        why = f"{len(servers)} of {happy} storage servers are connected"
        return False, "; introducer: ".join([why, *self.introducer_statuses()])

    def wait_for_servers(self, num: int) -> Deferred[Any]:
        """Return a Deferred that fires once *num* storage servers are connected."""
        if not self.broker:
            raise ConfigError("the node is not running")
        return self.broker.when_connected(num)

    @as_deferred
    async def storage_figures(self) -> dict[str, int | None] | None:
        """Return what this node keeps for others; None where it keeps nothing."""
        if self._storage is None:
            return None
        from allmydata.storage.inventory import Holdings
        from allmydata.storage.server import PROTOCOL_V1

        counting = self._storage.holdings()
        version = await self._storage.remote_get_version()
        told = getattr(counting, "result", None)
        held = told if isinstance(told, Holdings) else None
        log_failure(counting, log, "could not count the shares")
        return {
            "shares": held.num_shares if held else None,
            "bytes": held.num_bytes if held else None,
            "available": version[PROTOCOL_V1][b"available-space"],
            "uploads": self._storage.num_uploads,
            **self._storage.expiry_figures(),
        }

    @as_deferred
    async def damage_reports(self) -> list[dict[str, Any]]:
        """Return what clients said of damaged shares that this node keeps."""
        kept = await self._storage.advisories() if self._storage else []
        return [
            {
                "when": one.when,
                "storage_index": base32.b2a(one.storage_index)[:INDEX_PREFIX],
                "share": one.shnum,
                "reason": one.reason.decode("utf-8", "replace"),
            }
            for one in kept
        ]

    def reactor_lag(self) -> tuple[float, float]:
        """Return how many seconds late the reactor was last, and at worst since asked."""
        return self._lag.figures()

    def encoding_parameters(self) -> tuple[int, int, int]:
        """Return the (k, happy, n) of new files (decision 4)."""
        config = self.config
        heard = [one.advice for one in self._introducers if one.advice]
        advice = heard[0] if heard else self._peers.advice or DEFAULT_PARAMETERS
        own = (config.shares_needed, config.shares_happy, config.shares_total)
        return settle_parameters(own, advice)

    # ---- start and stop ----------------------------------------------------------------

    async def start_parts(self) -> None:
        """Build the rooms, bottom up."""
        self._workers.start()
        self._disk.start()
        self._has_threads = True
        self.add(self._lag)
        self.add(Tidying(self.transfers, self.clock, malloc.give_back))
        secrets = LeaseSecrets(self.secret("secret"))
        broker = StorageBroker(self.tub.connect, secrets, self._connect_https())
        self.add(broker)
        self.broker = broker
        if self.config.storage_enabled:
            self._start_storage()
        own_furl = self._meet_peers(broker)
        self._start_introducers(broker, own_furl)
        self._files = files = self._make_files(broker)
        keeping = make_keeping(
            self.config,
            self.private,
            broker,
            files.later("checker"),
            files.later("repairer"),
            self._disk,
            self.clock,
            self.readiness,
        )
        self._uptime = keeping.uptime
        for part in (files, *keeping.services):
            self.add(part)
        control = ControlPort(self, self.clock)
        self.add(control)
        await control.open(self.private / "control.furl")
        await self._start_web()
        await self._start_hive()

    async def stop_parts(self) -> None:
        """End the threads."""
        if self._has_threads:
            self._has_threads = False
            self._workers.stop()
            self._disk.stop()

    def _start_storage(self) -> None:
        from allmydata.node.leases import expiry_policy, quotas
        from allmydata.storage.server import StorageServer

        config = self.config
        tubid = base32.a2b(self.nodeid)
        if not (self.basedir / "permutation-seed").exists():
            self.keep("permutation-seed", self.nodeid)
        self._storage = StorageServer(
            config.storage_dir,
            tubid,
            workers=self._disk,
            clock=self.clock,
            reserved_space=config.storage_reserved_space,
            readonly=config.storage_readonly,
            max_size=config.storage_max_size,
            nickname=config.nickname,
            zone=config.zone,
            version=allmydata.__version__,
            expiry=expiry_policy(config),
            quotas=quotas(config),
        )
        self.add(self._storage)
        self._storage_furl = self.tub.serve(self._storage, self.private / "storage.furl")
        if config.listens and not config.storage_force_foolscap:
            self._nurls = offer_storage(
                self.tub, self._storage, self._storage_furl, self.clock
            )

    def _connect_https(self) -> ConnectHttps | None:
        """Return what begins connections over HTTPS; None where none may be made."""
        config = self.config
        if config.client_force_foolscap or config.connections_tcp != "tcp":
            return None
        return HttpsConnector(self.tub, base32.a2b(self.nodeid), self.clock).connect

    def _meet_peers(self, broker: StorageBroker) -> bytes:
        """Let peers reach this node, and this node its own storage; return its FURL."""
        own_furl = b""
        if self.config.listens:
            face = PeerFace(base32.a2b(self.nodeid), self._storage)
            own_furl = self.tub.serve(face, self.private / "client.furl").encode()
        for furl in self._peers.load():
            broker.add_peer(furl)
        if self._storage:
            broker.add_peer(own_furl)
        return own_furl

    def _start_introducers(self, broker: StorageBroker, own_furl: bytes) -> None:
        announcer = Announcer(
            self.basedir,
            self.config.nickname,
            f"allmydata/{allmydata.__version__}",
            self.nodeid,
            self._storage_furl if self.config.listens else "",
            tuple(self._nurls),
        )
        for server in static_servers(self.private):
            broker.add_announced(server)
        introducers = read_introducers(self.private, self.config.introducer_furl)
        for petname, furl in introducers.items():
            news = announcer.news_desk(petname, broker.add_announced)
            client = IntroducerClient(
                furl, own_furl, self.tub.connect, broker.add_peer, self._peers, news
            )
            self._introducers.append(client)
            self.add(client)

    def _make_files(self, broker: StorageBroker) -> Files:
        home = HomeServer(
            self.private,
            self.config.vdrive_furl,
            lambda: ask_for_vdrive(self._introducers, self.clock),
        )
        home.known()  # if its file is damaged, that is told at the start
        means = Means(
            broker,
            self._workers,
            self.clock,
            self.transfers,
            self.secret("convergence"),
            self.encoding_parameters,
            self.tub.connect,
            home,
            self.private,
            self.clock.seconds(),
        )
        return Files(means)

    async def _start_web(self) -> None:
        token = read_token(self.private / "api_auth_token")
        if not self.config.web_port:
            (self.basedir / "node.url").unlink(missing_ok=True)
            return
        from allmydata.web.session import GatewayKeys
        from allmydata.web.site import make_site

        self.gateway_keys = keys = GatewayKeys(token.encode())
        hosts = self.config.web_hosts
        site = make_site(self, self._workers, self.private, keys=keys, hosts=hosts)
        site.noisy = False
        port = await open_web(self.config.web_port, site, self.clock)
        self.add(port)
        if port.url:
            self.keep("node.url", port.url)

    async def _start_hive(self) -> None:
        if not self.config.hive_enabled:
            (self.basedir / "hive.url").unlink(missing_ok=True)
            return
        from allmydata.node.doors import HIVE, hive_token_file, make_hive_site

        wants_token = self.config.hive_auth == "token"
        token = read_token(hive_token_file(self.private)) if wants_token else None
        site = make_hive_site(self.config, self.getService("blobs"), token)
        port = await open_web(self.config.hive_port, site, self.clock, "the hive's port")
        port.name = HIVE
        self.add(port)
        if port.url:
            self.keep("hive.url", port.url)


@serves(RIClient)
class PeerFace(Referenceable):
    """This node, as its peers see it."""

    def __init__(self, tubid: bytes, storage: Any) -> None:
        self._tubid = tubid
        self._storage = storage

    def remote_get_versions(self) -> tuple[str, str]:
        """Return our version and the oldest we can talk to."""
        return allmydata.__version__, OLDEST_SUPPORTED

    def remote_get_service(self, name: str) -> Any:
        """Return our storage server, the only part that is offered.

        :raises NotFoundError: another name, or no storage here
        """
        if name != "storageserver" or self._storage is None:
            raise NotFoundError("this node does not offer that service")
        return self._storage

    def remote_get_nodeid(self) -> bytes:
        """Return the 20 bytes of our Tub id."""
        return self._tubid


# ---- the gateway ----------------------------------------------------------------------


def read_token(path: Path) -> str:
    """Return the token kept in *path*; if it is missing, make a random one.

    :raises ConfigError: the file holds something that could be guessed, or can't be sent
    """
    if not path.exists():
        data = urlsafe_b64encode(os.urandom(TOKEN_SIZE)) + b"\n"
        write_atomically(path, data, private=True)
    token = path.read_bytes().decode("ascii", "replace").strip()
    if not _TOKEN.fullmatch(token):
        raise ConfigError(
            f"{path} holds no token",
            why="wanted 20 to 200 characters in one line",
            fix="delete it: the node makes another",
        )
    return token


# ---- its port -------------------------------------------------------------------------


class WebPort(Service):
    """The open port of the gateway."""

    def __init__(self, port: Any, scheme: str) -> None:
        self._port = port
        host = port.getHost()
        self.url = (
            f"{scheme}://{_reachable(host.host)}:{host.port}/" if _is_ip(host) else ""
        )

    def stopService(self) -> Any:  # noqa: N802
        """Close it."""
        Service.stopService(self)
        return self._port.stopListening()


async def open_web(endpoint: str, site: Any, clock: Any, what: str = "web.port") -> WebPort:
    """Open the port that *endpoint* describes.

    :raises ConflictError, ConfigError: it is in use, or can't be opened
    """
    try:
        port = await serverFromString(clock, _with_backlog(endpoint)).listen(site)
    except CannotListenError as e:
        raise cannot_listen(what, endpoint, e) from e
    except ValueError as e:
        raise ConfigError(f"{what} {endpoint!r} can't be opened", why=str(e)) from e
    return WebPort(port, "https" if endpoint.startswith("ssl:") else "http")


def _with_backlog(endpoint: str) -> str:
    """Let a crowd wait to be let in: who finds no place tries again in a second."""
    kind = endpoint.partition(":")[0]
    if kind not in ("tcp", "tcp6", "ssl", "unix") or ":backlog=" in endpoint:
        return endpoint
    return f"{endpoint}:backlog={BACKLOG}"


def _is_ip(host: Any) -> bool:
    return hasattr(host, "port")


def _reachable(host: str) -> str:
    if host in ("", "0.0.0.0"):  # noqa: S104
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host


# ---- introducers -----------------------------------------------------------------------


def read_introducers(private: Path, furl: str | None) -> dict[str, str]:
    """Return the FURL of each introducer by its petname.

    :param private: the directory of introducers.yaml
    :param furl: ``introducer.furl`` of tahoe.cfg, whose petname is ``default``
    :raises ConfigError: the file can't be understood, or it has a default too
    """
    found = _read_yaml(private / "introducers.yaml")
    if furl and found.get("default", furl) != furl:
        raise ConfigError(
            "two introducers are called default",
            why="one in [client] introducer.furl, one in private/introducers.yaml",
            fix="remove introducer.furl from tahoe.cfg",
        )
    return ({"default": furl} if furl else {}) | found


def _read_yaml(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    import yaml

    try:
        entries = (yaml.safe_load(path.read_bytes()) or {}).get("introducers") or {}
        found = {str(petname): str(entry["furl"]) for petname, entry in entries.items()}
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as e:
        fix = "write it as  introducers: {default: {furl: 'pb://…'}}"
        raise ConfigError(f"{path} can't be understood", fix=fix) from e
    for petname, text in found.items():
        if not is_furl(text):
            why = "a FURL begins with pb:// and ends with a name"
            raise ConfigError(f"{path}: {petname!r} has no FURL", why=why)
    return found
