"""A run that ended because the connection was paused, or its access failed, goes on by itself when that is over."""

from __future__ import annotations

import pytest

from relay import clock
from relay.store import runs
from relay.store.connections import Connection
from relay.store.runs import Run
from relay.sync.connections import connect, credentials
from relay.sync.runs import progress
from tests.conftest import Live, Relay, SimulatedCampaignMonitor, SimulatedEhq
from tests.sync.test_absence import begin_to_read, found, run_in


def resume(live: Live) -> None:
    credentials.resume(live.relay.parts, live.relay.parts.connection(live.connection.id))


def worked(live: Live, run_id: int) -> Run:
    live.relay.work()
    return found(live, run_id)


def test_a_first_run_whose_access_was_taken_back_while_it_wrote_goes_on_after_reconnecting(
    relay: Relay, connection: Connection, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor
) -> None:
    live = Live(relay, connection, ehq, cm)
    run = run_in(live, "compare")
    cm.faults(code=100)
    assert worked(live, run).state == "needs_person"
    assert cm.active() == set()
    cm.faults(code=None)
    credentials.reconnect(relay.parts, relay.parts.connection(connection.id), None, "sandbox")
    assert worked(live, run).state == "completed"
    live.agrees()


def test_a_run_stopped_by_a_pause_goes_on_when_it_is_resumed(live: Live) -> None:
    run = begin_to_read(live)
    connect.pause(live.relay.parts, live.connection)
    stopped = worked(live, run)
    assert stopped.state == "stopped"
    assert stopped.problem is not None
    assert "goes on" in stopped.problem["remedy"]
    resume(live)
    assert worked(live, run).state == "completed"


def test_a_run_that_ehq_refused_goes_on_when_it_is_given_access_anew(live: Live) -> None:
    run = begin_to_read(live)
    live.ehq.faults(status=403)
    assert worked(live, run).state == "needs_person"
    live.ehq.faults(status=None)
    connection = live.relay.parts.connection(live.connection.id)
    assert connection.state == "on"
    credentials.reconnect(live.relay.parts, connection, {"token": "sandbox"}, None)
    assert worked(live, run).state == "completed"


def test_what_a_person_stopped_stays_so(live: Live) -> None:
    run = begin_to_read(live)
    progress.stop(live.relay.parts, live.connection)
    connect.pause(live.relay.parts, live.connection)
    resume(live)
    assert worked(live, run).state == "stopped"


def test_where_another_followed_it_the_next_run_begins_at_once(live: Live) -> None:
    run = begin_to_read(live)
    connect.pause(live.relay.parts, live.connection)
    assert worked(live, run).state == "stopped"
    live.run(dry=True)
    resume(live)
    clock.tick(live.relay.parts)
    assert worked(live, run).state == "stopped"
    with live.relay.parts.database.read() as tx:
        (last,) = runs.latest(tx, live.connection.id)
    assert (last.state, last.dry) == ("completed", False)
    assert last.id > run


@pytest.mark.parametrize("state", ["stopped", "needs_person", "incomplete", "completed"])
def test_addresses_that_a_run_had_still_to_look_at_are_kept_as_long_as_it_can_go_on(live: Live, state: str) -> None:
    with live.relay.parts.database.write() as tx:
        run = runs.start(tx, live.connection.id, "person", False, "fields", {})
        assert run
        runs.step(tx, run, "campaign_monitor", {"second": [["1001", "typed@example.com", "Active"]]}, {})
        runs.finish(tx, run.id, state)
        ended = runs.find(tx, run.id)
        assert ended
        assert bool(ended.cursor) == (state in runs.UNFINISHED)
        assert runs.start(tx, live.connection.id, "person", False, "fields", {})
        ended = runs.find(tx, run.id)
        assert ended
        assert not ended.cursor
