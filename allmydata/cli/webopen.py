"""``tahoe webopen``: a place on the grid, in a browser."""

from __future__ import annotations

import os
import sys
import webbrowser

import click

from allmydata.cli.aliases import PRIVATE_ROOT, Target, find, url_path
from allmydata.cli.completion import Place
from allmydata.cli.printing import emit
from allmydata.cli.session import Session, pass_session
from allmydata.webapi import NodeHTTP, RemoteNodeError

ROOTS = (PRIVATE_ROOT, "/vdrive/public")  # the gateway has words of its own for these


@click.command()
@click.argument("place", type=Place(), required=False)
@click.option(
    "--print", "only_print", is_flag=True, help="Print the address, open nothing."
)
@click.option("--yes", is_flag=True, help="Open it even if the address holds a capability.")
@pass_session
def webopen(session: Session, place: str | None, only_print: bool, yes: bool) -> None:
    """Open PLACE in a browser; without it, the node's first page.

    Other users of this machine may see the address in the list of processes while the
    browser starts, and the browser keeps it.  So an address that holds a capability is
    only printed, unless --yes says otherwise; those below the private and the public root
    hold none.  Where there is no browser the address is printed.
    """
    node = session.node()
    path = "/" if place is None else _address(node, find(session, place))
    url = node.url.rstrip("/") + path
    secret = "URI%3A" in path
    if not only_print and (yes or not secret) and _opened(url):
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


def _opened(url: str) -> bool:
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        if not os.environ.get("BROWSER") and sys.platform not in ("darwin", "win32"):
            return False  # a browser in text would take this terminal
    try:
        return webbrowser.open(url)
    except (webbrowser.Error, OSError):
        return False
