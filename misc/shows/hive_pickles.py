"""Hostile pickles: nothing is executed, and each is a clear error.

    python misc/shows/hive_pickles.py [--count 10000] [--seed 1]

Each is made of a gadget, a protocol from 0 to 5 and a disguise; each is given to wrpme as
what a hive would answer, bare or in an envelope.  Whether anything ran is seen by a file
that every gadget would make, and by Python's own audit of what is called.
"""

from __future__ import annotations

import argparse
import encodings.raw_unicode_escape  # noqa: F401  else Python loads it when it meets text
import os
import pickle
import random
import struct
import sys
import tempfile
import warnings
from pathlib import Path

import wrpme
from wrpme.envelope import MAGIC, Envelopes

FORBIDDEN = ("os.", "subprocess.", "exec", "compile", "import", "open", "shutil.")
NAMES = [
    ("os", "system"),
    ("posix", "system"),
    ("subprocess", "Popen"),
    ("subprocess", "check_output"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("builtins", "__import__"),
    ("builtins", "getattr"),
    ("builtins", "open"),
    ("builtins", "compile"),
    ("builtins", "type"),
    ("builtins", "map"),
    ("__builtin__", "eval"),
    ("__builtin__", "file"),
    ("operator", "attrgetter"),
    ("operator", "methodcaller"),
    ("functools", "partial"),
    ("importlib", "import_module"),
    ("pickle", "loads"),
    ("marshal", "loads"),
    ("types", "FunctionType"),
    ("types", "CodeType"),
    ("ctypes", "CDLL"),
    ("runpy", "run_path"),
    ("pty", "spawn"),
    ("shutil", "rmtree"),
    ("pathlib", "Path.write_text"),
    ("collections", "OrderedDict.__reduce__.__globals__"),
    ("datetime", "sys.modules"),
    ("uuid", "os.system"),
    ("uuid", "UUID.__init__"),
    ("copyreg", "add_extension"),
    ("copyreg", "_reconstructor.__globals__"),
    ("_codecs", "lookup"),
    ("builtins", "set.__class__"),
    ("builtins", "classmethod"),
    ("", ""),
    ("wrpme", "allow"),
    ("wrpme.unpickle", "_allowed"),
]


def text(word: str) -> bytes:
    """Return the opcode of a short text, for protocols from 4."""
    data = word.encode()
    return b"\x8c" + bytes([len(data)]) + data


def named(module: str, name: str, protocol: int, disguise: int) -> bytes:
    """Return opcodes that push what a name stands for."""
    if protocol < 4 or disguise == 0:
        return f"c{module}\n{name}\n".encode()
    if disguise == 1:
        return text(module) + text(name) + b"\x93"
    if disguise == 2:  # through the memo
        return text(name) + b"\x94" + text(module) + b"h\x00\x93"
    return b"0".join([b"N", text(module) + text(name) + b"\x93"])


def call(module: str, name: str, word: str, protocol: int, disguise: int) -> bytes:
    """Return opcodes that would call something with one argument."""
    argument = b"(S" + ascii(word).encode() + b"\n"
    match disguise % 6:
        case 4:
            return f"(S{word!a}\ni{module}\n{name}\n".encode()
        case 5:
            return b"(" + named(module, name, protocol, 0) + argument[1:] + b"o"
        case 3 if protocol >= 2:
            return named(module, name, protocol, 1) + argument + b"t\x81"
    return named(module, name, protocol, disguise) + argument + b"tR"


def tricks(rng: random.Random) -> bytes:
    """Return a pickle that needs no forbidden name."""
    huge = struct.pack("<I", 2**31 - 1)
    whole = b"J\x00\x00\x00\x7f"
    return rng.choice(
        [
            b"\x80\x02Pabc\n.",
            b"\x80\x02NQ.",
            b"\x80\x02\x82\x01.",
            b"\x80\x02\x84\x01\x00\x00\x00.",
            b"\x80\x05\x97.",
            b"Nr" + huge + b".",  # room for a memo of 16 GB
            b"cbuiltins\nbytearray\n(" + whole + b"tR.",
            b"cbuiltins\nset\n(cbuiltins\nrange\n(I0\n" + whole + b"I1\ntRtR.",
            b"ccollections\ndeque\n(cbuiltins\nrange\n(I0\n" + whole + b"I1\ntRtR.",
            b"cfractions\nFraction\n(S'1e99999999'\ntR.",
            b"cuuid\nUUID\n(N}S'__init__'\nNstb.",  # a class would be changed
            b"cbuiltins\nset\n(N}S'__defaults__'\n)stb.",
            b"ccollections\ndefaultdict\n(cbuiltins\nset\ntR.",
            b"ccopyreg\n_reconstructor\n(cbuiltins\nset\ncbuiltins\nobject\nNtR.",
            b"ccopyreg\n__newobj__\n(cbuiltins\nrange\ntR.",
            b"\x80\x02" + b")" + b"\x85" * rng.randint(2000, 200_000) + b".",
            b"}" + b")" + b"\x85" * 50_000 + b"Ns.",
            b"(" * rng.randint(1, 5000),
            b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN.",
            b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
            rng.randbytes(rng.randint(1, 200)).replace(b".", b"!"),
        ]
    )


def hostile(rng: random.Random, mark: Path) -> bytes:
    """Return one."""
    if rng.random() < 0.3:
        return tricks(rng)
    protocol, disguise = rng.randrange(6), rng.randrange(6)
    module, name = rng.choice(NAMES)
    word = f"touch {mark}" if "system" in name else f"open({str(mark)!r}, 'w')"
    body = call(module, name, word, protocol, disguise)
    if rng.random() < 0.3:  # something innocent around it
        body = b"]" + body + b"a"
    if rng.random() < 0.2:
        body = pickle.dumps({"a": [1, 2]}, protocol)[:-1] + b"0" + body
    elif protocol >= 2:
        body = b"\x80" + bytes([protocol]) + body
    return body + b"."


def main() -> int:
    """Open them all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    warnings.simplefilter("ignore")
    opened, ran, kinds = [], [], {}
    envelopes = Envelopes()
    watched = False

    def see(event: str, arguments: tuple) -> None:
        if watched and event.startswith(FORBIDDEN):
            ran.append((event, arguments))

    sys.addaudithook(see)
    with tempfile.TemporaryDirectory() as place:
        mark = Path(place) / "ran"
        for number in range(options.count):
            data = hostile(rng, mark)
            if number % 2:
                data = MAGIC + b"\1" + bytes(40) + data
            watched = True
            try:
                opened.append((data, envelopes.open("alias", data)))
            except wrpme.Error as e:
                kinds[type(e).__name__] = kinds.get(type(e).__name__, 0) + 1
            finally:
                watched = False
        has_run = bool(os.listdir(place))
    told = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    print(f"{options.count} hostile pickles: {told}; opened: {len(opened)}")
    for data, made in opened[:5]:
        print(f"  opened {data[:80]!r}: {type(made).__name__}")
    for event, arguments in ran[:5]:
        print(f"  ran {event} {arguments!r:.200}")
    print("nothing was executed" if not (ran or has_run) else "SOMETHING WAS EXECUTED")
    return int(bool(opened or ran or has_run))


if __name__ == "__main__":
    sys.exit(main())
