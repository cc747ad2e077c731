"""A run that cannot go on is held, or ends and says why; the next one can always start."""

from __future__ import annotations

from typing import Any

import pytest

from relay.store import connections, runs
from relay.store.connections import Connection, pause_s
from relay.store.runs import Run
from relay.sync.connections import connect
from relay.sync.runs.start import start_run
from tests.conftest import Live, Relay
from tests.sync.test_absence import found, run_in


def steps(relay: Relay, run: Run) -> Run:
    """The next step is tried, the pause before it being over; answers where the run is then."""
    with relay.parts.database.write() as tx:
        if (now := runs.find(tx, run.id)) and now.state == "running" and now.problem:
            runs.hold(tx, run.id, {**now.problem, "until": 0.0})
    relay.parts.queue.step(run.id)
    relay.work()
    with relay.parts.database.read() as tx:
        now = runs.find(tx, run.id)
    assert now is not None
    return now


def pause(run: Run) -> float:
    assert run.problem is not None
    return float(run.problem["until"] - run.stepped_at)


def test_a_run_of_a_paused_connection_ends_and_says_what_to_do(relay: Relay, synced: Connection) -> None:
    connect.pause(relay.parts, synced)
    run = relay.reconcile(synced)
    assert run.state == "stopped"
    assert run.problem is not None
    assert "Resume" in run.problem["remedy"]
    assert relay.reconcile(synced, dry=True).state == "completed"


def test_a_run_before_the_set_up_is_done_writes_nothing(relay: Relay, synced: Connection) -> None:
    with relay.parts.database.write() as tx:
        connections.change(tx, synced.id, state="setup")
    run = relay.reconcile(synced)
    assert (run.state, run.counts) == ("stopped", {})


def test_pauses_of_a_run_double_up_to_a_minute(live: Live) -> None:
    live.ehq.faults(status=503)
    run, _ = start_run(live.relay.parts, live.connection.id, trigger="person")
    pauses = [pause(run) for _ in range(9) if (run := steps(live.relay, run)).problem]
    assert 0.4 < pauses[0] < 1.1
    assert all(later > before * 0.9 for before, later in zip(pauses[:4], pauses[2:6], strict=True))
    assert 25 < max(pauses) < 61


def test_no_two_pauses_are_alike_and_none_is_over_a_minute() -> None:
    for times in (0, 3, 6, 7, 100):
        longest = min(60, 2**times)
        many = {pause_s(times) for _ in range(50)}
        assert longest / 2 <= min(many) < max(many) <= longest
    assert pause_s(0, at_least=20.0) == 20
    assert pause_s(0, at_least=900.0) == 60


def test_a_run_waits_for_as_long_as_ehq_asks_for(live: Live) -> None:
    live.ehq.faults(status=429, retry_after_s=300)
    run, _ = start_run(live.relay.parts, live.connection.id, trigger="person")
    assert 295 < pause(steps(live.relay, run)) < 305


def test_a_run_goes_on_after_every_page_that_it_could_read(live: Live) -> None:
    live.ehq.act("register", count=40, silent=True)
    live.ehq.faults(status_429_every=3, page_cap=4)
    live.ehq.forget_calls()
    run, _ = start_run(live.relay.parts, live.connection.id, trigger="person")
    times = []
    while (run := steps(live.relay, run)).state == "running":
        assert run.problem is not None
        times.append(run.problem["times"])
        assert len(times) < 60
    assert run.state == "completed"
    assert len(times) > 3, "it was held"
    assert max(times) == 1, "each page forgets the pauses before it"
    live.agrees()


def test_a_run_reads_no_page_of_a_list_twice_when_the_next_one_fails(live: Live) -> None:
    run = run_in(live, "campaign_monitor")
    live.cm.faults(only_paths="bounced", status=503)
    held = steps(live.relay, found(live, run))
    assert held.problem is not None
    assert held.cursor["at"][0] > 0
    live.cm.faults(status=None)
    live.cm.forget_calls()
    assert steps(live.relay, held).state == "completed"
    assert not [call for call in live.cm.calls()["calls"] if call.endswith("/active")]


STATES_NOBODY_EXPECTS: list[dict[str, Any]] = [{"page": "not a cursor"}, {"page": {"unknown": 1}}]


@pytest.mark.parametrize("cursor", STATES_NOBODY_EXPECTS, ids=["a word", "an unknown key"])
def test_a_step_that_fails_for_a_bug_of_ours_is_tried_a_few_times_and_the_next_run_can_start(
    live: Live, cursor: dict[str, Any]
) -> None:
    run, _ = start_run(live.relay.parts, live.connection.id, trigger="person")
    with live.relay.parts.database.write() as tx:
        runs.step(tx, run, "ehq", cursor, {})
    tries = 0
    while (run := steps(live.relay, run)).state == "running":
        tries += 1
        assert run.problem is not None, "it is held between tries"
        assert pause(run) > 0.4
    assert tries == 3
    assert run.state == "incomplete"
    assert run.problem is not None
    assert "our side" in run.problem["message"]
    assert "log" in run.problem["remedy"]
    assert live.run().state == "completed"


def test_a_step_that_fails_once_for_whatever_reason_is_forgotten(live: Live) -> None:
    run, _ = start_run(live.relay.parts, live.connection.id, trigger="person")
    with live.relay.parts.database.write() as tx:
        runs.step(tx, run, "ehq", {"page": "not a cursor"}, {})
    run = steps(live.relay, run)
    with live.relay.parts.database.write() as tx:
        now = runs.step(tx, run, "ehq", {}, {})  # as if the next version of us had taken it
    assert now.problem is None
    assert steps(live.relay, now).state == "completed"
