"""Every contract of the house, in one place; no behaviour.

``IThing`` is a contract between objects of one process, ``RIThing`` a set of calls
that cross the wire.  Import them from here:

    from allmydata.interfaces import IUploadable, RIStorageServer

The wire names live in :mod:`allmydata.interfaces.remote`, which needs foolscap: 46 MB and
a third of a second.  They are fetched when first asked for, so that whoever only parses a
capability does not pay for a network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from allmydata.errors import NotCapableError
from allmydata.interfaces.blobs import IBlob, IBlobCollection, IBlobs, IIntake
from allmydata.interfaces.coding import ICodecDecoder, ICodecEncoder, IDecoder, IEncoder
from allmydata.interfaces.files import (
    IDownloader,
    IDownloadTarget,
    IEncryptedUploadable,
    IFileNode,
    IMutableFileNode,
    IUploadable,
    IUploader,
)
from allmydata.interfaces.node import IClient, IDoor
from allmydata.interfaces.storage import (
    HASH_SIZE,
    MAX_BUCKETS,
    MAX_SHARE_DATA,
    MAX_SLOT_DATA,
    MAX_WHOLE_SHARE,
    IStorageBucketReader,
    IStorageBucketWriter,
)
from allmydata.interfaces.uri import IURI, IDirnodeURI, IFileURI, IMutableFileURI
from allmydata.interfaces.vdrive import IDirectoryNode, IVirtualDrive

if TYPE_CHECKING:
    from allmydata.interfaces.remote import (
        FURL,
        URI,
        AnyNode_,
        DirectoryNode_,
        DirnodeURI,
        EncryptedThing,
        FileNode_,
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
        RIIntroducerSubscriberClient_v2,
        RIMutableDirectoryNode_,
        RIStorageServer,
        RIVirtualDriveServer,
        ShareData,
        ShareNumber,
        StorageIndex,
        URIExtensionData,
    )
else:  # hidden from type checkers, or they would believe in any name at all

    def __getattr__(name):
        """Fetch a wire name: a name of ``__all__`` not found above is in ``remote``."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from allmydata.interfaces import remote

        return getattr(remote, name)


__all__ = [
    "FURL",
    "HASH_SIZE",
    "IURI",
    "MAX_BUCKETS",
    "MAX_SHARE_DATA",
    "MAX_SLOT_DATA",
    "MAX_WHOLE_SHARE",
    "URI",
    "AnyNode_",
    "DirectoryNode_",
    "DirnodeURI",
    "EncryptedThing",
    "FileNode_",
    "Hash",
    "IBlob",
    "IBlobCollection",
    "IBlobs",
    "IClient",
    "ICodecDecoder",
    "ICodecEncoder",
    "IDecoder",
    "IDirectoryNode",
    "IDirnodeURI",
    "IDoor",
    "IDownloadTarget",
    "IDownloader",
    "IEncoder",
    "IEncryptedUploadable",
    "IFileNode",
    "IFileURI",
    "IIntake",
    "IMutableFileNode",
    "IMutableFileURI",
    "IStorageBucketReader",
    "IStorageBucketWriter",
    "IUploadable",
    "IUploader",
    "IVirtualDrive",
    "LeaseCancelSecret",
    "LeaseRenewSecret",
    "Nodeid",
    "NotCapableError",
    "Offset",
    "RIBucketReader",
    "RIBucketWriter",
    "RIClient",
    "RIControlClient",
    "RIIntroducer",
    "RIIntroducerClient",
    "RIIntroducerSubscriberClient_v2",
    "RIMutableDirectoryNode_",
    "RIStorageServer",
    "RIVirtualDriveServer",
    "ReadSize",
    "ShareData",
    "ShareNumber",
    "StorageIndex",
    "URIExtensionData",
]
