"""Different values for many rows travel in one parameter, and arrive as they left."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.domain.mapping import Held
from relay.domain.merge import Known
from relay.store import connections, holdings, participants
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
        assert participants.add_known(tx, bayside, new, nobody_sought, 7, "first seen") == {"2"}
        assert participants.by_ids(tx, bayside, ["2"])["2"].seen_run == 7


def test_an_address_belongs_to_whom_cm_holds_there_before_whom_ehq_gives_it(parts: Parts, bayside: str) -> None:
    with parts.database.write() as tx:
        participants.add_known(
            tx,
            bayside,
            [known("1", "a@example.com"), known("2", "b@example.com"), known("3", "c@example.com")],
            nobody_sought,
            1,
            "",
        )
        people = participants.by_ids(tx, bayside, ["1", "2", "3"])
        participants.holds(tx, [(people["1"], Held("b@example.com", "Active"))])
        participants.holds(tx, [(people["3"], Held("old@example.com", "Active"))])
        found = holdings.by_address(tx, bayside, ["a@example.com", "b@example.com", "c@example.com", "d@example.com"])
    assert {address: one.ehq_id for address, one in found.items()} == {"b@example.com": "1"}
