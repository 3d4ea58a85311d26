"""How a browser becomes the owner's: by a link with a code, or by the token.

    POST /_/code                 for whoever has the token: {"path": "/_/login?code=…"}
    GET  /_/login?code=&next=    a session, and on to next=, a path of this gateway
    POST /_/login                token=, next=: the same
    POST /_/do                   act=logout

Neither codes nor cookies are ever written down.  Docs: docs/webapi.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import evolve, frozen

from allmydata.web.arguments import is_browsing
from allmydata.web.errors import HTTPError, SignInError, explain, foreseen
from allmydata.web.forms import read_form, take_no_file
from allmydata.web.guard import OWN_SITE, Guard, check_own, cookie_name, cookies
from allmydata.web.pages import page, trouble
from allmydata.web.reply import JSON, Reply, as_json
from allmydata.web.request import Request
from allmydata.web.session import COOKIE_S, LOGIN, Standing, login_path

MAX_PLACE = 8000  # letters of next=
_PLACE = re.compile(r"/(?![/\\])[!-\[\]-~]*")  # neither a backslash nor what is unseen
# its address holds a code: nobody hears of it, and forms still tell where they come from
_SILENT = {"Referrer-Policy": "strict-origin"}


@frozen
class Door:
    """Answers ``/_/login`` and ``/_/code``, and tells people to sign in."""

    _guard: Guard

    async def code(self, request: Request) -> Reply:
        """Answer ``POST /_/code``: a new login link.  A session is not enough.

        :raises SignInError: the token is not shown
        """
        if not self._guard.has_token(request):
            raise SignInError()
        (await read_form(request, take_no_file)).close()
        code = self._guard.keys.new_code()
        reply = as_json(200, {"path": login_path(code, _next(request))})
        return Reply(200, reply.body, JSON, {"Cache-Control": "no-store"})

    async def get(self, request: Request) -> Reply:
        """Answer ``GET /_/login``: by a code, or with the form for the token.

        :raises SignInError: the code is not good
        """
        code, place = request.argument("code"), _next(request)
        if code is None:
            return self.ask(place)
        if request.method == b"HEAD":  # a look ahead uses nothing up
            return Reply(200, headers={"Cache-Control": "no-store"})
        if self._guard.keys.use_code(code):
            return self._let_in(request, place)
        if request.standing is Standing.OWNER:  # an old link, opened again
            return Reply(303, headers={"Location": place})
        raise SignInError("this login link was used already, or is too old")

    async def post(self, request: Request) -> Reply:
        """Answer ``POST /_/login``: by the token.

        :raises SignInError: it is another
        """
        (await read_form(request, take_no_file)).close()
        token = (request.argument("token") or "").strip()
        if not self._guard.keys.is_token(token):
            raise SignInError("this is not the token of this node")
        return self._let_in(request, _next(request))

    async def logout(self, request: Request) -> Reply:
        """Answer ``act=logout``: the session ends, here and for whoever noted it."""
        check_own(request)
        for cookie in cookies(request):
            self._guard.keys.end_cookie(cookie)
        gone = _cookie(request, "", 0)
        return Reply(303, headers={"Location": "/", "Set-Cookie": gone, **_NO_STORE})

    def ask(self, place: str, error: HTTPError | None = None) -> Reply:
        """Return the page that tells how to sign in.

        :param place: where it leads then
        :param error: what did not work
        """
        reply = page("login.html", error.status if error else 200, place=place, error=error)
        more = error.headers if error else {}
        return evolve(reply, headers={**more, **reply.headers, **_SILENT})

    def explain(self, request: Request, error: BaseException) -> Reply:
        """Return what to answer when *error* ended a request."""
        known = foreseen(error)
        if not is_browsing(request):
            in_json = "application/json" in (request.header("accept") or "")
            return explain(known, in_json=in_json)
        if not isinstance(known, SignInError):
            return trouble(known, "/")
        where = request.uri.decode("latin-1")
        if request.method == b"GET" and not where.startswith(LOGIN):
            return self.ask(_checked(where), known)
        return self.ask("/", known)

    def _let_in(self, request: Request, place: str) -> Reply:
        cookie = _cookie(request, self._guard.keys.new_cookie(), COOKIE_S)
        headers = {"Set-Cookie": cookie, **_NO_STORE}
        site = (request.header("sec-fetch-site") or "none").lower()
        if site in OWN_SITE:
            return Reply(303, headers={"Location": place, **headers})
        # The link was on a page or in a file: what a redirection from there leads to does
        # not get the cookie yet, but what a page of ours leads to does.
        reply = page("entered.html", place=place)
        silent = {"Referrer-Policy": "no-referrer"}
        return evolve(reply, headers={**reply.headers, **headers, **silent})


_NO_STORE: Mapping[str, str | bytes] = {"Cache-Control": "no-store"}


def _cookie(request: Request, value: str, seconds: int) -> str:
    words = [
        f"{cookie_name(request)}={value}",
        f"Max-Age={seconds}",
        "Path=/",
        "HttpOnly",
        "SameSite=Strict",
    ]
    is_tls = bool(request.isSecure())  # type: ignore[no-untyped-call]
    return "; ".join(words + ["Secure"] * is_tls)


def _next(request: Request) -> str:
    return _checked(request.argument("next") or "/")


def _checked(place: str) -> str:
    """Return *place* if it is a path of this gateway, else the first page."""
    good = len(place) <= MAX_PLACE and _PLACE.fullmatch(place)
    return place if good else "/"
