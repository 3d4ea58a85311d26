"""From a link or the token to a session, and out again; and what a browser sees."""

import json
import re
from urllib.parse import urlencode

import pytest
from pytest_twisted import ensureDeferred

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
TOKEN = "the-token-of-the-gateway-in-tests"


@pytest.fixture
def gateway(gateway):
    gateway.owner = gateway.headers
    gateway.headers = dict(BROWSER)
    return gateway


async def new_link(gateway, **words):
    query = f"?{urlencode(words)}" if words else ""
    status, headers, body = await gateway.ask(
        "POST", f"/_/code{query}", headers=gateway.owner
    )
    assert status == 200 and headers["Cache-Control"] == "no-store"
    return json.loads(body)["path"]


async def sign_in(gateway):
    """Return the headers of a browser that signed in."""
    _, headers, _ = await gateway.ask("GET", await new_link(gateway))
    return {"Cookie": headers["Set-Cookie"].partition(";")[0]}


# ---- in


@ensureDeferred
async def test_a_link_signs_a_browser_in_and_leads_on(gateway):
    link = await new_link(gateway, next="/vdrive/private/a%20b")
    status, headers, _ = await gateway.ask("GET", link)
    assert (status, headers["Location"]) == (303, "/vdrive/private/a%20b")
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    cookie, *facts = headers["Set-Cookie"].split("; ")
    assert cookie.startswith(f"tahoe-session-{gateway.port}=")
    assert sorted(facts) == ["HttpOnly", "Max-Age=2592000", "Path=/", "SameSite=Strict"]
    reply = await gateway.ask("GET", "/vdrive/private", headers={"Cookie": cookie})
    assert reply[0] == 200


@ensureDeferred
async def test_a_link_is_good_once_and_a_look_ahead_uses_nothing_up(gateway):
    link = await new_link(gateway)
    status, headers, _ = await gateway.ask("HEAD", link)
    assert (status, headers["Set-Cookie"]) == (200, None)
    assert (await gateway.ask("GET", link))[0] == 303
    status, headers, body = await gateway.ask("GET", link)
    assert (status, headers["Set-Cookie"]) == (401, None)
    assert b"used already" in body
    assert headers["Referrer-Policy"] == "strict-origin"
    assert link.partition("=")[2].encode() not in body


@ensureDeferred
async def test_an_old_link_leads_on_for_whoever_is_signed_in(gateway):
    link = await new_link(gateway, next="/_/grid")
    _, headers, _ = await gateway.ask("GET", link)
    cookie = {"Cookie": headers["Set-Cookie"].partition(";")[0]}
    status, headers, _ = await gateway.ask("GET", link, headers=cookie)
    assert (status, headers["Location"]) == (303, "/_/grid")
    assert headers["Set-Cookie"] is None


@ensureDeferred
async def test_from_a_file_or_another_site_a_page_leads_on(gateway):
    """What a redirection from there leads to would not get the cookie."""
    link = await new_link(gateway, next="/_/grid")
    cross = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    status, headers, body = await gateway.ask("GET", link, headers=cross)
    assert (status, headers["Location"]) == (200, None)
    assert headers["Set-Cookie"] and headers["Referrer-Policy"] == "no-referrer"
    assert '<meta http-equiv="refresh" content="0; url=/_/grid">' in body.decode()


@pytest.mark.parametrize(
    "place",
    [
        "//evil.example/",
        "/\\evil.example",
        "http://evil.example/",
        "evil.example",
        "/a\r\nSet-Cookie: a=b",
        "/a\tb",
        "javascript:alert(1)",
        "/\u00e9",
        "/" + "a" * 9000,
        "",
    ],
)
@ensureDeferred
async def test_a_link_leads_to_this_gateway_only(place, gateway):
    code = gateway.keys.new_code()
    query = urlencode({"code": code, "next": place})
    status, headers, _ = await gateway.ask("GET", f"/_/login?{query}")
    assert (status, headers["Location"]) == (303, "/")
    words = urlencode({"token": TOKEN, "next": place})
    status, headers, _ = await gateway.ask("POST", "/_/login", words, FORM)
    assert (status, headers["Location"]) == (303, "/")


@ensureDeferred
async def test_the_token_signs_a_browser_in(gateway):
    words = urlencode({"token": f" {TOKEN}\n", "next": "/_/grid"})
    status, headers, _ = await gateway.ask("POST", "/_/login", words, FORM)
    assert (status, headers["Location"]) == (303, "/_/grid")
    assert headers["Set-Cookie"].startswith(f"tahoe-session-{gateway.port}=")
    for wrong in ("", "x", TOKEN[:-1]):
        words = urlencode({"token": wrong})
        status, headers, body = await gateway.ask("POST", "/_/login", words, FORM)
        assert (status, headers["Set-Cookie"]) == (401, None)
        assert b"not the token" in body


@ensureDeferred
async def test_a_session_makes_no_links(gateway):
    own = {**await sign_in(gateway), "Sec-Fetch-Site": "same-origin"}
    assert (await gateway.ask("POST", "/_/code", headers=own))[0] == 401


# ---- out


@ensureDeferred
async def test_who_signs_out_is_out_wherever_the_cookie_was_noted(gateway):
    cookie, other = await sign_in(gateway), await sign_in(gateway)
    own = {**FORM, **cookie, "Sec-Fetch-Site": "same-origin"}
    status, headers, _ = await gateway.ask("POST", "/_/do", "act=logout", own)
    assert (status, headers["Location"]) == (303, "/")
    gone, *facts = headers["Set-Cookie"].split("; ")
    assert gone == f"tahoe-session-{gateway.port}=" and "Max-Age=0" in facts
    assert (await gateway.ask("GET", "/vdrive/private", headers=cookie))[0] == 401
    assert (await gateway.ask("GET", "/vdrive/private", headers=other))[0] == 200


# ---- what a browser sees


@ensureDeferred
async def test_who_is_not_signed_in_gets_a_page_that_leads_back(gateway):
    place = "/vdrive/private/a%20b/?page=2&x=%22"
    status, headers, body = await gateway.ask("GET", place)
    page = body.decode()
    assert status == 401 and "tahoe webopen" in page and 'name="token"' in page
    assert re.search(r'name="next" value="([^"]+)"', page)[1] == place.replace("&", "&amp;")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "strict-origin"
    assert headers["WWW-Authenticate"].startswith("Bearer")


@ensureDeferred
async def test_errors_are_pages_for_browsers_and_lines_for_everybody_else(gateway):
    for place, status, words in [
        ("/nope", 404, "nothing here"),
        ("/uri/garbage", 400, "unknown URI type"),
        ("/?t=x", 400, "the only t="),
        ("/uri/URI:LIT:nbswy3dp/x", 400, "no children"),
    ]:
        got, headers, body = await gateway.ask("GET", place)
        assert got == status and headers["Content-Type"].startswith("text/html")
        assert words in body.decode() and "That did not work" in body.decode()
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        for program in (
            {"Accept": "*/*"},
            {"Sec-Fetch-Mode": "cors"},
            {"Sec-Fetch-Mode": "no-cors"},
        ):
            _, headers, body = await gateway.ask("GET", place, headers=program)
            assert headers["Content-Type"].startswith("text/plain")
            assert "<" not in body.decode()
        json_first = {"Accept": "application/json, text/html;q=0.5"}
        _, _, body = await gateway.ask("GET", place, headers=json_first)
        assert words in json.loads(body)["error"]["message"]


@ensureDeferred
async def test_an_error_page_keeps_the_headers_of_the_error(gateway):
    _, headers, body = await gateway.ask("DELETE", "/")
    assert headers["Allow"] == "GET, HEAD, POST"
    assert b"That did not work" in body


@ensureDeferred
async def test_an_error_page_shows_what_was_said_as_text(gateway):
    place = "/uri/URI:LIT:nbswy3dp/%3Cscript%3Ealert(1)%3C%2Fscript%3E"
    _, _, body = await gateway.ask("GET", place)
    assert b"<script>alert" not in body and b"&lt;script&gt;" in body
