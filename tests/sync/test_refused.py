"""One person whom Campaign Monitor will not take delays nobody, says why, and is tried again only when they change."""

from __future__ import annotations

import time

import pytest

from relay.store import participants
from relay.sync.connections import connect, credentials
from relay.sync.people import explain
from tests.conftest import Live


def writes(live: Live) -> int:
    return int(live.cm.calls()["writes"])


@pytest.mark.parametrize(
    "email", ["x" * 300 + "@example.com", "x@", "smile\U0001f600@example.com"], ids=["300 characters", "x@", "emoji"]
)
def test_an_impossible_address_is_refused_with_a_remedy_and_the_others_join(live: Live, email: str) -> None:
    bad, _ = live.ehq.register(email=email)
    _, good = live.ehq.register()
    live.arrives()
    assert live.state(good) == "Active"
    assert live.relay.status(live.connection)["refused"] == {"1": 1}
    told = live.relay.person(live.connection, bad)
    summary, known = told["summary"], told["id"]
    page = explain.one(live.relay.parts, live.connection, known)
    assert page
    assert {row.label: row.held for row in page.rows}["Address"] == "", "nobody holds it"
    assert "does not accept this e-mail address" in summary
    assert "Ask the person" in summary


@pytest.mark.parametrize("code", [1, 220, 999])
def test_a_refused_person_is_not_tried_again_until_they_change(live: Live, code: int) -> None:
    live.cm.faults(refuse={"odd@example.com": code})
    one, _ = live.ehq.register(email="odd@example.com", subscribed=True)
    _, other = live.ehq.register()
    live.arrives()
    assert live.state(other) == "Active"
    assert live.relay.status(live.connection)["refused"] == {str(code): 1}
    live.cm.forget_calls()
    live.arrives()
    live.run()
    assert writes(live) == 0
    live.cm.faults(refuse=None)
    live.happens("answer", id=one, question=12, value="3456")
    assert live.state("odd@example.com") == "Active"
    assert live.relay.status(live.connection)["refused"] == {}


@pytest.mark.parametrize("code", [204, 205, 206, 207, 208])
def test_codes_that_tell_of_an_opt_out_are_taken_as_one(live: Live, code: int) -> None:
    live.cm.faults(refuse={"odd@example.com": code})
    one, _ = live.ehq.register(email="odd@example.com")
    live.arrives()
    assert live.relay.status(live.connection)["opted_out"] == 1
    assert live.relay.status(live.connection)["waiting"] == 0
    live.cm.forget_calls()
    live.happens("answer", id=one, question=12, value="3456")
    assert writes(live) == 0


def test_a_refused_change_of_address_leaves_the_subscriber_and_says_so(live: Live) -> None:
    one, old = live.ehq.someone()
    live.happens("change_email", id=one, new_email="x@", confirmed=True)
    assert live.state(old) == "Active"
    assert live.relay.person(live.connection, one)["on_list"]
    assert sum(live.relay.status(live.connection)["refused"].values()) == 1
    live.cm.forget_calls()
    live.run()
    assert writes(live) == 0
    live.happens("change_email", id=one, new_email="fine@example.com", confirmed=True)
    assert (live.state(old), live.state("fine@example.com")) == (None, "Active")


@pytest.mark.parametrize("code", [901, 253])
def test_a_refusal_that_is_not_about_a_change_of_address_leaves_it_waiting(live: Live, code: int) -> None:
    one, old = live.ehq.someone()
    live.cm.faults(code=code)
    live.ehq.act("change_email", id=one, new_email="new@example.com", confirmed=True)
    live.ehq.delivered()
    live.relay.parts.queue.ring(live.connection.id, always=True)
    live.relay.work()
    now = live.relay.status(live.connection)
    assert (now["waiting"], now["refused"]) == (1, {})
    assert live.relay.parts.connection(live.connection.id).problem["code"] == str(code)
    live.cm.faults(code=None)
    credentials.resume(live.relay.parts, live.relay.parts.connection(live.connection.id))
    live.arrives()
    assert (live.state(old), live.state("new@example.com")) == (None, "Active")
    live.agrees()


def test_a_refused_look_at_the_old_address_does_not_make_a_second_subscriber(live: Live) -> None:
    one, old = live.ehq.someone()
    live.cm.faults(code={"value": 901, "times": 1})
    live.ehq.act("change_email", id=one, new_email="new@example.com", confirmed=True)
    live.ehq.delivered()
    live.relay.parts.queue.ring(live.connection.id, always=True)
    live.relay.work()
    assert (live.state(old), live.state("new@example.com")) == ("Active", None)


def test_a_partial_import_takes_the_others(live: Live) -> None:
    live.cm.faults(partial_every=3)
    for _ in range(9):
        live.ehq.register(silent=True)
    run = live.run()
    assert run.state == "completed"
    assert live.relay.status(live.connection)["refused"] == {"1": 3}


def test_too_often_about_one_person_delays_only_that_person(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=12, value="3001")
    live.cm.faults(throttle_s=60)
    live.ehq.act("answer", id=one, question=12, value="3002")
    live.ehq.delivered()
    live.relay.parts.queue.ring(live.connection.id, always=True)
    live.relay.work()
    _, other = live.ehq.register()
    live.ehq.delivered()
    live.relay.work()
    assert live.state(other) == "Active"
    assert live.relay.status(live.connection)["waiting"] == 1
    with live.relay.parts.database.read() as tx:
        (person,) = participants.one(tx, live.connection.id, one)
    assert person.held_until is not None
    assert 20 < person.held_until - time.time() < 60
    live.cm.faults(throttle_s=None)
    with live.relay.parts.database.write() as tx:
        participants.change(tx, [person.id], held_until=time.time())
    live.arrives()
    assert live.subscriber(email)["fields"]["What is your postcode?"] == "3002"


def test_odd_answers_are_cut_or_skipped_and_said_so(live: Live) -> None:
    one, email = live.ehq.someone()
    live.ehq.act("answer", id=one, question=17, value="x" * 10_000)
    live.ehq.act("answer", id=one, question=15, value="1800-01-01")
    live.ehq.act("answer", id=one, question=12, value="30\x0000\x07\U0001f600")
    live.arrives()
    fields = live.subscriber(email)["fields"]
    assert fields["Tell us about yourself"] == "x" * 250
    assert not fields.get("Date of birth")
    assert fields["What is your postcode?"] == "3000\U0001f600"
    lost = live.relay.person(live.connection, one)["should_be"]["lost"]
    assert lost == {"Tell us about yourself": "cut", "Date of birth": "skipped"}
    live.cm.forget_calls()
    assert live.run().state == "completed"
    assert writes(live) == 0


@pytest.mark.parametrize("joined", ["9999-12-31T23:59:59Z"])
def test_a_day_that_no_calendar_has_stops_nobody_else(live: Live, joined: str) -> None:
    connect.configure(live.relay.parts, live.connection, {"time_zone": "Australia/Sydney"})
    attributes = {"email": "late@example.com", "subscribed": True, "created-at": joined}
    data = {"type": "users", "id": "99999", "attributes": attributes}
    live.ehq.act("event", type="participant.registered", data=data)
    _, good = live.ehq.register()
    live.ehq.delivered()
    live.relay.parts.queue.ring(live.connection.id, always=True)
    live.relay.work()
    assert live.state(good) == "Active"
