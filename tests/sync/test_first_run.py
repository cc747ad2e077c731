"""The first run makes the list complete; the next one writes nothing."""

from __future__ import annotations

from relay.store.connections import Connection
from tests.conftest import Relay, SimulatedCampaignMonitor, SimulatedEhq


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
