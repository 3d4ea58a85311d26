"""Who may use the roots that need no capability: not the pages of other sites.

A capability in a path can't be guessed, ``/vdrive/private`` can: any page that a browser
shows could ask for it, or for a change of it.  A browser says where a request comes from;
what it does not say, because the page's own host name was made to lead here, the header
Host shows.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from allmydata.errors import NotCapableError
from allmydata.web.request import Request


def check_own(request: Request) -> None:
    """Refuse what a page of another site asks for.

    :raises NotCapableError: it does
    """
    host = request.header("host") or ""
    origin = request.header("origin")
    site = request.header("sec-fetch-site") or "none"
    is_own = origin is None or origin.lower().partition("://")[2] == host.lower()
    if not is_own or site.lower() not in ("none", "same-origin"):
        raise NotCapableError("pages of other sites may not use /vdrive")
    if host and not _is_local(host):
        raise NotCapableError(
            "/vdrive is only there for those who ask for this node by its address",
            fix="use an address, such as 127.0.0.1, or a capability: /uri/…",
        )


def _is_local(host: str) -> bool:
    """Return whether nobody else can have made *host* lead here."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost" or name.endswith(".localhost"):
            return True
        ip_address(name)
    except ValueError:
        return False
    return True
