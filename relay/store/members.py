"""Who is in a group, and of which groups EHQ told that this changed: they are to be read again."""

import time
from collections.abc import Mapping

import sqlalchemy as sa

from relay.store.database import Tx
from relay.store.structure import Group
from relay.store.tables import connections, groups, participants

_c = groups.c


def told(tx: Tx, connection_id: str, at: Mapping[str, float]) -> None:
    """EHQ said that the members of these groups (their ids) changed, received then."""
    for ehq_id, received_at in at.items():
        mine = (_c.connection_id == connection_id) & (_c.ehq_id == ehq_id)
        tx.execute(sa.update(groups).where(mine).values(members_told_at=received_at))


def due(tx: Tx, connection_id: str) -> Group | None:
    """The group that is to be read next, if any may be read now."""
    query = sa.select(groups).where(_c.connection_id == connection_id, *_now())
    row = tx.execute(query.order_by(_c.members_told_at).limit(1)).mappings().first()
    return Group(**row) if row else None


def connections_due(tx: Tx) -> set[str]:
    """The connections that have one."""
    return set(tx.execute(sa.select(_c.connection_id).where(*_now()).distinct()).scalars())


def _now() -> tuple[sa.ColumnElement[bool], ...]:
    """A connection that is not on is not read; its groups stay due."""
    on = sa.select(connections.c.id).where(connections.c.state == "on")
    after = sa.func.coalesce(_c.members_after, 0.0)
    return _c.members_told_at.is_not(None), after <= time.time(), ~_c.deleted, _c.connection_id.in_(on)


def put_off(tx: Tx, group: Group, until: float) -> None:
    tx.execute(sa.update(groups).where(_c.id == group.id).values(members_after=until))


def read(tx: Tx, group: Group, again: float) -> None:
    """It was read, and is not before `again`; it stays due when EHQ told of it anew meanwhile."""
    put_off(tx, group, again)
    mine = (_c.id == group.id) & (_c.members_told_at == group.members_told_at)
    tx.execute(sa.update(groups).where(mine).values(members_told_at=None))


def answered(tx: Tx, connection_id: str, since: float) -> None:
    """Everybody was read, from `since` on: what had been told before is answered."""
    old = (_c.connection_id == connection_id) & (_c.members_told_at < since)
    tx.execute(sa.update(groups).where(old).values(members_told_at=None))


def of(tx: Tx, connection_id: str, group_id: str) -> set[str]:
    """EHQ ids of everybody whom we know to be in this group. Looks at everyone of the connection."""
    person = participants.c
    if tx.dialect.name == "sqlite":
        listed = sa.func.json_each(person["values"], "$.groups").table_valued("value")
    else:
        listed = sa.func.json_array_elements_text(person["values"]["groups"]).table_valued("value")
    inside = sa.exists().select_from(listed).where(listed.c.value == group_id)
    return set(tx.execute(sa.select(person.ehq_id).where(person.connection_id == connection_id, inside)).scalars())
