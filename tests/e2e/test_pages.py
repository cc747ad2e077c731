"""The pages of everybody, in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from relay.store.connections import Connection
from relay.sync import accounts
from tests.conftest import user_of
from tests.e2e.conftest import Site, axe, narrow_enough

Browse = Callable[..., Page]


def test_the_set_up_link_leads_to_the_first_administrator_and_the_password_then_logs_in(
    browse: Browse, site: Site
) -> None:
    page = browse()
    page.goto(accounts.setup_url(site.parts) or "")
    axe(page)
    page.get_by_label("E-mail address").fill("ada@example.org")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Password").fill("nine green bottles")
    page.get_by_role("button").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Connections")
    axe(page)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_text("You are logged out")).to_be_visible()
    page.get_by_label("E-mail address").fill("ada@example.org")
    page.get_by_label("Password").fill("nine green bottle")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    axe(page)
    page.get_by_label("Password").fill("nine green bottles")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Connections")


def test_connections_have_a_card_each_that_fits_a_telephone(browse: Browse, connection: Connection) -> None:
    page = browse("viewer", width=360)
    page.goto("/")
    card = page.get_by_role("listitem").filter(has_text="Bayside")
    expect(card).to_contain_text("No run has compared both sides yet")
    axe(page)
    narrow_enough(page)


@pytest.mark.parametrize("path", ["/login", "/nothing", "/setup/forged", "/c/nobody"])
def test_pages_for_everybody_are_accessible_and_fit_a_telephone(browse: Browse, site: Site, path: str) -> None:
    user_of(site.parts, "admin")
    page = browse(width=360)
    page.goto(path)
    axe(page)
    narrow_enough(page)


def test_the_keyboard_reaches_the_content_first(browse: Browse, connection: Connection) -> None:
    page = browse("viewer")
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_an_administrator_invites_somebody_who_then_logs_in(browse: Browse) -> None:
    page, theirs = browse("admin"), browse()
    page.goto("/users")
    page.get_by_role("link", name="Invite somebody").click()
    page.get_by_label("E-mail address").fill("new@example.org")
    page.get_by_label("Operator").check()
    page.get_by_role("button", name="Make the link").click()
    axe(page)
    theirs.goto(page.get_by_label("Link", exact=True).input_value())
    theirs.get_by_label("Your name").fill("Nell")
    theirs.get_by_label("Password").fill("short")
    theirs.get_by_label("Password").evaluate("field => field.removeAttribute('minlength')")
    theirs.get_by_role("button", name="Log in").click()
    expect(theirs.get_by_role("alert")).to_contain_text("has 5 characters")
    axe(theirs)
    theirs.get_by_label("Password").fill("nine green bottles")
    theirs.get_by_role("button", name="Log in").click()
    expect(theirs.get_by_role("heading", level=1)).to_have_text("Connections")
    page.goto("/users")
    expect(page.get_by_role("row").filter(has_text="Nell")).to_contain_text("Operator")


def test_without_javascript_a_user_can_be_disabled_after_being_asked_again(browse: Browse, site: Site) -> None:
    user = user_of(site.parts, "viewer")
    page = browse("admin", js=False)
    page.goto(f"/users/{user.id}")
    page.locator("summary", has_text="Disable").click()
    page.get_by_role("button", name="Disable Vera Viewer").click()
    expect(page.get_by_text("Vera Viewer cannot log in any more.")).to_be_visible()
