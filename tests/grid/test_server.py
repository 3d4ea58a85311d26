import pytest
from attrs import evolve
from foolscap.api import Referenceable
from pytest_twisted import ensureDeferred
from zope.interface import implementer

from allmydata.crypto.keys import LeaseSecrets
from allmydata.errors import ServerLostError, ServerRefusedError
from allmydata.grid.remote import call, serves
from allmydata.grid.server import (
    OURS,
    STORAGE_V1,
    UNKNOWN_MAX_SHARE_SIZE,
    ServerVersion,
    StorageServerProxy,
    ask_version,
)
from allmydata.interfaces import RIBucketReader, RIBucketWriter, RIClient, RIStorageServer
from tests.support.local_reference import LocalReference

TUBID = b"\x02" * 20
SI = b"\x01" * 16
SECRETS = LeaseSecrets(bytes(range(0x30, 0x40)))


@implementer(RIBucketWriter)
class Writer(Referenceable):
    pass


@implementer(RIBucketReader)
class Reader(Referenceable):
    def remote_read(self, offset, length):
        return b"share"[offset : offset + length]


@implementer(RIStorageServer)
class Server(Referenceable):
    """Answers what it is told to answer, and keeps what it was asked."""

    def __init__(self):
        self.version = {}
        self.answer = ({4}, {1: Writer()})
        self.asked = []
        self.advice = []

    def remote_get_version(self):
        return self.version

    def remote_allocate_buckets(self, *args):
        self.asked.append(args)
        return self.answer

    def remote_get_buckets(self, storage_index):
        if storage_index != SI:
            raise IndexError("pb://secret@/name")
        return {7: Reader()}

    def remote_advise_corrupt_share(self, *args):
        self.advice.append(args)


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def proxy(server):
    proxy = StorageServerProxy(TUBID, SECRETS)
    proxy.attach(LocalReference(server), ServerVersion())
    return proxy


@ensureDeferred
async def test_lease_secrets_are_those_of_the_vector(server, proxy):
    already, writers = await proxy.allocate_buckets(SI, {1, 2}, 1000)
    assert (already, set(writers)) == ({4}, {1})
    storage_index, renew, cancel, sharenums, size, _canary = server.asked[0]
    assert (storage_index, sharenums, size) == (SI, {1, 2}, 1000)
    assert renew.hex().startswith("439f9e347b3c9c56") and len(renew) == 32
    assert cancel.hex().startswith("5823481baca3bc16") and len(cancel) == 32


@ensureDeferred
async def test_a_frozenset_of_share_numbers_is_sent_as_a_set(server, proxy):
    await proxy.allocate_buckets(SI, frozenset({1}), 1000)
    assert type(server.asked[0][3]) is set


@ensureDeferred
async def test_the_canary_is_the_same_for_every_upload(server, proxy):
    await proxy.allocate_buckets(SI, {1}, 1000)
    await proxy.allocate_buckets(SI, {1}, 1000)
    assert server.asked[0][5] is server.asked[1][5]


@ensureDeferred
async def test_room_for_shares_that_nobody_asked_for_is_refused(server, proxy):
    with pytest.raises(ServerRefusedError, match="was not asked"):
        await proxy.allocate_buckets(SI, {2}, 1000)


@ensureDeferred
async def test_buckets_can_be_read_through(proxy):
    readers = await proxy.get_buckets(SI)
    assert await call(readers[7], "read", 1, 3) == b"har"


@ensureDeferred
async def test_a_remote_error_is_named_and_not_quoted(proxy):
    with pytest.raises(ServerRefusedError) as caught:
        await proxy.get_buckets(b"\0" * 16)
    assert caught.value.why == "IndexError"
    assert "secret" not in caught.value.message


@ensureDeferred
async def test_an_answer_that_breaks_the_interface_is_a_refusal(server, proxy):
    server.answer = ({"four"}, {})
    with pytest.raises(ServerRefusedError):
        await proxy.allocate_buckets(SI, {1}, 1000)


@ensureDeferred
async def test_an_argument_that_breaks_the_interface_is_a_refusal(proxy):
    with pytest.raises(ServerRefusedError, match="could not be asked") as caught:
        await proxy.get_buckets(bytearray(16))
    assert "does not fit" in caught.value.why


@ensureDeferred
async def test_advice_is_sent_as_utf8(server, proxy):
    await proxy.advise_corrupt_share(SI, 3, "hash of segment 5 wröng")
    assert server.advice == [(b"immutable", SI, 3, "hash of segment 5 wröng".encode())]


@ensureDeferred
async def test_a_lost_connection_is_a_lost_server(server):
    proxy, rref = StorageServerProxy(TUBID, SECRETS), LocalReference(server)
    proxy.attach(rref, ServerVersion())
    rref.hang()
    waiting = proxy.get_buckets(SI)
    rref.lose()
    with pytest.raises(ServerLostError, match="during get_buckets"):
        await waiting
    with pytest.raises(ServerLostError):
        await proxy.get_buckets(SI)


@ensureDeferred
async def test_a_server_that_is_not_connected_is_lost():
    proxy = StorageServerProxy(TUBID, SECRETS)
    with pytest.raises(ServerLostError, match="not connected"):
        await proxy.get_buckets(SI)
    assert not proxy.connected


@ensureDeferred
async def test_version_is_read_from_both_dictionaries(server):
    server.version = {
        STORAGE_V1: {b"maximum-immutable-share-size": 5000, b"available-space": 6000},
        b"application-version": b"allmydata/0.1.0",
        OURS: {b"nickname": "Zo\xeb", b"zone": "attic", b"readonly": True},
    }
    version = await ask_version(LocalReference(server))
    assert version == ServerVersion(
        5000, 6000, "allmydata/0.1.0", "Zo\xeb", "attic", True, 1_100_000
    )


@ensureDeferred
async def test_a_server_that_can_not_say_gets_careful_defaults():
    class Old(Server):
        def remote_get_version(self):
            raise NameError("remote_get_version")

    version = await ask_version(LocalReference(Old()))
    assert version.max_share_size == UNKNOWN_MAX_SHARE_SIZE == 2**32 - 1
    assert version.available_space is None and version.application is None


def test_a_server_as_old_as_the_interfaces_takes_small_writes():
    assert ServerVersion.parse({}).max_write == 400_000
    assert ServerVersion.parse({STORAGE_V1: {b"available-space": 5}}).max_write > 400_000


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {STORAGE_V1: 5},
        {STORAGE_V1: {b"maximum-immutable-share-size": -1, b"available-space": True}},
        {STORAGE_V1: {b"maximum-immutable-share-size": "9"}, OURS: [b"nickname"]},
        {OURS: {b"nickname": "two\nlines", b"zone": 5, b"readonly": 1}},
        {b"application-version": {}},
    ],
)
def test_nonsense_in_a_version_is_not_believed(answer):
    version = ServerVersion.parse(answer)
    assert evolve(version, max_write=0) == evolve(ServerVersion(), max_write=0)


def test_a_long_nickname_is_cut():
    version = ServerVersion.parse({OURS: {b"nickname": "x" * 5000}})
    assert len(version.nickname) == 100


def test_without_a_nickname_the_name_is_the_start_of_the_tub_id():
    proxy = StorageServerProxy(TUBID, SECRETS)
    assert proxy.name == proxy.nodeid[:8] == "aibaeaqc"
    proxy.attach(object(), ServerVersion(nickname="attic"))
    assert proxy.name == "attic" and proxy.seed == TUBID
    proxy.attach(object(), ServerVersion(nickname="<unspecified>"))
    assert proxy.name == "aibaeaqc"


def test_what_was_known_is_kept_when_the_connection_is_lost(server):
    class Rref:
        def getDataLastReceivedAt(self):
            return 1234.5

    proxy = StorageServerProxy(TUBID, SECRETS)
    proxy.attach(Rref(), ServerVersion(available_space=77))
    assert proxy.last_received_data == 1234.5
    proxy.detach()
    assert not proxy.connected
    assert (proxy.last_received_data, proxy.available_space) == (1234.5, 77)


def test_secrets_are_not_in_a_proxys_text():
    assert SECRETS.node_secret.hex() not in repr(StorageServerProxy(TUBID, SECRETS))
    assert "0123" not in repr(StorageServerProxy(TUBID, SECRETS))


def test_only_the_interface_declared_is_served(server):
    assert serves(LocalReference(server), RIStorageServer)
    assert not serves(LocalReference(server), RIClient)
    assert not serves(object(), RIClient)
