import json
from hashlib import sha256
from pathlib import Path

import pytest

from allmydata.crypto.mutable_keys import (
    MutableKeys,
    SigningKey,
    check_signature,
    fingerprint_of,
    write_key_of,
)
from allmydata.errors import BadHashError, NotMutableError
from allmydata.util import base32

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "mutable.json").read_text())


def hexed(name):
    return bytes.fromhex(VECTORS[name])


@pytest.fixture(scope="module")
def signing():
    return SigningKey.load(hexed("private_key_pkcs8_der"))


@pytest.fixture(scope="module")
def keys(signing):
    return MutableKeys.from_write_key(write_key_of(signing.der))


def test_everything_that_follows_from_a_private_key_is_what_tahoe_lafs_makes_of_it(
    signing, keys
):
    assert signing.public_der == hexed("public_key_spki_der")
    assert fingerprint_of(signing.public_der) == hexed("fingerprint")
    assert keys.write_key == hexed("writekey")
    assert keys.read_key == hexed("readkey")
    assert base32.b2a(keys.storage_index) == VECTORS["storage_index"]
    assert keys._enabler_master == hexed("write_enabler_master")
    assert keys.write_enabler(hexed("peerid")) == hexed("write_enabler")
    assert keys.data_key(hexed("datakey_salt")) == hexed("datakey")
    sealed = keys.seal_private_key(signing.der)
    assert sha256(sealed).hexdigest() == VECTORS["encrypted_private_key_sha256"]
    assert keys.seal_private_key(sealed) == signing.der


def test_a_signature_is_the_holders_and_of_those_bytes(signing):
    signature = signing.sign(b"version 1")
    check_signature(signing.public_der, signature, b"version 1")
    for public, sealed, data in [
        (signing.public_der, signature, b"version 2"),
        (signing.public_der, bytes(256), b"version 1"),
        (SigningKey.generate().public_der, signature, b"version 1"),
        (b"no key", signature, b"version 1"),
    ]:
        with pytest.raises(BadHashError):
            check_signature(public, sealed, data)


def test_who_reads_cannot_work_out_what_changes(keys):
    reader = MutableKeys(keys.read_key)
    assert reader.storage_index == keys.storage_index
    for ask in (
        lambda: reader.write_enabler(bytes(20)),
        lambda: reader.seal_private_key(b"key"),
        lambda: reader.child_key(bytes(16)),
    ):
        with pytest.raises(NotMutableError):
            ask()


@pytest.mark.parametrize("der", [b"", b"nonsense", bytes(1200)])
def test_what_is_no_key_is_refused(der):
    with pytest.raises(BadHashError, match="private key"):
        SigningKey.load(der)


def test_a_key_of_another_size_is_refused():
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    short = rsa.generate_private_key(65537, 1024)
    der = short.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(BadHashError, match="2048"):
        SigningKey.load(der)
