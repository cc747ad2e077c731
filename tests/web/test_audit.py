"""The audit log: found again by who, what, where and when, page by page, and not kept for ever."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from relay.store import audit
from relay.store.tables import audit as table
from relay.sync.parts import Parts
from tests.conftest import Visitor, user_of

Visit = Callable[[str], Visitor]
DAY = 86400.0


@pytest.fixture
def history(parts: Parts, sender: object) -> None:
    """Sixty entries, one a day, the last one today."""
    admin = user_of(parts, "admin")
    with parts.database.write() as tx:
        for number in range(60):
            audit.add(
                tx,
                admin.id if number % 2 else None,
                "paused the connection" if number % 3 else "revealed a person's data",
                connection_id="bayside" if number % 3 else "gone",
                participant_id=None if number % 3 else number + 1,
                before={"state": "on", "name": "same"},
                after={"state": f"state {number}", "name": "same"},
            )
        tx.execute(sa.update(table).values(at=time.time() - (60 - table.c.id) * DAY))


def states(text: str) -> list[int]:
    """Of the entries of a page, from the top."""
    return [int(part.split("<")[0]) for part in text.split("state: on → state ")[1:]]


@pytest.mark.usefixtures("history")
def test_the_newest_are_first_and_older_ones_on_the_next_page(visit: Visit) -> None:
    admin = visit("admin")
    first = admin.get("/audit").text
    assert states(first) == list(range(59, 9, -1))
    assert "same" not in first
    assert "Bayside" in first
    older = first.split('rel="next"')[0].rpartition('href="')[2].split('"')[0].replace("&amp;", "&")
    second = admin.get(older).text
    assert states(second) == list(range(9, -1, -1))
    assert "Newest" in second
    assert "Older" not in second


@pytest.mark.usefixtures("history")
def test_filters_are_in_the_address_and_go_along_to_the_next_page(visit: Visit, parts: Parts) -> None:
    admin = visit("admin")
    mine = user_of(parts, "admin").id
    assert states(admin.get(f"/audit?who={mine}").text) == list(range(59, 0, -2))
    assert states(admin.get("/audit?who=command-line").text) == list(range(58, -1, -2))
    assert states(admin.get("/audit?what=revealed a person's data&connection=gone").text) == list(range(57, -1, -3))
    three = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 2 * DAY))
    two = time.strftime("%Y-%m-%d", time.gmtime(time.time() - DAY))
    assert states(admin.get(f"/audit?since={three}&until={two}").text) == [58, 57]


@pytest.mark.usefixtures("history")
def test_nothing_under_a_filter_and_nothing_at_all_are_different_pages(visit: Visit, parts: Parts) -> None:
    admin = visit("admin")
    assert "Nothing matches" in admin.get("/audit?since=2031-01-01").text
    assert "Clear the filter" in admin.get("/audit?what=flew").text
    with parts.database.write() as tx:
        tx.execute(sa.delete(table))
    assert "Nothing has been done yet" in admin.get("/audit").text


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "until=99999-01-01",
        "who=x",
        "who=99999999999999999999",
        "before=-1",
        "what=%00",
        "since=0001-01-01",
        "until=9999-12-31",
    ],
)
def test_a_filter_that_makes_no_sense_is_left_out(visit: Visit, query: str) -> None:
    assert visit("admin").get(f"/audit?{query}").status_code == 200


def test_entries_are_kept_for_two_years(parts: Parts) -> None:
    with parts.database.write() as tx:
        audit.add(tx, None, "did something")
        audit.add(tx, None, "did something else")
        tx.execute(sa.update(table).where(table.c.id == 1).values(at=time.time() - audit.KEPT_S - 1))
        audit.purge(tx)
        assert [entry.what for entry in audit.search(tx)] == ["did something else"]
        assert audit.kinds(tx) == ["did something else"]
