"""Addresses from which we removed people who have another by now, or of connections that are no more: known again by a
keyed hash, per list."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from relay.store.database import Tx, among, insert_or
from relay.store.tables import participants, removals

KEPT_S = 2 * 365 * 86400.0
AT_ONCE = 2000
_c = removals.c


def keep(tx: Tx, connection_id: str, list_id: str, mark: Callable[[str], str]) -> None:
    """Before a connection goes: whom it removed from its list, and who is still as it left them there. Or whom it was
    removing, and a worker died before it wrote down that it had."""
    person, last = participants.c, 0
    there = person.cm_state.in_(("Deleted", "Active"))
    mine = (person.connection_id == connection_id, person.removed_at.is_not(None), there)
    query = sa.select(person.id, person.cm_email, person.removed_at).where(*mine, person.cm_email.is_not(None))
    while some := tx.execute(query.where(person.id > last).order_by(person.id).limit(AT_ONCE)).all():
        _note(tx, [{"list_id": list_id, "mark": mark(r.cm_email), "at": r.removed_at} for r in some])
        last = some[-1].id


def note(tx: Tx, list_id: str, mark: str) -> None:
    """We remove whoever is at the address of this mark, who is to be at another one."""
    _note(tx, [{"list_id": list_id, "mark": mark, "at": time.time()}])


def _note(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    new = insert_or(tx, removals)
    tx.execute(new.on_conflict_do_update(index_elements=["list_id", "mark"], set_={"at": new.excluded.at}), rows)


def of(tx: Tx, list_id: str | None, marks: Collection[str]) -> dict[str, float]:
    """Those of `marks` that stand for somebody removed from this list, and when that was."""
    if not marks:
        return {}
    query = sa.select(_c.mark, _c.at).where(_c.list_id == list_id, among(tx, _c.mark, marks))
    return {row.mark: row.at for row in tx.execute(query)}


def forget(tx: Tx, list_id: str, marks: Collection[str]) -> None:
    tx.execute(sa.delete(removals).where(_c.list_id == list_id, among(tx, _c.mark, marks)))


def purge(tx: Tx) -> None:
    tx.execute(sa.delete(removals).where(_c.at < time.time() - KEPT_S))
