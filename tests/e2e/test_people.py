"""People and deliveries in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from relay.store import found
from tests.conftest import Live
from tests.e2e.conftest import axe, narrow_enough

Browse = Callable[..., Page]


def test_somebody_is_found_looked_at_and_synced_while_one_watches(browse: Browse, live: Live) -> None:
    one, email = live.ehq.someone()
    live.cm.act("edit_field", email=email, field="EHQ ID", value="nobody")
    page = browse("operator")
    page.goto(f"/c/{live.connection.id}/people")
    axe(page)
    page.get_by_label("Name, address or EHQ id").fill(email)
    page.get_by_role("button", name="Find").click()
    page.get_by_role("row").nth(1).get_by_role("link").click()
    expect(page.locator("main")).not_to_contain_text(email)
    axe(page)
    page.get_by_role("button", name="Show personal data").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(email.lower())
    page.get_by_role("button", name="Sync now").click()
    expect(page.get_by_text("Under way")).to_be_visible()
    axe(page)
    live.relay.work()
    expect(page.get_by_text("Read back from Campaign Monitor: as it should be").first).to_be_visible()
    axe(page)
    assert live.subscriber(email)["fields"]["EHQ ID"] == one


@pytest.mark.parametrize("js", [True, False])
def test_an_administrator_erases_and_is_told_what_ehq_still_has(browse: Browse, live: Live, js: bool) -> None:
    one, email = live.ehq.someone()
    with live.relay.parts.database.read() as tx:
        (person,), _ = found.people(tx, live.connection.id, words=one)
    page = browse("admin", width=360, js=js)
    page.goto(f"/c/{live.connection.id}/people/{person.id}")
    page.get_by_text("Erase…").click()
    axe(page) if js else None
    narrow_enough(page) if js else None
    page.get_by_role("button", name="Erase this person").click()
    expect(page.get_by_role("heading", name="Being erased")).to_be_visible()
    live.relay.work()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Erased account {one}")
    expect(page.get_by_text("Cleared and removed in Campaign Monitor").first).to_be_visible()
    expect(page.get_by_text("ask EHQ's support")).to_be_visible()
    assert live.state(email) == "Deleted"


def test_deliveries_are_looked_at_and_taken_in_again_and_fit_a_telephone(browse: Browse, live: Live) -> None:
    one, _ = live.ehq.someone()
    live.happens("answer", id=one, question=12, value="3001")
    for width in (1280, 360):
        page = browse("operator", width=width)
        page.goto(f"/c/{live.connection.id}/deliveries?person={one}")
        axe(page)
        narrow_enough(page)
        page.get_by_role("region", name="Deliveries, the newest first").get_by_role("link").first.click()
        axe(page)
        narrow_enough(page)
        page.get_by_role("link", name="Take it in again").click()
        axe(page)
        expect(page.get_by_text("stay as they are")).to_be_visible()
    page.get_by_role("button", name="Take 1 delivery in again").click()
    expect(page.get_by_text("1 delivery is being taken in again")).to_be_visible()
