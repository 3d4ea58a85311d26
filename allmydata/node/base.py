"""What every node is: a directory, an identity, a Tub, and services that start and stop.

A node's directory is claimed while it runs, so that no second process works in it.
Format: docs/formats/node.md.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from allmydata.errors import ConfigError, GridError
from allmydata.node import pidfile
from allmydata.node.config import NodeConfig
from allmydata.node.tub import ANY_PORT, AUTO, NodeTub, load_certificate
from allmydata.util import base32
from allmydata.util.deferreds import Gate, as_deferred, drop, start
from allmydata.util.fileutil import make_private_directory, write_atomically

log = Logger()

SECRET_SIZE = 32


class Node(MultiService):
    """A node of a grid.  Once stopped it can't start again: make another.

    :param config: what its tahoe.cfg says
    :param clock: the reactor, or in tests something like it
    """

    def __init__(self, config: NodeConfig, *, clock: Any = None) -> None:
        MultiService.__init__(self)
        if clock is None:
            from twisted.internet import reactor as clock
        self.config = config
        self.basedir = config.basedir
        self.nickname = config.nickname
        self.clock: Any = clock
        self._settled = Gate()  # opens when starting has come to its end, good or bad
        self._failure: BaseException | None = None
        self._owns_directory = False
        self.tub: NodeTub

    @property
    def private(self) -> Path:
        """The directory that only the node's owner may enter."""
        return self.basedir / "private"

    @property
    def nodeid(self) -> str:
        """The Tub id: 32 characters of base 32; known once the node runs."""
        return self.tub.tubid

    # ---- start and stop ----------------------------------------------------------------

    def startService(self) -> None:  # noqa: N802
        """Begin to start; :meth:`when_running` tells when it is done, or why it failed."""
        MultiService.startService(self)
        drop(start(self._start()))

    @as_deferred
    async def when_running(self) -> Node:
        """Wait until the node does its work, and return it.

        :raises GridError: it can't: its directory is in use, a port, a file…
        """
        await self._settled.wait()
        if self._failure:
            raise self._failure
        return self

    @as_deferred
    async def stopService(self) -> None:  # noqa: N802
        """Stop every part and give the directory back."""
        await self._settled.wait()
        if self.running:
            await self._stop_parts()
        if self._owns_directory:
            self._owns_directory = False
            pidfile.release(self.basedir)
            log.info("{kind} stopped", kind=self.config.kind)

    async def _start(self) -> None:
        try:
            make_private_directory(self.private)
            pidfile.claim(self.basedir)
            self._owns_directory = True
            self.tub = self._make_tub()
            await self._listen()
            await self.start_parts()
            log.info("{kind} running", kind=self.config.kind)
        except Exception as e:  # whoever waits in when_running gets it
            self._failure = e if isinstance(e, GridError) else _explain(e)
        self._settled.open()

    async def start_parts(self) -> None:
        """Start what makes this node more than a Tub; for subclasses."""

    async def stop_parts(self) -> None:
        """Stop what :meth:`start_parts` started and is no child service; for subclasses."""

    async def _stop_parts(self) -> None:
        waiting: Any = MultiService.stopService(self)
        if isinstance(waiting, Deferred):
            await waiting
        await self.stop_parts()

    def add(self, part: Service) -> None:
        """Let *part* start and stop with the node."""
        Service.setServiceParent(part, self)

    # ---- the Tub -----------------------------------------------------------------------

    def _make_tub(self) -> NodeTub:
        path = self.private / "node.pem"
        try:
            tub = NodeTub(
                load_certificate(path),
                clock=self.clock,
                keepalive=self.config.timeout_keepalive,
                disconnect=self.config.timeout_disconnect,
                outgoing=self.config.connections_tcp == "tcp",
            )
        except Exception as e:  # whatever pyOpenSSL thinks of the bytes
            raise ConfigError(
                f"{path} is not a certificate and its key",
                fix="put back the file you saved, or delete it and be another node",
            ) from e
        self.keep("my_nodeid", tub.tubid)
        self.add(tub)
        return tub

    async def _listen(self) -> None:
        if not self.config.listens:
            return
        port_file = self.basedir / f"{self.config.kind}.port"
        ports = self.config.tub_ports or (_read_port(port_file),)
        numbers = await self.tub.listen(ports, self.config.tub_hints or (AUTO,))
        if ports == (ANY_PORT,):
            write_atomically(port_file, b"tcp:%d\n" % numbers[0])

    # ---- files -------------------------------------------------------------------------

    def keep(self, name: str, line: str) -> None:
        """Write *line* to the file *name* in the node's directory, unless it is there."""
        path = self.basedir / name
        data = f"{line}\n".encode()
        if not path.exists() or path.read_bytes() != data:
            write_atomically(path, data)

    def secret(self, name: str) -> bytes:
        """Return the secret kept in ``private/``*name*; a new one if there is none.

        An empty file is an empty secret.
        """
        return read_secret(self.private / name)


def read_secret(path: Path) -> bytes:
    """Return the bytes whose base 32 is in *path*; if it is missing, make 32 random ones.

    :raises ConfigError: the file holds something else
    """
    if not path.exists():
        secret = os.urandom(SECRET_SIZE)
        write_atomically(path, base32.b2a(secret).encode() + b"\n", private=True)
        return secret
    try:
        return base32.a2b(path.read_text("ascii").strip())
    except ValueError as e:
        raise ConfigError(
            f"{path} is damaged",
            why=f"wanted {SECRET_SIZE} bytes in base 32",
            fix="put back the file you saved; with a new one, what hangs on it is lost",
        ) from e


def _read_port(path: Path) -> str:
    """Return the endpoint chosen at the first start, or that of any port."""
    if not path.exists():
        return ANY_PORT
    return path.read_text("utf-8").strip() or ANY_PORT


def _explain(e: Exception) -> GridError:
    """Return what to tell the owner of a node that does not start."""
    if isinstance(e, OSError):
        return ConfigError(
            f"the node can't use {e.filename or 'a file'}", why=e.strerror or str(e)
        )
    log.failure("a node does not start")
    return GridError("the node does not start", why=f"{type(e).__name__}: {e}"[:200])
