"""A connection's fields and groups: what EHQ calls them, and what they are in CM."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from relay.store.database import Tx, insert
from relay.store.tables import fields, groups


@dataclass(frozen=True, slots=True)
class Field:
    id: int
    connection_id: str
    source: str
    also: str | None
    label: str
    kind: str
    type: str
    choices: tuple[str, ...]
    name: str | None
    key: str | None
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    id: int
    connection_id: str
    ehq_id: str
    also: str | None
    name: str
    heard_at: float
    option: str
    title: str | None
    segment_id: str | None
    problem: str | None
    deleted: bool


def all_fields(tx: Tx, connection_id: str) -> list[Field]:
    rows = tx.execute(sa.select(fields).where(fields.c.connection_id == connection_id).order_by(fields.c.id)).mappings()
    return [Field(**{**row, "choices": tuple(row["choices"]), "options": tuple(row["options"])}) for row in rows]


def all_groups(tx: Tx, connection_id: str) -> list[Group]:
    rows = tx.execute(sa.select(groups).where(groups.c.connection_id == connection_id).order_by(groups.c.id)).mappings()
    return [Group(**row) for row in rows]


def add_fields(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Those that are new; keys: connection_id, source, label, kind, type, choices."""
    if rows:
        tx.execute(insert(tx, fields, ("connection_id", "source")), [{**row, "options": []} for row in rows])


def change_field(tx: Tx, field_id: int, **values: Any) -> None:
    tx.execute(sa.update(fields).where(fields.c.id == field_id).values(**values))


def add_groups(tx: Tx, connection_id: str, found: Iterable[tuple[str, str, str]]) -> None:
    """(EHQ id, name, option text) of groups that are new."""
    rows = [
        {"connection_id": connection_id, "ehq_id": i, "name": name, "option": option, "heard_at": 0.0}
        for i, name, option in found
    ]
    if rows:
        tx.execute(insert(tx, groups, ("connection_id", "ehq_id")), rows)


def change_group(tx: Tx, group_id: int, **values: Any) -> None:
    tx.execute(sa.update(groups).where(groups.c.id == group_id).values(**values))
