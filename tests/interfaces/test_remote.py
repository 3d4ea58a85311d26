import pytest
from foolscap.api import Referenceable, Violation
from foolscap.remoteinterface import getRemoteInterfaceByName

from allmydata.interfaces import (
    FURL,
    MAX_BUCKETS,
    MAX_SHARE_DATA,
    URI,
    AnyNode_,
    DirnodeURI,
    EncryptedThing,
    Hash,
    LeaseCancelSecret,
    LeaseRenewSecret,
    Nodeid,
    Offset,
    ReadSize,
    RIBucketReader,
    RIBucketWriter,
    RIClient,
    RIControlClient,
    RIIntroducer,
    RIIntroducerClient,
    RIStorageServer,
    RIVirtualDriveServer,
    ShareData,
    ShareNumber,
    StorageIndex,
    URIExtensionData,
)
from allmydata.util.wire import serves

SI = b"s" * 16
SECRET = b"r" * 32
ANYONE = Referenceable()

NAMES = [
    (RIStorageServer, "RIStorageServer.tahoe.allmydata.com"),
    (RIIntroducer, "RIIntroducerPublisherAndSubscriberService_v2.tahoe.allmydata.com"),
    (RIIntroducerClient, "RIIntroducerClient"),
    (RIClient, "RIClient"),
    (RIBucketWriter, "RIBucketWriter"),
    (RIBucketReader, "RIBucketReader"),
    (RIVirtualDriveServer, "RIVirtualDriveServer"),
    (RIControlClient, "RIControlClient"),
]


@serves(RIBucketWriter)
class Writer(Referenceable):
    def remote_write(self, offset, data):
        pass

    def remote_close(self):
        pass

    def remote_abort(self):
        pass


@serves(RIIntroducerClient)
class Listener(Referenceable):
    def remote_new_peers(self, furls):
        pass

    def remote_set_encoding_parameters(self, parameters):
        pass


def short(value):
    """Name a case without printing megabytes of it."""
    if isinstance(value, str):
        return value[:30]
    return getattr(value, "__name__", type(value).__name__)


def accepts(constraint, value):
    try:
        constraint.checkObject(value, inbound=False)
    except Violation:
        return False
    return True


@pytest.mark.parametrize(("interface", "name"), NAMES)
def test_foolscap_knows_each_interface_by_its_remote_name(interface, name):
    assert interface.__remote_name__ == name
    assert getRemoteInterfaceByName(name) is interface


@pytest.mark.parametrize(
    ("constraint", "fits", "not_fits"),
    [
        (Hash, [b"h" * 32], [b"h" * 31, b"h" * 33, "h" * 32, bytearray(32)]),
        (LeaseRenewSecret, [b"h" * 32], [b""]),
        (LeaseCancelSecret, [b"h" * 32], [b""]),
        (Nodeid, [b"n" * 20], [b"n" * 19, b"n" * 21]),
        (StorageIndex, [b"s" * 16], [b"s" * 17, "s" * 16]),
        (FURL, [b"", b"p" * 1000], [b"p" * 1001, "pb://"]),
        (URI, [b"u" * 1000], [b"u" * 1001, "URI:"]),
        (DirnodeURI, [b"URI:DIR:pb://a@b/c:d"], [b"u" * 1001]),
        (ShareData, [b"", bytes(MAX_SHARE_DATA)], [bytes(MAX_SHARE_DATA + 1)]),
        (URIExtensionData, [b"u" * 1000], [b"u" * 1001]),
        (EncryptedThing, [b"", b"e" * 1028], ["e", b"e" * 2001]),
        (Offset, [0, 2**31, 2**63], [2**64, b"0", None]),
        (ReadSize, [0, 2**31 - 1], [2**31]),
        (ShareNumber, [0, 255], [2**31, b"0"]),
        (AnyNode_, [object()], []),
    ],
)
def test_a_constraint_takes_what_fits_and_nothing_else(constraint, fits, not_fits):
    assert [accepts(constraint, value) for value in fits] == [True] * len(fits)
    assert [accepts(constraint, value) for value in not_fits] == [False] * len(not_fits)


GOOD_CALLS = [
    (RIStorageServer, "allocate_buckets", (SI, SECRET, SECRET, {0, 9}, 2**40, ANYONE)),
    (RIStorageServer, "allocate_buckets", (SI, SECRET, SECRET, set(range(256)), 1, ANYONE)),
    (RIStorageServer, "add_lease", (SI, SECRET, SECRET)),
    (RIStorageServer, "renew_lease", (SI, SECRET)),
    (RIStorageServer, "cancel_lease", (SI, SECRET)),
    (RIStorageServer, "get_buckets", (SI,)),
    (RIStorageServer, "advise_corrupt_share", (b"immutable", SI, 3, b"bad block")),
    (RIBucketWriter, "write", (2**40, b"data")),
    (RIBucketReader, "read", (2**40, 2**20)),
    (RIBucketReader, "advise_corrupt_share", (b"bad block",)),
    (RIIntroducer, "hello", (Listener(), b"")),
    (RIIntroducerClient, "new_peers", ({b"pb://a@b/c"},)),
    (RIIntroducerClient, "set_encoding_parameters", ((3, 7, 10),)),
    (RIClient, "get_service", ("storageserver",)),
    (RIVirtualDriveServer, "set", (SECRET, SECRET, SECRET, b"name", b"", b"read")),
    (RIControlClient, "wait_for_client_connections", (5,)),
    (RIControlClient, "upload_from_file_to_uri", ("/tmp/å",)),
    (RIControlClient, "download_from_uri_to_file", (b"URI:LIT:", "/tmp/f")),
]

BAD_CALLS = [
    (RIStorageServer, "allocate_buckets", (SI, SECRET, SECRET, [0], 1, ANYONE)),
    (RIStorageServer, "allocate_buckets", (SI, SECRET, SECRET, set(range(257)), 1, ANYONE)),
    (RIStorageServer, "allocate_buckets", (SI, SECRET, SECRET, {0}, 2**64, ANYONE)),
    (RIStorageServer, "allocate_buckets", (SI, SECRET, SECRET, {0}, 1, None)),
    (RIStorageServer, "allocate_buckets", (SI, b"short", SECRET, {0}, 1, ANYONE)),
    (RIStorageServer, "renew_lease", (b"s" * 17, SECRET)),
    (RIStorageServer, "get_buckets", ()),
    (RIStorageServer, "advise_corrupt_share", (b"immutable", SI, 3, bytes(2**16 + 1))),
    (RIBucketWriter, "write", (0, "text")),
    (RIBucketWriter, "write", (0, memoryview(b"data"))),
    (RIBucketReader, "read", (0, 2**31)),
    (RIIntroducer, "hello", (ANYONE, b"")),
    (RIIntroducerClient, "new_peers", ({"text"},)),
    (RIIntroducerClient, "new_peers", ({b"%d" % i for i in range(10_001)},)),
    (RIIntroducerClient, "set_encoding_parameters", ((3, 10),)),
    (RIClient, "get_service", (b"storageserver",)),
    (RIVirtualDriveServer, "set", (SECRET, SECRET, SECRET, "name", b"", b"read")),
    (RIControlClient, "download_from_uri_to_file", ("URI:LIT:", "/tmp/f")),
]


@pytest.mark.parametrize(("interface", "method", "args"), GOOD_CALLS, ids=short)
def test_a_call_that_fits_is_let_through(interface, method, args):
    interface[method].checkAllArgs(args, {}, inbound=False)


@pytest.mark.parametrize(("interface", "method", "args"), BAD_CALLS, ids=short)
def test_a_call_that_does_not_fit_is_stopped(interface, method, args):
    with pytest.raises(Violation):
        interface[method].checkAllArgs(args, {}, inbound=False)


GOOD_ANSWERS = [
    (RIStorageServer, "get_version", {b"application-version": b"x", b"v1": {b"k": 2**64}}),
    (RIStorageServer, "allocate_buckets", ({0, 3}, {1: Writer()})),
    (RIStorageServer, "get_buckets", {}),
    (RIStorageServer, "renew_lease", None),
    (RIStorageServer, "add_lease", None),
    (RIBucketWriter, "close", None),
    (RIBucketReader, "read", b""),
    (RIClient, "get_versions", ("1.0", "0.5")),
    (RIClient, "get_service", ANYONE),
    (RIClient, "get_nodeid", b"n" * 20),
    (RIVirtualDriveServer, "get", (b"", b"read")),
    (RIVirtualDriveServer, "list", [(b"n", b"", b"r")] * 1000),
    (RIControlClient, "upload_from_file_to_uri", b"URI:LIT:"),
    (RIControlClient, "download_from_uri_to_file", "/tmp/f"),
    (RIControlClient, "get_memory_usage", {"VmPeak": 2**40}),
]

BAD_ANSWERS = [
    (RIStorageServer, "get_version", {"text": 1}),
    (RIStorageServer, "allocate_buckets", (set(), {1: ANYONE})),
    (RIStorageServer, "allocate_buckets", ([], {})),
    (RIStorageServer, "get_buckets", {0: Writer()}),
    (RIStorageServer, "get_buckets", dict.fromkeys(range(MAX_BUCKETS + 1))),
    (RIBucketWriter, "close", 0),
    (RIBucketReader, "read", bytes(MAX_SHARE_DATA + 1)),
    (RIClient, "get_versions", (b"1.0", b"0.5")),
    (RIClient, "get_nodeid", b"n" * 32),
    (RIVirtualDriveServer, "list", [(b"n", b"", b"r")] * 1001),
    (RIControlClient, "upload_from_file_to_uri", "URI:LIT:"),
    (RIControlClient, "get_memory_usage", {b"VmPeak": 1}),
]


@pytest.mark.parametrize(("interface", "method", "answer"), GOOD_ANSWERS, ids=short)
def test_an_answer_that_fits_is_let_through(interface, method, answer):
    interface[method].checkResults(answer, inbound=False)


@pytest.mark.parametrize(("interface", "method", "answer"), BAD_ANSWERS, ids=short)
def test_an_answer_that_does_not_fit_is_stopped(interface, method, answer):
    with pytest.raises(Violation):
        interface[method].checkResults(answer, inbound=False)
