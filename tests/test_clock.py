"""The clock starts what is due: each run once, whole, and whatever happens to a clock meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from relay import clock
from relay.errors import RelayError
from relay.store import connections, runs
from relay.store.connections import Connection
from relay.store.runs import Run
from relay.sync.connections import connect
from relay.sync.health import problems
from relay.sync.parts import Parts
from relay.sync.runs.start import start_run
from relay.wiring import wire
from tests.conftest import Live, Relay

DAY = 86400.0


def due(parts: Parts, connection: Connection, since: float = 3 * DAY) -> None:
    with parts.database.write() as tx:
        connections.change(tx, connection.id, next_run_at=time.time() - since)


def all_runs(parts: Parts, connection: Connection) -> list[Run]:
    """Since Bayside's first; the newest comes first."""
    with parts.database.read() as tx:
        return runs.latest(tx, connection.id, 50)[:-1]


def ticks(relay: Relay, times: int = 3) -> None:
    """A clock, and a worker."""
    for _ in range(times):
        clock.tick(relay.parts)
        relay.work()


def test_a_run_overdue_after_days_of_downtime_runs_once(relay: Relay, synced: Connection) -> None:
    due(relay.parts, synced)
    ticks(relay)
    (run,) = all_runs(relay.parts, synced)
    assert (run.trigger, run.state) == ("clock", "completed")
    assert relay.parts.connection(synced.id).next_run_at > time.time()  # type: ignore[operator]


def test_of_several_clocks_one_starts_it(relay: Relay, synced: Connection) -> None:
    due(relay.parts, synced)
    clocks = [wire(relay.parts.settings) for _ in range(4)]
    together = threading.Barrier(len(clocks))

    def tick(parts: Parts) -> None:
        together.wait()
        clock.tick(parts)

    threads = [threading.Thread(target=tick, args=(parts,)) for parts in clocks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ticks(relay)
    for parts in clocks:
        parts.database.close()
    assert [run.trigger for run in all_runs(relay.parts, synced)] == ["clock"]


def test_a_clock_killed_while_it_starts_a_run_has_started_none_and_the_next_one_does(
    relay: Relay, synced: Connection
) -> None:
    due(relay.parts, synced)
    with killed_at(relay.parts, "INSERT INTO runs"), pytest.raises(Killed):
        clock.tick(relay.parts)
    assert all_runs(relay.parts, synced) == []
    ticks(relay)
    assert [run.trigger for run in all_runs(relay.parts, synced)] == ["clock"]


def test_a_run_that_is_due_waits_for_the_one_under_way(relay: Relay, synced: Connection) -> None:
    due(relay.parts, synced)
    start_run(relay.parts, synced.id, trigger="person", dry=True)
    ticks(relay)
    daily, look = all_runs(relay.parts, synced)
    assert (look.dry, daily.trigger, daily.dry, daily.state) == (True, "clock", False, "completed")


def test_who_is_paused_catches_up_when_resumed(relay: Relay, synced: Connection) -> None:
    due(relay.parts, synced)
    connect.pause(relay.parts, synced)
    ticks(relay)
    assert all_runs(relay.parts, synced) == []
    with relay.parts.database.write() as tx:
        connections.change(tx, synced.id, state="on")
    ticks(relay)
    assert [run.trigger for run in all_runs(relay.parts, synced)] == ["clock"]


def test_changed_rules_leave_an_overdue_run_due_and_another_hour_moves_it(relay: Relay, synced: Connection) -> None:
    due(relay.parts, synced)
    connect.configure(relay.parts, synced, {"audience": {"activated_only": True}})
    ticks(relay)
    assert [run.trigger for run in all_runs(relay.parts, synced)] == ["clock"]
    tomorrow = relay.parts.connection(synced.id).next_run_at
    connect.configure(relay.parts, synced, {"time_zone": "Asia/Kathmandu"})
    assert relay.parts.connection(synced.id).next_run_at != tomorrow


def test_changed_rules_are_compared_once(relay: Relay, synced: Connection) -> None:
    connect.configure(relay.parts, synced, {"audience": {"roles": ["participant"]}})
    ticks(relay)
    (run,) = all_runs(relay.parts, synced)
    assert (run.trigger, run.counts["leaves"] > 0) == ("change", True)


def test_who_asks_for_a_run_while_changed_rules_are_compared_gets_one_that_reads_both_sides(live: Live) -> None:
    relay, connection = live.relay, live.connection
    _, email = live.ehq.register(silent=True)
    connect.configure(relay.parts, connection, {"time_zone": "Australia/Sydney"})
    clock.tick(relay.parts)  # the change is about to be compared
    assert live.run().state == "completed"
    whole, change = all_runs(relay.parts, connection)
    assert (whole.trigger, change.trigger, change.state) == ("person", "change", "stopped")
    assert change.problem is not None
    assert live.state(email) == "Active"
    ticks(relay)
    assert len(all_runs(relay.parts, connection)) == 2, "the whole one compared by the new rules"


def test_rules_half_compared_are_compared_by_the_run_that_takes_over(relay: Relay, synced: Connection) -> None:
    """Whom they leave out goes without the brake's asking: a person asked for it."""
    connect.configure(relay.parts, synced, {"audience": {"roles": ["site_admin"]}})
    with relay.parts.database.write() as tx:
        run = runs.start(tx, synced.id, "change", False, "compare", {})
        assert run is not None
        runs.step(tx, run, "compare", {"last": 0, "asked": True}, {})
        connections.change(tx, synced.id, remap_due=False)
    whole = relay.reconcile(synced)
    assert (whole.state, whole.counts["leaves"] > 20) == ("completed", True)


def test_a_run_asked_for_again_is_joined(relay: Relay, synced: Connection) -> None:
    first, new = start_run(relay.parts, synced.id, trigger="clock")
    assert new
    assert start_run(relay.parts, synced.id, trigger="person") == (first, False)


def test_a_problem_is_not_tried_again_by_a_look_that_writes_nothing(live: Live) -> None:
    live.ehq.faults(status=403)
    assert live.run().state == "needs_person"
    live.ehq.faults(status=None)
    (problem,) = [p for p in problems.everything(live.relay.parts, live.connection) if p.kind == "run"]
    start_run(live.relay.parts, live.connection.id, trigger="person", dry=True)
    with pytest.raises(RelayError, match="look at what a run would do"):
        problems.again(live.relay.parts, live.connection, problem.key)


def test_a_first_run_is_the_first_that_reads_both_sides(relay: Relay, connection: Connection) -> None:
    connect.configure(relay.parts, connection, {"time_zone": "Australia/Sydney"})
    ticks(relay)
    run = relay.reconcile(connection)
    assert run.counts["first_run"]


class Killed(BaseException):
    """Nothing of ours catches it."""


@contextmanager
def killed_at(parts: Parts, statement: str) -> Iterator[None]:
    """A process that ends when it is about to send this to the database."""

    def end(_connection: Any, _cursor: Any, sent: str, *_: Any) -> None:
        if sent.startswith(statement):
            raise Killed

    sa.event.listen(parts.database.engine, "before_cursor_execute", end)
    yield
    sa.event.remove(parts.database.engine, "before_cursor_execute", end)
