"""The control port: what the owner of a node may ask it to do, over foolscap.

It listens on a Tub of its own, on this machine only; who reads ``private/control.furl``
may call it.  Protocol: docs/protocols/control.md.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from foolscap.api import Referenceable
from twisted.application.service import MultiService, Service

from allmydata.errors import BadCapError, GridError, UsageError
from allmydata.interfaces import IClient, RIControlClient
from allmydata.node.tub import AUTO, NodeTub, make_certificate
from allmydata.streams.target import FileName
from allmydata.util.deferreds import as_deferred
from allmydata.util.wire import serves

PORT = "tcp:0:interface=127.0.0.1"
PROC = Path("/proc/self/status")
_SIZES = ("VmPeak", "VmSize", "VmData")


class ControlPort(MultiService):
    """The Tub of the control port.

    :param clock: an IReactorTime
    """

    name = "control"

    def __init__(self, client: IClient, clock: Any) -> None:
        MultiService.__init__(self)
        self._control = Control(client)
        self._tub = NodeTub(make_certificate(), clock=clock)
        Service.setServiceParent(self._tub, self)

    async def open(self, furl_file: Path) -> None:
        """Listen; write where to *furl_file*.  The service must run already.

        :raises ConfigError: there is no port to be had, or the file holds no FURL
        """
        await self._tub.listen([PORT], [AUTO])
        self._tub.serve(self._control, furl_file)


@serves(RIControlClient)
class Control(Referenceable):
    """What the control port does."""

    def __init__(self, client: IClient) -> None:
        self._client = client

    @as_deferred
    async def remote_wait_for_client_connections(self, num_clients: int) -> None:
        """Answer once *num_clients* storage servers are connected."""
        await self._client.wait_for_servers(num_clients)

    @as_deferred
    async def remote_upload_from_file_to_uri(self, filename: str) -> bytes:
        """Upload a file of this machine; return its capability.

        :raises UsageError: *filename* is not absolute
        """
        _need_absolute(filename)
        cap: str = await self._client.getService("uploader").upload_filename(filename)
        return cap.encode("ascii")

    @as_deferred
    async def remote_download_from_uri_to_file(self, uri: bytes, filename: str) -> str:
        """Download a file to this machine; return its absolute path.

        :raises UsageError: *filename* is not absolute
        :raises BadCapError: *uri* is not text
        """
        _need_absolute(filename)
        if not uri.isascii():
            raise BadCapError("not a capability: it holds bytes that are not ASCII")
        downloader = self._client.getService("downloader")
        path: str = await downloader.download(uri.decode("ascii"), FileName(filename))
        return path

    def remote_get_memory_usage(self) -> dict[str, int]:
        """Return the bytes of memory in use: VmPeak, VmSize and VmData."""
        return memory_usage(PROC)


def _need_absolute(filename: str) -> None:
    if not os.path.isabs(filename):
        raise UsageError(
            "the file name is not absolute",
            why=f"the node would look for {filename[:200]!r} in its own directory",
            fix="give the whole path, from /",
        )


def memory_usage(status: Path) -> dict[str, int]:
    """Return the sizes in a ``/proc/PID/status``, in bytes.

    :raises GridError: this system does not keep one
    """
    try:
        lines = status.read_text("ascii").splitlines()
    except OSError as e:
        raise GridError("this system does not tell how much memory is in use") from e
    words = dict(line.split(":", 1) for line in lines if ":" in line)
    return {name: 1024 * int(words[name].split()[0]) for name in _SIZES if name in words}
