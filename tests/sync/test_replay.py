"""Deliveries taken in again: what it would do is said before, and is then what happens."""

from __future__ import annotations

from collections.abc import Callable

from relay.store import participants
from relay.store.chosen import Filter
from relay.store.connections import Connection
from relay.sync.connections import connect
from relay.sync.intake import replay
from tests.conftest import Live, Relay, SimulatedCampaignMonitor, SimulatedEhq
from tests.sync.test_exports import ByHand


def preview(live: Live, **chosen: str) -> replay.Effect:
    connection = live.relay.parts.connection(live.connection.id)
    return replay.preview(live.relay.parts, connection, Filter(**chosen))  # type: ignore[arg-type]


def test_what_was_taken_in_already_changes_nobody(live: Live) -> None:
    one, _ = live.ehq.someone()
    live.happens("answer", id=one, question=12, value="3001")
    live.happens("unsubscribe", id=one)
    effect = preview(live)
    assert (effect.deliveries, dict(effect.people)) == (2, {"same": 1})


def misread(live: Live, *types: str) -> None:
    """From now on these events are taken for tests."""
    connect.configure(live.relay.parts, live.connection, {"overrides": {"events": {"test.ping": list(types)}}})


def understood(live: Live) -> None:
    connect.configure(live.relay.parts, live.connection, {})


def test_groups_that_would_be_deleted_or_renamed_are_told_with_whoever_is_in_them(live: Live) -> None:
    misread(live, "group.deleted", "group.renamed")
    before = live.cm.segments()
    live.happens("group_delete")
    live.happens("group_rename", name="Called otherwise")
    understood(live)
    first, second = preview(live), preview(live)
    assert first == second, "nothing of it stays"
    assert dict(first.groups) == {"deleted": 1, "renamed": 1}
    assert first.people["change"] > 0
    live.relay.settle(live.connection)
    assert live.cm.segments() == before
    active = {email: one["fields"] for email, one in live.cm.subscribers().items() if one["state"] == "Active"}
    replay.replay(live.relay.parts, live.relay.parts.connection(live.connection.id), Filter())
    live.relay.settle(live.connection)
    assert live.change().state == "completed"
    assert len(live.cm.segments()) == len(before) - 1
    assert "Called otherwise" in live.cm.segments()
    after = {email: one["fields"] for email, one in live.cm.subscribers().items() if one["state"] == "Active"}
    assert sum(active[email] != after[email] for email in active) == first.people["change"]


def test_people_of_whom_an_export_told_are_known_to_a_replay(
    relay: Relay, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor, door: Callable[[Connection], str]
) -> None:
    made = relay.connect(ehq, ehq_url="", ehq_credential={}, reads="export")
    live = Live(relay, made, ehq, cm)
    assert ByHand(relay, ehq, cm, made).read().state == "completed"
    door(made)
    misread(live, "participant.updated")
    one, _ = ehq.someone()
    live.happens("answer", id=one, question=12, value="3001")
    understood(live)
    assert dict(preview(live).people) == {"change": 1}
    with relay.parts.database.read() as tx:
        assert participants.by_ids(tx, made.id, [one]) == {}, "nothing of it stays"
