"""A connection may have EHQ's opt-outs unsubscribed in CM: then only the person can undo it."""

from __future__ import annotations

from relay.sync.connections import connect
from tests.conftest import Live


def choose(live: Live) -> None:
    connect.configure(live.relay.parts, live.connection, {"opt_outs": "unsubscribe"})


def test_an_opt_out_in_ehq_unsubscribes_in_campaign_monitor(live: Live) -> None:
    choose(live)
    one, email = live.ehq.someone()
    live.happens("unsubscribe", id=one)
    assert live.state(email) == "Unsubscribed"


def test_coming_back_in_ehq_does_not_undo_it(live: Live) -> None:
    choose(live)
    one, email = live.ehq.someone()
    live.happens("unsubscribe", id=one)
    live.happens("subscribe", id=one)
    assert live.run().state == "completed"
    assert live.state(email) == "Unsubscribed"
    assert live.cm.violations() == []


def test_whoever_is_blocked_or_deleted_is_removed_all_the_same(live: Live) -> None:
    choose(live)
    (blocked, email), (deleted, other) = live.ehq.someone(0), live.ehq.someone(1)
    live.happens("block", id=blocked)
    live.happens("delete", id=deleted)
    assert (live.state(email), live.state(other)) == ("Deleted", "Deleted")
