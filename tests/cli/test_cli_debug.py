import json

import pytest

from allmydata import uri
from allmydata.crypto.hashutil import storage_index_hash
from allmydata.formats import extension
from allmydata.formats.container import Container, Lease
from allmydata.formats.share import ShareLayout
from allmydata.util import base32

KEY = bytes(range(16))
CAP = uri.CHKFileURI(KEY, b"u" * 32, 3, 10, 5000)
INDEX = base32.b2a(storage_index_hash(KEY))
PARTS = (
    *("header", "block", "plaintext-hashes", "crypttext-hashes"),
    *("block-hashes", "share-hashes", "extension"),
)


@pytest.fixture
def share_file(tmp_path):
    block = extension.pack(
        {"size": 5000, "codec_name": b"crs", "share_root_hash": b"r" * 32}
    )
    layout = ShareLayout.plan(100, 250, 7 * 32, 5 * 34)
    parts = [b"d" * 250, bytes(7 * 32), b"c" * 224, b"b" * 224, b"s" * 170]
    data = layout.pack() + b"".join(parts) + layout.pack_extension(block)
    container = Container.plan(len(data))
    lease = Lease.grant(2, 0, b"secret-r" * 4, b"secret-c" * 4, 1_900_000_000)
    bucket = tmp_path / "storage" / "shares" / INDEX[:2] / INDEX
    bucket.mkdir(parents=True)
    path = bucket / "4"
    path.write_bytes(container.pack() + data + lease.pack())
    return path


def test_dump_cap_tells_all_but_the_key(tahoe):
    done = tahoe("debug", "dump-cap", "--json", CAP.to_string())
    assert json.loads(done.out) == {
        "kind": "CHK",
        "storage_index": INDEX,
        "uri_extension_hash": base32.b2a(b"u" * 32),
        "needed_shares": 3,
        "total_shares": 10,
        "size": 5000,
        "readonly": True,
        "mutable": False,
    }
    assert base32.b2a(KEY) not in done.out
    verifier = CAP.get_verify_cap().to_string()
    assert f"storage index: {INDEX}\n" in tahoe("debug", "dump-cap", verifier).out


@pytest.mark.parametrize(
    ("cap", "kind"),
    [
        ("URI:LIT:nbswy3dp", "LIT"),
        (f"URI:DIR:pb://{'a' * 32}@tcp:h:1/v:{base32.b2a(KEY)}", "DIR"),
        (f"URI:DIR-RO:pb://{'a' * 32}@tcp:h:1/v:{base32.b2a(KEY)}", "DIR-RO"),
        ("URI:FUTURE:x", "unknown"),
    ],
)
def test_dump_cap_knows_the_kinds(tahoe, cap, kind):
    done = tahoe("debug", "dump-cap", cap)
    assert done.out.startswith(f"kind: {kind}\n")
    assert "nbswy3dp" not in done.out


def test_dump_cap_of_a_mistyped_cap(tahoe):
    assert tahoe("debug", "dump-cap", CAP.to_string()[:-9]).code == 3


@pytest.mark.parametrize("what", [CAP.to_string(), CAP.get_verify_cap().to_string(), INDEX])
def test_find_shares(tahoe, tmp_path, share_file, what):
    (share_file.parent / "notes.tmp").touch()
    done = tahoe("debug", "find-shares", what, tmp_path / "storage")
    assert (done.code, done.out) == (0, f"{share_file}\n")


def test_find_shares_of_a_node_directory(tahoe, tmp_path, share_file):
    (tmp_path / "tahoe.cfg").write_text("[storage]\nstorage_dir = storage\n")
    (tmp_path / "tahoe-client.tac").touch()
    said = json.loads(tahoe("-d", tmp_path, "debug", "find-shares", "--json", INDEX).out)
    assert said == {"storage_index": INDEX, "shares": [str(share_file)]}


def test_find_shares_finds_none(tahoe, tmp_path, share_file):
    other = base32.b2a(bytes(16))
    assert tahoe("debug", "find-shares", other, tmp_path / "storage").code == 2
    assert tahoe("debug", "find-shares", INDEX, tmp_path / "none").code == 2


@pytest.mark.parametrize("what", ["abc", "URI:LIT:nbswy3dp", "URI:CHK:x"])
def test_find_shares_refuses(tahoe, tmp_path, what):
    assert tahoe("debug", "find-shares", what, tmp_path).code == 3


def test_dump_share(tahoe, share_file):
    done = tahoe("debug", "dump-share", "--json", share_file)
    said = json.loads(done.out)
    assert said["container_version"] == 2
    assert said["leases"] == [{"owner": 0, "expires": 1_900_000_000}]
    assert said["extension"]["size"] == 5000
    assert said["extension"]["codec_name"] == "crs"
    assert said["extension"]["share_root_hash"] == base32.b2a(b"r" * 32)
    assert list(said["parts"]) == list(PARTS)
    ends = [where["offset"] + where["size"] for where in said["parts"].values()]
    starts = [where["offset"] for where in said["parts"].values()]
    assert starts == [12, *ends[:-1]]
    assert ends[-1] == 12 + said["share_size"]
    text = tahoe("debug", "dump-share", share_file).out
    assert "block: 250 bytes at 48" in text
    assert "expires 1900000000" in text


@pytest.mark.parametrize("part", PARTS)
def test_corrupt_share_flips_one_bit_of_the_part(tahoe, share_file, part):
    before = share_file.read_bytes()
    where = json.loads(tahoe("debug", "dump-share", "--json", share_file).out)["parts"][
        part
    ]
    said = json.loads(
        tahoe("debug", "corrupt-share", "--part", part, "--json", share_file).out
    )
    after = share_file.read_bytes()
    changed = [i for i in range(len(before)) if before[i] != after[i]]
    assert changed == [said["file_offset"]]
    assert where["offset"] <= changed[0] < where["offset"] + where["size"]
    assert before[changed[0]] ^ after[changed[0]] == 1


def test_corrupt_share_at_an_offset(tahoe, share_file):
    before = share_file.read_bytes()
    done = tahoe("debug", "corrupt-share", "--part", "block", "--offset", "7", share_file)
    assert "file offset: 55\n" in done.out
    assert share_file.read_bytes()[55] == before[55] ^ 1
    done = tahoe("debug", "corrupt-share", "--offset", "250", share_file)
    assert done.code == 3
    assert "block has 250 bytes" in done.err


@pytest.mark.parametrize("size", [0, 11, 40, 300, 1000])
def test_a_share_that_does_not_parse(tahoe, share_file, size):
    share_file.write_bytes(share_file.read_bytes()[:size])
    for command in ("dump-share", "corrupt-share"):
        done = tahoe("debug", command, share_file)
        assert done.code == 14
        assert done.err.startswith("error: ")


def test_a_share_that_is_not_there(tahoe, tmp_path):
    assert tahoe("debug", "dump-share", tmp_path / "4").code == 2
