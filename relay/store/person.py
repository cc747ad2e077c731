"""One participant as the database has them, and how to ask for some of them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from relay.domain.decide import Record
from relay.domain.mapping import Held
from relay.domain.merge import Known
from relay.domain.version import Heard, Page
from relay.store.database import Tx
from relay.store.tables import participants as table

LEAVING, LIVE, BULK = 0, 1, 2
"""Lanes, in the order in which they are served."""
_c = table.c


@dataclass(slots=True)
class Person:
    """One participant with everything we know. `id` is ours, `known.ehq_id` EHQ's."""

    id: int
    known: Known
    held: Held
    record: Record
    waiting_since: float | None
    lane: int
    revision: int
    gone: bool
    absent_runs: int
    seen_run: int | None
    heard_at: float | None
    cm_seen_run: int | None
    refused_code: str | None
    refused_at: float | None
    held_until: float | None
    held_times: int
    cause: str | None
    cause_run: int | None
    brake_run: int | None
    put_at: float | None
    removed_at: float | None
    cm_written_at: float | None
    asked: str | None
    why_not: str | None
    standing: str

    @property
    def email(self) -> str | None:
        """The address EHQ gives, lower case; None when there is none."""
        return email_of(self.known)


def email_of(known: Known) -> str | None:
    return lower(known.values.get("email"))


def stranger(our_id: int, known: Known) -> Person:
    """Somebody of whom nothing is stored yet."""
    blank = dict.fromkeys(field.name for field in fields(Person))
    start = {"lane": LIVE, "revision": 0, "gone": False, "absent_runs": 0, "held_times": 0, "standing": "joining"}
    return Person(**{**blank, **start, "id": our_id, "known": known, "held": Held(), "record": Record()})  # type: ignore[arg-type]


def lower(email: Any) -> str | None:
    return str(email).strip().lower() or None if email else None


def _read(row: Any) -> Person:
    page = Page(row.page_asked_at, row.page_updated_at) if row.page_asked_at is not None else None
    heard = {name: Heard.from_json(stored) for name, stored in row.heard.items()} if row.heard else {}
    return Person(
        id=row.id,
        known=Known(row.ehq_id, row.values, heard, page),
        held=held(row),
        record=Record(row.put_at is not None, row.removed_at is not None, row.refused_for),
        waiting_since=row.waiting_since,
        lane=row.lane,
        revision=row.revision,
        gone=row.gone,
        absent_runs=row.absent_runs,
        seen_run=row.seen_run,
        heard_at=row.heard_at,
        cm_seen_run=row.cm_seen_run,
        refused_code=row.refused_code,
        refused_at=row.refused_at,
        held_until=row.held_until,
        held_times=row.held_times,
        cause=row.cause,
        cause_run=row.cause_run,
        brake_run=row.brake_run,
        put_at=row.put_at,
        removed_at=row.removed_at,
        cm_written_at=row.cm_written_at,
        asked=row.asked,
        why_not=row.why_not,
        standing=row.standing,
    )


def held(row: Any) -> Held:
    return Held(row.cm_email, row.cm_state, row.cm_name, held_fields(row.cm_fields))


def held_fields(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {source: tuple(value) if isinstance(value, list) else value for source, value in stored.items()}


# `values` is also the name of a method of SQLAlchemy's collections, so columns are listed once, by name.
_UNREAD = ("connection_id", "email", "sought", "erased_mark")
_COLUMNS = [table.columns[name] for name in table.columns.keys() if name not in _UNREAD]  # noqa: SIM118


def select(connection_id: str) -> sa.Select[Any]:
    return sa.select(*_COLUMNS).where(_c.connection_id == connection_id)


def people(tx: Tx, query: sa.Select[Any]) -> list[Person]:
    return [_read(row) for row in tx.execute(query).all()]
