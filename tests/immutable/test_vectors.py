"""Every byte of every share, against what Tahoe-LAFS 1.20 writes."""

import hashlib
import json
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import reactor

from allmydata import uri
from allmydata.coding.geometry import Geometry
from allmydata.crypto.hashutil import storage_index_hash
from allmydata.grid.buckets import WriteBucketProxy
from allmydata.grid.shape import ShareShape
from allmydata.immutable.encode import Encoder
from allmydata.immutable.encrypt import EncryptedUploadable
from allmydata.streams.uploadable import Data
from allmydata.util import base32
from tests.support.local_reference import LocalReference

VECTORS = json.loads(Path(__file__).parents[1].joinpath("vectors/chk.json").read_text())


class MemoryBucket:
    """Keeps a share in memory, and says when it is closed."""

    def __init__(self):
        self.data = bytearray()
        self.closed = False

    def remote_write(self, offset, data):
        assert offset == len(self.data), "shares are written front to back, with no hole"
        assert isinstance(data, bytes)
        self.data += data

    def remote_close(self):
        self.closed = True

    def remote_abort(self):
        self.data.clear()


def plaintext(size):
    return bytes((i * i + 7 * i + 3) % 251 for i in range(size))


def name_of(case):
    return f"{case['size']}-{case['k']}of{case['n']}-{case['max_segment_size']}"


async def encode(case, workers):
    """Encode a vector's file with the real Encoder; return cap and shares."""
    k, n, limit = case["k"], case["n"], case["max_segment_size"]
    data = plaintext(case["size"])
    source = EncryptedUploadable(Data(data, bytes.fromhex(case["convergence_hex"])))
    encoder = Encoder(workers, reactor, max_segment_size=limit)
    encoder.set_params((k, 1, n))
    await encoder.set_encrypted_uploadable(source)
    geometry = Geometry.for_new_file(case["size"], k, n, limit)
    shape = ShareShape(geometry, oldest=case["share_version"])
    buckets = {i: MemoryBucket() for i in range(n)}
    encoder.set_shareholders(
        {i: WriteBucketProxy(LocalReference(b), shape, reactor) for i, b in buckets.items()}
    )
    seal, needed, total, size = await encoder.start()
    assert all(bucket.closed for bucket in buckets.values())
    assert {len(bucket.data) for bucket in buckets.values()} == {shape.share_size}
    cap = uri.CHKFileURI(await source.get_encryption_key(), seal, needed, total, size)
    return cap, [bytes(bucket.data) for bucket in buckets.values()]


@pytest.mark.parametrize("case", VECTORS["chk"], ids=name_of)
@pytest_twisted.ensureDeferred
async def test_shares_and_cap_are_those_of_the_reference(case, workers):
    cap, shares = await encode(case, workers)
    assert cap.key.hex() == case["key_hex"]
    assert base32.b2a(storage_index_hash(cap.key)) == case["storage_index"]
    assert cap.to_string() == case["cap"]
    assert cap.get_verify_cap().to_string() == case["verify_cap"]
    assert [hashlib.sha256(share).hexdigest() for share in shares] == case["share_sha256"]


@pytest.mark.parametrize("case", VECTORS["lit"], ids=lambda case: str(case["size"]))
def test_small_files_live_in_their_cap(case):
    cap = uri.LiteralFileURI(plaintext(case["size"]))
    assert cap.to_string() == case["cap"]
    assert uri.from_string(case["cap"]) == cap
