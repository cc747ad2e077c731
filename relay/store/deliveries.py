"""Arrivals of webhooks: stored before they are answered, applied in order, kept to be looked at."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from relay.store.database import Tx, among
from relay.store.tables import connections, deliveries

REPLAYED = "Replayed."
"""The reason why something waits a second time."""
OfGroup = Callable[[str], bool]
"""Whether a type, as it was sent, is one of a group's."""
BODY_KEPT_S, ROW_KEPT_S = 14 * 86400.0, 30 * 86400.0


@dataclass(frozen=True, slots=True)
class Delivery:
    id: int
    connection_id: str
    key: str
    type: str
    subject: str
    received_at: float
    headers: str | None
    body: bytes | None
    state: str
    reason: str | None


def waiting(tx: Tx, connection_id: str, limit: int) -> list[Delivery]:
    rows = tx.execute(
        sa.select(deliveries)
        .where(deliveries.c.connection_id == connection_id, deliveries.c.state == "waiting")
        .order_by(deliveries.c.id)
        .limit(limit)
    ).mappings()
    return [Delivery(**row) for row in rows]


def types_waiting(tx: Tx, connection_id: str, after: int, limit: int) -> list[tuple[int, str]]:
    """(id, type as it was sent) of what waits behind the delivery `after`."""
    query = sa.select(deliveries.c.id, deliveries.c.type).where(
        deliveries.c.connection_id == connection_id, deliveries.c.state == "waiting", deliveries.c.id > after
    )
    return [(row.id, row.type) for row in tx.execute(query.order_by(deliveries.c.id).limit(limit))]


def not_applied(tx: Tx, connection_id: str, subjects: Collection[str]) -> list[tuple[str, str, float, str]]:
    """(subject, type, received at, state) of what waits, or is in quarantine, about `subjects` (EHQ ids)."""
    query = sa.select(deliveries.c.subject, deliveries.c.type, deliveries.c.received_at, deliveries.c.state).where(
        deliveries.c.connection_id == connection_id,
        among(tx, deliveries.c.subject, subjects),
        deliveries.c.state.in_(("waiting", "quarantined")),
    )
    return [(row.subject, row.type, row.received_at, row.state) for row in tx.execute(query)]


def by_ids(tx: Tx, ids: Sequence[int]) -> list[Delivery]:
    rows = tx.execute(sa.select(deliveries).where(among(tx, deliveries.c.id, ids)).order_by(deliveries.c.id))
    return [Delivery(**row) for row in rows.mappings()]


def any_waiting(tx: Tx, connection_id: str) -> bool:
    query = sa.select(deliveries.c.id).where(
        deliveries.c.connection_id == connection_id, deliveries.c.state == "waiting"
    )
    return tx.execute(query.limit(1)).first() is not None


def applied(tx: Tx, ids: Sequence[int]) -> None:
    if ids:
        tx.execute(sa.update(deliveries).where(deliveries.c.id.in_(ids)).values(state="applied", reason=None))


def quarantined(tx: Tx, delivery_id: int, reason: str) -> None:
    tx.execute(sa.update(deliveries).where(deliveries.c.id == delivery_id).values(state="quarantined", reason=reason))


def search(
    tx: Tx,
    connection_id: str,
    *,
    state: str | None = None,
    key: str | None = None,
    since: float | None = None,
    limit: int = 100,
) -> list[Delivery]:
    """Newest first."""
    query = sa.select(deliveries).where(deliveries.c.connection_id == connection_id)
    for column, value in (("state", state), ("key", key)):
        if value is not None:
            query = query.where(deliveries.c[column] == value)
    if since is not None:
        query = query.where(deliveries.c.received_at >= since)
    newest = deliveries.c.received_at.desc(), deliveries.c.id.desc()
    rows = tx.execute(query.order_by(*newest).limit(limit)).mappings()
    return [Delivery(**row) for row in rows]


def take_again(tx: Tx, ids: Sequence[int]) -> int:
    """Replay: to be applied once more. Versions decide what still counts."""
    return tx.execute(
        sa.update(deliveries)
        .where(among(tx, deliveries.c.id, ids), deliveries.c.body.is_not(None))
        .values(state="waiting", reason=REPLAYED)
    ).rowcount


def replayed(tx: Tx, connection_id: str) -> int:
    """How many are still to be applied once more."""
    mine = deliveries.c.connection_id == connection_id, deliveries.c.state == "waiting"
    query = sa.select(sa.func.count()).where(*mine, deliveries.c.reason == REPLAYED)
    return tx.execute(query.select_from(deliveries)).scalar_one()


def about(tx: Tx, connection_id: str, ehq_id: str, of_group: OfGroup, limit: int) -> list[Delivery]:
    """Those about one person, newest first: a group may have the same id."""
    query = sa.select(deliveries).where(_of_person(tx, connection_id, ehq_id, of_group))
    rows = tx.execute(query.order_by(deliveries.c.id.desc()).limit(limit)).mappings()
    return [Delivery(**row) for row in rows]


def _of_person(tx: Tx, connection_id: str, ehq_id: str, of_group: OfGroup) -> sa.ColumnElement[bool]:
    mine = (deliveries.c.connection_id == connection_id) & (deliveries.c.subject == ehq_id)
    words = tx.execute(sa.select(deliveries.c.type).where(mine).distinct()).scalars()
    return mine & deliveries.c.type.not_in([word for word in words if of_group(word)])


def of_groups_or_unread(tx: Tx, connection_id: str, of_group: OfGroup, last_id: int, limit: int) -> list[Delivery]:
    """The next deliveries that may name people besides their subject, with their bodies."""
    mine = (deliveries.c.connection_id == connection_id) & deliveries.c.body.is_not(None)
    words = tx.execute(sa.select(deliveries.c.type).where(mine).distinct()).scalars()
    of_groups = deliveries.c.type.in_([word for word in words if of_group(word)])
    query = sa.select(deliveries).where(
        mine, deliveries.c.id > last_id, of_groups | (deliveries.c.state == "quarantined")
    )
    return [Delivery(**row) for row in tx.execute(query.order_by(deliveries.c.id).limit(limit)).mappings()]


def forget(tx: Tx, connection_id: str, ehq_id: str, of_group: OfGroup, others: Sequence[int]) -> None:
    """Drops the bodies of all deliveries about this person, and of `others`; the keys stay, to know a repeat by."""
    gone = {"body": None, "state": "applied", "reason": "Its person was erased."}
    tx.execute(sa.update(deliveries).where(_of_person(tx, connection_id, ehq_id, of_group)).values(**gone))
    drop_bodies(tx, others)


def drop_bodies(tx: Tx, ids: Sequence[int]) -> None:
    if ids:
        tx.execute(sa.update(deliveries).where(among(tx, deliveries.c.id, ids)).values(body=None))


def with_body(tx: Tx, last_id: int, limit: int) -> list[tuple[int, bytes]]:
    """The next deliveries whose body is still kept, in the order of their ids."""
    query = sa.select(deliveries.c.id, deliveries.c.body)
    query = query.where(deliveries.c.id > last_id, deliveries.c.body.is_not(None)).order_by(deliveries.c.id)
    return [(delivery_id, body) for delivery_id, body in tx.execute(query.limit(limit)).all()]


def bodies(tx: Tx) -> int:
    return tx.execute(sa.select(sa.func.count()).where(deliveries.c.body.is_not(None))).scalar_one()


def keep_body(tx: Tx, delivery_id: int, body: bytes) -> None:
    tx.execute(sa.update(deliveries).where(deliveries.c.id == delivery_id).values(body=body))


def counts(tx: Tx, connection_id: str) -> dict[str, int]:
    """{"waiting", "quarantined"}: those that need a look. Both are few, and have indexes of their own."""
    mine = sa.select(sa.func.count()).where(deliveries.c.connection_id == connection_id)
    found = {
        word: tx.execute(mine.where(deliveries.c.state == sa.literal_column(f"'{word}'"))).scalar_one()
        for word in ("waiting", "quarantined")
    }
    return {word: number for word, number in found.items() if number}


def oldest_waiting(tx: Tx, connection_id: str) -> float | None:
    query = sa.select(sa.func.min(deliveries.c.received_at)).where(
        deliveries.c.connection_id == connection_id, deliveries.c.state == "waiting"
    )
    return tx.execute(query).scalar()


def how_many_wait(tx: Tx, connection_id: str) -> tuple[int, float | None]:
    """How many are not applied yet, and when the first of them came."""
    query = sa.select(sa.func.count(), sa.func.min(deliveries.c.received_at))
    mine = deliveries.c.connection_id == connection_id
    number, since = tx.execute(query.where(mine, deliveries.c.state == "waiting")).one()
    return number, since


def last_received(tx: Tx, connection_id: str) -> float | None:
    query = sa.select(sa.func.max(deliveries.c.received_at)).where(deliveries.c.connection_id == connection_id)
    return tx.execute(query).scalar()


def purge(tx: Tx) -> None:
    """Bodies go after 14 days (EHQ contract §5.10), the keys that recognise a repeat after 30. What a web process took
    for a connection that was removed a moment before goes at once."""
    now = time.time()
    every = sa.select(deliveries.c.connection_id).distinct()  # so that the index by connection and time is of use
    removed = every.where(deliveries.c.connection_id.not_in(sa.select(connections.c.id)))
    tx.execute(sa.delete(deliveries).where(deliveries.c.connection_id.in_(removed)))
    done = (deliveries.c.state != "waiting") & deliveries.c.connection_id.in_(every)
    tx.execute(sa.delete(deliveries).where(done, deliveries.c.received_at < now - ROW_KEPT_S))
    tx.execute(
        sa.update(deliveries)
        .where(done, deliveries.c.body.is_not(None), deliveries.c.received_at < now - BODY_KEPT_S)
        .values(body=None)
    )
