"""What one run changed: how many by what and why, and who, a page at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from relay.store.database import Tx
from relay.store.tables import changes, participants

_c = changes.c


@dataclass(frozen=True, slots=True)
class Touched:
    """One change and its person as they are now; `email` may be gone."""

    change_id: int
    at: float
    what: str
    cause: str | None
    detail: Mapping[str, Any] | None
    participant_id: int
    ehq_id: str | None
    email: str | None


def receipt(tx: Tx, run_id: int) -> list[tuple[str, str, int]]:
    """(what, cause, people), the most first."""
    query = sa.select(_c.what, sa.func.coalesce(_c.cause, ""), sa.func.count()).where(_c.run_id == run_id)
    rows = tx.execute(query.group_by(_c.what, _c.cause)).all()
    return sorted(((what, cause, number) for what, cause, number in rows), key=lambda row: -row[2])


def touched(
    tx: Tx, run_id: int, *, what: str | None = None, cause: str | None = None, after: int = 0, limit: int = 50
) -> list[Touched]:
    """In the order in which it was done; `after` is the last change of the page before."""
    who = participants.c
    email = sa.func.coalesce(who.email, who.cm_email).label("email")
    query = (
        sa.select(_c.id.label("change_id"), _c.at, _c.what, _c.cause, _c.detail, _c.participant_id, who.ehq_id, email)
        .select_from(changes.outerjoin(participants, who.id == _c.participant_id))
        .where(_c.run_id == run_id, _c.id > after)
    )
    if what is not None:
        query = query.where(_c.what == what)
    if cause is not None:
        query = query.where(_c.cause == cause)
    return [Touched(**row) for row in tx.execute(query.order_by(_c.id).limit(limit)).mappings()]
