"""``tahoe webopen``: a place on the grid, in a browser that is signed in.

A browser is started with the address of a file that leads on to the login link: the
words that a program is started with are seen by every user of the machine.
"""

from __future__ import annotations

import os
import sys
import webbrowser
from html import escape
from pathlib import Path

import click

from allmydata.cli.aliases import PRIVATE_ROOT, Target, find, url_path
from allmydata.cli.completion import Place
from allmydata.cli.printing import emit
from allmydata.cli.session import Session, pass_session
from allmydata.util.fileutil import write_atomically
from allmydata.webapi import NodeHTTP, RemoteNodeError

ONWARD = "webopen.html"  # in the node's private directory
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>allmydata</title>
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={url}"></head>
<body><p><a href="{url}">Go on</a></p></body></html>
"""
ROOTS = (PRIVATE_ROOT, "/vdrive/public")  # the gateway has words of its own for these


@click.command()
@click.argument("place", type=Place(), required=False)
@click.option(
    "--print", "only_print", is_flag=True, help="Print the login link, open nothing."
)
@click.option("--yes", is_flag=True, help="Open it even if the address holds a capability.")
@pass_session
def webopen(session: Session, place: str | None, only_print: bool, yes: bool) -> None:
    """Open PLACE in a browser that is signed in; without it, the node's first page.

    The login link is good for one browser, once, within five minutes; the browser then is
    signed in for thirty days.  A browser keeps the addresses it was at.  So one that holds
    a capability is only printed, unless --yes says otherwise; those below the private and
    the public root hold none.  Where there is no browser the link is printed.
    """
    node = session.node()
    path = "/" if place is None else _address(node, find(session, place))
    login = node.login_path(path)
    url = node.url.rstrip("/") + (login or path)
    secret = "URI%3A" in path
    if not only_print and (yes or not secret):
        shown = _leading_to(url, session.basedir()) if login else url
        if _opened(shown):
            return
    emit(url)
    if secret and not (yes or only_print):
        session.say("whoever has this address has the capability in it; to open it: --yes")


def _address(node: NodeHTTP, target: Target) -> str:
    """Return the path of the page, without a capability where the gateway knows it so."""
    for root in ROOTS:
        try:
            if node.cap(root) == target.root:
                return url_path(Target(root, target.path))
        except RemoteNodeError:
            continue  # there is no such root
    return url_path(target)


def _leading_to(url: str, basedir: Path) -> str:
    """Return the address of a file that leads to *url*, which only its owner reads."""
    path = basedir / "private" / ONWARD
    page = PAGE.format(url=escape(url))
    write_atomically(path, page.encode(), private=True)
    return path.as_uri()


def _opened(url: str) -> bool:
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        if not os.environ.get("BROWSER") and sys.platform not in ("darwin", "win32"):
            return False  # a browser in text would take this terminal
    try:
        return webbrowser.open(url)
    except (webbrowser.Error, OSError):
        return False
