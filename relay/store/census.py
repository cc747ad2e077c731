"""What a run asks about everybody: who was seen, who is missing, who would leave."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from relay.store.database import Tx, analyze
from relay.store.participants import change
from relay.store.person import Person, people, select
from relay.store.tables import participants as table

_c = table.c


def seen(tx: Tx, ids: Sequence[int], run_id: int, asked: float) -> None:
    """A page of this run listed them, asked for at `asked`; those who changed are saved besides."""
    change(tx, ids, seen_run=run_id, page_asked_at=asked, **there_again())


def there_again() -> dict[str, Any]:
    """New values for somebody of whom there is a sign of life: no brake holds them for their absence any more."""
    return {
        "absent_runs": 0,
        "gone": False,
        "brake_run": sa.case((_c.absent_runs > 0, sa.null()), else_=_c.brake_run),
    }


def count_absent(tx: Tx, connection_id: str, run_id: int, since: float) -> None:
    """One more complete run that did not see them, nor any word of them since the one before. About whom a webhook
    told after it began to read, at `since`, it says nothing: their page may have been read before they were on it."""
    heard = sa.func.coalesce(_c.heard_at, 0.0) >= since
    tx.execute(
        sa.update(table)
        .where(_c.connection_id == connection_id, _c.seen_run.is_distinct_from(run_id), ~heard)
        .values(absent_runs=_c.absent_runs + 1)
    )


def distinct(tx: Tx, connection_id: str, run_id: int) -> int:
    """How many different people this run saw in EHQ."""
    query = sa.select(sa.func.count()).where(_c.connection_id == connection_id, _c.seen_run == run_id)
    return int(tx.execute(query).scalar_one())


# The brake: `brake_run` is the run that first found that they would leave. 0: a person said that they stay.


def hold(tx: Tx, ids: Sequence[int], run_id: int) -> None:
    """This run would let them go: until it may, they stay. Whoever is held already stays held by the earlier run."""
    change(tx, ids, brake_run=sa.func.coalesce(_c.brake_run, run_id))


def held(tx: Tx, connection_id: str, up_to_run: int, absent_runs: int) -> tuple[int, int]:
    """How many are held by this run or an earlier one: (absent from so many runs, the others)."""
    absent = sa.func.count().filter(_c.absent_runs >= absent_runs)
    query = sa.select(absent, sa.func.count().filter(_c.absent_runs < absent_runs)).where(
        _c.connection_id == connection_id, _c.brake_run.between(1, up_to_run)
    )
    missing, others = tx.execute(query).one()
    return int(missing), int(others)


def held_people(tx: Tx, connection_id: str, up_to_run: int, limit: int) -> list[Person]:
    """Some of those, locked until the transaction ends."""
    query = select(connection_id).where(_c.brake_run.between(1, up_to_run)).order_by(_c.id).limit(limit)
    return people(tx, query.with_for_update())


def let_go(tx: Tx, some: Sequence[Person], absent_runs: int) -> None:
    """The brake holds them no more; those absent from so many complete runs in a row belong no more."""
    change(tx, [person.id for person in some], brake_run=None)
    gone = [person.id for person in some if person.absent_runs >= absent_runs]
    change(tx, gone, gone=True, revision=_c.revision + 1)


def keep(tx: Tx, some: Sequence[Person], absent_runs: int) -> None:
    """A person said that they stay: the absent until as many more complete runs miss them, the others for good."""
    absent = [person.id for person in some if person.absent_runs >= absent_runs]
    change(tx, absent, brake_run=None, absent_runs=0)
    change(tx, [person.id for person in some if person.absent_runs < absent_runs], brake_run=0)


def ask_anew(tx: Tx, connection_id: str) -> None:
    """A person changed who is outside the rules: whoever was held or kept before is judged anew."""
    mine = (_c.connection_id == connection_id, _c.brake_run.is_not(None))
    tx.execute(sa.update(table).where(*mine).values(brake_run=None))


def absent_elsewhere(tx: Tx, connection_id: str, runs: int) -> None:
    """Those absent from so many complete runs in a row whom we do not have on the list: no brake needs to ask."""
    on_list = _c.put_at.is_not(None) & (_c.cm_state == "Active")
    tx.execute(
        sa.update(table)
        .where(_c.connection_id == connection_id, _c.absent_runs >= runs, ~_c.gone, ~sa.func.coalesce(on_list, False))
        .values(gone=True, revision=_c.revision + 1)
    )


def cm_unseen(tx: Tx, connection_id: str, run_id: int, since: float, last_id: int, limit: int) -> list[Person]:
    """Whom we thought to be on the list, and no page of this run's complete read, begun at `since`, listed.

    Who is suppressed for the client need not be on the list at all, and who was written since may stand where a page
    was read before: their absence says nothing.
    """
    query = select(connection_id).where(
        _c.id > last_id,
        _c.cm_state.is_not(None),
        _c.cm_state != "Suppressed",
        _c.cm_seen_run.is_distinct_from(run_id),
        _c.cm_written_at.is_(None) | (_c.cm_written_at < since),
    )
    return people(tx, query.order_by(_c.id).limit(limit))


def grown(tx: Tx) -> None:
    """After a complete read, before everyone is looked up again."""
    analyze(tx, table)
