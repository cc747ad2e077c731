"""The first run makes the list complete; the next one writes nothing."""

from __future__ import annotations

import pytest

from relay.store import runs
from relay.store.connections import Connection
from relay.store.runs import Run
from relay.sync import work
from relay.sync.runs import comparing
from relay.sync.upsert import write
from tests.conftest import Live, Relay, SimulatedCampaignMonitor, SimulatedEhq


def belongs(attributes: dict) -> bool:
    return attributes["subscribed"] and not attributes["blocked"]


def test_everyone_subscribed_and_not_blocked_is_on_the_list_and_nobody_else(
    synced: Connection, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor
) -> None:
    expected = {a["email"].lower() for a in ehq.people().values() if belongs(a)}
    assert cm.active() == expected
    assert cm.violations() == []


def test_a_second_run_writes_nothing(relay: Relay, synced: Connection, cm: SimulatedCampaignMonitor) -> None:
    cm.forget_calls()
    assert relay.reconcile(synced).state == "completed"
    assert cm.calls()["writes"] == 0


def test_a_dry_run_counts_what_it_would_do_and_writes_nothing(
    relay: Relay, connection: Connection, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor
) -> None:
    cm.forget_calls()
    run = relay.reconcile(connection, dry=True)
    assert run.state == "completed"
    assert run.counts["joins"] == sum(belongs(a) for a in ehq.people().values())
    assert cm.calls()["writes"] == 0


def until_it_compares(relay: Relay, connection: Connection) -> Run:
    """A run that has read both sides and compared nothing."""
    run, _ = work.start_run(relay.parts, connection.id, trigger="person")
    while run.phase != "compare":
        run = step(relay, run)
    return run


def step(relay: Relay, run: Run) -> Run:
    work.step(relay.parts, run.id)
    with relay.parts.database.read() as tx:
        return next(iter(runs.latest(tx, run.connection_id)))


@pytest.fixture
def by_twenty(monkeypatch: pytest.MonkeyPatch) -> None:
    """People are compared twenty, and imported five, at a time."""
    monkeypatch.setattr(comparing, "COMPARED", 20)
    monkeypatch.setattr(write, "AT_ONCE", 5)


@pytest.mark.usefixtures("by_twenty")
def test_the_first_are_written_while_the_last_are_compared(
    relay: Relay, connection: Connection, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor
) -> None:
    run = step(relay, until_it_compares(relay, connection))
    expected = {a["email"].lower() for a in ehq.people().values() if belongs(a)}
    assert run.phase == "write"
    assert cm.active() < expected
    assert run.counts["written"] == len(cm.active()) >= 10
    assert run.counts["of_on_list"] == 0, "the brake counts in per cent of the list before this run"
    while run.state == "running":
        run = step(relay, run)
    assert (run.counts["joins"], run.counts["written"]) == (len(expected), len(expected))
    assert cm.active() == expected
    assert cm.violations() == []


@pytest.mark.usefixtures("by_twenty")
def test_a_few_found_among_many_are_written_together(live: Live) -> None:
    live.ehq.act("answer", question=12, value="3999", id=[live.ehq.someone(n)[0] for n in (0, 12, 24, 36)], silent=True)
    live.cm.forget_calls()
    assert live.run().counts["changes"] == 4
    assert sum(n for call, n in live.cm.calls()["calls"].items() if call.endswith("/import")) == 1
    live.agrees()


@pytest.mark.usefixtures("by_twenty")
def test_an_import_that_fails_while_others_are_compared_counts_nobody_twice(
    relay: Relay, connection: Connection, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor
) -> None:
    run = until_it_compares(relay, connection)
    cm.faults(only_paths="import", status=503)
    run = step(relay, run)
    assert (run.state, run.phase, cm.active()) == ("running", "compare", set())
    assert run.problem is not None
    cm.sandbox("faults", method="DELETE")
    run = relay.reconcile(connection)
    expected = {a["email"].lower() for a in ehq.people().values() if belongs(a)}
    assert run.counts["compared"] == len(ehq.people())
    assert run.counts["joins"] == len(expected)
    assert cm.active() == expected
