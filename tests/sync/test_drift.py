"""Every difference that a run repairs has a name."""

from __future__ import annotations

import time

import sqlalchemy as sa

from relay.ehq.dialect import dialect
from relay.store import participants, runs
from relay.store.tables import deliveries
from relay.sync.connections import connect
from relay.sync.runs import drift
from tests.conftest import Live
from tests.sync.test_absence import go_on, run_in
from tests.sync.test_notices import all_told


def causes(live: Live) -> dict[str, int]:
    return dict(live.run().counts.get("causes", {}))


def test_nothing_to_repair_names_nothing(live: Live) -> None:
    assert causes(live) == {}


def test_events_that_never_came_are_named(live: Live) -> None:
    one, _email = live.ehq.someone()
    live.ehq.act("answer", id=one, question=12, value="3090", silent=True)
    live.ehq.act("register", silent=True)
    live.ehq.act("unsubscribe", id=live.ehq.someone(1)[0], silent=True)
    found = causes(live)
    assert sum(found.values()) == 3
    assert found["never delivered by EHQ"] >= 2
    live.agrees()


def test_a_value_changed_by_hand_in_campaign_monitor_is_put_back_and_named(live: Live) -> None:
    _, email = live.ehq.someone()
    before = live.subscriber(email)["fields"]["What is your postcode?"]
    live.cm.act("edit_field", email=email, field="What is your postcode?", value="9999")
    assert causes(live) == {"changed by hand in CM": 1}
    assert live.subscriber(email)["fields"]["What is your postcode?"] == before


def test_a_value_changed_by_hand_between_a_runs_reading_and_its_reading_back_is_put_back_too(live: Live) -> None:
    (one, changed), (_, other) = live.ehq.someone(0), live.ehq.someone(1)
    before = live.subscriber(other)["fields"]["What is your postcode?"]
    live.ehq.act("answer", id=one, question=12, value="3090", silent=True)
    run = run_in(live, "verify")
    for email in (changed, other):
        live.cm.act("edit_field", email=email, field="What is your postcode?", value="9999")
    go_on(live, run)
    assert live.relay.status(live.connection)["refused"] == {}
    assert live.subscriber(changed)["fields"]["What is your postcode?"] == "3090"
    assert live.subscriber(other)["fields"]["What is your postcode?"] == before
    assert causes(live) == {}


def test_a_group_changed_without_an_event_is_named(live: Live) -> None:
    one, _ = live.ehq.someone()
    live.ehq.act("group_add", group=30, id=one, silent=True)
    assert causes(live) == {"group changed without an event": 1}


def test_a_changed_rule_is_named(live: Live) -> None:
    connect.configure(live.relay.parts, live.connection, {"audience": {"roles": ["participant"]}})
    assert set(causes(live)) == {"mapping changed"}


def written(live: Live, run_id: int) -> list[str]:
    """Whom the relay wrote in this run's name."""
    return [row["ehq_id"] for row in drift.of_run(live.relay.parts, live.connection, run_id)]


def edited(live: Live, email: str) -> None:
    """By hand, while Campaign Monitor tells nobody."""
    live.cm.act("edit_field", email=email, field="What is your postcode?", value="9999")


def test_what_a_look_at_what_a_run_would_do_found_is_no_earlier_runs_when_it_is_written(live: Live) -> None:
    one, email = live.ehq.someone()
    edited(live, email)
    run = live.run()
    assert written(live, run.id) == [one]
    edited(live, email)
    live.run(dry=True)
    live.happens("answer", id=one, question=12, value="3090")
    assert live.subscriber(email)["fields"]["What is your postcode?"] == "3090"
    assert written(live, run.id) == [one]


def test_what_campaign_monitor_told_of_is_no_earlier_runs_when_it_is_written(told: Live) -> None:
    one, email = told.ehq.someone()
    (first,) = runs_of(told)
    before = written(told, first)
    edited(told, email)
    all_told(told)
    told.happens("answer", id=one, question=12, value="3090")
    assert told.subscriber(email)["fields"]["What is your postcode?"] == "3090"
    assert written(told, first) == before


def runs_of(live: Live) -> list[int]:
    with live.relay.parts.database.read() as tx:
        return [run.id for run in runs.latest(tx, live.connection.id, 10)]


def test_the_history_of_a_person_tells_the_cause(live: Live) -> None:
    one, email = live.ehq.someone()
    live.cm.act("edit_field", email=email, field="What is your postcode?", value="9999")
    run = live.run()
    history = live.relay.person(live.connection, one)["history"]
    assert any(item.get("cause") == "changed by hand in CM" and item.get("run") == run.id for item in history)


def test_a_change_whose_delivery_lies_in_quarantine_is_named(live: Live) -> None:
    one, _ = live.ehq.someone()
    live.ehq.act("answer", id=one, question=12, value="3090", silent=True)
    arrived(live, one, "quarantined")
    assert causes(live) == {"delivery failed or quarantined": 1}


def test_a_delivery_that_was_quarantined_before_the_person_was_last_read_explains_nothing(live: Live) -> None:
    one, _ = live.ehq.someone()
    arrived(live, one, "quarantined", before=3600)
    live.ehq.act("answer", id=one, question=12, value="3090", silent=True)
    assert causes(live) == {"never delivered by EHQ": 1}


def test_a_group_whose_delivery_lies_in_quarantine_is_named(live: Live) -> None:
    one, _ = live.ehq.someone()
    live.ehq.act("group_add", group=30, id=one, silent=True)
    arrived(live, "30", "quarantined", "group.member_joined")
    assert causes(live) == {"delivery failed or quarantined": 1}


def test_a_change_delivered_and_not_applied_yet_is_still_waiting(live: Live) -> None:
    one, _ = live.ehq.someone()
    live.ehq.act("answer", id=one, question=12, value="3090", silent=True)
    arrived(live, one, "waiting", before=-3600)
    with live.relay.parts.database.write() as tx:
        (person,) = participants.one(tx, live.connection.id, one)
        now = {**person.known.values, "answers": {**person.known.values["answers"], "12": "3090"}}
        found = {person.id: (drift.cause(person.known, now), person.known, now)}
        assert drift.explained(tx, live.connection.id, dialect().of_group, found) == {"still waiting": [person.id]}


def test_whom_a_run_repaired_and_why_can_be_listed(live: Live) -> None:
    (one, email), (two, _) = live.ehq.someone(0), live.ehq.someone(1)
    live.cm.act("edit_field", email=email, field="What is your postcode?", value="9999")
    live.ehq.act("answer", id=two, question=12, value="3090", silent=True)
    run = live.run()
    listed = {item["ehq_id"]: item for item in drift.of_run(live.relay.parts, live.connection, run.id)}
    assert {i: item["cause"] for i, item in listed.items()} == {
        one: "changed by hand in CM",
        two: "never delivered by EHQ",
    }
    assert listed[one]["what"] == "changed"
    assert listed[one]["fields"] == ["What is your postcode?"]
    only = drift.of_run(live.relay.parts, live.connection, run.id, "changed by hand in CM")
    assert [item["ehq_id"] for item in only] == [one]


def test_an_opt_out_that_a_run_finds_is_in_the_history(live: Live) -> None:
    one, email = live.ehq.someone()
    live.cm.act("unsubscribe", email=email)
    live.run()
    assert "opted_out" in [item["what"] for item in live.relay.person(live.connection, one)["history"]]


def arrived(live: Live, subject: str, state: str, word: str = "participant.odd", before: float = -1) -> None:
    """A delivery about `subject` that nothing can be made of, or that waits; `before` now, in seconds."""
    with live.relay.parts.database.write() as tx:
        values = {"key": f"odd {subject}", "type": word, "subject": subject, "state": state}
        row = {"connection_id": live.connection.id, "received_at": time.time() - before, **values}
        tx.execute(sa.insert(deliveries).values(**row))
