"""The audit log: who did what, when, to which connection or person. Entries are added and never changed."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from relay.store.database import Tx
from relay.store.tables import audit, users

KEPT_S = 2 * 365 * 86400.0
_c = audit.c


@dataclass(frozen=True, slots=True)
class Entry:
    """`email` and `name` are the user's; both None for the command line. `detail`: {"before", "after", …} or None."""

    id: int
    at: float
    user_id: int | None
    connection_id: str | None
    participant_id: int | None
    what: str
    detail: Mapping[str, Any] | None
    email: str | None
    name: str | None


def add(
    tx: Tx,
    user_id: int | None,
    what: str,
    *,
    connection_id: str | None = None,
    participant_id: int | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    **more: Any,
) -> None:
    """Of `before` and `after` only what differs is kept. Never a secret, nor a participant's data."""
    old, new = dict(before or {}), dict(after or {})
    same = {key for key in old if key in new and old[key] == new[key]}
    detail = {
        **more,
        **({"before": {k: v for k, v in old.items() if k not in same}} if before is not None else {}),
        **({"after": {k: v for k, v in new.items() if k not in same}} if after is not None else {}),
    }
    values = {
        "at": time.time(),
        "user_id": user_id,
        "connection_id": connection_id,
        "participant_id": participant_id,
        "what": what,
        "detail": detail or sa.null(),
    }
    tx.execute(sa.insert(audit).values(**values))


def search(
    tx: Tx,
    *,
    user_id: int | None = None,
    by_command_line: bool = False,
    connection_id: str | None = None,
    participant_id: int | None = None,
    what: str | None = None,
    since: float | None = None,
    until: float | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[Entry]:
    """The newest first; `before_id` is the last one of the page before."""
    conditions = [
        None if user_id is None else _c.user_id == user_id,
        _c.user_id.is_(None) if by_command_line else None,
        None if connection_id is None else _c.connection_id == connection_id,
        None if participant_id is None else _c.participant_id == participant_id,
        None if what is None else _c.what == what,
        None if since is None else _c.at >= since,
        None if until is None else _c.at < until,
        None if before_id is None else _c.id < before_id,
    ]
    query = (
        sa.select(audit, users.c.email, users.c.name)
        .select_from(audit.outerjoin(users, users.c.id == _c.user_id))
        .where(*(one for one in conditions if one is not None))
        .order_by(_c.id.desc())
        .limit(limit)
    )
    return [Entry(**row) for row in tx.execute(query).mappings()]


def kinds(tx: Tx) -> list[str]:
    """Every `what` that occurs, however long the log is: hops from one to the next along the index."""
    first = sa.select(sa.func.min(_c.what).label("what")).cte("kinds", recursive=True)
    later = sa.select(sa.func.min(_c.what)).where(_c.what > first.c.what).scalar_subquery()
    every = first.union_all(sa.select(later).where(first.c.what.is_not(None)))
    return [row.what for row in tx.execute(sa.select(every.c.what).where(every.c.what.is_not(None)))]


def purge(tx: Tx) -> None:
    tx.execute(sa.delete(audit).where(_c.at < time.time() - KEPT_S))
