"""What stands in the way is grouped by cause, can be tried again, acknowledged, and resolves by itself."""

from __future__ import annotations

import pytest

from relay.errors import RelayError
from relay.store import connections
from relay.sync.health import problems
from relay.sync.health.problems import Problem
from tests.conftest import Live

A_BOOK = "lost:answer:17"
"""One of the simulated people tells more about themselves than a field holds."""


def listed(live: Live) -> dict[str, Problem]:
    live_now = live.relay.parts.connection(live.connection.id)
    found = {problem.key: problem for problem in problems.everything(live.relay.parts, live_now)}
    return {key: problem for key, problem in found.items() if key != A_BOOK}


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
