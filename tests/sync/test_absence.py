"""Absence is not deletion: only two complete runs in a row that miss someone let them go, and the brake asks first."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from relay.store import deliveries, runs
from relay.store.leases import Lost
from relay.store.runs import Run
from relay.sync import work
from relay.sync.connections import connect
from relay.sync.runs.reconcile import Step
from tests.conftest import Live


def vanish(live: Live, *numbers: int) -> list[str]:
    """They are deleted in EHQ and nobody tells us."""
    people = [live.ehq.someone(n) for n in numbers]
    live.ehq.act("delete", id=[one for one, _ in people], silent=True)
    return [email for _, email in people]


def run_in(live: Live, phase: str) -> int:
    """A run that came as far as this phase."""
    run, _ = work.start_run(live.relay.parts, live.connection.id, trigger="person")
    while found(live, run.id).phase != phase:
        work.step(live.relay.parts, run.id)
    return run.id


def begin_to_read(live: Live) -> int:
    """A run that is about to ask for its first page of people."""
    return run_in(live, "ehq")


def go_on(live: Live, run_id: int) -> None:
    while found(live, run_id).state == "running":
        work.step(live.relay.parts, run_id)
    assert found(live, run_id).state == "completed"


def found(live: Live, run_id: int) -> Run:
    with live.relay.parts.database.read() as tx:
        run = runs.find(tx, run_id)
    assert run
    return run


def test_one_complete_run_without_someone_removes_nobody_and_the_second_one_does(live: Live) -> None:
    (email,) = vanish(live, 0)
    assert live.run().state == "completed"
    assert live.state(email) == "Active"
    assert live.run().state == "completed"
    assert live.state(email) == "Deleted"
    live.agrees()


def test_someone_seen_in_between_begins_anew(live: Live) -> None:
    (email,) = vanish(live, 0)
    live.run()
    live.ehq.register(email=email)
    live.arrives()
    assert live.run().state == "completed"
    assert live.state(email) == "Active"


def test_a_sign_of_life_between_two_runs_that_miss_someone_begins_anew(live: Live) -> None:
    one, email = live.ehq.someone()
    live.ehq.faults(webhook_delay_s=1.5)
    live.ehq.act("answer", id=one, question=12, value="3050")  # arrives between the two runs
    vanish(live, 0)
    live.run()
    live.arrives()
    live.run()
    assert live.state(email) == "Active"
    live.run()
    assert live.state(email) == "Deleted"


def test_someone_known_by_webhook_alone_is_missed_like_everybody(live: Live) -> None:
    one, email = live.ehq.register()
    live.arrives()
    live.ehq.act("delete", id=one, silent=True)
    assert [live.run().state, live.run().state, live.run().state] == ["completed"] * 3
    assert live.state(email) == "Deleted"


def test_whoever_registers_while_a_run_reads_is_not_missed_by_it(live: Live) -> None:
    run = begin_to_read(live)
    one, email = live.ehq.register()
    live.ehq.act("delete", id=one, silent=True)  # so that no page lists them, as if theirs had been read before
    live.ehq.delivered()
    work.visit(live.relay.parts, live.connection.id)
    go_on(live, run)
    assert live.run().state == "completed"
    assert live.state(email) == "Active"
    live.run()
    assert live.state(email) == "Deleted"


def test_whoever_a_webhook_names_while_a_run_reads_is_not_missed_by_it(live: Live) -> None:
    one, _ = live.ehq.someone()
    (email,) = vanish(live, 0)
    live.run()
    run = begin_to_read(live)
    members = {"members": {"data": [{"type": "users", "id": one}]}}
    live.ehq.act("event", type="group.member_added", data={"type": "groups", "id": "30", "relationships": members})
    live.ehq.delivered()
    work.visit(live.relay.parts, live.connection.id)
    go_on(live, run)
    assert live.run().state == "completed"
    assert live.state(email) == "Active"
    live.run()
    assert live.state(email) == "Deleted"


def test_a_worker_killed_before_it_noted_its_step_counts_nobody_twice(live: Live) -> None:
    (email,) = vanish(live, 0)
    run = begin_to_read(live)
    # All that the step did is done, and nothing says so: another worker takes it again.
    connection = live.relay.parts.connection(live.connection.id)
    Step(live.relay.parts, connection, found(live, run), nullcontext).take()
    go_on(live, run)
    assert live.state(email) == "Active"


def test_of_two_workers_who_take_one_step_the_second_notes_nothing(live: Live) -> None:
    (email,) = vanish(live, 0)
    run = found(live, begin_to_read(live))
    connection = live.relay.parts.connection(live.connection.id)
    first, second = (Step(live.relay.parts, connection, run, nullcontext) for _ in range(2))
    first.take()
    with pytest.raises(Lost):
        second.take()
    go_on(live, run.id)
    assert live.state(email) == "Active"


def test_an_old_delivery_taken_again_does_not_bring_back_who_is_gone(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=12, value="3055")
    vanish(live, 0)
    live.run()
    live.run()
    assert live.state(email) == "Deleted"
    with live.relay.parts.database.write() as tx:
        deliveries.take_again(tx, [d.id for d in deliveries.search(tx, live.connection.id)])
    live.arrives()
    assert live.state(email) == "Deleted"


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        ({"page_cap": 20, "fail_pages": [2]}, "403"),
        ({"page_cap": 20, "same_page": True}, "same page"),
        ({"page_cap": 20, "endless": True}, "page"),
        ({"html": True}, "web page"),
        ({"page_cap": 20, "shrink_total": -5}, "listed"),
        ({"page_cap": 20, "shrinking": 20}, "a few pages later"),
        ({"page_cap": 20, "overlap": True}, "more than once"),
        ({"page_cap": 20, "no_meta": True, "no_links": True, "endless": True}, "same page"),
        ({"status": 404}, "404"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_read_that_was_not_complete_removes_nobody_and_says_why(live: Live, faults: dict, says: str) -> None:
    connect.configure(live.relay.parts, live.connection, {"brake": {"people": 0, "percent": 0}})
    vanish(live, 0)
    before = live.cm.active()
    live.run()
    live.ehq.faults(**faults)
    for _ in range(2):
        run = live.run()
        assert run.state in ("incomplete", "needs_person")
        assert run.problem is not None
        assert says in run.problem["message"]
        assert run.problem["remedy"]
    assert live.cm.active() == before


def test_a_total_that_is_smaller_than_yesterday_is_complete_and_what_the_brake_is_for(live: Live) -> None:
    connect.configure(live.relay.parts, live.connection, {"brake": {"people": 2, "percent": 0}})
    gone = vanish(live, 0, 1, 2)
    assert [live.run().state, live.run().state] == ["completed", "braked"]
    assert {live.state(email) for email in gone} == {"Active"}


def test_pages_that_shift_while_they_are_read_lose_nobody(live: Live) -> None:
    live.ehq.faults(page_cap=15, shift=1)
    live.run()
    live.ehq.faults(page_cap=None, shift=None)
    live.run()
    live.run()
    live.agrees()
