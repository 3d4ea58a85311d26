"""The page of one thing: what it shows, what it tells, and where the thing lies."""

import re
from html import unescape

import pytest
from attrs import define, field
from pytest_twisted import ensureDeferred

from allmydata.errors import NotEnoughServersError
from allmydata.immutable.check import CheckReport
from allmydata.uri import CHKFileURI
from allmydata.util.deferreds import as_deferred
from tests.support.fake_client import fake_server
from tests.support.media import pdf

HELLO = "URI:LIT:nbswy3dp"
CHK = CHKFileURI(bytes(16), b"h" * 32, 3, 5, 2000)
PRIVATE = "/vdrive/private"


@define
class FakeChecker:
    """Says what it is told to, and counts how often it is asked."""

    report: object
    asked: list[str] = field(factory=list)

    @as_deferred
    async def check(self, cap, verify=False):
        self.asked.append(cap)
        if isinstance(self.report, Exception):
            raise self.report
        return self.report


def checked(gateway, report):
    """Let the client have a checker that reports *report*; return it."""
    gateway.client.checker = FakeChecker(report)
    return gateway.client.checker


def text_of(body):
    return unescape(re.sub(r"<[^>]+>", "", body))


# ---- previews


@ensureDeferred
async def test_a_text_is_shown_without_scripts(fake, url):
    words = "<script>alert(1)</script> & ü\r\n\nend"
    await fake.ask("PUT", url(PRIVATE, "a.txt"), ("\n" + words).encode())
    _, _, body = await fake.ask("GET", f"{PRIVATE}/?t=details&name=a.txt")
    shown = re.search(r"<pre[^>]*>\n(.*?)</pre>", body, re.S)[1]
    assert unescape(shown) == "\n" + words.replace("\r\n", "\n")
    assert "<script>alert" not in body and "how it begins" not in body


@ensureDeferred
async def test_of_a_long_text_the_beginning_is_shown(fake, url):
    await fake.ask("PUT", url(PRIVATE, "a.txt"), b"word " * 10_000)
    _, _, body = await fake.ask("GET", f"{PRIVATE}/?t=details&name=a.txt")
    assert len(body) < 30_000 and "This is how it begins" in body


@ensureDeferred
async def test_a_text_that_is_lost_has_a_page_all_the_same(fake, url):
    cap = await fake.make(**{"a.txt": CHK.to_string(), "e.txt": "URI:LIT:"})
    status, _, body = await fake.ask("GET", f"{url(cap)}/?t=details&name=a.txt")
    assert status == 200 and "It can't be read now: no shares" in text_of(body)
    _, _, body = await fake.ask("GET", f"{url(cap)}/?t=details&name=e.txt")
    assert "The file is empty" in body


@ensureDeferred
async def test_a_pdf_may_stand_in_its_page_and_nothing_else_may(fake, url):
    for name, data in (("a.pdf", pdf("hello")), ("b.html", b"<script></script>")):
        await fake.ask("PUT", url(PRIVATE, name), data)
    _, headers, body = await fake.ask("GET", f"{PRIVATE}/?t=details&name=a.pdf")
    policy = headers["Content-Security-Policy"]
    assert "object-src 'self'" in policy and "frame-ancestors 'none'" in policy
    [source] = re.findall(r'<object data="(.+?)"', body)
    _, headers, _ = await fake.ask("GET", source)
    assert headers["Content-Type"] == "application/pdf"
    assert headers["Content-Security-Policy"] == "frame-ancestors 'self'"
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["X-Content-Type-Options"] == "nosniff"
    _, headers, _ = await fake.ask("GET", f"{PRIVATE}/?t=details&name=b.html")
    assert "object-src" not in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "query",
    [
        "b.html?preview=1",
        "a.pdf?preview=1&filename=x.html",
        "b.html?preview=1&filename=b.svg",
    ],
)
@ensureDeferred
async def test_what_could_run_a_script_is_sandboxed_in_a_preview_too(query, fake, url):
    for name in ("a.pdf", "b.html"):
        await fake.ask("PUT", url(PRIVATE, name), b"<script>alert(1)</script>")
    _, headers, _ = await fake.ask("GET", f"{PRIVATE}/{query}")
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Content-Security-Policy"].startswith("sandbox")


# ---- facts


@ensureDeferred
async def test_info_tells_of_whatever_a_path_leads_to(fake, url):
    sub = await fake.make()
    cap = await fake.make(sub=sub, **{"f.bin": CHK.to_string()})
    for place in (url(CHK.to_string()), url(cap, "f.bin")):
        status, headers, body = await fake.ask("GET", f"{place}?t=info")
        assert (status, headers["Content-Type"]) == (200, "text/html;charset=utf-8")
        words = text_of(body)
        assert "2,000 bytes" in words and "any 3 of 5 bring it back" in words
        assert CHK.get_verify_cap().to_string().split(":")[2] in words
        assert CHK.to_string() in body
    status, _, body = await fake.ask("GET", f"{url(cap)}?t=info")
    assert status == 200 and await fake.readonly(cap) in body and cap not in body
    _, _, body = await fake.ask("GET", url(cap, "sub", t="info"))
    assert "<h1><bdi>sub</bdi></h1>" in body and 'value="rename"' in body


@pytest.mark.parametrize(
    ("cap", "words"),
    [
        (CHK.get_verify_cap().to_string(), "2,000 bytes"),
        ("URI:SSK:aaaa:bbbb", "Something unknown"),
        ("x-tahoe-future:abc", "Something unknown"),
        (HELLO, "5 bytes"),
    ],
)
@ensureDeferred
async def test_info_tells_what_can_be_told_of_any_capability(cap, words, fake, url):
    status, _, body = await fake.ask("GET", url(cap, t="info"))
    assert status == 200 and words in text_of(body)
    assert ("Download" in body) == (cap == HELLO)


@ensureDeferred
async def test_a_name_of_the_clients_choice_tells_the_type(fake, url):
    _, _, body = await fake.ask("GET", url(HELLO, t="info", filename="a & b.txt"))
    assert "<h1><bdi>a &amp; b.txt</bdi></h1>" in body and "hello</pre>" in body
    [link] = re.findall(r'href="([^"]+save=true[^"]*)"', body)
    _, headers, data = await fake.ask("GET", unescape(link))
    assert data == "hello"
    assert headers["Content-Disposition"] == 'attachment; filename="a & b.txt"'


@ensureDeferred
async def test_a_rename_form_is_on_the_page_of_the_child(fake, url):
    cap = await fake.make(f=HELLO)
    status, _, body = await fake.ask("GET", url(cap, t="rename-form", name="f"))
    assert status == 200 and 'value="rename"' in body


# ---- where it is


def report(holdings, needed=3, total=5, **more):
    held = {server: frozenset(shares) for server, shares in holdings.items()}
    return CheckReport("aaaa", needed, 4, total, 2000, held, **more)


@pytest.mark.parametrize(
    ("holdings", "words"),
    [
        ({"a": {0}, "b": {1}, "c": {2, 3}, "d": {4}}, "Any of these servers may die"),
        ({"a": {0}, "b": {1}, "c": {2}}, "If one of these servers dies now"),
        ({"a": {0, 1}}, "It can't be brought back now: it needs 3 shares. Only 2 shares"),
        ({}, "None was found."),
    ],
)
@ensureDeferred
async def test_a_page_tells_which_server_holds_which_share(holdings, words, fake, url):
    fake.gateway.client.servers += [fake_server(f"<b>{name}") for name in "abcd"]
    names = {s["nickname"][-1]: s["nodeid"] for s in fake.gateway.client.servers}
    found = {names[name]: shares for name, shares in holdings.items()}
    checker = checked(fake.gateway, report(found, silent={names["d"]: "gone"}))
    cap = await fake.make(f=CHK.to_string())
    _, _, body = await fake.ask("GET", f"{url(cap)}/?t=details&name=f")
    assert checker.asked == [] and "Ask the servers" in body
    [link] = re.findall(r'href="([^"#]+t=where)#', body)
    status, _, body = await fake.ask("GET", unescape(link))
    assert (status, checker.asked) == (200, [CHK.to_string()])
    assert words in text_of(body) and "<b>" not in body
    rows = re.findall(r"<tr><th.*?><bdi>(.*?)</bdi></th><td>(.*?)</td>", body)
    expected = {f"<b>{n}": ", ".join(map(str, sorted(s))) for n, s in holdings.items()}
    assert {unescape(n): s for n, s in rows if s != "none"} == expected
    assert "did not answer" in text_of(body)


@pytest.mark.parametrize(
    ("cap", "words"),
    [(HELLO, "lies in its own capability"), ("", "lies on the vdrive server")],
)
@ensureDeferred
async def test_what_lies_elsewhere_is_told_without_asking(cap, words, fake, url):
    checker = checked(fake.gateway, report({}))
    status, _, body = await fake.ask("GET", url(cap or await fake.make(), t="where"))
    assert status == 200 and words in text_of(body) and "<table" not in body
    assert checker.asked == []


@ensureDeferred
async def test_servers_that_can_not_be_asked_are_no_error_of_the_page(fake, url):
    status, _, body = await fake.ask("GET", url(CHK.to_string(), t="where"))
    assert status == 200 and "can't look" in text_of(body)
    checked(fake.gateway, NotEnoughServersError("no servers"))
    status, _, body = await fake.ask("GET", url(CHK.to_string(), t="where"))
    assert status == 200 and "It can't be told now: no servers." in text_of(body)
