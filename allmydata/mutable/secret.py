"""The private key of a file, which lies in each of its shares under the write key."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import TimeoutError

from allmydata.crypto.mutable_keys import (
    MutableKeys,
    SigningKey,
    fingerprint_of,
    write_key_of,
)
from allmydata.errors import BadHashError, GridError, NotEnoughSharesError
from allmydata.mutable.edition import Author
from allmydata.mutable.retrieve import Retrieval
from allmydata.mutable.shares import ChangedError, ShareReader
from allmydata.uri import MutableFileURI
from allmydata.util.workers import Workers


async def fetch_author(
    cap: MutableFileURI,
    now: Retrieval,
    workers: Workers,
    random: Callable[[int], bytes],
) -> Author:
    """Return what signs versions of a file, from the first share that has it right.

    :raises NotEnoughSharesError: none has
    :raises ChangedError: somebody has written meanwhile
    """
    keys = MutableKeys.from_write_key(cap.write_key)
    for reader in now.readers:
        try:
            sealed = await reader.fetch_part("private_key")
            return Author(keys, await workers.run(open_key, cap, keys, sealed), random)
        except ChangedError:
            raise
        except (GridError, TimeoutError) as e:
            now.lose(reader, e)
    raise NotEnoughSharesError("no share holds the private key of this mutable file")


def open_key(cap: MutableFileURI, keys: MutableKeys, sealed: bytes) -> SigningKey:
    """Return the key that a share holds.

    :raises BadHashError: it is not that of the file
    """
    der = keys.seal_private_key(sealed)
    if write_key_of(der) != cap.write_key:
        raise BadHashError("the private key in a share is damaged")
    signer = SigningKey.load(der)
    if fingerprint_of(signer.public_der) != cap.fingerprint:
        raise BadHashError("the private key in a share is another file's")
    return signer


async def check_key(cap: MutableFileURI, reader: ShareReader) -> None:
    """Check that a share holds the private key.

    :raises BadHashError: it does not
    """
    sealed = await reader.fetch_part("private_key")
    open_key(cap, MutableKeys.from_write_key(cap.write_key), sealed)
