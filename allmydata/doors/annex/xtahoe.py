"""``git-annex-backend-XTAHO``, ``-XTAHOE``: keys by a hash that is used for nothing else.

    XTAHO-s<size>--<64 hex digits>

The digits are SHA256d(netstring("allmydata_annex_key_v1") || content), as all hashes here
(docs/formats/hashes.md).

git-annex takes an E at the end of a backend's name for the wish to keep extensions: for
``XTAHOE`` it runs the program of ``XTAHO``, adds E and extension to its keys, and takes
them off before it asks again.  The program of ``XTAHOE`` is run where somebody says
``XTAHOEE``; what git-annex makes of its keys is the same as of ``XTAHOE``'s.
"""

from __future__ import annotations

import hmac
import io
import os
import re
import sys
from collections.abc import Sequence

from allmydata.crypto.hashutil import annex_key_hasher
from allmydata.doors.annex.backend import Backend, Master
from allmydata.doors.annex.byhand import explain
from allmydata.doors.annex.errors import BackendError

PIECE_SIZE = 2**20
PLAIN, LONGER = "XTAHO", "XTAHOE"
_KEY = re.compile(r"XTAHOE?-s([0-9]{1,19})--([0-9a-f]{64})")
_ABOUT = """\
git-annex runs this program where a repository names contents so:
    git annex add --backend=XTAHOE FILE     keys with the file's extension
    git annex add --backend=XTAHO FILE      without
"""


class XTahoe(Backend):
    """Keys of size and hash.

    :param name: what they begin with
    """

    def __init__(self, annex: Master, name: str = PLAIN) -> None:
        super().__init__(annex)
        self._name = name

    def can_verify(self) -> bool:
        """Tell: yes."""
        return True

    def is_stable(self) -> bool:
        """Tell: yes."""
        return True

    def is_cryptographically_secure(self) -> bool:
        """Tell: as SHA-256 is."""
        return True

    def gen_key(self, local_file: str) -> str:
        """Read the file; return its key."""
        size, digest = self._hashed(local_file)
        return f"{self._name}-s{size}--{digest}"

    def verify_content(self, key: str, content_file: str) -> bool:
        """Read the file, unless its size tells already."""
        found = _KEY.fullmatch(key)
        if not found:
            return False
        try:
            if os.path.getsize(content_file) != int(found.group(1)):
                return False
        except (OSError, ValueError) as e:
            raise _unreadable(content_file, e) from e
        size, digest = self._hashed(content_file)
        return size == int(found.group(1)) and hmac.compare_digest(digest, found.group(2))

    def _hashed(self, path: str) -> tuple[int, str]:
        hasher, size, piece = annex_key_hasher(), 0, memoryview(bytearray(PIECE_SIZE))
        try:
            with open(path, "rb", buffering=0) as source:
                while num_bytes := source.readinto(piece):
                    hasher.update(piece[:num_bytes])
                    size += num_bytes
                    self.annex.progress(size)
        except (OSError, ValueError) as e:
            raise _unreadable(path, e) from e
        return size, hasher.digest().hex()


def _unreadable(path: str, error: Exception) -> BackendError:
    why = error.strerror if isinstance(error, OSError) else str(error)
    return BackendError(f"{path!r} can't be read: {why}")


def main(words: Sequence[str] | None = None) -> int:
    """Serve git-annex until it closes the line."""
    words = sys.argv[1:] if words is None else words
    if words:
        return explain(words, _ABOUT)
    # file names are bytes: whatever comes is given back as it was
    errors, encoding = sys.getfilesystemencodeerrors(), sys.getfilesystemencoding()
    source = io.TextIOWrapper(sys.stdin.buffer, encoding, errors, newline="\n")
    target = io.TextIOWrapper(sys.stdout.buffer, encoding, errors, newline="\n")
    master = Master(target)
    called = os.path.basename(sys.argv[0]).endswith(f"-{LONGER}")
    master.LinkBackend(XTahoe(master, LONGER if called else PLAIN))
    try:
        master.Listen(source)
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(1)  # nobody listens: there is nothing to flush
    return 0


if __name__ == "__main__":
    sys.exit(main())
