"""Who asks, and whether a page of another site had them ask.

Every request is looked at.  Its ``Host`` must be a name that nobody else can have made
lead here; what would change something must not come from another site.  So much for
those whose capability is their right.  For what needs none, such as ``/vdrive/private``,
which anybody could guess, only the owner of the gateway may ask: by its token, or by the
cookie of a session.  A browser sends that by itself, so it counts only where nothing says
that another site asks, and changes something only where the browser says that none does.
Docs: docs/security.md.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address
from typing import Any

from attrs import field, frozen

from allmydata.errors import NotCapableError, UsageError
from allmydata.web.errors import SignInError
from allmydata.web.request import Request
from allmydata.web.session import GatewayKeys, Standing

READING = (b"GET", b"HEAD", b"OPTIONS")
OWN_SITE = ("same-origin", "none")  # none: typed, or a bookmark
SCHEMES = ("bearer", "tahoe-lafs")
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?")


def check_own(request: Request) -> None:
    """Refuse whoever is not the owner of this gateway.

    :raises SignInError: nothing shows that it is
    :raises NotCapableError: a page of another site may have made the owner's browser ask
    """
    if request.standing is Standing.DOUBTFUL:
        raise NotCapableError(
            "pages of other sites may not use this gateway's sessions",
            why="the browser does not say that a page of this gateway asks",
        )
    if request.standing is not Standing.OWNER:
        raise SignInError()


@frozen
class Guard:
    """Looks at each request before anything is done for it.

    :param hosts: names, in lower case, by which this gateway may be asked beside addresses
    """

    keys: GatewayKeys
    hosts: Collection[str] = field(default=())

    def look(self, request: Request) -> Standing:
        """Return who asks.

        :raises NotCapableError: a page of another site does, or seems to
        :raises UsageError: the request contradicts itself
        """
        self._check_host(request)
        if request.method not in READING and not _may_be_ours(request):
            raise NotCapableError("pages of other sites may not change anything here")
        if self.has_token(request):
            return Standing.OWNER
        if not any(map(self.keys.is_cookie, cookies(request))):
            return Standing.NOBODY
        if request.method in READING:
            return Standing.OWNER if _may_be_ours(request) else Standing.DOUBTFUL
        return Standing.OWNER if _is_ours(request) else Standing.DOUBTFUL

    def has_token(self, request: Request) -> bool:
        """Return whether it is shown with the token itself."""
        scheme, _, token = (request.header("authorization") or "").partition(" ")
        return scheme.lower() in SCHEMES and self.keys.is_token(token.strip())

    def _check_host(self, request: Request) -> None:
        hosts = request.requestHeaders.getRawHeaders("host", [])
        if len(hosts) > 1:
            raise UsageError("the request names more than one Host")
        if hosts and not is_local(hosts[0], self.hosts):
            raise NotCapableError(
                "this gateway does not go by the name it was asked for by",
                fix="use its address, such as 127.0.0.1, or add the name to web.hosts "
                "in the section [node] of tahoe.cfg",
            )


def is_local(host: str, hosts: Collection[str] = ()) -> bool:
    """Return whether nobody else can have made what a ``Host`` says lead here.

    :param hosts: names that our owner vouches for
    """
    found = _HOST.fullmatch(host.strip().lower())
    if not found:
        return False
    try:
        ip_address(found[1] or found[2])
    except ValueError:
        name = (found[2] or "").removesuffix(".")
        return name == "localhost" or name.endswith(".localhost") or name in hosts
    return True


# ---- what browsers say -----------------------------------------------------------------


def cookie_name(request: Request) -> str:
    """Return what the cookie of this gateway is called.

    Browsers give a cookie to every port of a host, so that each needs a name of its own.
    """
    host: Any = request.getHost()  # type: ignore[no-untyped-call]
    return f"tahoe-session-{getattr(host, 'port', 0)}"


def cookies(request: Request) -> list[str]:
    """Return the values of all cookies of that name: any page of this host can set more."""
    name = cookie_name(request)
    said = request.requestHeaders.getRawHeaders("cookie", [])
    pairs = [pair.strip().partition("=") for line in said for pair in line.split(";")]
    return [value for key, _, value in pairs if key == name]


def _may_be_ours(request: Request) -> bool:
    """Return whether nothing says that another site asks; programs say nothing."""
    origins = request.requestHeaders.getRawHeaders("origin", [])
    return all(_is_own(one, request) for one in origins) and all(
        one in OWN_SITE for one in _sites(request)
    )


def _is_ours(request: Request) -> bool:
    """Return whether the browser says that a page of this gateway asks."""
    has_origin = request.requestHeaders.hasHeader("origin")
    return _may_be_ours(request) and (has_origin or "same-origin" in _sites(request))


def _is_own(origin: str, request: Request) -> bool:
    host = request.header("host") or ""
    return bool(host) and origin.strip().lower().partition("://")[2] == host.strip().lower()


def _sites(request: Request) -> list[str]:
    said = request.requestHeaders.getRawHeaders("sec-fetch-site", [])
    return [one.strip().lower() for one in said]
