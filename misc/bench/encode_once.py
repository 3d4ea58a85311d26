"""The erasure code of whichever environment runs this, alone: prints MB/s of plaintext.

    PYTHON misc/bench/encode_once.py K N [--seconds 1]

Ours is the code as uploads use it; where there is no ``allmydata.coding``, zfec as
Tahoe-LAFS calls it.  Neither hashes nor encrypts here.
"""

from __future__ import annotations

import argparse
import os
import time

SEGMENT = 2**20


def encoder(k: int, n: int):
    """Return what makes n blocks of k pieces."""
    try:
        from allmydata.coding.erasure import coder
    except ImportError:
        import zfec

        return zfec.Encoder(k, n).encode
    return coder(k, n).encode


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("k", type=int)
    parser.add_argument("n", type=int)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    encode = encoder(options.k, options.n)
    block = SEGMENT // options.k
    pieces = [os.urandom(block) for _ in range(options.k)]
    encode(pieces)
    times, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < options.seconds:
        encode(pieces)
        times += 1
    print(times * block * options.k / elapsed / 1e6)


if __name__ == "__main__":
    main()
