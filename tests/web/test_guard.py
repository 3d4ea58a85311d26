"""Who may ask for what: by whom, from where, and under which name."""

import json
from urllib.parse import urlencode

import pytest
from pytest_twisted import ensureDeferred

from allmydata.web.guard import is_local

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
EVIL = "http://evil.example"
OWNERS = [  # what only the owner may have
    ("GET", "/vdrive/private"),
    ("GET", "/vdrive/private/a/b?t=json"),
    ("GET", "/vdrive/public?t=uri"),
    ("PUT", "/vdrive/private/f"),
    ("POST", "/vdrive/private/a?t=mkdir"),
    ("DELETE", "/vdrive/private/a"),
    ("GET", "/operations/h"),
    ("POST", "/operations/h?t=cancel"),
    ("GET", "/_/grid"),
    ("GET", "/_/live"),
    ("GET", "/_/nothing"),
    ("GET", "/live?t=json"),
    ("GET", "/live?t=events"),
    ("GET", "/status?t=json"),
    ("POST", "/_/code"),
    ("POST", "/_/do?act=empty"),
    ("POST", "/_/do?act=logout"),
    ("POST", "/_/do?act=restore&batch=x"),
    ("POST", "/_/do?act=mkdir&place=/vdrive/private&name=x"),
    ("POST", "/_/do?act=delete&place=/vdrive/public&item=x"),
    ("POST", "/_/do?act=move&place=/vdrive/private&item=x&to=/vdrive/public"),
    ("POST", "/_/do?act=demo-kill&server=1"),
    ("POST", "/_/do?act=demo-film"),
    ("GET", "/_/health"),
    ("GET", "/_/demo"),
]
OPEN = ["/", "/?t=json", "/healthz", "/readyz", "/uri/URI:LIT:nbswy3dp", "/_/login"]
OPEN += ["/named/URI:LIT:nbswy3dp/x", "/_/style.css"]


@pytest.fixture
def nobody(fake):
    """Directories in memory, asked for by whoever reaches the port."""
    fake.gateway.headers.clear()
    return fake


def session(gateway):
    """Return the headers of a browser that signed in, on a page of the gateway."""
    cookie = f"tahoe-session-{gateway.port}={gateway.keys.new_cookie()}"
    return {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}


# ---- the owner, and everybody else


@pytest.mark.parametrize(("method", "place"), OWNERS)
@ensureDeferred
async def test_what_needs_no_capability_is_for_the_owner(method, place, nobody):
    status, headers, body = await nobody.ask(method, place)
    assert status == 401
    assert headers["WWW-Authenticate"].startswith("Bearer")
    assert "private/api_auth_token" in body and "tahoe webopen" in body
    wrong = {"Authorization": "Bearer wrong", "Cookie": f"tahoe-session-{0}=x"}
    assert (await nobody.ask(method, place, headers=wrong))[0] == 401


@ensureDeferred
async def test_a_program_is_told_in_json(nobody):
    status, _, body = await nobody.ask(
        "GET", "/vdrive/private", headers={"Accept": "application/json"}
    )
    error = json.loads(body)["error"]
    assert (status, error["code"]) == (401, "not-permitted")
    assert "tahoe webopen" in error["fix"]


@pytest.mark.parametrize("place", OPEN)
@ensureDeferred
async def test_what_is_no_secret_and_what_has_a_capability_is_for_everybody(place, nobody):
    assert (await nobody.ask("GET", place))[0] == 200


@ensureDeferred
async def test_a_capability_is_enough_to_change(nobody, url):
    cap = await nobody.make()
    assert (await nobody.ask("PUT", url(cap, "f"), b"hello"))[0] == 201
    words = urlencode({"act": "mkdir", "place": url(cap), "name": "x"})
    assert (await nobody.ask("POST", "/_/do", words, FORM))[0] == 303
    assert await nobody.names(cap) == ["f", "x"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "tahoe-lafs", "Tahoe-LAFS"])
@ensureDeferred
async def test_the_token_is_taken_under_either_name(scheme, nobody):
    token = "the-token-of-the-gateway-in-tests"
    shown = {"Authorization": f"{scheme} {token}"}
    assert (await nobody.ask("GET", "/vdrive/private?t=json", headers=shown))[0] == 200
    for wrong in ("", "x", token[:-1], token + "x"):
        headers = {"Authorization": f"{scheme} {wrong}"}
        got = await nobody.ask("GET", "/vdrive/private?t=json", headers=headers)
        assert got[0] == 401
    headers = {"Authorization": f"Basic {token}"}
    assert (await nobody.ask("GET", "/vdrive/private", headers=headers))[0] == 401


@ensureDeferred
async def test_the_first_page_offers_the_roots_to_the_owner_only(fake):
    _, _, body = await fake.ask("GET", "/")
    assert 'href="/vdrive/private/"><' in body.replace("\n", "")
    assert "act" in body and "Sign out" in body
    fake.gateway.headers.clear()
    _, _, body = await fake.ask("GET", "/")
    assert "tahoe webopen" in body and "Sign out" not in body
    assert "Connected to <span>0</span>" in body.replace("\n", "")


@ensureDeferred
async def test_a_gateway_without_keys_has_no_owner(nobody, tmp_path):
    from allmydata.web.session import GatewayKeys

    keys = GatewayKeys.unknown()
    assert not keys.is_token("") and not keys.is_token("\0" * 32)


# ---- names


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:3456", True),
        ("10.0.0.1", True),
        ("[::1]:3456", True),
        ("localhost", True),
        ("LocalHost.:3456", True),
        ("tahoe.localhost:1", True),
        ("nas.lan:3456", True),
        ("NAS.lan", True),
        ("evil.example", False),
        ("nas.lan.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("evillocalhost", False),
        ("x", False),
        ("", False),
        ("[", False),
        ("[::1", False),
        ("evil.example@127.0.0.1", False),
        ("127.0.0.1/evil.example", False),
        ("127.0.0.1:3456:1", False),
        ("2130706433", False),
        ("127.1", False),
        ("localhost\u00e9", False),
    ],
)
def test_a_name_that_somebody_else_could_make_lead_here_is_none_of_ours(host, is_own):
    assert is_local(host, ["nas.lan"]) is is_own


@pytest.mark.parametrize("place", ["/", "/?t=json", "/uri/URI:LIT:nbswy3dp", "/healthz"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "["])
@ensureDeferred
async def test_nothing_is_there_under_a_foreign_name(host, place, fake):
    status, _, body = await fake.ask("GET", place, headers={"Host": host})
    assert status == 403
    assert "web.hosts" in body and "evil" not in body


@ensureDeferred
async def test_two_names_are_one_too_many(gateway):
    from twisted.internet.threads import deferToThread

    def ask():
        with gateway.socket() as one:
            host = b"Host: 127.0.0.1\r\n"
            one.sendall(b"GET /?t=json HTTP/1.1\r\n" + host + b"Host: evil.example\r\n\r\n")
            return one.recv(100)

    assert b" 400 " in await deferToThread(ask)


# ---- pages of other sites

FOREIGN = [
    {"Origin": EVIL},
    {"Origin": "http://["},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "Cross-Site"},
    {"Host": "evil.example", "Origin": EVIL},
]


@pytest.mark.parametrize("foreign", FOREIGN, ids=str)
@ensureDeferred
async def test_no_page_of_another_site_changes_anything(foreign, fake, url):
    cap = await fake.make()
    calls = fake.num_calls()
    for method, place in [
        ("PUT", "/uri"),
        ("POST", "/uri?t=mkdir"),
        ("POST", url(cap, "a", t="mkdir")),
        ("PUT", url(cap, "f")),
        ("DELETE", url(cap, "f")),
        ("POST", "/vdrive/private/a?t=mkdir"),
        ("POST", "/_/login"),
        ("POST", "/_/code"),
        ("POST", "/_/do?act=open&cap=URI:LIT:nbswy3dp"),
        ("POST", "/"),
    ]:
        got = await fake.ask(method, place, b"x" * (method == "PUT"), foreign)
        assert got[0] == 403, (method, place)
    assert fake.num_calls() == calls


@ensureDeferred
async def test_pages_of_the_gateway_may_change_what_they_show(nobody):
    own = {"Origin": f"http://127.0.0.1:{nobody.gateway.port}"}
    for headers in (own, {"Sec-Fetch-Site": "same-origin"}):
        headers = session(nobody.gateway) | headers
        got = await nobody.ask("POST", "/vdrive/private/a?t=mkdir", headers=headers)
        assert got[0] == 200


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": EVIL}, 403),
        ({"Origin": "null"}, 403),
    ],
)
@ensureDeferred
async def test_a_cookie_reads_for_pages_of_the_gateway_only(said, status, nobody):
    headers = session(nobody.gateway)
    del headers["Sec-Fetch-Site"]
    got = await nobody.ask("GET", "/vdrive/private?t=json", headers=headers | said)
    assert got[0] == status


@pytest.mark.parametrize("said", [{}, {"Sec-Fetch-Site": "none"}])
@ensureDeferred
async def test_a_cookie_alone_changes_nothing(said, nobody):
    headers = session(nobody.gateway)
    del headers["Sec-Fetch-Site"]
    for method, place in [
        ("POST", "/vdrive/private/a?t=mkdir"),
        ("PUT", "/vdrive/private/f"),
        ("POST", "/_/do?act=mkdir&place=/vdrive/private&name=x"),
        ("POST", "/_/do?act=logout"),
    ]:
        assert (await nobody.ask(method, place, headers=headers | said))[0] == 403


@ensureDeferred
async def test_a_cookie_of_another_gateway_or_another_name_is_nothing(nobody):
    from allmydata.web.session import GatewayKeys

    name = f"tahoe-session-{nobody.gateway.port}"
    theirs = GatewayKeys(b"another token").new_cookie()
    ours = nobody.gateway.keys.new_cookie()
    for cookie in (f"{name}={theirs}", f"{name}1={ours}", f"{name}={ours}x", ours, "=;"):
        got = await nobody.ask("GET", "/vdrive/private", headers={"Cookie": cookie})
        assert got[0] == 401
    both = {"Cookie": f"a=b; {name}={theirs}; {name}={ours}"}
    assert (await nobody.ask("GET", "/vdrive/private", headers=both))[0] == 200
