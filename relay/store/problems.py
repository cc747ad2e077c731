"""What stands in the way, counted by cause, and what people said about it. Every count reads an index of its own."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from relay.store.counted import problems
from relay.store.database import Tx, among, insert_or
from relay.store.tables import deliveries, participants

FAILED = participants.c.why_not == sa.literal_column("'failed'")
NEWEST = 5000
"""So many quarantined deliveries are told apart by reason; were there a million, the rest would say the same."""
KEPT_S = 30 * 86400.0
TIMES, FEW = 2, 5
"""Acknowledged of some, a problem is open again when it is about more than twice as many and five."""


class Counted(NamedTuple):
    """`what`: a code, or a reason; how many, and when first and last (epoch seconds)."""

    what: str
    number: int
    first: float
    last: float


def refused(tx: Tx, connection_id: str) -> list[Counted]:
    """People by the code that stands on them."""
    c = participants.c
    counted = (c.refused_code, sa.func.count(), sa.func.min(c.refused_at), sa.func.max(c.refused_at))
    query = sa.select(*counted).where(c.connection_id == connection_id, c.refused_code.is_not(None))
    return [Counted(*row) for row in tx.execute(query.group_by(c.refused_code)).all()]


def quarantined(tx: Tx, connection_id: str) -> list[Counted]:
    """Deliveries by reason."""
    c = deliveries.c
    unread = c.state == sa.literal_column("'quarantined'")
    some = (
        sa.select(sa.func.coalesce(c.reason, "").label("reason"), c.received_at)
        .where(c.connection_id == connection_id, unread)
        .order_by(c.id.desc())
        .limit(NEWEST)
        .subquery()
    )
    counted = (some.c.reason, sa.func.count(), sa.func.min(some.c.received_at), sa.func.max(some.c.received_at))
    return [Counted(*row) for row in tx.execute(sa.select(*counted).group_by(some.c.reason)).all()]


def quarantined_ids(tx: Tx, connection_id: str, reason: str, after: int, limit: int) -> list[int]:
    """The next of our ids whose body is still kept."""
    c = deliveries.c
    query = sa.select(c.id).where(
        c.connection_id == connection_id,
        c.state == sa.literal_column("'quarantined'"),
        sa.func.coalesce(c.reason, "") == reason,
        c.body.is_not(None),
        c.id > after,
    )
    return list(tx.execute(query.order_by(c.id).limit(limit)).scalars())


def refused_ids(tx: Tx, connection_id: str, code: str, after: int, limit: int) -> list[int]:
    """The next of our ids."""
    c = participants.c
    query = sa.select(c.id).where(c.connection_id == connection_id, c.refused_code == code, c.id > after)
    return list(tx.execute(query.order_by(c.id).limit(limit)).scalars())


def duplicates(tx: Tx, connection_id: str) -> int:
    """People who are not on the list because a newer account holds their address."""
    c = participants.c
    query = sa.select(sa.func.count()).where(c.connection_id == connection_id, c.standing == "duplicate")
    return int(tx.execute(query).scalar_one())


def failed(tx: Tx, connection_id: str) -> int:
    """People whom the relay itself could not judge."""
    c = participants.c
    query = sa.select(sa.func.count()).where(c.connection_id == connection_id, FAILED)
    return int(tx.execute(query).scalar_one())


def noted(tx: Tx, connection_id: str) -> dict[str, Mapping[str, Any]]:
    """key → first_seen, last_seen, affected, title, resolved_at, acknowledged_at, acknowledged_by, and of how many then
    (acknowledged_affected)."""
    rows = tx.execute(sa.select(problems).where(problems.c.connection_id == connection_id)).mappings()
    return {row["key"]: dict(row) for row in rows}


def note(tx: Tx, connection_id: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Keys: key, title, first_seen, last_seen, affected. What had been resolved is open again; what somebody
    acknowledged stays acknowledged while it lasts and is not far worse."""
    c = problems.c
    for row in rows:
        put = insert_or(tx, problems).values(connection_id=connection_id, **row)
        came_back = c.resolved_at.is_not(None)
        put = put.on_conflict_do_update(
            index_elements=["connection_id", "key"],
            set_={
                "title": put.excluded.title,
                "last_seen": put.excluded.last_seen,
                "affected": put.excluded.affected,
                "acknowledged_at": sa.case((came_back, sa.null()), else_=c.acknowledged_at),
                "acknowledged_by": sa.case((came_back, sa.null()), else_=c.acknowledged_by),
                "resolved_at": sa.null(),
            },
        )
        tx.execute(put)


def worse(affected: Any, row: Any) -> Any:
    """Whether so many more are affected than when somebody acknowledged it that it is to be looked at again."""
    return affected > row["acknowledged_affected"] * TIMES + FEW


_OPEN = sa.and_(
    problems.c.resolved_at.is_(None), problems.c.acknowledged_at.is_(None) | worse(problems.c.affected, problems.c)
)


def resolve(tx: Tx, connection_id: str, keys: Iterable[str], now: float) -> None:
    """Nobody is left; and what was resolved long ago is forgotten."""
    mine, c = problems.c.connection_id == connection_id, problems.c
    gone = list(keys)
    if gone:
        tx.execute(sa.update(problems).where(mine, among(tx, c.key, gone)).values(resolved_at=now))
    tx.execute(sa.delete(problems).where(mine, c.resolved_at < now - KEPT_S))


def acknowledge(tx: Tx, connection_id: str, key: str, who: str, now: float) -> bool:
    """Whether it was open. Only the first is remembered."""
    c = problems.c
    open_ = (c.connection_id == connection_id) & (c.key == key) & _OPEN
    values = {"acknowledged_at": now, "acknowledged_by": who, "acknowledged_affected": c.affected}
    done = tx.execute(sa.update(problems).where(open_).values(values))
    return done.rowcount == 1


def open_count(tx: Tx, connection_id: str) -> int:
    """As last noted: neither resolved nor acknowledged."""
    query = sa.select(sa.func.count()).where(problems.c.connection_id == connection_id, _OPEN)
    return int(tx.execute(query).scalar_one())
