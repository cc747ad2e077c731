"""The connections: each in a word and a sentence, and what there is to do."""

from __future__ import annotations

from collections.abc import Callable

from relay.store import connections
from relay.store.connections import Connection
from relay.sync.parts import Parts
from tests.conftest import Live, Relay, SimulatedEhq, Visitor

Visit = Callable[[str], Visitor]


def test_without_a_connection_the_next_step_depends_on_who_asks(visit: Visit) -> None:
    assert "Nothing is connected yet" in visit("admin").get("/").text
    assert "An operator can do that" in visit("viewer").get("/").text


def test_a_card_says_how_it_is_and_when_the_next_run_is_in_its_own_time_zone(
    visit: Visit, parts: Parts, synced: Connection
) -> None:
    with parts.database.write() as tx:
        connections.change(tx, synced.id, rules={"time_zone": "Australia/Sydney"}, next_run_at=4004605696.0)
    text = visit("viewer").get("/").text
    assert "Everybody is up to date." in text
    assert "25 Nov 2096, 01:28 AEDT" in text
    with parts.database.write() as tx:
        problem = {"message": "Campaign Monitor took the token back.", "remedy": "Connect it anew."}
        connections.change(tx, synced.id, state="needs_person", problem=problem)
    text = visit("viewer").get("/").text
    assert "Needs you" in text
    assert "Campaign Monitor took the token back. Connect it anew." in text


def test_a_card_costs_few_questions_however_many_people_there_are(
    visit: Visit, relay: Relay, ehq: SimulatedEhq, connection: Connection, statements: list[str]
) -> None:
    viewer = visit("viewer")
    statements.clear()
    viewer.get("/")
    once = len(statements)
    relay.connect(ehq, "Second")
    statements.clear()
    viewer.get("/")
    assert len(statements) - once == 6
    assert once <= 8


def test_a_name_is_shown_as_it_is(visit: Visit, parts: Parts, connection: Connection) -> None:
    with parts.database.write() as tx:
        connections.change(tx, connection.id, name="<script>alert(1)</script>")
    text = visit("viewer").get("/").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_deliveries_that_wait_are_not_called_people(visit: Visit, live: Live) -> None:
    live.ehq.register()
    live.ehq.delivered()
    text = visit("viewer").get("/").text
    assert "1 delivery, since" in text
    assert "0 people" not in text
