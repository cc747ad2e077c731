"""Different values for many rows travel in one parameter, and arrive as they left."""

from __future__ import annotations

import time
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.domain.mapping import Held
from relay.domain.merge import Known
from relay.store import census, connections, holdings, participants
from relay.store.many import rows_of
from relay.sync.parts import Parts

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
VALUES = st.none() | st.dictionaries(TEXTS, TEXTS | st.booleans() | st.integers(-(2**53), 2**53) | st.lists(TEXTS))
ROW = st.fixed_dictionaries(
    {"id": st.integers(0, 2**53), "text": st.none() | TEXTS, "json": VALUES, "at": st.none() | st.floats(0, 4e9)}
)


@given(rows=st.lists(ROW, min_size=1, max_size=5))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_arrive_as_they_left(parts: Parts, rows: list[dict[str, Any]]) -> None:
    columns = {"id": sa.BigInteger(), "text": sa.Text(), "json": sa.JSON(), "at": sa.Double()}
    with parts.database.read() as tx:
        arrived = [dict(row) for row in tx.execute(sa.select(rows_of(tx, columns, rows))).mappings()]
    key = lambda row: repr(sorted(row.items(), key=lambda item: item[0]))  # noqa: E731
    assert sorted(arrived, key=key) == sorted(rows, key=key)


@pytest.fixture
def bayside(parts: Parts) -> str:
    with parts.database.write() as tx:
        connections.add(
            tx, id="b", name="B", created_at=0.0, ehq_url="", ehq_credential="", webhook_secrets="", state="on"
        )
    return "b"


def nobody_sought(_: Known) -> None:
    """Nobody is searched for."""


def known(ehq_id: str, email: str) -> Known:
    return Known(ehq_id, {"email": email})


def test_whom_a_run_sees_first_is_added_once_and_whoever_is_there_already_is_told(parts: Parts, bayside: str) -> None:
    with parts.database.write() as tx:
        participants.add_stubs(tx, bayside, ["1"])
        new = [known("1", "a@example.com"), known("2", "b@example.com")]
        assert participants.add_known(tx, bayside, new, nobody_sought, seen_run=7, cause="first seen").keys() == {"2"}
        assert participants.by_ids(tx, bayside, ["2"])["2"].seen_run == 7


def test_an_address_belongs_to_whom_cm_holds_there_before_whom_ehq_gives_it(parts: Parts, bayside: str) -> None:
    with parts.database.write() as tx:
        participants.add_known(
            tx,
            bayside,
            [known("1", "a@example.com"), known("2", "b@example.com"), known("3", "c@example.com")],
            nobody_sought,
            seen_run=1,
            cause="",
        )
        people = participants.by_ids(tx, bayside, ["1", "2", "3"])
        participants.holds(tx, [(people["1"], Held("b@example.com", "Active"))])
        participants.holds(tx, [(people["3"], Held("old@example.com", "Active"))])
        found = holdings.by_address(tx, bayside, ["a@example.com", "b@example.com", "c@example.com", "d@example.com"])
    assert {address: one.ehq_id for address, one in found.items()} == {"b@example.com": "1"}


def read(parts: Parts, ehq_id: str) -> Any:
    with parts.database.read() as tx:
        return participants.by_ids(tx, "b", [ehq_id])[ehq_id]


def test_who_went_back_to_what_was_held_while_a_write_was_under_way_is_looked_at_again(
    parts: Parts, bayside: str
) -> None:
    with parts.database.write() as tx:
        participants.add_known(tx, bayside, [known("1", "a@example.com")], nobody_sought, seen_run=1, cause="")
    before = read(parts, "1")
    with parts.database.write() as tx:
        participants.save_known(tx, [(before.id, known("1", "a@example.com"))], nobody_sought)
        participants.settle(tx, [before])
        participants.holds(tx, [(before, Held("a@example.com", "Active", "as it was sent"))])
    assert read(parts, "1").waiting_since is not None


def test_who_is_to_leave_by_now_still_leaves_after_a_write_that_was_under_way(parts: Parts, bayside: str) -> None:
    with parts.database.write() as tx:
        participants.add_known(tx, bayside, [known("1", "a@example.com")], nobody_sought, seen_run=1, cause="")
        participants.wait(tx, [participants.by_ids(tx, bayside, ["1"])["1"].id], participants.LIVE)
    flying = read(parts, "1")
    with parts.database.write() as tx:
        participants.wait(tx, [flying.id], participants.LEAVING)
        participants.holds(tx, [(flying, Held("a@example.com", "Active"))])
    after = read(parts, "1")
    assert after.waiting_since is not None
    assert after.lane == participants.LEAVING


@pytest.mark.parametrize("state", ["Active", "Unsubscribed", "Deleted"])
def test_what_stands_at_their_new_address_is_no_word_about_somebody_whose_state_is_known(
    parts: Parts, bayside: str, state: str
) -> None:
    with parts.database.write() as tx:
        participants.add_known(tx, bayside, [known("1", "new@example.com")], nobody_sought, seen_run=1, cause="")
        participants.holds(tx, [(participants.by_ids(tx, bayside, ["1"])["1"], Held("old@example.com", state))])
        assert holdings.by_address(tx, bayside, ["new@example.com"]) == {}


def test_of_two_who_were_at_one_address_the_one_who_is_there_is_found(parts: Parts, bayside: str) -> None:
    with parts.database.write() as tx:
        both = [known("1", "a@example.com"), known("2", "a@example.com")]
        participants.add_known(tx, bayside, both, nobody_sought, seen_run=1, cause="")
        people = participants.by_ids(tx, bayside, ["1", "2"])
        there, gone = sorted(people.values(), key=lambda one: one.id)
        participants.holds(tx, [(there, Held("a@example.com", "Active")), (gone, Held("a@example.com", "Deleted"))])
        assert holdings.by_address(tx, bayside, ["a@example.com"])["a@example.com"].id == there.id


def test_who_was_written_while_the_list_was_read_is_not_taken_for_vanished(parts: Parts, bayside: str) -> None:
    with parts.database.write() as tx:
        participants.add_known(tx, bayside, [known("1", "a@example.com")], nobody_sought, seen_run=1, cause="")
        participants.holds(tx, [(participants.by_ids(tx, bayside, ["1"])["1"], Held("a@example.com", "Active"))])
        assert census.cm_unseen(tx, bayside, 1, time.time() - 60, 0, 10) == []
        assert len(census.cm_unseen(tx, bayside, 1, time.time() + 60, 0, 10)) == 1
