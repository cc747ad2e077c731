"""The ways that matter, gone by keyboard alone: where one is can be seen at every press."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from relay.store.connections import Connection
from relay.sync import accounts
from tests.conftest import Live, Relay, SimulatedCampaignMonitor, SimulatedEhq
from tests.e2e.conftest import Site
from tests.sync.test_brake import braked

__all__ = ["braked"]
# What keys do is the same on either kind of database.
pytestmark = pytest.mark.parametrize("kind", ["postgresql" if os.environ.get("TEST_DATABASE_URL") else "sqlite"])
Browse = Callable[..., Page]
PASSWORD = "nine green bottles"
FAR = 120
"""Presses of the tabulator after which a thing counts as out of reach."""
STILL = {"reduced_motion": "reduce"}
"""Where one is can be seen at once: elsewhere browsers scroll there smoothly."""
FOCUSED = """() => {
  const one = document.activeElement, box = one.getBoundingClientRect();
  if (one === document.body) return { marked: true, inside: true };
  const lined = (style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 1;
  return {
    what: one.outerHTML.slice(0, 160),
    marked: lined(getComputedStyle(one)) || lined(getComputedStyle(one, "::after")),
    inside: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
  };
}"""


def reach(page: Page, thing: Locator) -> None:
    """Presses the tabulator until `thing` has the focus; each stop on the way must be seen."""
    expect(thing).to_be_visible()
    for _ in range(FAR):
        at = page.evaluate(FOCUSED)
        assert at["marked"], f"nobody sees that this has the focus: {at['what']}"
        assert at["inside"], f"out of sight with the focus: {at['what']}"
        if thing.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{thing} was not reached")


def press(page: Page, role: str, name: str, key: str = "Enter") -> None:
    reach(page, page.get_by_role(role, name=name).first)  # type: ignore[arg-type]
    page.keyboard.press(key)


def fill(page: Page, label: str, text: str) -> None:
    reach(page, page.get_by_label(re.compile(rf"^{label}\s*(\(optional\))?$")))
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_contain_text(text)


@pytest.fixture
def olga(site: Site) -> str:
    """The address of an operator with a password."""
    user = accounts.invite(site.parts, None, "olga@example.org", "operator", "Olga")
    token = accounts.invitation_url(site.parts, user).rpartition("/")[2]
    accounts.accept(site.parts, token, "Olga", PASSWORD)
    return user.email


def test_from_the_log_in_to_the_first_run_by_keyboard_alone(
    browse: Browse, olga: str, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor, relay: Relay
) -> None:
    page = browse(**STILL)
    page.goto("/")
    fill(page, "E-mail address", olga)
    fill(page, "Password", PASSWORD)
    page.keyboard.press("Enter")
    heading(page, "Connections")
    press(page, "link", "Connect EHQ to Campaign Monitor")
    fill(page, "A name for this connection", "Bayside")
    fill(page, "Address of the site", ehq.url)
    reach(page, page.get_by_role("radio", name="With an API key"))
    page.keyboard.press("ArrowDown")
    expect(page.locator("#password")).to_be_visible()
    page.keyboard.press("ArrowUp")
    fill(page, "API key", "sandbox")
    press(page, "button", "Check this, and go on")
    heading(page, "Connect Campaign Monitor")
    with page.expect_popup() as opened:
        press(page, "button", "Log in to Campaign Monitor")
    window = opened.value
    for _ in range(FAR):
        if window.get_by_role("button", name="Allow access").evaluate("one => one === document.activeElement"):
            break
        window.keyboard.press("Tab")
    window.keyboard.press("Enter")
    heading(page, "Which list?")
    fill(page, "Name of the new list", "Residents")
    page.keyboard.press("Enter")
    heading(page, "Reading both systems")
    relay.work()
    heading(page, "Which answers travel")
    reach(page, page.get_by_role("checkbox").first)
    page.keyboard.press("Space")
    expect(page.get_by_role("checkbox").first).not_to_be_checked()
    press(page, "button", "See what would happen")
    heading(page, "What would happen")
    relay.work()
    press(page, "link", "This is right: go on")
    press(page, "button", "Make the secret")
    press(page, "link", "I have copied it")
    press(page, "button", "Send a test event")
    expect(page.get_by_text("was found genuine")).to_be_visible()
    press(page, "button", "Switch on, and start the first run")
    expect(page.get_by_role("progressbar")).to_be_visible()
    relay.work()
    expect(page.get_by_text("Complete", exact=True)).to_be_visible()
    belongs = {a["email"].lower() for a in ehq.people().values() if a["subscribed"] and not a["blocked"]}
    assert cm.active("Residents") == belongs
    press(page, "button", "Log out")
    expect(page.get_by_text("You are logged out")).to_be_visible()


def test_somebody_is_synced_and_a_run_read_by_keyboard_alone(browse: Browse, live: Live) -> None:
    one, email = live.ehq.someone()
    live.cm.act("edit_field", email=email, field="EHQ ID", value="nobody")
    page = browse("operator", **STILL)
    page.goto(f"/c/{live.connection.id}")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    press(page, "link", "People")
    fill(page, "Name, address or EHQ id", one)
    page.keyboard.press("Enter")
    reach(page, page.get_by_role("row").nth(1).get_by_role("link"))
    page.keyboard.press("Enter")
    press(page, "button", "Sync now")
    expect(page.get_by_text("Under way")).to_be_visible()
    live.relay.work()
    expect(page.get_by_text("Read back from Campaign Monitor: as it should be").first).to_be_visible()
    assert live.subscriber(email)["fields"]["EHQ ID"] == one
    press(page, "link", "Runs")
    press(page, "button", "Run now")
    expect(page.get_by_role("progressbar")).to_be_visible()
    live.relay.work()
    expect(page.get_by_text("Complete", exact=True)).to_be_visible()
    expect(page.get_by_text("both sides agreed about everyone")).to_be_visible()


def test_the_brake_is_decided_by_keyboard_alone_and_escape_takes_the_question_back(
    browse: Browse, braked: tuple[Live, list[str], int]
) -> None:
    live, gone, _ = braked
    page = browse("operator", **STILL)
    page.goto(f"/c/{live.connection.id}")
    press(page, "link", "Look at the run")
    ask, sure = page.locator("summary", has_text="Let them go"), page.get_by_role("button", name="Remove 3 people")
    reach(page, ask)
    page.keyboard.press("Enter")
    reach(page, sure)
    page.keyboard.press("Escape")
    expect(sure).to_be_hidden()
    expect(ask).to_be_focused()
    page.keyboard.press("Enter")
    reach(page, sure)
    page.keyboard.press("Enter")
    expect(ask).to_have_count(0)
    live.relay.settle(live.connection)
    assert {live.state(email) for email in gone} == {"Deleted"}


def test_a_question_that_was_opened_is_not_taken_back_by_a_key_pressed_elsewhere(
    browse: Browse, connection: Connection
) -> None:
    page = browse("admin")
    page.goto(f"/c/{connection.id}/settings")
    ask = page.locator("summary", has_text="New secret")
    ask.focus()
    page.keyboard.press("Enter")
    page.get_by_label("Name of this connection").focus()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Make a new secret")).to_be_visible()
