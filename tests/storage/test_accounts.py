"""Whose leases are whose, how much each may have, and many leases in one message."""

import errno
import os

import pytest
from attrs import evolve
from pytest_twisted import ensureDeferred

from allmydata.crypto.keys import account_number
from allmydata.errors import ConfigError
from allmydata.formats.container import LEASE_DURATION_S, MUTABLE_MAGICS, Lease
from allmydata.formats.renewals import pack_renewals
from allmydata.storage.accounts import Quotas, account_behind, read_quotas
from allmydata.storage.disk import SYSTEM
from allmydata.storage.inventory import NOBODY, Holdings
from allmydata.storage.server import AT_A_TIME
from allmydata.util.base32 import b2a

from .peer import (
    CANCEL,
    CANCEL2,
    OTHER_SI,
    RENEW,
    RENEW2,
    SI,
    Canary,
    Peer,
    bucket,
    container_bytes,
    leases_of,
    plant,
    refused,
)

NOW = 1_700_000_000
EXPIRES = NOW + LEASE_DURATION_S
DAY = 86_400
ANN, BOB = b"a" * 20, b"b" * 20
ANNS, BOBS = account_number(ANN), account_number(BOB)


class KnownPeer(Peer):
    """A client whose connection tells who it is."""

    def __init__(self, server, tubid=ANN):
        super().__init__(server)
        self.rref.line.tubid = b2a(tubid)

    async def renew(self, *claims):
        return await self.call("renew_leases", pack_renewals(claims), Canary())


# ---- whose a lease is --------------------------------------------------------------------


@ensureDeferred
async def test_a_lease_names_the_account_that_made_it(serve, storedir):
    server = serve()
    await KnownPeer(server).put({0: b"x"})
    await KnownPeer(server, BOB).put({0: b"x"}, renew=RENEW2, cancel=CANCEL2)
    await Peer(server).call("add_lease", SI, b"3" * 32, b"3" * 32)
    assert [one.owner for one in leases_of(bucket(storedir) / "0")] == [ANNS, BOBS, 1]
    held = server.books.ledger.held
    assert held(ANNS) == held(BOBS) == held(NOBODY) == Holdings(1, 85 + 2 * 72)
    seen = server.books.ledger
    seen.flush()
    assert seen.ask(lambda index: index.accounts()) == {
        ANNS: (b2a(ANN), NOW),
        BOBS: (b2a(BOB), NOW),
    }


@ensureDeferred
async def test_who_renews_a_lease_with_its_secret_owns_it(serve, storedir):
    server = serve()
    await Peer(server).put({0: b"x"})
    for tubid, number in ((ANN, ANNS), (BOB, BOBS)):
        assert await KnownPeer(server, tubid).renew((SI, RENEW, CANCEL)) == b"\1"
        assert leases_of(bucket(storedir) / "0") == [
            Lease.grant(2, number, RENEW, CANCEL, EXPIRES)
        ]
    await Peer(server).call("add_lease", SI, RENEW, CANCEL)  # nobody known: it stays Bob's
    assert leases_of(bucket(storedir) / "0")[0].owner == BOBS
    assert server.books.ledger.held(ANNS) == Holdings()


def test_account_numbers_are_a_hash_and_never_those_of_others():
    assert account_number(bytes(20)) == 141723952
    assert min(account_number(os.urandom(20)) for _ in range(100)) >= 2


@pytest.mark.parametrize("tubid", [None, "", "not base 32!"])
def test_a_connection_without_an_identity_is_nobody(tubid):
    class Rref:
        def getRemoteTubID(self):
            assert tubid is not None
            return tubid

    assert account_behind(Rref()) == (NOBODY, "")
    assert account_behind(object()) == (NOBODY, "")


# ---- quotas ------------------------------------------------------------------------------


@ensureDeferred
async def test_an_account_gets_no_more_than_its_quota_and_others_theirs(serve):
    server = serve(quotas=Quotas(2 * 94, {BOBS: 94}))
    ann, bob = KnownPeer(server), KnownPeer(server, BOB)
    assert await ann.put({n: b"x" * 10 for n in range(3)}) == {0, 1}
    assert await bob.put({n: b"x" * 10 for n in range(3)}, OTHER_SI) == {0}
    assert await ann.put({7: b""}) == set()


@ensureDeferred
async def test_what_is_being_written_counts_against_the_quota(serve):
    server = serve(quotas=Quotas(94))
    ann = KnownPeer(server)
    _, writers = await ann.allocate({0}, 10)
    assert (await ann.allocate({1}, 10))[1] == {}
    assert set((await KnownPeer(server, BOB).allocate({1}, 10))[1]) == {1}
    await writers[0].callRemote("abort")
    assert set((await ann.allocate({2}, 10))[1]) == {2}


@ensureDeferred
async def test_a_quota_of_nothing_still_renews_what_is_there(serve, storedir):
    plant(storedir, "0", container_bytes(b"x", leases=[(ANNS, RENEW, CANCEL, 5)]))
    server = serve(quotas=Quotas(0))
    held, writers = await KnownPeer(server).allocate({0, 1}, 1)
    assert (held, writers) == ({0}, {})
    assert leases_of(bucket(storedir) / "0")[0].expires == EXPIRES


@ensureDeferred
async def test_a_quota_counts_what_an_earlier_process_kept(serve):
    server = serve(quotas=Quotas(94))
    await KnownPeer(server).put({0: b"x" * 10})
    await server.stopService()
    server = serve(quotas=Quotas(94))
    assert (await KnownPeer(server).allocate({1}, 10))[1] == {}
    await KnownPeer(server).call("cancel_lease", SI, CANCEL)
    assert set((await KnownPeer(server).allocate({1}, 10))[1]) == {1}


@ensureDeferred
async def test_leases_count_for_max_size(serve):
    server = serve(max_size=84 + 72 + 84)
    peer = Peer(server)
    await peer.put({0: b""})
    await peer.call("add_lease", SI, RENEW2, CANCEL2)
    assert set((await peer.allocate({1, 2}, 0, OTHER_SI))[1]) == {1}


def test_quotas_are_read_with_sizes_and_names(tmp_path):
    path = tmp_path / "quotas"
    path.write_text(
        f"# who\n\n{b2a(ANN)} 50 GB ann, at home\n  {b2a(BOB)}\t1Gi  bob\nanonymous 0\n"
    )
    quotas = read_quotas(path, 7)
    assert quotas.named == {ANNS: 50 * 10**9, BOBS: 2**30, NOBODY: 0}
    assert quotas.names == {ANNS: "ann, at home", BOBS: "bob", NOBODY: ""}
    assert [quotas.limit(n) for n in (ANNS, NOBODY, 99)] == [50 * 10**9, 0, 7]
    assert quotas.are_set


def test_without_the_file_all_have_the_same(tmp_path):
    assert read_quotas(tmp_path / "quotas", None) == Quotas()
    assert not Quotas().are_set
    assert read_quotas(tmp_path / "quotas", 5).limit(ANNS) == 5


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("x", "not the id of a node"),
        (b2a(ANN), "no size"),
        (f"{b2a(ANN)} lots", "not a size"),
        (f"{b2a(ANN[1:])} 5", "not the id of a node"),
        ("pb://secret@x/y 5", "not the id of a node"),
    ],
)
def test_a_line_that_makes_no_sense_is_named_and_not_quoted(tmp_path, line, what):
    path = tmp_path / "quotas"
    path.write_text(f"# one\n{line}\n")
    with pytest.raises(ConfigError, match=f"quotas:2: {what}") as caught:
        read_quotas(path, None)
    assert "secret" not in caught.value.message


# ---- many leases in one message ----------------------------------------------------------


@ensureDeferred
async def test_many_files_are_renewed_in_one_call_and_each_is_told(serve, storedir, clock):
    indexes = [n.to_bytes(16, "big") for n in range(AT_A_TIME + 20)]
    for si in indexes[1:]:
        plant(storedir, "0", container_bytes(b"x"), si)
    plant(storedir, "1", container_bytes(b"y"), indexes[5])
    server = serve()
    answer = await KnownPeer(server).renew(*[(si, RENEW, CANCEL) for si in indexes])
    assert answer == b"\0" + b"\1" * (len(indexes) - 1)
    for si, name in [(indexes[-1], "0"), (indexes[5], "0"), (indexes[5], "1")]:
        assert leases_of(bucket(storedir, si) / name) == [
            Lease.grant(2, ANNS, RENEW, CANCEL, EXPIRES)
        ]
    clock.advance(DAY)
    await KnownPeer(server).renew((indexes[5], RENEW2, CANCEL2))
    assert [one.expires for one in leases_of(bucket(storedir, indexes[5]) / "1")] == [
        EXPIRES,
        EXPIRES + DAY,
    ]


@pytest.mark.parametrize("content", [b"garbage", MUTABLE_MAGICS[1] + bytes(440)])
@ensureDeferred
async def test_files_that_are_no_immutable_share_are_told_and_left_alone(
    serve, storedir, content
):
    path = plant(storedir, "0", content)
    server = serve()
    assert await KnownPeer(server).renew((SI, RENEW, CANCEL)) == b"\2"
    plant(storedir, "1", container_bytes(b"good"))
    assert await KnownPeer(server).renew((SI, RENEW, CANCEL)) == b"\1"
    assert path.read_bytes() == content


@ensureDeferred
async def test_a_lease_without_room_is_told_and_the_others_are_renewed(serve, storedir):
    def full(fd, data, offset):
        if os.fstat(fd).st_size > 200:
            raise OSError(errno.ENOSPC, "full")
        return os.pwrite(fd, data, offset)

    plant(storedir, "0", container_bytes(bytes(300)))
    plant(storedir, "0", container_bytes(b"small"), OTHER_SI)
    server = serve(calls=evolve(SYSTEM, pwrite=full))
    answer = await KnownPeer(server).renew(
        (SI, RENEW2, CANCEL2), (OTHER_SI, RENEW2, CANCEL2)
    )
    assert answer == b"\3\1"
    assert len(leases_of(bucket(storedir) / "0")) == 1


@ensureDeferred
async def test_a_message_of_another_shape_is_refused_and_an_empty_one_is_not(serve):
    peer = KnownPeer(serve())
    assert await peer.renew() == b""
    odd = peer.call("renew_leases", bytes(81), Canary())
    assert (await refused(odd))[0] == "UsageError"


@ensureDeferred
async def test_a_readonly_server_renews(serve, storedir):
    plant(storedir, "0", container_bytes(b"x"))
    assert await KnownPeer(serve(readonly=True)).renew((SI, RENEW2, CANCEL2)) == b"\1"
