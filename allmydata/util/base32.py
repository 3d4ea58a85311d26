"""The lower-case base 32 of capabilities and directory names.

RFC 4648 section 6, in lower case, without padding, and strict: one byte string
has exactly one spelling.
"""

from __future__ import annotations

import re

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"

_WORD = re.compile(r"[a-z2-7]*")
_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]  # by ten bits
_DIGITS = str.maketrans(ALPHABET, "0123456789abcdefghijklmnopqrstuv")  # of an int
_BLOCK = 40  # bytes, which are whole pairs; larger numbers are slow to shift


def b2a(data: bytes) -> str:
    """Return *data* in base 32."""
    if len(data) > _BLOCK:
        blocks = range(0, len(data), _BLOCK)
        return "".join([b2a(data[start : start + _BLOCK]) for start in blocks])
    num_chars = -(-len(data) * 8 // 5)
    num_bits = (num_chars + 1) // 2 * 10
    number = int.from_bytes(data, "big") << num_bits - len(data) * 8
    shifts = range(num_bits - 10, -1, -10)
    return "".join([_PAIRS[number >> shift & 1023] for shift in shifts])[:num_chars]


def a2b(text: str) -> bytes:
    """Return the bytes whose only spelling is *text*.

    :raises ValueError: other characters, an impossible length, or spare bits that
        are not zero; the message never quotes *text*, which may be a secret
    """
    if not _WORD.fullmatch(text):
        raise ValueError("not base 32: only a-z and 2-7 are allowed")
    num_bytes, num_spare = divmod(len(text) * 5, 8)
    if num_spare > 4:
        raise ValueError(f"not base 32: {len(text)} characters can't be whole bytes")
    number = int(text.translate(_DIGITS) or "0", 32)
    if number & ((1 << num_spare) - 1):
        raise ValueError("not base 32: the last character has spare bits set")
    return (number >> num_spare).to_bytes(num_bytes, "big")
