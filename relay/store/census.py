"""What a run asks about everybody: who was seen, who is missing, who would leave."""

from collections.abc import Sequence

import sqlalchemy as sa

from relay.store.database import Tx, analyze
from relay.store.participants import change
from relay.store.person import Person, people, select
from relay.store.tables import participants as table

_c = table.c


def seen(tx: Tx, ids: Sequence[int], run_id: int, asked: float) -> None:
    """A page of this run listed them, asked for at `asked`; those who changed are saved besides."""
    change(tx, ids, seen_run=run_id, absent_runs=0, gone=False, page_asked_at=asked)


def count_absent(tx: Tx, connection_id: str, run_id: int) -> None:
    """One more complete run that did not see them, nor any word of them since the one before."""
    tx.execute(
        sa.update(table)
        .where(_c.connection_id == connection_id, _c.seen_run.is_distinct_from(run_id))
        .values(absent_runs=_c.absent_runs + 1)
    )


def would_leave_for_absence(tx: Tx, connection_id: str, runs: int) -> int:
    query = sa.select(sa.func.count()).where(
        _c.connection_id == connection_id,
        _c.absent_runs >= runs,
        ~_c.gone,
        _c.put_at.is_not(None),
        _c.cm_state == "Active",
    )
    return int(tx.execute(query).scalar_one())


def let_go(tx: Tx, connection_id: str, runs: int) -> None:
    """Those absent from so many complete runs in a row belong no more; the brake was asked before."""
    tx.execute(
        sa.update(table)
        .where(_c.connection_id == connection_id, _c.absent_runs >= runs, ~_c.gone)
        .values(gone=True, revision=_c.revision + 1)
    )


def cm_unseen(tx: Tx, connection_id: str, run_id: int, last_id: int, limit: int) -> list[Person]:
    """Whom we thought to be on the list, and no page of this run's complete read listed.

    Who is suppressed for the client need not be on the list at all, so that their absence says nothing.
    """
    query = select(connection_id).where(
        _c.id > last_id,
        _c.cm_state.is_not(None),
        _c.cm_state != "Suppressed",
        _c.cm_seen_run.is_distinct_from(run_id),
    )
    return people(tx, query.order_by(_c.id).limit(limit))


def grown(tx: Tx) -> None:
    """After a complete read, before everyone is looked up again."""
    analyze(tx, table)
