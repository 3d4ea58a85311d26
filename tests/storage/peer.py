"""What a client does to a storage server, and what lies on its disk afterwards."""

import re

from foolscap.api import Referenceable, RemoteException
from twisted.internet import reactor
from twisted.internet.task import deferLater

from allmydata.formats.container import Container, Lease, parse_leases
from allmydata.util.base32 import b2a
from tests.support.local_reference import LocalReference

SI = bytes(range(16))
OTHER_SI = b"\xff" * 16
RENEW, CANCEL = b"r" * 32, b"c" * 32
RENEW2, CANCEL2 = b"R" * 32, b"C" * 32


class Canary(Referenceable):
    pass


class Peer:
    """One client with its own connection to a server."""

    def __init__(self, server):
        self.rref = LocalReference(server)

    def call(self, name, *args):
        return self.rref.callRemote(name, *args)

    def allocate(self, numbers, size, si=SI, renew=RENEW, cancel=CANCEL):
        args = (si, renew, cancel, set(numbers), size, Canary())
        return self.rref.callRemote("allocate_buckets", *args)

    async def put(self, shares, si=SI, **secrets):
        """Store shares of one size, given as ``{number: data}``."""
        (size,) = {len(data) for data in shares.values()}
        _, writers = await self.allocate(shares, size, si, **secrets)
        for shnum, writer in writers.items():
            await writer.callRemote("write", 0, shares[shnum])
            await writer.callRemote("close")
        return set(writers)

    async def read_all(self, si=SI):
        readers = await self.call("get_buckets", si)
        return {n: await one.callRemote("read", 0, 10_000) for n, one in readers.items()}


async def refused(call):
    """Return the name and the text of the error a call fails with on the other side."""
    try:
        result = await call
    except RemoteException as e:
        return re.sub(r"^.*\.", "", e.failure.type.__name__), str(e.failure.value)
    raise AssertionError(f"not refused, but answered {result!r}")


async def until_no_uploads(server):
    while server.num_uploads:
        await deferLater(reactor, 0)


def bucket(storedir, si=SI):
    return storedir / "shares" / b2a(si)[:2] / b2a(si)


def incoming_files(storedir):
    return [path for path in (storedir / "shares/incoming").rglob("*")]


def files(storedir):
    """Return what lies under shares, by its place below it."""
    top = storedir / "shares"
    return {str(p.relative_to(top)): p.read_bytes() for p in top.rglob("*") if p.is_file()}


def container_bytes(data, version=2, leases=((0, RENEW, CANCEL, 5),)):
    records = [Lease.grant(version, *lease).pack() for lease in leases]
    return Container(version, len(data), len(leases)).pack() + data + b"".join(records)


def plant(storedir, name, content, si=SI):
    """Put a file where shares are kept, past the server."""
    path = bucket(storedir, si) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def leases_of(path):
    content = path.read_bytes()
    container = Container.parse(content, len(content))
    return parse_leases(content[container.lease_offset(0) :])
