"""The interfaces the project was given, by name: each is here, with every argument."""

import ast
from pathlib import Path

import pytest

from allmydata import errors, interfaces

LOCAL = {
    "IStorageBucketWriter": """
        put_block(segmentnum, data)
        put_plaintext_hashes(hashes)
        put_crypttext_hashes(hashes)
        put_block_hashes(blockhashes)
        put_share_hashes(sharehashes)
        put_uri_extension(data)
        close()
    """,
    "IStorageBucketReader": """
        get_block(blocknum)
        get_plaintext_hashes()
        get_crypttext_hashes()
        get_block_hashes()
        get_share_hashes()
        get_uri_extension()
    """,
    "IURI": """
        init_from_string(uri)
        is_readonly()
        is_mutable()
        get_readonly()
        to_string()
    """,
    "IDirnodeURI": "",
    "IFileURI": "get_size()",
    "IFileNode": """
        download(target)
        download_to_data()
        get_uri()
        get_size()
        get_refresh_capability()
    """,
    "IDirectoryNode": """
        is_mutable()
        get_uri()
        get_immutable_uri()
        get_refresh_capability()
        list()
        has_child(name)
        get(name)
        get_child_at_path(path)
        set_uri(name, child_uri)
        set_node(name, child)
        add_file(name, uploadable)
        delete(name)
        create_empty_directory(name)
        move_child_to(current_child_name, new_parent, new_child_name=None)
        build_manifest()
    """,
    "ICodecEncoder": """
        set_params(data_size, required_shares, max_shares)
        get_encoder_type()
        get_serialized_params()
        get_block_size()
        encode_proposal(data, desired_share_ids=None)
        encode(inshares, desired_share_ids=None)
    """,
    "ICodecDecoder": """
        set_serialized_params(params)
        get_needed_shares()
        decode(some_shares, their_shareids)
    """,
    "IEncoder": """
        set_size(size)
        set_params(params)
        set_encrypted_uploadable(u)
        get_param(name)
        set_shareholders(shareholders)
        start()
    """,
    "IDecoder": """
        setup(outfile)
        set_shareholders(shareholders)
        start()
    """,
    "IDownloadTarget": """
        open(size)
        write(data)
        close()
        fail(why)
        register_canceller(cb)
        finish()
    """,
    "IDownloader": "download(uri, target)",
    "IEncryptedUploadable": """
        get_size()
        set_serialized_encoding_parameters(serialized_encoding_parameters)
        get_storage_index()
        set_segment_size(segment_size)
        read_encrypted(length)
        get_plaintext_segment_hashtree_nodes(num_segments)
        get_plaintext_hash()
        close()
    """,
    "IUploadable": """
        get_size()
        set_serialized_encoding_parameters(serialized_encoding_parameters)
        get_encryption_key()
        read(length)
        close()
    """,
    "IUploader": """
        upload(uploadable)
        upload_ssk(write_capability, new_version, uploadable)
        upload_data(data)
        upload_filename(filename)
        upload_filehandle(filehane)
    """,
    "IVirtualDrive": """
        have_public_root()
        get_public_root()
        have_private_root()
        get_private_root()
        get_node_at_path(path)
        get_node(uri)
    """,
}

REMOTE = {
    "RIIntroducerClient": """
        new_peers(furls)
        set_encoding_parameters(parameters)
    """,
    "RIIntroducer": "hello(node, furl)",
    "RIClient": """
        get_versions()
        get_service(name)
        get_nodeid()
    """,
    "RIBucketWriter": """
        write(offset, data)
        close()
    """,
    "RIBucketReader": "read(offset, length)",
    "RIStorageServer": """
        allocate_buckets(storage_index, renew_secret, cancel_secret, sharenums, \
allocated_size, canary)
        renew_lease(storage_index, renew_secret)
        cancel_lease(storage_index, cancel_secret)
        get_buckets(storage_index)
    """,
    "RIVirtualDriveServer": """
        get_public_root_uri()
        create_directory(index, write_enabler)
        get(index, key)
        list(index)
        set(index, write_enabler, key, name, write, read)
        delete(index, write_enabler, key)
    """,
    "RIControlClient": """
        wait_for_client_connections(num_clients)
        upload_from_file_to_uri(filename)
        download_from_uri_to_file(uri, filename)
        get_memory_usage()
    """,
}

ADDED = {
    "RIBucketWriter": {"abort()"},
    "RIBucketReader": {"advise_corrupt_share(reason)"},
    "RIStorageServer": {
        "get_version()",
        "renew_leases(packed, canary)",
        "put_shares(storage_index, renew_secret, cancel_secret, shares, canary)",
        "add_lease(storage_index, renew_secret, cancel_secret)",
        "advise_corrupt_share(share_type, storage_index, shnum, reason)",
        "slot_readv(storage_index, shares, readv)",
        "slot_testv_and_readv_and_writev(storage_index, secrets, tw_vectors, r_vector)",
    },
    "RIIntroducer": {
        "get_vdrive_furl()",
        "get_version()",
        "publish_v2(announcement, canary)",
        "subscribe_v2(subscriber, service_name, subscriber_info)",
    },
    "RIVirtualDriveServer": {
        "get_version()",
        "list_page(index, after, limit)",
        "get_many(index, keys)",
        "set_many(index, write_enabler, rows, replace)",
        "move(index, write_enabler, key, to_index, to_write_enabler, row, replace)",
        "sequence(index)",
    },
}

CONSTANTS = """
    HASH_SIZE Hash Nodeid FURL StorageIndex URI DirnodeURI MAX_BUCKETS ShareData
    URIExtensionData LeaseRenewSecret LeaseCancelSecret RIMutableDirectoryNode_ FileNode_
    DirectoryNode_ AnyNode_ EncryptedThing
""".split()


def lines(text):
    return {line.strip() for line in text.splitlines() if line.strip()}


def local_methods(interface):
    found = set()
    for name in interface.names():
        says = interface[name].getSignatureInfo()
        words = [
            f"{word}={says['optional'][word]}" if word in says["optional"] else word
            for word in says["positional"]
        ]
        found.add(f"{name}({', '.join(words)})")
    return found


def remote_methods(interface):
    return {f"{n}({', '.join(interface[n].argumentNames)})" for n in interface.names()}


@pytest.mark.parametrize("name", LOCAL)
def test_a_local_interface_has_exactly_the_methods_given(name):
    assert local_methods(getattr(interfaces, name)) == lines(LOCAL[name])


@pytest.mark.parametrize("name", REMOTE)
def test_a_remote_interface_has_the_methods_given_and_those_added(name):
    wanted = lines(REMOTE[name]) | ADDED.get(name, set())
    assert remote_methods(getattr(interfaces, name)) == wanted


def test_every_name_given_is_public():
    given = {*LOCAL, *REMOTE, *CONSTANTS, "NotCapableError", "IClient", "IDoor"}
    assert given <= set(interfaces.__all__)


@pytest.mark.parametrize("name", interfaces.__all__)
def test_every_public_name_can_be_had(name):
    assert getattr(interfaces, name) is not None


def test_a_name_that_is_not_public_is_not_there():
    assert not hasattr(interfaces, "RINothing")
    assert not hasattr(interfaces, "MAX_PEERS")


def test_not_capable_error_is_the_one_of_errors():
    assert interfaces.NotCapableError is errors.NotCapableError


def test_the_sizes_are_what_the_formats_say():
    assert (interfaces.HASH_SIZE, interfaces.MAX_BUCKETS) == (32, 256)
    assert interfaces.MAX_SHARE_DATA == 16 * 1024 * 1024


def undocumented(path):
    documented = ast.Module | ast.ClassDef | ast.FunctionDef
    return [
        getattr(node, "name", path.name)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, documented) and not ast.get_docstring(node)
    ]


@pytest.mark.parametrize(
    "path",
    sorted(Path(interfaces.__file__).parent.glob("*.py")),
    ids=lambda path: path.name,
)
def test_everything_says_what_it_is_for(path):
    assert undocumented(path) == []
