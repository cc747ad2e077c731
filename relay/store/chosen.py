"""Some of a connection's deliveries: a page of them to look at, and all of them to be replayed.

What has no index (type, state "applied", reason) is looked for among a bounded number of the newest, and the answer
says how far back that was: an index for each would cost the door with every delivery.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from relay.store.database import Tx, among
from relay.store.deliveries import Delivery
from relay.store.tables import deliveries as table

LOOKED, WORDS_LOOKED = 20_000, 50_000
_c = table.c
_SHORT = [c for c in table.columns.values() if c.name not in ("body", "headers")]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which deliveries. `types` as they were sent, any of these; `since` and `until` are epoch seconds; `subject` an
    EHQ id; `delivery` the sender's own id, and `number` ours."""

    state: str | None = None
    types: tuple[str, ...] | None = None
    since: float | None = None
    until: float | None = None
    subject: str | None = None
    delivery: str | None = None
    reason: str | None = None
    number: int | None = None

    @property
    def indexed(self) -> bool:
        exactly = (self.subject, self.delivery, self.number)
        return self.state in ("waiting", "quarantined") or any(one is not None for one in exactly)


NOTHING = Filter(number=0)


@dataclass(frozen=True, slots=True)
class Listed:
    """One page, newest first. `before` is where the next one begins; `looked_back_to` says that what is older was not
    looked at yet."""

    deliveries: list[Delivery]
    before: tuple[float, int] | None
    looked_back_to: float | None


def page(
    tx: Tx, connection_id: str, chosen: Filter, before: tuple[float, int] | None = None, limit: int = 50
) -> Listed:
    """Bodies are not read: b"" where one is kept, None where not."""
    query = _newest(sa.select(_c.id, _c.received_at, _c.type, _c.state, _c.reason), connection_id, chosen)
    if before is not None:
        query = query.where(sa.tuple_(_c.received_at, _c.id) < sa.tuple_(*map(sa.literal, before)))
    if chosen.indexed:
        rows = tx.execute(query.where(*_matching(_c, chosen)).limit(limit + 1)).all()
        last = None
    else:
        seen = query.limit(LOOKED).subquery()
        order = (seen.c.received_at.desc(), seen.c.id.desc())
        rows = tx.execute(sa.select(seen).where(*_matching(seen.c, chosen)).order_by(*order).limit(limit + 1)).all()
        last = None
        if len(rows) <= limit and (chosen.types is not None or chosen.state or chosen.reason):
            last = tx.execute(query.offset(LOOKED - 1).limit(1)).first()
    shown = _short(tx, [row.id for row in rows[:limit]])
    if len(rows) > limit:
        return Listed(shown, (rows[limit - 1].received_at, rows[limit - 1].id), None)
    return Listed(shown, (last.received_at, last.id) if last else None, last.received_at if last else None)


def words(tx: Tx, connection_id: str, subject: str | None = None) -> list[str]:
    """The types, as they were sent, of all about one subject, or of the newest 50,000."""
    query = sa.select(_c.type).where(_c.connection_id == connection_id)
    if subject is not None:
        query = query.where(_c.subject == subject)
    else:
        seen = query.order_by(_c.received_at.desc(), _c.id.desc()).limit(WORDS_LOOKED).subquery()
        query = sa.select(seen.c.type)
    return list(tx.execute(query.distinct()).scalars())


def window(tx: Tx, connection_id: str, chosen: Filter, most: int) -> tuple[int, int, int, int]:
    """(how many, of them with a body, the oldest's id, the newest's id) of the newest `most` deliveries."""
    query = _newest(
        sa.select(_c.id, _c.body.is_not(None).label("kept"), _c.type, _c.state, _c.reason), connection_id, chosen
    )
    if chosen.indexed:
        query = query.where(*_matching(_c, chosen))
    seen = query.limit(most).subquery()
    wanted = sa.true() if chosen.indexed else sa.and_(sa.true(), *_matching(seen.c, chosen))
    counts = sa.select(
        sa.func.count(),
        sa.func.count().filter(seen.c.kept),
        sa.func.coalesce(sa.func.min(seen.c.id), 0),
        sa.func.coalesce(sa.func.max(seen.c.id), 0),
    ).where(wanted)
    total, kept, oldest, newest = tx.execute(counts).one()
    return int(total), int(kept), int(oldest), int(newest)


def next_ids(tx: Tx, connection_id: str, chosen: Filter, after: int, newest: int, limit: int) -> list[int]:
    """Those with a body, in the order of their arrival."""
    query = sa.select(_c.id).where(
        _c.connection_id == connection_id,
        _c.id > after,
        _c.id <= newest,
        _c.body.is_not(None),
        *_within(chosen),
        *_matching(_c, chosen),
    )
    return list(tx.execute(query.order_by(_c.id).limit(limit)).scalars())


def whole(tx: Tx, ids: Sequence[int]) -> list[Delivery]:
    """With their bodies, in the order of their arrival."""
    rows = tx.execute(sa.select(table).where(among(tx, _c.id, ids)).order_by(_c.id)).mappings()
    return [Delivery(**row) for row in rows]


def one(tx: Tx, connection_id: str, delivery_id: int) -> Delivery | None:
    row = tx.execute(sa.select(table).where(_c.id == delivery_id, _c.connection_id == connection_id)).mappings().first()
    return Delivery(**row) if row else None


def reasons(tx: Tx, connection_id: str, most: int = 10_000) -> list[tuple[str, int, float, float]]:
    """Why deliveries are in quarantine: (reason, how many, first and last received), of the newest `most`."""
    query = _newest(sa.select(_c.reason, _c.received_at), connection_id, Filter())
    seen = query.where(_c.state == sa.literal_column("'quarantined'")).limit(most).subquery()
    at = seen.c.received_at
    grouped = sa.select(seen.c.reason, sa.func.count(), sa.func.min(at), sa.func.max(at)).group_by(seen.c.reason)
    found = [(reason or "", int(n), first, last) for reason, n, first, last in tx.execute(grouped).all()]
    return sorted(found, key=lambda row: -row[1])


def _newest(query: sa.Select[Any], connection_id: str, chosen: Filter) -> sa.Select[Any]:
    mine = query.where(_c.connection_id == connection_id, *_within(chosen))
    return mine.order_by(_c.received_at.desc(), _c.id.desc())


def _within(chosen: Filter) -> list[sa.ColumnElement[bool]]:
    since = [_c.received_at >= chosen.since] if chosen.since is not None else []
    return since + ([_c.received_at < chosen.until] if chosen.until is not None else [])


def _matching(columns: Any, chosen: Filter) -> list[sa.ColumnElement[bool]]:
    # The state as a literal: a planner that sees a parameter does not use an index on some rows only.
    known = chosen.state if chosen.state in ("waiting", "applied", "quarantined") else None
    found = [columns.state == sa.literal_column(f"'{known}'")] if known else []
    if chosen.types is not None:
        found.append(columns.type.in_(chosen.types))
    if chosen.reason is not None:
        found.append(columns.reason == chosen.reason)
    exactly: tuple[tuple[Any, Any], ...] = (
        (_c.subject, chosen.subject),
        (_c.key, chosen.delivery),
        (_c.id, chosen.number),
    )
    return found + [column == value for column, value in exactly if value is not None]


def _short(tx: Tx, ids: Sequence[int]) -> list[Delivery]:
    kept = sa.case((_c.body.is_not(None), sa.literal(b"", sa.LargeBinary))).label("body")
    blank = dict.fromkeys(field.name for field in fields(Delivery))
    rows = tx.execute(sa.select(*_SHORT, kept).where(among(tx, _c.id, ids))).mappings()
    found = {row["id"]: Delivery(**{**blank, **row}) for row in rows}
    return [found[i] for i in ids if i in found]
