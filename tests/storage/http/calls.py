"""Requests as tests make them, and what they know of the secrets."""

from allmydata.formats import gbs_messages as messages
from allmydata.formats.gbs import CANCEL, ENABLER, RENEW, UPLOAD, pack_content_range
from allmydata.util import base32

SI = b"\x01" * 16
NAME = base32.b2a(SI)
LEASE = {RENEW: b"r" * 32, CANCEL: b"c" * 32}
UP = {UPLOAD: b"u" * 20}
WRITER = LEASE | {ENABLER: b"w" * 32}
IMMUTABLE = f"/storage/v1/immutable/{NAME}"
MUTABLE = f"/storage/v1/mutable/{NAME}"
CBOR = (b"Content-Type", b"application/cbor")


async def allocate(wire, shnums, size, secrets=None):
    body = messages.pack_allocation(shnums, size)
    answer = await wire.ask("POST", IMMUTABLE, body, secrets=secrets or LEASE | UP)
    assert answer.status == 200
    return tuple(map(set, messages.parse_allocated(answer.body)))


async def patch(wire, shnum, offset, data, secrets=None, headers=None):
    if headers is None:
        headers = [(b"Content-Range", pack_content_range(offset, len(data)))]
    path = f"{IMMUTABLE}/{shnum}"
    return await wire.ask("PATCH", path, data, secrets=secrets or UP, headers=headers)


async def put(wire, shnum, data):
    await allocate(wire, {shnum}, len(data))
    assert (await patch(wire, shnum, 0, data)).status == 201


async def rewrite(wire, writes, reads=(), secrets=None):
    body = messages.pack_slot_request(writes, list(reads))
    path = f"{MUTABLE}/read-test-write"
    return await wire.ask("POST", path, body, secrets=secrets or WRITER)


def ranged(first, last):
    return [(b"Range", b"bytes=%d-%d" % (first, last))]
