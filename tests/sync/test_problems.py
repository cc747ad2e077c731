"""What stands in the way is grouped by cause, can be tried again, acknowledged, and resolves by itself."""

from __future__ import annotations

import pytest

from relay.errors import RelayError
from relay.store import connections, found, participants
from relay.sync.health import problems
from relay.sync.health.problems import Problem
from tests.conftest import Live

OF_THE_TESTS = ("lost:answer:17", "notices:610")
"""One of the simulated people tells more about themselves than a field holds; Campaign Monitor cannot reach us here."""


def listed(live: Live) -> dict[str, Problem]:
    live_now = live.relay.parts.connection(live.connection.id)
    found = {problem.key: problem for problem in problems.everything(live.relay.parts, live_now)}
    return {key: problem for key, problem in found.items() if key not in OF_THE_TESTS}


def noted(live: Live) -> dict[str, Problem]:
    """After the clock has looked."""
    problems.note(live.relay.parts, live.relay.parts.connection(live.connection.id))
    return listed(live)


def again(live: Live, key: str) -> int:
    done = problems.again(live.relay.parts, live.relay.parts.connection(live.connection.id), key)
    return int(done["tried"])


def test_a_connection_in_step_has_no_problem(live: Live) -> None:
    assert listed(live) == {}


def test_refused_people_are_one_problem_with_a_remedy_and_are_tried_again(live: Live) -> None:
    live.cm.faults(refuse={"one@example.com": 1, "two@example.com": 1, "three@example.com": 220})
    for name in ("one", "two", "three"):
        live.ehq.register(email=f"{name}@example.com", subscribed=True)
    live.arrives()
    found = noted(live)
    assert {key: problem.affected for key, problem in found.items()} == {"refused:1": 2, "refused:220": 1}
    assert "does not accept this e-mail address" in found["refused:1"].title
    assert "Ask the person" in found["refused:1"].remedy
    live.cm.faults(refuse={"three@example.com": 220})
    assert again(live, "refused:1") == 2
    live.relay.settle(live.connection)
    assert {live.state("one@example.com"), live.state("two@example.com")} == {"Active"}
    assert live.state("three@example.com") is None
    assert {key: problem.state for key, problem in noted(live).items()} == {
        "refused:220": "open",
        "refused:1": "resolved",
    }


def test_trying_again_in_vain_leaves_the_problem_as_it_was(live: Live) -> None:
    live.ehq.register(email="x@")
    live.arrives()
    first = noted(live)["refused:1"].first_seen
    again(live, "refused:1")
    live.relay.settle(live.connection)
    assert noted(live)["refused:1"].affected == 1
    assert noted(live)["refused:1"].first_seen == first


def test_acknowledged_until_nobody_is_left_and_open_when_it_recurs(live: Live) -> None:
    parts = live.relay.parts
    bad, _ = live.ehq.register(email="x@")
    live.arrives()
    done = problems.acknowledge(parts, parts.connection(live.connection.id), "refused:1", "jo@council.example")
    assert (done.state, done.acknowledged_by) == ("acknowledged", "jo@council.example")
    problems.acknowledge(parts, parts.connection(live.connection.id), "refused:1", "somebody else")
    assert noted(live)["refused:1"].acknowledged_by == "jo@council.example"
    live.happens("change_email", id=bad, new_email="fine@example.com", confirmed=True)
    resolved = noted(live)["refused:1"]
    assert resolved.state == "resolved"
    assert resolved.resolved_at
    with pytest.raises(RelayError, match="no such problem"):
        again(live, "refused:1")
    live.ehq.register(email="y@")
    live.arrives()
    reopened = noted(live)["refused:1"]
    assert (reopened.state, reopened.acknowledged_by) == ("open", None)


def test_acknowledged_of_a_few_it_is_open_again_when_it_is_about_many(live: Live) -> None:
    parts = live.relay.parts
    live.cm.faults(refuse={f"{number}@example.com": 1 for number in range(20)})
    for number in range(2):
        live.ehq.register(email=f"{number}@example.com", subscribed=True)
    live.arrives()
    problems.acknowledge(parts, live.connection, "refused:1", "jo@council.example")
    for number in range(2, 9):
        live.ehq.register(email=f"{number}@example.com", subscribed=True)
    live.arrives()
    assert noted(live)["refused:1"].state == "acknowledged"
    live.ehq.register(email="9@example.com", subscribed=True)
    live.arrives()
    assert (noted(live)["refused:1"].affected, noted(live)["refused:1"].state) == (10, "open")
    problems.acknowledge(parts, live.connection, "refused:1", "somebody else")
    assert noted(live)["refused:1"].acknowledged_by == "somebody else"


def test_another_failure_of_a_run_is_another_problem(live: Live) -> None:
    live.ehq.faults(status=403)
    live.run()
    problems.acknowledge(live.relay.parts, live.connection, "run:ehq-403", "jo@council.example")
    assert noted(live)["run:ehq-403"].state == "acknowledged"
    live.ehq.faults(status=404)
    live.run()
    (now,) = (problem for problem in noted(live).values() if problem.kind == "run" and problem.state != "resolved")
    assert (now.key, now.state) == ("run:ehq-404", "open")


def test_people_on_whom_the_relay_fails_are_a_problem(live: Live) -> None:
    one, _ = live.ehq.someone()
    with live.relay.parts.database.write() as tx:
        (person,) = participants.one(tx, live.connection.id, one)
        participants.change(tx, [person.id], why_not="failed")
    assert (noted(live)["failed"].affected, noted(live)["failed"].unit) == (1, "person")
    with live.relay.parts.database.read() as tx:
        assert [p.known.ehq_id for p in found.people(tx, live.connection.id, which="failed")[0]] == [one]
    assert again(live, "failed") == 1
    live.relay.work()
    assert noted(live)["failed"].state == "resolved"


def test_notices_that_do_not_arrive_are_a_problem(live: Live) -> None:
    problem = {"message": "It answers nothing.", "remedy": "Look at the address.", "code": "602", "since": 5.0}
    with live.relay.parts.database.write() as tx:
        connections.change(tx, live.connection.id, cm_hook_problem=problem)
    told = noted(live)["notices:602"]
    assert told.title.endswith("opt-outs there are noticed later. It answers nothing.")
    assert (told.remedy, told.first_seen) == ("Look at the address.", 5.0)


def test_quarantined_deliveries_by_reason_are_read_again(live: Live) -> None:
    for _ in range(2):
        live.ehq.act("event", type="signup.done", data={"type": "users", "id": "1", "attributes": {}})
    live.ehq.act("event", type="odd.thing", data={"type": "users", "id": "1", "attributes": {}})
    live.arrives()
    found = [problem for problem in noted(live).values() if problem.kind == "quarantined"]
    assert sorted(problem.affected for problem in found) == [1, 2]
    (twice,) = (problem for problem in found if problem.affected == 2)
    assert "signup.done" in twice.title
    assert again(live, twice.key) == 2
    live.relay.settle(live.connection)
    assert noted(live)[twice.key].affected == 2


def test_what_needs_a_person_and_an_address_of_two_are_told(live: Live) -> None:
    parts = live.relay.parts
    _, email = live.ehq.someone()
    data = {"type": "users", "id": "99999", "attributes": {"email": email, "subscribed": True}}
    live.ehq.act("event", type="participant.registered", data=data)
    live.arrives()
    problem = {"message": "The access was taken back.", "remedy": "Connect again.", "code": "122", "since": 5.0}
    with parts.database.write() as tx:
        connections.change(tx, live.connection.id, state="needs_person", problem=problem)
    found = noted(live)
    assert found["connection:122"].first_seen == 5.0
    assert found["shared"].affected == 1
    assert not found["shared"].again
    assert again(live, "connection:122") == 0
    assert parts.connection(live.connection.id).state == "on"
    assert noted(live)["connection:122"].state == "resolved"


def test_a_segment_that_could_not_be_made_is_made_when_tried_again(live: Live) -> None:
    live.cm.faults(segment_limit=len(live.cm.segments()))
    live.ehq.act("group_create", name="Night market")
    live.arrives()
    (key,) = (key for key in noted(live) if key.startswith("segments:"))
    assert "as many segments" in noted(live)[key].title
    live.cm.faults(segment_limit=None)
    assert again(live, key) == 1
    live.relay.settle(live.connection)
    assert "Night market" in live.cm.segments()
    assert noted(live)[key].state == "resolved"
