"""What all pages share: how they are made, what guards them, and what they are made with.

Templates escape whatever they are given.  A page may run the gateway's own scripts and
styles only, load nothing from elsewhere, and be framed by nobody.  Its capability, which
is part of its address, is told to no other site; this gateway is told where a form was,
for a browser that may not say so sends ``Origin: null``, which is refused.
Format: docs/pages.md.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from attrs import evolve

from allmydata.errors import GridError
from allmydata.util.humanize import size as human_size
from allmydata.web.errors import HTTPError, explain
from allmydata.web.paths import PRIVATE, PUBLIC, Place
from allmydata.web.reply import HTML, Reply

if TYPE_CHECKING:  # 1.2 MB: loaded with the first page
    from jinja2 import Environment

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "media-src 'self'; form-action 'self'; connect-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
HEADERS: dict[str, str | bytes] = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_TYPES = {
    "style.css": "text/css;charset=utf-8",
    "files.js": "text/javascript;charset=utf-8",
    "uploads.js": "text/javascript;charset=utf-8",
    "icon.svg": "image/svg+xml",
    "live.css": "text/css;charset=utf-8",
    "live.js": "text/javascript;charset=utf-8",
    "demo.js": "text/javascript;charset=utf-8",
}
_STATIC = {name: (files("allmydata.web") / "static" / name).read_bytes() for name in _TYPES}
_CONTROLS = {code: 0x2400 + code for code in range(32)} | {0x7F: 0x2421}  # their pictures
_AGES = ((86400, "day"), (3600, "hour"), (60, "minute"))


def page(template: str, status: int = 200, **facts: Any) -> Reply:
    """Return the page that *template* makes of some facts."""
    text = _templates().get_template(template).render(facts)
    return Reply(status, text.encode("utf-8", "replace"), HTML, HEADERS)


def trouble(error: GridError, back: str) -> Reply:
    """Return the page that tells of an error.

    :param back: where whoever sees it may go on
    """
    told = explain(error, in_json=False)
    reply = page("trouble.html", told.status, error=error, back=back)
    return evolve(reply, headers={**told.headers, **reply.headers})


def static_file(name: str) -> Reply:
    """Return what pages are made with.

    :raises HTTPError: there is no such file
    """
    if name not in _STATIC:
        raise HTTPError(404, "there is nothing here; see / for what there is")
    headers: dict[str, str | bytes] = {
        "Content-Security-Policy": "default-src 'none'",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "max-age=31536000, immutable",
    }
    return Reply(200, _STATIC[name], _TYPES[name], headers)


def is_static(name: str) -> bool:
    """Return whether *name* is of what pages are made with, which anybody may have."""
    return name in _STATIC


def static_path(name: str) -> str:
    """Return where a browser gets *name*; another version has another place."""
    return f"/_/{name}?v={sha256(_STATIC[name]).hexdigest()[:12]}"


# ---- places ----------------------------------------------------------------------------


def path_of(place: Place) -> str:
    """Return the quoted path that leads to *place*, without a slash at its end."""
    is_known = place.root in (PRIVATE, PUBLIC)
    root = place.root if is_known else f"/uri/{quoted(place.root)}"
    return "/".join([root, *map(quoted, place.names)])


def quoted(text: str) -> str:
    """Return *text* percent-encoded, slashes too."""
    return quote(text, safe="")


# ---- for people ------------------------------------------------------------------------


def shown(name: str) -> str:
    """Return *name* with pictures in place of line ends and what is like them."""
    return name.translate(_CONTROLS)


def ago(seconds: float) -> str:
    """Return how long ago something was that is *seconds* old."""
    for length, word in _AGES:
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {word}{'s' * (number > 1)} ago"
    return "just now"


def date(seconds: float) -> str:
    """Return a date as text, in UTC; nothing for one that is none."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):  # a server may say anything
        return ""


def count(number: int, thing: str) -> str:
    """Return ``1 server``, ``2 servers``."""
    return f"{number} {thing}{'s' * (number != 1)}"


@cache
def _templates() -> Environment:
    """Return what makes pages; no node needs it before somebody browses."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("allmydata.web"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    templates.filters |= {
        "shown": shown, "quoted": quoted, "size": human_size, "date": date, "count": count,
    }  # fmt: skip
    templates.globals["static"] = static_path
    return templates
