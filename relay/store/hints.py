"""Hints: CM told that something happened to somebody, who is therefore to be read there again."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from relay.domain.mapping import Held
from relay.store.database import Tx, among
from relay.store.person import Person, held, people, select
from relay.store.tables import participants as table

_c = table.c


@dataclass(frozen=True, slots=True)
class Seen:
    """What tells an echo of ours from news about one participant. `ehq_email` is lower case, like `held.email`."""

    id: int
    ehq_email: str | None
    held: Held
    waits: bool


def under(tx: Tx, connection_id: str, addresses: Collection[str]) -> list[Seen]:
    """Everyone to whom one of `addresses` belongs, in EHQ or in CM."""
    columns = (_c.id, _c.email, _c.cm_email, _c.cm_state, _c.cm_name, _c.cm_fields, _c.waiting_since)
    found: dict[int, Seen] = {}
    for column in (_c.email, _c.cm_email):
        query = sa.select(*columns).where(_c.connection_id == connection_id, among(tx, column, addresses))
        for row in tx.execute(query):
            found[row.id] = Seen(row.id, row.email, held(row), row.waiting_since is not None)
    return list(found.values())


def give(tx: Tx, ids: Collection[int], moved: Mapping[int, str]) -> None:
    """They are to be read again; `moved`: where CM says that they are now."""
    tx.execute(sa.update(table).where(among(tx, _c.id, ids)).values(cm_hinted_at=time.time()))
    for person_id, address in moved.items():
        tx.execute(sa.update(table).where(_c.id == person_id).values(cm_moved_to=address))


def given(tx: Tx, connection_id: str, limit: int) -> list[tuple[Person, float, str | None]]:
    """Who is to be read again, first hinted first: (the person, when, where CM says that they are now). Not whoever is
    held back by CM."""
    query = sa.select(_c.id, _c.cm_hinted_at, _c.cm_moved_to).where(_hinted(connection_id))
    rows = tx.execute(query.order_by(_c.cm_hinted_at).limit(limit)).all()
    if not rows:
        return []
    by_id = {p.id: p for p in people(tx, select(connection_id).where(among(tx, _c.id, [row.id for row in rows])))}
    return [(by_id[row.id], row.cm_hinted_at, row.cm_moved_to) for row in rows]


def _hinted(connection_id: str) -> sa.ColumnElement[bool]:
    free = (_c.held_until.is_(None)) | (_c.held_until <= time.time())
    return (_c.connection_id == connection_id) & _c.cm_hinted_at.is_not(None) & free


def more_than(tx: Tx, connection_id: str, number: int) -> bool:
    """Whether more than `number` people are to be read again, now."""
    query = sa.select(_c.id).where(_hinted(connection_id))
    return tx.execute(query.order_by(_c.cm_hinted_at).offset(number).limit(1)).first() is not None


def taken(tx: Tx, some: Sequence[tuple[int, float]]) -> None:
    """(our id, when hinted): these were read, unless they were hinted at again meanwhile."""
    mine = (_c.id == sa.bindparam("the_id")) & (_c.cm_hinted_at == sa.bindparam("hinted"))
    rows = [{"the_id": person_id, "hinted": hinted} for person_id, hinted in some]
    tx.execute(sa.update(table).where(mine).values(cm_hinted_at=None, cm_moved_to=None), rows)


def taken_before(tx: Tx, connection_id: str, moment: float) -> None:
    """A complete read of the list that began at `moment` answered every hint from before."""
    old = (_c.connection_id == connection_id) & (_c.cm_hinted_at < moment)
    tx.execute(sa.update(table).where(old).values(cm_hinted_at=None, cm_moved_to=None))
