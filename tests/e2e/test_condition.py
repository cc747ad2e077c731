"""Health, problems, fields and settings in a browser: readable by everyone, at any width, without JavaScript."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from relay.store import connections, participants
from relay.store.connections import Connection
from relay.sync.parts import Parts
from tests.e2e.conftest import axe

Browse = Callable[..., Page]
PAGES = ("", "/problems", "/fields", "/settings")


@pytest.mark.parametrize("width", [1280, 360])
def test_every_page_when_all_is_well_and_when_it_is_not(
    browse: Browse, parts: Parts, synced: Connection, width: int
) -> None:
    page = browse("admin", width=width)
    for path in PAGES:
        page.goto(f"/c/{synced.id}{path}")
        axe(page)
    problem = {"message": "The access was taken back.", "remedy": "Connect again.", "code": "122", "since": 5.0}
    with parts.database.write() as tx:
        (first, *_) = participants.after(tx, synced.id, 0, 1)
        participants.change(tx, [first.id], refused_code="1", refused_for="x", refused_at=time.time())
        connections.change(tx, synced.id, state="needs_person", problem=problem)
    for path in PAGES:
        page.goto(f"/c/{synced.id}{path}")
        axe(page)


def test_a_question_is_left_out_without_javascript(browse: Browse, parts: Parts, synced: Connection) -> None:
    page = browse("operator", js=False)
    page.goto(f"/c/{synced.id}/fields")
    page.get_by_label("What is your postcode?").uncheck()
    page.get_by_role("button", name="See what would change").click()
    page.get_by_role("heading", name="What would change").wait_for()
    page.get_by_role("button", name="Save and compare everybody").click()
    page.get_by_text("Everybody is compared anew").wait_for()
    assert parts.connection(synced.id).rules.fields_left_out == ("12",)
