"""What happened on each day, in counts: what charts are drawn from without reading a million rows."""

from collections.abc import Mapping

import sqlalchemy as sa

from relay.store.counted import days, heartbeats
from relay.store.database import Tx, insert_or

ARRIVED, RUNS, CALLS, FAILED_CALLS = "arrived", "runs", "calls", "failed calls"
"""Words that stand in `what` beside the causes of drift."""
KEPT = 400
"""Days."""


def add(tx: Tx, connection_id: str, day: str, counts: Mapping[str, int]) -> None:
    """`counts` more of each. A row for each word: who counts one thing does not wait for who counts another."""
    for what, times in sorted(counts.items()):
        row = {"connection_id": connection_id, "day": day, "what": what, "times": times}
        put = insert_or(tx, days).values(row)
        put = put.on_conflict_do_update(
            index_elements=["connection_id", "day", "what"], set_={"times": days.c.times + put.excluded.times}
        )
        tx.execute(put)


def since(tx: Tx, connection_id: str, day: str) -> dict[str, dict[str, int]]:
    """day → what → times, from `day` on."""
    found: dict[str, dict[str, int]] = {}
    query = sa.select(days.c.day, days.c.what, days.c.times)
    for on, what, times in tx.execute(query.where(days.c.connection_id == connection_id, days.c.day >= day)):
        found.setdefault(on, {})[what] = times
    return found


def purge(tx: Tx, before: str) -> None:
    tx.execute(sa.delete(days).where(days.c.day < before))


def beat(tx: Tx, name: str, at: float) -> None:
    """`name` lives: at `at`, epoch seconds."""
    put = insert_or(tx, heartbeats).values(name=name, at=at)
    tx.execute(put.on_conflict_do_update(index_elements=["name"], set_={"at": put.excluded.at}))


def last_beat(tx: Tx, name: str) -> float | None:
    return tx.execute(sa.select(heartbeats.c.at).where(heartbeats.c.name == name)).scalar()
