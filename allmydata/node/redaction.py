"""Capabilities and secret addresses taken out of a text, before a log keeps it.

Nothing of ours writes them down; what a library says of an error, or a traceback, may.
What is left tells kinds apart: ``URI:CHK:…``, ``pb://…``.
"""

from __future__ import annotations

import re

_SECRETS = re.compile(
    r"""
      (?P<cap> URI (?: : | %3A ) [A-Za-z0-9-]+ (?: : | %3A )) [A-Za-z2-7:%@/.,_~+-]{8,}
    | (?P<furl> pb (?:\+tor)? (?: :// | %3A%2F%2F )) [^\s"'<>\\]+
    | (?P<header> (?: authorization | (?:set-)?cookie )
      ['"]? \s* [:=] \s* ) [^\r\n"'\\]{1,500}
    | (?P<code> [?&] (?: code | token ) = ) [^\s&"'<>\\]+
    """,
    re.VERBOSE | re.IGNORECASE,
)


def redacted(text: str) -> str:
    """Return *text* without what would let its reader use what it names."""
    return _SECRETS.sub(_kind, text)


def _kind(found: re.Match[str]) -> str:
    return f"{found[found.lastgroup or 0]}…"
