"""Deliveries taken in again: what it would do is said before, and is then what happens."""

from __future__ import annotations

from relay.store.chosen import Filter
from relay.sync.intake import replay
from tests.conftest import Live


def preview(live: Live, **chosen: str) -> replay.Effect:
    connection = live.relay.parts.connection(live.connection.id)
    return replay.preview(live.relay.parts, connection, Filter(**chosen))  # type: ignore[arg-type]


def test_what_was_taken_in_already_changes_nobody(live: Live) -> None:
    one, _ = live.ehq.someone()
    live.happens("answer", id=one, question=12, value="3001")
    live.happens("unsubscribe", id=one)
    effect = preview(live)
    assert (effect.deliveries, dict(effect.people)) == (2, {"same": 1})
