"""Attempts at a gateway: who makes them and what is counted; and those of other sites."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from urllib.parse import quote, urlencode

from raw_http import Answer, RawGateway
from under_demo import ShowError

from allmydata.web.session import COOKIE_S, GatewayKeys

Pair = tuple[str, str]
FORM = ("Content-Type", "application/x-www-form-urlencoded")
PAGE = ("Accept", "text/html,*/*;q=0.8")
LIT = "URI:LIT:nbswy3dp"
SCRIPT = "<script>alert(1)</script>"
EVIL = "evil.example"
PRIVATE = "/vdrive/private"

FOREIGN_HOSTS = [EVIL, f"127.0.0.1.{EVIL}", f"localhost.{EVIL}", f"{EVIL}@127.0.0.1"]
FOREIGN_HOSTS += ["2130706433", "127.1", "[", "", f"127.0.0.1 {EVIL}", "localhost:1:1"]
FOREIGN_PAGES = [
    ("Origin", f"http://{EVIL}"),
    ("Origin", "null"),
    ("Origin", "http://127.0.0.1:1"),
    ("Origin", "file://"),
    ("Sec-Fetch-Site", "cross-site"),
    ("Sec-Fetch-Site", "same-site"),
]
READS = [f"{PRIVATE}?t=json", f"{PRIVATE}?t=uri", f"{PRIVATE}/keep", "/vdrive/public?t=uri"]
READS += ["/operations/h?output=JSON", "/live?t=json", "/live?t=events", "/status?t=json"]
READS += [f"/_/{page}" for page in ("grid", "live", "health", "demo")]
CHANGES: list[tuple[str, str]] = [
    ("PUT", f"{PRIVATE}/new"),
    ("POST", f"{PRIVATE}/new?t=mkdir"),
    ("POST", f"{PRIVATE}?t=unlink&name=keep"),
    ("POST", f"{PRIVATE}?t=uri&name=new&uri={LIT}"),
    ("POST", f"{PRIVATE}?t=rename&from_name=keep&to_name=new"),
    ("DELETE", f"{PRIVATE}/keep"),
    ("POST", f"/_/do?act=mkdir&place={PRIVATE}&name=new"),
    ("POST", f"/_/do?act=delete&place={PRIVATE}&item=keep"),
    ("POST", f"/_/do?act=move&place={PRIVATE}&item=keep&to=/vdrive/public"),
    ("POST", "/_/do?act=empty"),
    ("POST", "/_/do?act=demo-kill&server=1"),
    ("POST", "/_/do?act=demo-film"),
    ("POST", "/_/do?act=logout"),
    ("POST", "/operations/h?t=cancel"),
    ("POST", "/_/code"),
]
HOSTILE = [SCRIPT, f'"><b>{SCRIPT}', "'onerror='alert(1)", "\r\nSet-Cookie: evil=1", "\0"]
HOSTILE += ["../../../etc/passwd", "..", "%2e%2e%2f", "\u202egnp.exe", "{{7*7}}", "%s%n"]
HOSTILE += [
    "javascript:alert(1)",
    f"//{EVIL}/",
    "/\\" + EVIL,
    "a" * 5000,
    "\ud83d\ude00",
    "-",
]


class Campaign:
    """All attempts so far, and what was found."""

    def __init__(self, gateway: RawGateway, token: str) -> None:
        """Begin at *gateway*, whose owner has *token*."""
        self.gateway = gateway
        self.token, self.owner = token, ("Authorization", f"Bearer {token}")
        self.num_attempts, self.findings = 0, list[str]()
        self.secrets = {token}
        self.cookie = self.sign_in()
        cap = self.ok("POST", "/uri?t=mkdir").body.decode()
        self.cap, self.quoted = cap, quote(cap, safe="")
        self.ok("PUT", f"{PRIVATE}/keep", body=b"to be kept")
        self.private = self.ok("GET", f"{PRIVATE}?t=uri").body.decode()
        self.caps = {cap, self.quoted, self.private, quote(self.private, safe="")}
        self.secrets |= self.caps

    def ok(self, method: str, path: str, *more: Pair, body: bytes = b"") -> Answer:
        """Ask as the owner, who must get an answer."""
        answer = self.gateway.ask(method, path, self.owner, *more, body=body)
        if answer.status >= 400:
            raise ShowError(f"{method} {path}: {answer.status} {answer.body!r}")
        return answer

    def new_login(self) -> str:
        """Return the path of a new login link."""
        path: str = json.loads(self.ok("POST", "/_/code").body)["path"]
        self.secrets.add(path.partition("code=")[2])
        return path

    def sign_in(self) -> Pair:
        """Return the cookie of a new session."""
        answer = self.gateway.ask("GET", self.new_login())
        cookie = answer.header("set-cookie").partition(";")[0]
        self.secrets.add(cookie.partition("=")[2])
        return "Cookie", cookie

    def attempt(
        self,
        what: str,
        answers: Iterable[tuple[str, Answer]],
        is_well: Callable[[Answer], bool],
    ) -> None:
        """Look at answers of one kind, and print a line."""
        outcomes: Counter[str] = Counter()
        bad = []
        for label, answer in answers:
            self.num_attempts += 1
            outcomes[str(answer.status or "closed")] += 1
            if not is_well(answer) or answer.status == 500 or self._leaks(answer):
                bad.append(f"{what}: {label}: {answer.status} {answer.body[:200]!r}")
        told = ", ".join(
            f"{status} x {count}" for status, count in sorted(outcomes.items())
        )
        print(f"{'FINDING' if bad else 'ok':8}{what:58} {told}", flush=True)
        self.findings += bad

    def claim(self, what: str, found: Iterable[str]) -> None:
        """Print a line about something that was looked for; each thing found is bad."""
        bad = list(found)
        self.num_attempts += 1
        print(f"{'FINDING' if bad else 'ok':8}{what:58} {len(bad)} found", flush=True)
        self.findings += [f"{what}: {one}" for one in bad]

    def _leaks(self, answer: Answer) -> bool:
        return answer.status >= 400 and any(one in answer.text for one in self.secrets)


def refused(*statuses: int) -> Callable[[Answer], bool]:
    """Return what wants one of these statuses."""
    return lambda answer: answer.status in statuses


# ---- who asks, and from where ------------------------------------------------------------


def names_and_pages(c: Campaign) -> None:
    """Foreign names, and pages of other sites."""
    ask, every = c.gateway.ask, [("GET", path) for path in READS] + CHANGES
    public = [("GET", "/"), ("GET", "/?t=json"), ("GET", f"/uri/{LIT}"), ("PUT", "/uri")]
    for who, right in (("the owner's cookie", c.cookie), ("the token", c.owner)):
        c.attempt(
            f"a foreign Host, with {who}",
            (
                (f"{host!r} {m} {p}", ask(m, p, right, ("Host", host)))
                for host in FOREIGN_HOSTS
                for m, p in every + public
            ),
            refused(400, 403),
        )
    c.attempt(
        "two Hosts",
        [("", ask("GET", "/", ("Host", c.gateway.place), ("Host", EVIL)))],
        refused(400),
    )
    for who, rights in (("the owner's cookie", [c.cookie]), ("nothing", [])):
        c.attempt(
            f"a page of another site changes something, with {who}",
            (
                (f"{page} {m} {p}", ask(m, p, page, *rights))
                for page in FOREIGN_PAGES
                for m, p in [*CHANGES, ("PUT", "/uri"), ("POST", "/uri?t=mkdir")]
            ),
            refused(403),
        )
    c.attempt(
        "a page of another site reads, with the owner's cookie",
        ((f"{f} {p}", ask("GET", p, f, c.cookie)) for f in FOREIGN_PAGES for p in READS),
        refused(403),
    )
    c.attempt(
        "asking for leave to read across sites (CORS)",
        (
            (p, ask("OPTIONS", p, ("Origin", f"http://{EVIL}"), c.cookie))
            for p in [*READS, "/", f"/uri/{LIT}"]
        ),
        lambda a: a.status in (401, 403, 405) and "access-control" not in a.text.lower(),
    )
    c.attempt(
        "the owner's things, with nothing",
        ((f"{m} {p}", ask(m, p)) for m, p in every),
        refused(401),
    )


def forms(c: Campaign) -> None:
    """Forms that nobody filled in, and forms sent again."""
    ask = c.gateway.ask
    c.attempt(
        "a form with the cookie alone: no Origin, no Sec-Fetch-Site",
        ((f"{m} {p}", ask(m, p, c.cookie)) for m, p in CHANGES if p != "/_/code"),
        refused(403),
    )
    c.attempt("a session asks for a login link", [("", ask(
        "POST", "/_/code", c.cookie, ("Sec-Fetch-Site", "same-origin")
    ))], refused(401))  # fmt: skip
    own = ("Origin", f"http://{c.gateway.place}")
    words = urlencode({"act": "mkdir", "place": PRIVATE, "name": "once"}).encode()
    first = ask("POST", "/_/do", FORM, own, c.cookie, body=words)
    if first.status != 303:
        raise ShowError(f"a form of our own: {first}")
    c.attempt(
        "a form sent again",
        [("", ask("POST", "/_/do", FORM, own, c.cookie, body=words))],
        refused(409),
    )
    c.ok("DELETE", f"{PRIVATE}/once")
    there = json.loads(c.ok("GET", f"{PRIVATE}?t=json").body)[1]["children"]
    c.claim("something changed", [name for name in there if name not in ("keep", ".Trash")])
    c.claim("something is gone", [] if "keep" in there else ["keep"])


# ---- cookies and codes -------------------------------------------------------------------


def sessions(c: Campaign) -> None:
    """Cookies and login links that are not, or no more, good."""
    name, _, value = c.cookie[1].partition("=")
    expiry, nonce, mac = value.split(".")
    past = GatewayKeys(c.token.encode(), lambda: time.time() - COOKIE_S - 60).new_cookie()
    forged = {
        "expired": past,
        "expired, made to last": f"{expiry}.{'.'.join(past.split('.')[1:])}",
        "later": f"{int(expiry) + 1}.{nonce}.{mac}",
        "another nonce": f"{expiry}.{'A' * 22}.{mac}",
        "no mac": f"{expiry}.{nonce}.",
        "of another token": GatewayKeys(b"x" * 43).new_cookie(),
        "of no token": GatewayKeys(b"").new_cookie(),
        "the token itself": c.token,
        "nothing": "",
    }
    for at in range(len(value)):
        other = "A" if value[at] != "A" else "B"
        forged[f"letter {at}"] = value[:at] + other + value[at + 1 :]
    c.attempt(
        "cookies forged, expired, altered",
        (
            (what, c.gateway.ask("GET", f"{PRIVATE}?t=uri", ("Cookie", f"{name}={text}")))
            for what, text in forged.items()
        ),
        refused(401),
    )
    link = c.new_login()
    c.gateway.ask("GET", link)
    code = link.partition("code=")[2]
    codes = [code, "", "x", code[:-1], code + "A", "A" * 22, "\0", c.token, "%00" * 9]
    c.attempt(
        "login codes used before, guessed, altered",
        ((one, c.gateway.ask("GET", f"/_/login?code={quote(one)}")) for one in codes),
        lambda a: a.status == 401 and not a.header("set-cookie"),
    )
    c.attempt(
        "wrong tokens",
        (
            (
                one,
                c.gateway.ask(
                    "POST", "/_/login", FORM, body=urlencode({"token": one}).encode()
                ),
            )
            for one in ("", "x", c.token[:-1], c.token + "A", c.token.swapcase())
        ),
        lambda a: a.status == 401 and not a.header("set-cookie"),
    )
    c.attempt(
        "login links that lead elsewhere",
        (
            (place, c.gateway.ask("GET", f"{c.new_login()}&next={quote(place, safe='')}"))
            for place in (*(h for h in HOSTILE if h.isascii()), f"https://{EVIL}/")
        ),
        lambda a: a.header("location") == "/" and "evil=1" not in a.header("set-cookie"),
    )
    noted = c.sign_in()
    own = ("Sec-Fetch-Site", "same-origin")
    c.gateway.ask("POST", "/_/do?act=logout", noted, own)
    c.attempt(
        "a cookie noted before its owner signed out",
        [("", c.gateway.ask("GET", f"{PRIVATE}?t=uri", noted))],
        refused(401),
    )
