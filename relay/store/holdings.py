"""What CM was last known to hold, by address: as much of people as reading the list page by page needs."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import sqlalchemy as sa

from relay.domain.decide import Record
from relay.domain.mapping import Held
from relay.store.database import Tx, among
from relay.store.person import held_fields
from relay.store.tables import participants as table

_c = table.c
_NAMES = "id ehq_id email cm_email cm_state cm_name cm_fields put_at removed_at refused_for cm_written_at why_not"
_COLUMNS = [_c[name] for name in _NAMES.split()]


@dataclass(slots=True)
class Holding:
    """`id` is ours; `email` is what EHQ gives, lower case, and `registered` when they did, where that was asked for."""

    id: int
    ehq_id: str
    email: str | None
    held: Held
    record: Record
    written_at: float | None
    erased: bool
    registered: str | None = None


def by_address(tx: Tx, connection_id: str, addresses: Collection[str]) -> dict[str, Holding]:
    """For each address whom we know to be there in CM; else to whom EHQ gives it, unless we know where they are, or
    were when they opted out: what stands at another address is nobody's word about them (design rule 3)."""
    known = _asked(tx, connection_id, among(tx, _c.cm_email, addresses))
    known.sort(key=lambda one: one.held.state == "Active")  # of several the one who is there, not who was
    there = {one.held.email: one for one in known if one.held.email}
    others = [address for address in addresses if address not in there]
    if others:
        given = _asked(tx, connection_id, among(tx, _c.email, others), _c.cm_state.is_(None))
        there |= {one.email: one for one in given if one.email and one.held.email not in addresses}
    return {address: one for address, one in there.items() if address}


def by_ehq_id(tx: Tx, connection_id: str, ehq_ids: Collection[str]) -> list[Holding]:
    """With `registered`: reading all values of everybody on a page takes long."""
    some = _asked(tx, connection_id, among(tx, _c.ehq_id, ehq_ids))
    query = sa.select(_c.id, _c["values"]).where(among(tx, _c.id, [one.id for one in some]))
    values = {row.id: row.values for row in tx.execute(query)} if some else {}
    return [replace(one, registered=values[one.id].get("created_at")) for one in some]


def _asked(tx: Tx, connection_id: str, *where: sa.ColumnElement[bool]) -> list[Holding]:
    rows = tx.execute(sa.select(*_COLUMNS).where(_c.connection_id == connection_id, *where).order_by(_c.id)).all()
    return [
        Holding(
            row.id,
            row.ehq_id,
            row.email,
            Held(row.cm_email, row.cm_state, row.cm_name, held_fields(row.cm_fields)),
            Record(row.put_at is not None, row.removed_at is not None, row.refused_for),
            row.cm_written_at,
            row.why_not == "erased",
        )
        for row in rows
    ]
