"""AES-128 in counter mode as a stream that can begin anywhere.

The counter block starts at zero and is counted up as one 128-bit big-endian
integer: byte *o* of a file is covered by block ``o // 16``.  A key must encrypt one
file only.  Source: NIST SP 800-38A, section 6.5.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK_SIZE = 16
SPARE = BLOCK_SIZE - 1  # what ``process_into`` wants beyond the data


class AES_CTR:  # noqa: N801  # the field writes it so
    """A key stream at a position; encrypting and decrypting are the same.

    :param key: 16 bytes
    :param position: offset in the file of the first byte to be processed
    """

    def __init__(self, key: bytes, position: int = 0) -> None:
        counter = (position // BLOCK_SIZE).to_bytes(BLOCK_SIZE, "big")
        self._context = Cipher(algorithms.AES128(key), modes.CTR(counter)).encryptor()
        self._context.update(bytes(position % BLOCK_SIZE))

    def process(self, data: Any) -> bytes:
        """Return *data* (any bytes-like object) encrypted, and move on."""
        return self._context.update(data)

    def process_into(self, data: Any, target: Any) -> int:
        """Encrypt *data* into the start of *target*, and move on; return the bytes written.

        :param target: a writable buffer with :data:`SPARE` bytes more than *data*
        """
        return self._context.update_into(data, target)
