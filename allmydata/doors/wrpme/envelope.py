"""How an object lies under its alias.

    bytes   field
    4       "WRP1"
    1       format: 1 pickle, 2 JSON, 3 MessagePack
    8       which key signed: the first of SHA-256("wrpme key id" key); zeros: none
    32      HMAC-SHA-256 of all other fields and the alias; zeros: none
            payload

What does not begin so is taken for a bare pickle, as clients of old wrote it.
Format: docs/doors/hive.md.
"""

from __future__ import annotations

import hmac
import json
import pickle
import struct
import warnings
from collections.abc import Sequence
from hashlib import sha256
from importlib import import_module
from typing import Any

from .errors import Error, InvalidOption, UnexpectedReply, UnsafeObject
from .unpickle import loads

MAGIC = b"WRP1"
FORMATS = {"pickle": 1, "json": 2, "msgpack": 3}
PROTOCOL = 4
NOBODY = bytes(8)
_HEAD = struct.Struct(">4sB8s32s")


class Envelopes:
    """Seals objects, and opens what was sealed; see :class:`wrpme.Client`."""

    def __init__(
        self,
        *,
        key: bytes | None = None,
        old_keys: Sequence[bytes] = (),
        allow: Sequence[type] = (),
        format: str = "pickle",
        unsafe_pickle: bool = False,
        trust_unsigned: bool = False,
        max_size: int = 2**28,
    ) -> None:
        keys = [*([] if key is None else [key]), *old_keys]
        if not all(isinstance(one, bytes) and len(one) >= 16 for one in keys):
            raise InvalidOption("a key is at least 16 bytes")
        if format not in FORMATS:
            raise InvalidOption(f"format must be one of {', '.join(FORMATS)}")
        if not all(isinstance(one, type) for one in allow):
            raise InvalidOption("allow must name classes")
        if unsafe_pickle and not keys and not trust_unsigned:
            raise InvalidOption("unsafe_pickle needs a key, or trust_unsigned beside it")
        self._key = key
        self._keys = {_id_of(one): one for one in keys}
        self._allow = tuple(allow)
        self._format = format
        self._is_unsafe = unsafe_pickle
        self._trusts_all = trust_unsigned
        self._max_size = max_size
        for name in ("unsafe_pickle",) * unsafe_pickle + (
            "trust_unsigned",
        ) * trust_unsigned:
            warnings.warn(f"wrpme: {name} is on", RuntimeWarning, stacklevel=3)
        _codec(format)

    def seal(self, alias: str, obj: Any) -> bytes:
        """Return the envelope of *obj* under *alias*.

        :raises TypeError: it could not be read back
        """
        payload = self._dump(obj)
        head = NOBODY if self._key is None else _id_of(self._key)
        number = FORMATS[self._format]
        mac = bytes(32)
        if self._key is not None:
            mac = _mac(self._key, number, alias, payload)
        return _HEAD.pack(MAGIC, number, head, mac) + payload

    def open(self, alias: str, data: bytes) -> Any:
        """Return the object in an envelope.

        :raises UnsafeObject: to make it could do anything, or nobody we trust signed it
        :raises Error: it is none, or damaged
        """
        if len(data) > self._max_size:
            raise UnexpectedReply(
                f"an object of {len(data)} bytes: {self._max_size} at most"
            )
        if not data.startswith(MAGIC):
            return self._load(1, data, is_signed=False)
        if len(data) < _HEAD.size:
            raise UnexpectedReply("an envelope that ends too early")
        _, number, key_id, mac = _HEAD.unpack_from(data)
        payload = data[_HEAD.size :]
        is_signed = self._is_signed(number, key_id, mac, alias, payload)
        return self._load(number, payload, is_signed=is_signed)

    # ---- inside --------------------------------------------------------------------------

    def _is_signed(
        self, number: int, key_id: bytes, mac: bytes, alias: str, payload: bytes
    ) -> bool:
        """Return whether a key of ours signed it.

        :raises UnsafeObject: it says so, and it is not true
        """
        key = self._keys.get(key_id)
        if key is None:
            return False
        if not hmac.compare_digest(mac, _mac(key, number, alias, payload)):
            raise UnsafeObject("the signature of this object is wrong")
        return True

    def _load(self, number: int, payload: bytes, *, is_signed: bool) -> Any:
        is_trusted = is_signed or self._trusts_all
        if self._keys and not is_trusted:
            raise UnsafeObject("no key of ours signed this object")
        if number == FORMATS["pickle"]:
            return self._unpickle(payload, is_trusted=is_trusted)
        for name, other in FORMATS.items():
            if number == other:
                return _read(name, payload)
        raise UnexpectedReply(f"an envelope of format {number}")

    def _unpickle(self, payload: bytes, *, is_trusted: bool) -> Any:
        if not (self._is_unsafe and is_trusted):
            return loads(payload, self._allow)
        try:
            return pickle.loads(payload)  # noqa: S301  the program that reads chose so
        except Exception as e:
            raise UnexpectedReply(f"a damaged object: {type(e).__name__}") from e

    def _dump(self, obj: Any) -> bytes:
        try:
            if self._format != "pickle":
                return bytes(_codec(self._format)[0](obj))
            payload = pickle.dumps(obj, PROTOCOL)
        except RecursionError as e:
            raise TypeError("this object is nested too deeply") from e
        except (pickle.PicklingError, AttributeError, ValueError) as e:
            raise TypeError(f"this object can't be stored: {e}") from e
        if not self._is_unsafe:
            try:
                loads(payload, self._allow)
            except Error as e:
                fix = "wrpme.allow(cls), or Client(…, allow=[cls]), lets it be read back"
                raise TypeError(f"{e}; {fix}") from e
        return payload


def _id_of(key: bytes) -> bytes:
    return sha256(b"wrpme key id" + key).digest()[:8]


def _mac(key: bytes, number: int, alias: str, payload: bytes) -> bytes:
    name = alias.encode("utf-8", "surrogatepass")
    head = MAGIC + bytes([number]) + _id_of(key) + struct.pack(">L", len(name)) + name
    signer = hmac.new(key, head, sha256)
    signer.update(payload)
    return signer.digest()


def _codec(name: str) -> Any:
    """Return what writes and reads a format.

    :raises InvalidOption: the library for it is not installed
    """
    if name == "json":
        return (lambda obj: json.dumps(obj, allow_nan=False).encode()), json.loads
    if name == "msgpack":
        try:
            msgpack: Any = import_module("msgpack")
        except ImportError as e:
            raise InvalidOption("the format msgpack needs the library msgpack") from e
        return msgpack.packb, msgpack.unpackb
    return None


def _read(name: str, payload: bytes) -> Any:
    read = _codec(name)[1]
    try:
        return read(payload)
    except Exception as e:
        raise UnexpectedReply(f"damaged {name}: {type(e).__name__}") from e
