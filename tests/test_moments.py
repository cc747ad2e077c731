"""`synced` gives every test a copy of the same first run: nothing is lost on the way, and no two share anything."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from relay.store.connections import Connection
from relay.store.tables import metadata
from relay.sync.parts import Parts
from tests.conftest import Relay, SimulatedCampaignMonitor, SimulatedEhq


def everything(parts: Parts, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor) -> dict[str, Any]:
    with parts.database.read() as tx:
        rows = {table.name: sorted(map(repr, tx.execute(sa.select(table)))) for table in metadata.sorted_tables}
    return {
        **rows,
        "ehq": (ehq.people(), ehq.calls(), ehq.sandbox("faults"), ehq.sandbox("deliveries.json")),
        "cm": (cm.list(), cm.calls(), cm.sandbox("faults"), cm.violations()),
    }


def test_a_copy_is_the_same_whatever_became_of_the_one_before(
    relay: Relay,
    parts: Parts,
    ehq: SimulatedEhq,
    cm: SimulatedCampaignMonitor,
    synced: Connection,
    simulators: Any,
    moments: Any,
) -> None:
    first, _, secret = moments["synced", parts.database.engine.name]
    assert secret == relay.secret

    def restored() -> dict[str, Any]:
        with parts.database.write() as tx:
            for table in reversed(metadata.sorted_tables):
                tx.execute(sa.delete(table))
        first.restore(parts.database)
        for simulator, state in zip(simulators, first.states(), strict=True):
            simulator.state = state
        return everything(parts, ehq, cm)

    before = restored()
    assert before["connections"]
    ehq.faults(page_cap=5)
    cm.faults(latency_ms=1)
    _, email = ehq.someone()
    ehq.act("unsubscribe", email=email)
    ehq.register()
    cm.act("unsubscribe", email=ehq.someone(3)[1])
    assert relay.reconcile(synced).state == "completed"
    after = everything(parts, ehq, cm)
    assert [name for name in ("participants", "runs", "ehq", "cm") if after[name] == before[name]] == []
    assert restored() == before


def test_what_is_added_to_a_copy_gets_the_next_number(relay: Relay, parts: Parts, synced: Connection) -> None:
    with parts.database.read() as tx:
        last = tx.execute(sa.text("SELECT max(id) FROM runs")).scalar_one()
    assert relay.reconcile(synced).id == last + 1
