"""The page that shows a directory to people: names, sizes, links, and no scripts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import quote

from allmydata.util.humanize import size as human_size
from allmydata.web.children import facts_of_child

HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }}
table {{ border-collapse: collapse }}
th, td {{ text-align: left; padding: .2em 1em .2em 0 }}
td:nth-child(3) {{ text-align: right }}
bdi {{ white-space: pre-wrap; overflow-wrap: anywhere }}
</style>
</head>
<body>
<h1>{title}</h1>
<table>
<tr><th>Name</th><th>Kind</th><th>Size</th><th>Changed (UTC)</th></tr>
"""
_TAIL = """</table>
</body>
</html>
"""
_KINDS = {"filenode": "file", "dirnode": "directory", "unknown": "unknown"}
_CONTROLS = {code: 0x2400 + code for code in range(32)} | {0x7F: 0x2421}  # their pictures


def head(name: str, is_mutable: bool) -> bytes:
    """Return the beginning of the page of a directory.

    :param name: empty for a root
    """
    authority = "modifiable" if is_mutable else "read-only"
    title = (
        f"Directory {_shown(name)} ({authority})" if name else f"Directory ({authority})"
    )
    return _HEAD.format(title=title).encode()


def rows(base: str, page: Iterable[Any]) -> bytes:
    """Return the rows of some children.

    :param base: the path of the directory's own page, quoted, without a slash at its end
    """
    return "".join(_row(base, child) for child in page).encode()


def tail() -> bytes:
    """Return the end of the page."""
    return _TAIL.encode()


def _row(base: str, child: Any) -> str:
    kind, facts = facts_of_child(child)
    name = f"<bdi>{_shown(child.name)}</bdi>"
    if kind != "unknown":
        place = f"{base}/{quote(child.name, safe='')}" + "/" * (kind == "dirnode")
        name = f'<a href="{escape(place)}">{name}</a>'
    size = human_size(facts["size"]) if "size" in facts else ""
    cells = (name, _KINDS[kind], size, _time(child.changed))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"


def _shown(name: str) -> str:
    return escape(name.translate(_CONTROLS))


def _time(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):  # a server may say anything
        return ""
