"""The page Demo: servers are broken while a film plays."""

import pytest
from playwright.sync_api import expect

from tests.support.chromium import wait_until


@pytest.fixture
def page(page, demo):
    yield page
    demo.tell("revive", 1, 2, 3, 4, 5)
    demo.until(dict.fromkeys((1, 2, 3, 4, 5), "up"))


def press(page, verb, number, state):
    """Press a button of a server, and wait until it is so."""
    card = page.locator(f"#server{number}")
    card.get_by_role("button", name=f"{verb} storage{number}").click()
    expect(card.locator(".is")).to_have_text(state)


def test_a_film_plays_on_while_servers_are_killed_frozen_and_corrupted(page, demo):
    page.goto(f"{demo.url}/_/demo")
    page.get_by_role("button", name="Put a film on the grid").click()
    film = page.locator("video")
    expect(film).to_be_visible()
    element = film.element_handle()
    element.evaluate("one => one.play()")
    plays_on(page, element, 1)
    press(page, "Kill", 1, "killed")
    plays_on(page, element, 12)
    press(page, "Freeze", 2, "frozen")
    plays_on(page, element, 24)
    press(page, "Revive", 1, "up")
    press(page, "Revive", 2, "up")
    card = page.locator("#server3")
    card.get_by_role("button", name="Corrupt storage3").click()
    expect(page.locator("#notice")).to_be_visible()
    plays_on(page, element, 40)
    assert page.url.endswith("/_/demo")


def plays_on(page, film, place):
    """Want the film to play from a place on, in seconds, without an error."""
    film.evaluate("(one, place) => { one.currentTime = place }", place)
    wait_until(page, "one => !one.seeking && !one.paused", film)
    begun = film.evaluate("one => one.currentTime")
    assert begun >= place
    wait_until(page, f"one => one.currentTime > {begun} + .5", film)
    assert film.evaluate("one => one.error") is None


def test_the_buttons_work_without_scripts(make_page, demo):
    page = make_page(java_script_enabled=False)
    page.goto(f"{demo.url}/_/demo")
    try:
        press(page, "Kill", 5, "killed")
        press(page, "Revive", 5, "up")
    finally:
        demo.tell("revive", 5)
        demo.until({5: "up"})
