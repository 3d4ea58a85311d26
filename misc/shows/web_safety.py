"""Show: what others might try on a person's gateway, and what comes of it.

    python misc/shows/web_safety.py

Raw requests against a ``tahoe demo``: under foreign names, from pages of other sites, with
cookies and codes that were forged, replayed or noted, with what somebody stored, with
names made to hurt, with requests that are none.  For each kind of attempt a line: how many
there were, and what was answered.  A finding is an answer that gives or does what it should
not, an error that nobody foresaw, or a secret where it does not belong.  Exit code 1 if
there is one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from raw_http import Answer, RawGateway
from under_demo import BIN, ShowError, run_beside_demo
from web_attacks import (
    FORM,
    HOSTILE,
    LIT,
    PAGE,
    PRIVATE,
    SCRIPT,
    Campaign,
    forms,
    names_and_pages,
    refused,
    sessions,
)

ACTIVE = (
    "html htm shtml xhtml xht svg svgz xml xsl xslt rdf atom rss mml wsdl xpdl xul".split()
)
PASSIVE = "js mjs css pdf swf jar hta mht mhtml eml txt json bin none".split()
SILENT = ("same-origin", "no-referrer", "strict-origin")


# ---- what somebody stored, and called it -------------------------------------------------


def stored(c: Campaign) -> None:
    """Files that are pages, and names that are scripts."""
    body = f"<svg xmlns='http://www.w3.org/2000/svg'>{SCRIPT}</svg>".encode()
    cap = quote(c.ok("PUT", "/uri", body=body).body.decode(), safe="")
    kinds = [*ACTIVE, *PASSIVE]
    for kind in kinds:
        c.ok("PUT", f"/uri/{c.quoted}/page.{kind}", body=body)
    ways = [f"/uri/{c.quoted}/page.{kind}" for kind in kinds]
    ways += [f"/uri/{cap}?filename=page.{kind}" for kind in kinds]
    ways += [f"/named/{cap}/page.{kind}" for kind in kinds] + [f"/uri/{cap}"]
    c.attempt(
        "a stored page is opened", ((w, c.gateway.ask("GET", w)) for w in ways), _is_boxed
    )
    c.attempt(
        "a stored page, in parts",
        ((w, c.gateway.ask("GET", w, ("Range", "bytes=0-20,30-40"))) for w in ways),
        _is_boxed,
    )
    for number, name in enumerate(HOSTILE):
        children = {name: ["filenode", {"ro_uri": LIT}]}
        c.gateway.ask(
            "POST", f"/uri/{c.quoted}?t=set_children", body=json.dumps(children).encode()
        )
        words = quote(name.encode("utf-8", "surrogatepass"), safe="")
        places = [f"/uri/{c.quoted}/{words}", f"/uri/{c.quoted}?t={words}", f"/{words}"]
        places += [
            f"/uri/{c.quoted}/?t=details&name={words}",
            f"/uri/{words}",
            f"/_/{words}",
        ]
        places += [f"/uri/{c.quoted}/?undo={words}", f"/uri/{c.quoted}/?page={words}"]
        places += [f"/uri/{cap}?filename={words}&save=true", f"/named/{cap}/{words}"]
        places += [f"/operations/{words}", f"/uri?uri={words}", f"/_/login?next={words}"]
        places += [
            f"{PRIVATE}/{words}?t=json",
            f"{PRIVATE}/?t=details&name={words}",
            "/_/grid",
        ]
        answers = [(p, c.gateway.ask("GET", p, c.owner, PAGE)) for p in places]
        for act in ("open", "mkdir", "rename", "delete", "restore", "move", "other", name):
            fields = dict.fromkeys(("cap", "place", "item", "to", "batch", "name"), name)
            form = urlencode({"act": act, **fields}, errors="surrogatepass").encode()
            answers.append(
                (act, c.gateway.ask("POST", "/_/do", c.owner, PAGE, FORM, body=form))
            )
            form = urlencode(
                {"act": act, **fields, "place": PRIVATE}, errors="surrogatepass"
            )
            answers.append(
                (
                    act,
                    c.gateway.ask("POST", "/_/do", c.owner, PAGE, FORM, body=form.encode()),
                )
            )
        c.attempt(
            f"a hostile name, number {number}: {ascii(name)[:24]}", answers, _is_inert
        )


def _is_boxed(answer: Answer) -> bool:
    kind = answer.header("content-type").lower()
    policy = answer.header("content-security-policy")
    is_box = "sandbox" in policy or not re.search("html|xml|svg", kind)
    is_exact = answer.header("x-content-type-options") == "nosniff"
    return answer.status in (200, 206) and is_box and is_exact


def _is_inert(answer: Answer) -> bool:
    is_page = answer.header("content-type").startswith("text/html")
    body = answer.body.decode("utf-8", "replace")
    harm = is_page and (SCRIPT in body or "<b>" in body or ">49<" in body)
    policy = answer.header("content-security-policy")
    is_guarded = not is_page or "script-src 'self'" in policy or "sandbox" in policy
    led = answer.header("location")
    leaves = bool(re.match(r"(?!/(?![/\\]))", led)) if led else False
    return not (harm or leaves or "evil=1" in answer.header("set-cookie")) and is_guarded


# ---- requests that are none --------------------------------------------------------------


def malformed(c: Campaign) -> None:
    """Send what is too long, of no known method, or contradicts itself."""
    ask, host = c.gateway.ask, f"Host: {c.gateway.place}\r\n".encode()
    long = {
        "one header": [("X", "a" * 100_000)],
        "a cookie": [("Cookie", "a=" + "b" * 60_000)],
        "many headers": [(f"X-{i}", "a") for i in range(5000)],
        "a name": [("a" * 70_000, "x")],
        "an Origin": [("Origin", "http://" + "a" * 20_000)],
        "an Authorization": [("Authorization", "Bearer " + "a" * 100_000)],
    }
    c.attempt(
        "oversize headers",
        ((what, ask("GET", "/healthz", *more)) for what, more in long.items()),
        refused(0, 400, 403, 413, 431),
    )
    c.attempt(
        "oversize request lines",
        ((str(n), ask("GET", "/" + "a" * n)) for n in (20_000, 100_000, 1_000_000)),
        refused(0, 400, 404, 414, 431),
    )
    methods = "TRACE CONNECT PATCH OPTIONS PROPFIND FOO get G\u00c9T GET\t".split(" ")
    places = [
        "/",
        f"{PRIVATE}?t=json",
        f"/uri/{LIT}",
        f"/uri/{c.quoted}",
        "/_/do",
        "/_/login",
    ]
    c.attempt(
        "wrong methods",
        ((f"{m} {p}", ask(m, p, c.owner, ("X", SCRIPT))) for m in methods for p in places),
        lambda a: a.status in (0, 400, 405, 501) and SCRIPT not in a.text,
    )
    kinds = ("x", "..", "info2", quote(SCRIPT), "%00", "json%0d%0a", "mkdir2", "Upload")
    some = [("GET", "/"), ("PUT", "/uri"), ("POST", "/uri"), ("GET", f"/uri/{c.quoted}/")]
    some += [(m, f"/uri/{c.quoted}/keep.js") for m in ("GET", "PUT", "POST")]
    c.ok("PUT", f"/uri/{c.quoted}/keep.js?t=uri", body=LIT.encode())
    c.attempt(
        "unknown t=",
        (
            (f"{m} {p} {k}", ask(m, f"{p}?t={k}", c.owner, PAGE))
            for k in kinds
            for m, p in some
        ),
        lambda a: a.status == 400 and _is_inert(a),
    )
    smuggled = {
        "two lengths": b"POST / HTTP/1.1\r\n%bContent-Length: 1\r\n"
        b"Content-Length: 2\r\n\r\nab",
        "length and chunks": b"POST / HTTP/1.1\r\n%bContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /_/grid HTTP/1.1\r\n\r\n",
        "a length of -1": b"POST / HTTP/1.1\r\n%bContent-Length: -1\r\n\r\n",
        "a length of +1": b"POST / HTTP/1.1\r\n%bContent-Length: +1\r\n\r\na",
        "a huge chunk": b"PUT /uri HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n"
        + b"f" * 99,
        "no chunk": b"PUT /uri HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "another coding": b"POST / HTTP/1.1\r\n%bTransfer-Encoding: gzip\r\n\r\n",
        "a folded header": b"GET / HTTP/1.1\r\n%bX: a\r\n b\r\nOrigin : x\r\n\r\n",
        "no header": b"GET / HTTP/1.1\r\n%bnothing\r\n\r\n",
        "no version": b"GET /\r\n%b\r\n",
        "an address as path": b"GET http://evil.example/ HTTP/1.1\r\n%b\r\n",
        "noise": bytes(range(256)) * 20 + b"\r\n%b\r\n",
    }
    c.attempt(
        "requests that contradict themselves",
        (
            (what, c.gateway.throw(data.replace(b"%b", host)))
            for what, data in smuggled.items()
        ),
        refused(0, 400, 404, 431, 501),
    )
    c.attempt("and then it answers", [("", ask("GET", "/healthz"))], refused(200))


# ---- where secrets might be seen ---------------------------------------------------------


def secrets(c: Campaign, basedir: Path, place: Path) -> None:
    """Look for capabilities, tokens, cookies and codes where they don't belong."""
    pages = ["/", "/_/grid", "/_/login", f"{PRIVATE}/", f"{PRIVATE}/?t=details", "/nope"]
    pages += [f"/uri/{c.quoted}/", f"/uri/{c.quoted}/?t=details", f"/uri/{c.quoted}/nope"]
    shown = [(page, c.gateway.ask("GET", page, c.owner, PAGE)) for page in pages]
    own = [(page, a) for page, a in shown if page.startswith((PRIVATE, "/_/"))]
    links = r'(?:href|src|action)="'
    titles = {page: re.search(r"<title>(.*?)</title>", a.text) for page, a in shown}
    c.claim(
        "a capability in a title", [p for p, t in titles.items() if t and "URI" in t[1]]
    )
    for what, found in {
        "an address told to other sites": [
            p for p, a in shown if a.header("referrer-policy") not in SILENT
        ],
        "a page kept on disk by the browser": [
            p for p, a in shown if "no-store" not in a.header("cache-control")
        ],
        "a link to elsewhere": [
            p for p, a in shown if re.search(links + "(?:https?:)?//", a.text)
        ],
        "a capability in the addresses of one's own files": [
            p for p, a in own if re.search(links + '[^"]*URI(?::|%3A)', a.text)
        ],
        "a token, cookie or code in a page": [
            p for p, a in shown if any(one in a.text for one in c.secrets - c.caps)
        ],
    }.items():
        c.claim(what, found)
    c.claim("a secret in what a browser is started with", _seen_by_others(c, place))
    logs = [path for path in basedir.parent.rglob("*") if ".log" in path.name]
    if not logs:
        raise ShowError("there is no log")
    words = [*c.secrets, "URI:DIR", "URI:CHK", "tahoe-session-"]
    told = {path.name: path.read_text("utf-8", "replace") for path in logs}
    found = [f"{name}: {w[:8]}…" for name, text in told.items() for w in words if w in text]
    c.claim("a secret in a log", found)


def _seen_by_others(c: Campaign, place: Path) -> list[str]:
    """Open the node's page; return what is seen of its secrets in lists of processes."""
    browser, seen = place / "browser", place / "seen"
    browser.write_text(f'#!/bin/sh\ntr "\\0" " " < /proc/$$/cmdline >> {seen}\n')
    browser.chmod(0o755)
    environment = {**os.environ, "BROWSER": str(browser)}
    subprocess.run([BIN / "tahoe", "webopen", "tahoe:"], env=environment, check=True)
    words = seen.read_text()
    if "webopen.html" not in words:
        raise ShowError(f"the browser was started with {words}")
    return [one for one in ("code=", "URI", *c.secrets) if one in words]


def show(place: Path) -> None:
    """Try everything, and tell."""
    basedir = Path(os.environ["TAHOE_NODE_DIRECTORY"])
    url = urlsplit((basedir / "node.url").read_text().strip())
    token = (basedir / "private" / "api_auth_token").read_text().strip()
    campaign = Campaign(RawGateway(url.netloc), token)
    for attack in (names_and_pages, forms, sessions, stored, malformed):
        attack(campaign)
    secrets(campaign, basedir, place)
    for finding in campaign.findings[:50]:
        print(f"  {finding}")
    print(f"\n{campaign.num_attempts} attempts, {len(campaign.findings)} findings")
    if campaign.findings:
        raise ShowError(f"{len(campaign.findings)} findings")


if __name__ == "__main__":
    sys.exit(run_beside_demo(show))
