"""Somebody opens the address that the demo printed."""

from playwright.sync_api import expect


def test_the_private_root_is_one_click_from_the_first_page(make_page, demo):
    page = make_page(logged_in=False)
    page.goto(demo.login)
    expect(page.get_by_role("heading", level=1)).to_have_text("client")
    expect(page.get_by_text("Ready to store.")).to_be_visible()
    page.get_by_role("link", name="My files").click()
    expect(page).to_have_url(f"{demo.url}/vdrive/private/")
    expect(page.get_by_role("heading", level=1)).to_have_text("My files")
