"""Every call that crosses the wire, and what each may carry.

An argument's default is its constraint, and what a method returns is the constraint of
its answer: foolscap checks both on both sides, and a call that breaks one is refused.
``bytes`` are for machines (FURLs, capabilities, hashes, sealed names), ``str`` for people
(file names, versions).  Sizes are named wherever foolscap lets us: a peer can't make us
hold more than we said.

The interfaces are those the project was given, as of 2007.  What differs, and why:

* **Wider, to serve two dialects on one object.**  ``RIStorageServer``,
  ``RIBucketWriter``, ``RIBucketReader`` and ``RIIntroducer`` carry the remote names of
  Tahoe-LAFS 1.20, since foolscap allows one interface to a name and one to an object, and
  they take its calls beside the older ones: ``get_version``, ``add_lease``,
  ``advise_corrupt_share``, ``abort``, ``slot_readv``,
  ``slot_testv_and_readv_and_writev``, ``publish_v2``, ``subscribe_v2``.
* **Bounded differently.**  256 buckets instead of 200, because a code may make 256
  shares; 16 MiB in a call instead of 400,000 bytes, because a call costs a round trip;
  256 MiB for each part of a mutable share, which is changed in one call or not at all;
  offsets of 8 bytes, where ``int`` meant 4 and means 1024 today; 1000 bytes for a
  capability instead of 300, because a FURL inside may have many hints; at most 10,000
  FURLs in a call to ``new_peers``, where there was no limit.
* **More calls.**  Of ``RIVirtualDriveServer`` those from ``get_version`` on, for
  directories of any size and changes of many rows at once; ``RIIntroducer`` tells where
  the vdrive server is.
* **Said otherwise, because foolscap changed.**  ``StringConstraint`` means bytes and knows
  no patterns: ``DirnodeURI`` bounds the length, and :mod:`allmydata.uri` checks the form.
  ``EncryptedThing`` was ``str`` when that meant bytes.  Tuples are written ``TupleOf``.

The constraints whose names end in ``_`` stand for objects sent by copy; no call uses one.
"""

from __future__ import annotations

from foolscap.api import (
    Any,
    ChoiceOf,
    DictOf,
    IntegerConstraint,
    ListOf,
    Referenceable,
    RemoteInterface,
    SetOf,
    TupleOf,
)
from foolscap.schema import ByteStringConstraint, UnicodeConstraint

from allmydata.interfaces.storage import (
    HASH_SIZE,
    MAX_BUCKETS,
    MAX_PARTS,
    MAX_SHARE_DATA,
    MAX_SLOT_DATA,
    MAX_WHOLE_SHARE,
)

Hash = ByteStringConstraint(maxLength=HASH_SIZE, minLength=HASH_SIZE)
Nodeid = ByteStringConstraint(maxLength=20, minLength=20)  # a Tub id: SHA-1, binary
FURL = ByteStringConstraint(maxLength=1000)
StorageIndex = ByteStringConstraint(maxLength=16)
URI = ByteStringConstraint(maxLength=1000)
DirnodeURI = ByteStringConstraint(maxLength=1000)
ShareData = ByteStringConstraint(maxLength=MAX_SHARE_DATA)
WholeShare = ByteStringConstraint(maxLength=MAX_WHOLE_SHARE)
URIExtensionData = ByteStringConstraint(maxLength=1000)
LeaseRenewSecret = Hash  # whoever knows it may renew the lease it was given with
LeaseCancelSecret = Hash  # whoever knows it may end that lease
EncryptedThing = ByteStringConstraint(maxLength=2000)  # a name or capability, sealed

Offset = IntegerConstraint(maxBytes=8)  # a byte's place, or a size
ReadSize = IntegerConstraint()  # below 2**31
ShareNumber = IntegerConstraint()  # below 2**31
Reason = ByteStringConstraint(maxLength=2**16)  # why a share is said to be corrupt, UTF-8
Text = UnicodeConstraint(maxLength=1000)
PathName = UnicodeConstraint(maxLength=4096)

MAX_PEERS = 10_000  # FURLs or announcements in one call
MAX_CHILDREN = 1000  # entries in one call or answer
MAX_RENEWALS = 5000  # files whose leases are renewed in one call

SlotData = ByteStringConstraint(maxLength=MAX_SLOT_DATA)
ReadVector = ListOf(TupleOf(Offset, ReadSize), maxLength=MAX_PARTS)
ReadAnswer = DictOf(ShareNumber, ListOf(SlotData, maxLength=MAX_PARTS), maxKeys=MAX_BUCKETS)
TestVector = ListOf(  # offset, length, b"eq", what is to be there
    TupleOf(Offset, ReadSize, ByteStringConstraint(maxLength=2), SlotData),
    maxLength=MAX_PARTS,
)
WriteVector = ListOf(TupleOf(Offset, SlotData), maxLength=MAX_PARTS)
TestAndWriteVectors = DictOf(
    ShareNumber,
    TupleOf(TestVector, WriteVector, ChoiceOf(None, Offset)),
    maxKeys=MAX_BUCKETS,
)

SealedRow = TupleOf(  # key, name, write, read
    Hash, EncryptedThing, EncryptedThing, EncryptedThing
)
PackedRenewals = ByteStringConstraint(maxLength=MAX_RENEWALS * (16 + 32 + 32))
PackedRows = ByteStringConstraint(maxLength=MAX_CHILDREN * (54 + 3 * 2000))

ServiceName = ByteStringConstraint(maxLength=100)
SignedAnnouncement = TupleOf(  # message, signature, key
    ByteStringConstraint(maxLength=50_000),
    ByteStringConstraint(maxLength=200),
    ByteStringConstraint(maxLength=100),
)

RIMutableDirectoryNode_ = Any()
FileNode_ = Any()
DirectoryNode_ = Any()
AnyNode_ = ChoiceOf(FileNode_, DirectoryNode_)


class RIIntroducerClient(RemoteInterface):
    """A node that wants to hear of its peers."""

    def new_peers(furls=SetOf(FURL, maxLength=MAX_PEERS)):
        """Hear of peers; some may be known already, one is the listener itself.

        :param furls: each names an :class:`RIClient`; who has more to tell calls again
        """
        return None

    def set_encoding_parameters(parameters=TupleOf(int, int, int)):
        """Hear what this grid's keeper advises for encoding files.

        It is advice: a node whose owner chose parameters keeps them.

        :param parameters: ``(k, happy, n)``: shares that bring a file back, servers that
            must hold some for an upload to count as done, shares made. Space taken is
            ``n/k`` times the file. More shares than the grid has servers add nothing.
        """
        return None


class RIIntroducerSubscriberClient_v2(RemoteInterface):
    """A node that wants to hear of servers, in the way of Tahoe-LAFS."""

    __remote_name__ = "RIIntroducerSubscriberClient_v2.tahoe.allmydata.com"

    def announce_v2(announcements=SetOf(SignedAnnouncement, maxLength=MAX_PEERS)):
        """Hear of servers; some may be known already."""
        return None


class RIIntroducer(RemoteInterface):
    """Whoever tells the nodes of a grid of each other."""

    __remote_name__ = "RIIntroducerPublisherAndSubscriberService_v2.tahoe.allmydata.com"

    def hello(node=RIIntroducerClient, furl=FURL):
        """Join: *node* hears of all peers, and all peers hear of *furl*.

        A node says this each time it connects; nothing is remembered once it is gone but
        its FURL.

        :param furl: the caller's own :class:`RIClient`; empty if it can't be reached, and
            then it is told to nobody
        """
        return None

    def get_version():
        """Return what the introducer can do: names of protocols, each with a dict."""
        return DictOf(bytes, Any())

    def publish_v2(announcement=SignedAnnouncement, canary=Referenceable):
        """Have an announcement passed on; one that its key did not sign is dropped.

        :param canary: not used
        """
        return None

    def subscribe_v2(
        subscriber=RIIntroducerSubscriberClient_v2,
        service_name=ServiceName,
        subscriber_info=DictOf(bytes, Any()),
    ):
        """Hear of all servers of a service, now and as they come.

        :param service_name: ``storage``
        :param subscriber_info: what the subscriber says of itself
        """
        return None

    def get_vdrive_furl():
        """Return where this grid's :class:`RIVirtualDriveServer` is; empty if it has none.

        Introducers older than this call refuse it.
        """
        return FURL


class RIClient(RemoteInterface):
    """A node, as its peers see it."""

    def get_versions():
        """Return ``(version, oldest version it can still talk to)``.

        Each can be parsed and compared by :class:`allmydata.util.version.Version`.
        """
        return TupleOf(Text, Text)

    def get_service(name=Text):
        """Return a part of the node that it offers to peers.

        :param name: ``storageserver`` gives an :class:`RIStorageServer`; anything else
            raises, and so does this where the node stores nothing
        """
        return Referenceable

    def get_nodeid():
        """Return the node's Tub id, 20 bytes."""
        return Nodeid


class RIBucketWriter(RemoteInterface):
    """One share being written. It counts from ``close`` on, and not before."""

    def write(offset=Offset, data=ShareData):
        """Store *data* at *offset*, both in bytes from the share's start.

        Order is free; what was written can't be changed. A write past the size agreed on
        is refused.
        """
        return None

    def close():
        """End the share: it is on disk when this answers.

        A share with a hole in it is thrown away.
        """
        return None

    def abort():
        """Throw away what was written; harmless after ``close``."""
        return None


class RIBucketReader(RemoteInterface):
    """One share that is whole."""

    def read(offset=Offset, length=ReadSize):
        """Return at most *length* bytes from *offset*: fewer at the end, none past it.

        One call carries at most MAX_SHARE_DATA bytes.
        """
        return ShareData

    def advise_corrupt_share(reason=Reason):
        """Hear from a reader that this share does not match its hashes.

        :param reason: UTF-8, for the server's keeper to read
        """
        return Any()


class RIStorageServer(RemoteInterface):
    """A server that holds shares it can neither read nor alter unnoticed.

    A *bucket* is one share; all buckets of a file share its storage index.
    """

    __remote_name__ = "RIStorageServer.tahoe.allmydata.com"

    def get_version():
        """Return what this server is and can: names of protocols, each with a dict."""
        return DictOf(bytes, Any())

    def allocate_buckets(
        storage_index=StorageIndex,
        renew_secret=LeaseRenewSecret,
        cancel_secret=LeaseCancelSecret,
        sharenums=SetOf(ShareNumber, maxLength=MAX_BUCKETS),
        allocated_size=Offset,
        canary=Referenceable,
    ):
        """Ask for room for shares of one file; leases begin for all shares that are here.

        :param sharenums: a ``set``, never a frozenset
        :param renew_secret: the server keeps it, to know the lease's owner again; each
            server is given another
        :param cancel_secret: likewise, to end the lease
        :param allocated_size: bytes of each share
        :param canary: when the connection to it is lost before ``close``, what was
            written is thrown away
        :return: ``(numbers of shares the server has, {number: writer})``; a number in
            neither found no room, or is being written by somebody else
        """
        return TupleOf(
            SetOf(ShareNumber, maxLength=MAX_BUCKETS),
            DictOf(ShareNumber, RIBucketWriter, maxKeys=MAX_BUCKETS),
        )

    def put_shares(
        storage_index=StorageIndex,
        renew_secret=LeaseRenewSecret,
        cancel_secret=LeaseCancelSecret,
        shares=DictOf(ShareNumber, WholeShare, maxKeys=MAX_BUCKETS),
        canary=Referenceable,
    ):
        """Store whole shares of one file, all of one size, in one call.

        As ``allocate_buckets``, ``write`` and ``close`` would, and as durable.  A server
        names this as ``whole-shares`` in ``get_version``, with the bytes of the largest
        share that it takes so.

        :param canary: nothing is asked of it; its connection tells whose the leases are
        :return: ``(numbers of shares the server had, numbers that it keeps now)``; a number
            in neither found no room, or is being written by somebody else
        """
        return TupleOf(
            SetOf(ShareNumber, maxLength=MAX_BUCKETS),
            SetOf(ShareNumber, maxLength=MAX_BUCKETS),
        )

    def add_lease(
        storage_index=StorageIndex,
        renew_secret=LeaseRenewSecret,
        cancel_secret=LeaseCancelSecret,
    ):
        """Renew the lease with that secret on every share here, or begin one."""
        return Any()

    def renew_lease(storage_index=StorageIndex, renew_secret=LeaseRenewSecret):
        """Renew a lease; an IndexError where there is none with that secret."""
        return None

    def renew_leases(packed=PackedRenewals, canary=Referenceable):
        """Renew or add leases for many files, in one message.

        A server names this as ``batched-leases`` in ``get_version``, with the most files.
        Both byte strings: :mod:`allmydata.formats.renewals`.

        :param packed: of each file storage index, renew secret, cancel secret
        :param canary: nothing is asked of it; its connection tells whose the leases are
        :return: of each file a byte on how that went
        """
        return ByteStringConstraint(maxLength=MAX_RENEWALS)

    def cancel_lease(storage_index=StorageIndex, cancel_secret=LeaseCancelSecret):
        """End a lease, and with the last the share; an IndexError where there is none."""
        return None

    def get_buckets(storage_index=StorageIndex):
        """Return a reader for each share of one file that is here: ``{number: reader}``."""
        return DictOf(ShareNumber, RIBucketReader, maxKeys=MAX_BUCKETS)

    def slot_readv(
        storage_index=StorageIndex,
        shares=ListOf(ShareNumber, maxLength=MAX_BUCKETS),
        readv=ReadVector,
    ):
        """Return the same parts of each mutable share of one file: ``{number: parts}``.

        What lies past the end of a share is left out.

        :param shares: their numbers; none for all that are here
        """
        return ReadAnswer

    def slot_testv_and_readv_and_writev(
        storage_index=StorageIndex,
        secrets=TupleOf(Hash, LeaseRenewSecret, LeaseCancelSecret),
        tw_vectors=TestAndWriteVectors,
        r_vector=ReadVector,
    ):
        """Write mutable shares if all of them are as they are believed to be, or none.

        :param secrets: the first is the write enabler; another than the one that the
            shares here were made with is refused
        :param tw_vectors: of each share to write what is to be there, what to write, and
            None, or where to cut it off; 0 deletes it
        :param r_vector: parts of every share that was here before
        :return: ``(whether it was written, {number: parts})``
        """
        return TupleOf(bool, ReadAnswer)

    def advise_corrupt_share(
        share_type=ByteStringConstraint(maxLength=100),
        storage_index=StorageIndex,
        shnum=ShareNumber,
        reason=Reason,
    ):
        """Hear from a reader that a share does not match its hashes.

        :param share_type: ``immutable`` or ``mutable``
        :param reason: UTF-8, for the server's keeper to read
        """
        return Any()


class RIVirtualDriveServer(RemoteInterface):
    """Tables of sealed rows: directories, to those who hold their keys.

    The server sees 32-byte indexes, 32-byte row keys, and ciphertext. A missing row or
    directory is an IndexError; a wrong write enabler is refused and changes nothing.
    """

    def get_public_root_uri():
        """Return the read-write capability of the root everybody shares, or raise."""
        return DirnodeURI

    def create_directory(index=Hash, write_enabler=Hash):
        """Make an empty directory that nothing refers to yet; return its *index*.

        :param write_enabler: whoever wants to change it later must present the same
        """
        return Hash

    def get(index=Hash, key=Hash):
        """Return one row, ``(write, read)``: the child's capabilities, both sealed.

        :param key: the hash of the child's name under the directory's read key
        :return: the first opens with the write key, and is empty where the child can't be
            written through here; the second opens with the read key
        """
        return TupleOf(EncryptedThing, EncryptedThing)

    def list(index=Hash):
        """Return all rows, ``(name, write, read)`` each, sealed; at most 1000."""
        return ListOf(
            TupleOf(EncryptedThing, EncryptedThing, EncryptedThing),
            maxLength=MAX_CHILDREN,
        )

    def set(
        index=Hash,
        write_enabler=Hash,
        key=Hash,
        name=EncryptedThing,
        write=EncryptedThing,
        read=EncryptedThing,
    ):
        """Put a row in place, for the row of the same key where there is one."""
        return None

    def delete(index=Hash, write_enabler=Hash, key=Hash):
        """Take a row out."""
        return None

    def get_version():
        """Return what this server is and can: names of protocols, each with a dict.

        ``allmydata-vdrive-v1`` there means all calls below; a server that has no such
        call as this one has none of them.
        """
        return DictOf(bytes, Any())

    def list_page(index=Hash, after=ByteStringConstraint(maxLength=HASH_SIZE), limit=int):
        """Return ``(rows, next)``: rows in the order of their keys, for any directory.

        Many rows travel as one byte string, which :mod:`allmydata.formats.dirtable` packs
        and unpacks: foolscap is thirty times slower with a list of tuples.

        :param after: the key after which to begin; empty for the start
        :param limit: rows, 1 to 1000
        :return: *next* is to be the next call's *after*; empty where that was the end
        """
        return TupleOf(PackedRows, ByteStringConstraint(maxLength=HASH_SIZE))

    def get_many(index=Hash, keys=ListOf(Hash, maxLength=MAX_CHILDREN)):
        """Return the rows of *keys* that are there, packed, in the order of their keys."""
        return PackedRows

    def set_many(index=Hash, write_enabler=Hash, rows=PackedRows, replace=bool):
        """Put all *rows*, 1000 at most, in place, or none; their dates are not heeded.

        :param replace: False to be refused where there is a row of one of these keys; the
            remote error is then a ``ConflictError``
        """
        return None

    def move(
        index=Hash,
        write_enabler=Hash,
        key=Hash,
        to_index=Hash,
        to_write_enabler=Hash,
        row=SealedRow,
        replace=bool,
    ):
        """Take the row *key* out here and put *row* in place there: both, or neither.

        :param row: the same child sealed for the other directory
        :param replace: as for ``set_many``, of the row's key there
        """
        return None

    def sequence(index=Hash):
        """Return a number that grows with every change of the directory."""
        return Offset


class RIControlClient(RemoteInterface):
    """What the owner of a node may ask it to do; its FURL is a secret of the node's."""

    def wait_for_client_connections(num_clients=int):
        """Answer once at least *num_clients* storage servers are connected."""
        return None

    def upload_from_file_to_uri(filename=PathName):
        """Upload a file of the node's own disk; return its capability.

        :param filename: an absolute path
        """
        return URI

    def download_from_uri_to_file(uri=URI, filename=PathName):
        """Download a file to the node's own disk; return the absolute path.

        :param filename: an absolute path
        """
        return PathName

    def get_memory_usage():
        """Return the bytes in use: keys ``VmPeak``, ``VmSize`` and ``VmData``."""
        return DictOf(str, int)
