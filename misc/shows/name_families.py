"""Names that files should not have, and that somebody will give them."""

from __future__ import annotations

import random

DOTS = [
    "",
    ".",
    "..",
    "...",
    "....",
    ". ",
    " .",
    ".. ",
    " ..",
    ".\u200b.",
    "..\0",
    "\uff0e.",
]
SLASHES = (
    "/ // a/b /a a/ ../x ../../escaped ../../../../../../../../tmp/escaped /tmp/escaped"
    " a/../b a/./b ..\\..\\escaped \\ a\\b C:\\x \u2215 \uff0f ..\u2215x \u2044 ./x"
).split(" ")
PERCENT = (
    "%2e%2e %2e%2e%2f ..%2f %2f %00 %252e%252e % %% %zz %c0%ae%c0%ae %u002e a%2fb %2F..%2Fx"
).split(" ")
CONTROLS = [
    f"{a}{chr(code)}{a}" for code in (*range(32), *range(127, 160)) for a in ("", "a")
]
DIRECTIONS = [
    f"{a}{chr(code)}gpj.exe"
    for code in (
        *range(0x200B, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
        0xFEFF,
    )
    for a in ("", "evil")
]
SPELLINGS = [
    "cafe\u0301",
    "caf\u00e9",
    "\u212b",
    "\u2126",
    "\u1100\u1161\u11a8",
    "\uac01",
    "\u0958",
    "\U0001d15e",
    "\ufb01",
    "e" + "\u0301" * 60,
    "\u0301",
    "\u0340\u0341",
    "a\u0323\u0307",
    "a\u0307\u0323",
]
LENGTHS = [
    *(char * (size // len(char.encode())) for char in "x\u00e9\u20ac\U0001f600" for size in
      (254, 255, 256, 258, 260, 300, 1000)),
    "e\u0301" * 100,
    "\u0958" * 42,
    "\u0958" * 43,
    "\u0958" * 84,
    "x" * 252 + "\u00e9",
    "x" * 254 + "\u00e9",
    "x" * 4096,
]  # fmt: skip
HALVES = [
    *(f"{a}{chr(code)}" for code in (0xD800, 0xDBFF, 0xDC00, 0xDC80, 0xDCFF, 0xDFFF)
      for a in ("", "a")),
    "\ud83d\ude00",
    "\udcff\udcfe",
    "\udc2e\udc2e\udc2f",
]  # fmt: skip
WORDS = (
    "URI:CHK:x URI:DIR: URI:LIT: ~ ~root -rf --help -- $(reboot) `id` ;ls | & > * ? [a] {}"
    " ! # ' \" null None true 0 -1 1e9 NaN __proto__ constructor CON nul aux. COM1 a. a:"
    " @@name= t=json ?t=json #fragment a?t=delete a&name=b .git .ssh authorized_keys Latest"
    " <script> </a> {{x}} %s%n \\u002e"
).split(" ")
SPACES = [
    "a b",
    " a",
    "a ",
    "name\r\nX-Evil: 1",
    "\u3000",
    "\u00a0",
    "a\u2028b",
    "a\u2029b",
]
FAMILIES = [DOTS, SLASHES, PERCENT, WORDS, SPACES, SPELLINGS, LENGTHS, HALVES]
FAMILIES += [DIRECTIONS, CONTROLS]


def hostile_names(count: int, rng: random.Random) -> list[str]:
    """Return *count* different names."""
    found = dict.fromkeys(name for family in FAMILIES for name in family)
    parts = [*DOTS, *SLASHES, *PERCENT, *HALVES, *SPELLINGS, *DIRECTIONS, "a", "\U0001f600"]
    while len(found) < count:
        found["".join(rng.choices(parts, k=rng.randrange(2, 5)))] = None
    return list(found)[:count]
