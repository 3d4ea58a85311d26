"""The lower-case base 32 of capabilities and directory names.

RFC 4648 section 6, in lower case, without padding, and strict: one byte string
has exactly one spelling.
"""

from __future__ import annotations

import base64
import binascii
import re

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"

_WORD = re.compile(r"[a-z2-7]*")


def b2a(data: bytes) -> str:
    """Return *data* in base 32."""
    return base64.b32encode(data).decode("ascii").rstrip("=").lower()


def a2b(text: str) -> bytes:
    """Return the bytes whose only spelling is *text*.

    :raises ValueError: other characters, an impossible length, or spare bits that
        are not zero; the message never quotes *text*, which may be a secret
    """
    if not _WORD.fullmatch(text):
        raise ValueError("not base 32: only a-z and 2-7 are allowed")
    try:
        data = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except binascii.Error as e:
        raise ValueError(f"not base 32: {len(text)} characters can't be whole bytes") from e
    if b2a(data) != text:
        raise ValueError("not base 32: the last character has spare bits set")
    return data
