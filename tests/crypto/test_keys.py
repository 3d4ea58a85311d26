import json
from hashlib import blake2b, sha256
from pathlib import Path

from allmydata.crypto.keys import LeaseSecrets

VECTORS = Path(__file__).parents[1] / "vectors/secrets.json"
LEASE = json.loads(VECTORS.read_text())["lease"]
NODE, SI, TUBID = (
    bytes.fromhex(LEASE[n]) for n in ("node_secret", "storage_index", "tubid")
)


def framed(data):
    return str(len(data)).encode() + b":" + data + b","


def by_hand(tag, *values):
    """The page docs/formats/leases.md, from nothing but hashlib."""
    return sha256(sha256(framed(tag) + b"".join(values)).digest()).digest()


def test_lease_secrets_are_those_of_the_reference():
    secrets = LeaseSecrets(NODE)
    assert secrets.renewal(SI, TUBID).hex() == LEASE["renewal"]
    assert secrets.cancel(SI, TUBID).hex() == LEASE["cancel"]


def test_the_steps_between_are_those_the_page_tells():
    for word in ("renewal", "cancel"):
        tag = b"allmydata_%s_" + word.encode() + b"_secret_v1"
        client = by_hand(NODE, tag % b"client")
        file = by_hand(tag % b"file", framed(client), framed(SI))
        bucket = by_hand(tag % b"bucket", framed(file), framed(TUBID))
        assert client.hex() == LEASE[f"client_{word}"]
        assert file.hex() == LEASE[f"file_{word}"]
        assert bucket.hex() == LEASE[word]
        assert blake2b(bucket, digest_size=32).hexdigest() == LEASE[f"{word}_blake2b"]


def test_no_two_servers_files_clients_or_uses_share_a_secret():
    made = set()
    for node in (NODE, bytes(32)):
        for storage_index in (SI, bytes(16)):
            for tubid in (TUBID, bytes(20)):
                secrets = LeaseSecrets(node)
                made |= {secrets.renewal(storage_index, tubid)}
                made |= {secrets.cancel(storage_index, tubid)}
    assert len(made) == 16


def test_printing_the_secrets_does_not_tell_them():
    assert repr(LeaseSecrets(b"hunter2")) == "LeaseSecrets()"
