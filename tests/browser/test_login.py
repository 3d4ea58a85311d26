"""Who is let in: by a link, by the token; and what a stranger sees."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect


@pytest.fixture
def stranger(make_page):
    """A page of a browser that has no session; errors of 401 are what it gets."""
    return make_page(logged_in=False, is_watched=False)


def test_a_stranger_is_told_how_to_sign_in_and_the_token_leads_on(stranger, folder, demo):
    folder.put("private.txt", b"for the owner alone")
    answer = stranger.goto(folder.url)
    assert answer.status == 401
    expect(stranger.get_by_role("heading", level=1)).to_have_text("Sign in")
    expect(stranger.locator("main")).to_contain_text("tahoe webopen")
    assert "private.txt" not in stranger.content()
    stranger.get_by_label("The token of this node").fill("wrong")
    stranger.get_by_role("button", name="Sign in").click()
    expect(stranger.locator("main")).to_contain_text("not the token of this node")
    stranger.goto(folder.url)
    stranger.get_by_label("The token of this node").fill(demo.token)
    stranger.get_by_role("button", name="Sign in").click()
    expect(stranger).to_have_url(folder.url)
    expect(stranger.get_by_text("private.txt")).to_be_visible()
    assert demo.token not in stranger.content() + stranger.url


@pytest.mark.parametrize(
    "path", ["/vdrive/public/", "/_/grid", "/_/live", "/_/health", "/_/demo"]
)
def test_no_page_of_the_owner_is_shown_to_a_stranger(path, stranger, demo):
    assert stranger.goto(demo.url + path).status == 401
    expect(stranger.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_a_login_link_works_once_and_leaves_no_code_behind(stranger, make_page, demo):
    link = demo.tahoe("webopen", "--print")
    stranger.goto(link)
    expect(stranger).to_have_url(f"{demo.url}/")
    stranger.get_by_role("link", name="My files").click()
    expect(stranger.get_by_role("heading", level=1)).to_have_text("My files")
    second = make_page(logged_in=False, is_watched=False)
    assert second.goto(link).status == 401
    assert second.goto(f"{demo.url}/vdrive/private/").status == 401


def test_the_session_is_a_cookie_that_no_script_and_no_other_site_sees(page, demo):
    page.goto(demo.url)
    assert page.evaluate("() => document.cookie") == ""
    [cookie] = page.context.cookies()
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and cookie["path"] == "/"
    assert str(urlsplit(demo.url).port) in cookie["name"]
    assert page.evaluate("() => localStorage.length + sessionStorage.length") == 0


def test_after_signing_out_nothing_is_shown_not_even_by_going_back(make_page, folder, demo):
    page = make_page(logged_in=False, is_watched=False)
    page.goto(demo.login)
    folder.put("private.txt", b"for the owner alone")
    page.goto(folder.url)
    [cookie] = page.context.cookies()
    page.goto(demo.url)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Is this your node?")).to_be_visible()
    page.goto(folder.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.go_back()
    page.go_back()
    page.go_back()
    assert "private.txt" not in page.content()
    page.context.add_cookies([cookie])  # somebody had noted it
    assert page.goto(folder.url).status == 401


def test_a_forged_or_changed_cookie_is_no_session(make_page, page, demo):
    page.goto(demo.url)
    [cookie] = page.context.cookies()
    value = cookie["value"]
    later = str(int(value.partition(".")[0]) + 1) + "." + value.partition(".")[2]
    other = make_page(logged_in=False, is_watched=False)
    for forged in (later, value[:-1], value.swapcase(), "", "1", ".." * 9, "x" * 3000):
        other.context.add_cookies([cookie | {"value": forged}])
        assert other.goto(f"{demo.url}/vdrive/private/").status == 401, forged


@pytest.mark.parametrize(
    "place",
    [
        "//attacker.example/",
        "https://attacker.example/",
        "/\\attacker.example/",
        "javascript:1",
    ],
)
def test_a_login_link_leads_nowhere_else(place, stranger, demo):
    link = f"{demo.login}&next={place}" if "?" in demo.login else demo.login
    stranger.goto(link)
    assert stranger.url.startswith(demo.url + "/")
    assert stranger.watch.foreign == []
