"""Health, problems, fields and settings in a browser: readable by everyone, at any width, without JavaScript."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from relay.store.connections import Connection
from relay.sync.parts import Parts
from tests.conftest import Live
from tests.e2e.conftest import axe
from tests.sync.test_brake import braked

Browse = Callable[..., Page]
__all__ = ["braked"]


def test_a_question_is_left_out_without_javascript(browse: Browse, parts: Parts, synced: Connection) -> None:
    page = browse("operator", js=False)
    page.goto(f"/c/{synced.id}/fields")
    page.get_by_label("What is your postcode?").uncheck()
    page.get_by_role("button", name="See what would change").click()
    page.get_by_role("heading", name="What would change").wait_for()
    page.get_by_role("button", name="Save and compare everybody").click()
    page.get_by_text("Everybody is compared anew").wait_for()
    assert parts.connection(synced.id).rules.fields_left_out == ("12",)


def test_the_brake_asks_and_whoever_may_lets_them_go(browse: Browse, braked: tuple[Live, list[str], int]) -> None:
    live, gone, run = braked
    page = browse("viewer")
    page.goto(f"/c/{live.connection.id}/runs/{run}")
    expect(page.get_by_text("3 people")).not_to_have_count(0)
    expect(page.get_by_role("button", name="Let them go")).to_have_count(0)
    page = browse("operator")
    page.goto(f"/c/{live.connection.id}")
    page.get_by_role("link", name="Look at the run").click()
    page.get_by_text("Let them go").first.click()
    page.get_by_role("button", name="Remove 3 people").click()
    expect(page.get_by_text("Let them go")).to_have_count(0)
    live.relay.settle(live.connection)
    assert {live.state(email) for email in gone} == {"Deleted"}


WHOSE_AUDIENCE = '{"overrides": {"attributes": {"subscribed": ["newsletter"]}}}'


def test_back_in_the_browser_leads_to_what_was_shown_before_saving(browse: Browse, synced: Connection) -> None:
    page, shown = browse("operator"), "What would change"

    def heading() -> str:
        return page.get_by_role("heading", level=1).inner_text()

    page.goto(f"/c/{synced.id}/fields")
    page.get_by_label("What is your postcode?").uncheck()
    page.get_by_role("button", name="See what would change").click()
    page.get_by_role("link", name="Change nothing").click()
    page.go_back()
    assert heading() == shown
    page.get_by_role("button", name="Save and compare everybody").click()
    page.get_by_text("Everybody is compared anew").wait_for()
    page.go_back()
    assert heading() == "It is so already"

    page.goto(f"/c/{synced.id}/settings")
    page.get_by_label("Participants only").check()
    page.locator("form[action$='/audience'] button").click()
    page.get_by_role("link", name="Change nothing").click()
    page.go_back()
    assert heading() == shown
    page.reload()
    assert heading() == shown
    axe(page)

    page.goto(f"/c/{synced.id}/overrides")
    page.get_by_role("textbox", name="The document").fill(WHOSE_AUDIENCE)
    page.locator("main .btn-lg").click()
    assert heading() == shown
    page.get_by_role("link", name="Runs", exact=True).click()
    assert heading() == "Runs"
    page.go_back()
    assert heading() == shown
