"""A connection's fields and groups: what EHQ calls them, and what they are in CM."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from relay.store.database import Tx, among, insert
from relay.store.tables import fields, groups

FORMER = "former:"
"""Begins the source of a field that held a question's answers before its kind changed: nothing travels there, and
what is there is moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    id: int
    connection_id: str
    source: str
    also: str | None = None
    label: str
    earlier: tuple[str, ...] = ()
    kind: str
    type: str
    choices: tuple[str, ...]
    name: str | None = None
    key: str | None = None
    options: tuple[str, ...] = ()
    asked: bool = True
    problem: str | None = None
    cut: int = 0
    skipped: int = 0
    counted_run: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    id: int
    connection_id: str
    ehq_id: str
    also: str | None = None
    name: str
    heard_at: float = 0.0
    option: str
    title: str | None = None
    segment_id: str | None = None
    problem: str | None = None
    seen_run: int | None = None
    absent_runs: int = 0
    deleted: bool = False
    members_told_at: float | None = None
    members_after: float | None = None


def all_fields(tx: Tx, connection_id: str) -> list[Field]:
    rows = tx.execute(sa.select(fields).where(fields.c.connection_id == connection_id).order_by(fields.c.id)).mappings()
    return [Field(**{**row, **{name: tuple(row[name]) for name in ("earlier", "choices", "options")}}) for row in rows]


def all_groups(tx: Tx, connection_id: str) -> list[Group]:
    rows = tx.execute(sa.select(groups).where(groups.c.connection_id == connection_id).order_by(groups.c.id)).mappings()
    return [Group(**row) for row in rows]


def add_fields(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """Those that are new; keys: connection_id, source, label, kind, type, choices."""
    if rows:
        tx.execute(insert(tx, fields, ("connection_id", "source")), [{**row, "options": []} for row in rows])


def change_field(tx: Tx, field_id: int, **values: Any) -> None:
    tx.execute(sa.update(fields).where(fields.c.id == field_id).values(**values))


def retype(tx: Tx, field: Field, kind: str, data_type: str) -> None:
    """A question of another kind: its field in CM, which keeps its type for ever, becomes a former field of it, and
    one of the new type is found or made when it is first needed. A question that changes back has its own again."""
    question = field.source.removeprefix("answer:")
    mine: dict[str, Any] = {"name": None, "key": None, "options": []}
    wanted = sa.and_(
        fields.c.connection_id == field.connection_id, fields.c.source == former_source(question, data_type)
    )
    if before := tx.execute(sa.select(fields).where(wanted)).mappings().first():
        mine = {"name": before["name"], "key": before["key"], "options": before["options"]}
        tx.execute(sa.delete(fields).where(wanted))
    if field.key:
        tx.execute(
            sa.insert(fields).values(
                connection_id=field.connection_id,
                source=former_source(question, field.type),
                label=field.label,
                kind=field.kind,
                type=field.type,
                choices=[],
                name=field.name,
                key=field.key,
                options=list(field.options),
            )
        )
    change_field(tx, field.id, kind=kind, type=data_type, problem=None, **mine)


def former_source(question: str, data_type: str) -> str:
    return f"{FORMER}{data_type}:{question}"


def drop_field(tx: Tx, field_id: int) -> None:
    tx.execute(sa.delete(fields).where(fields.c.id == field_id))


def count_lost(tx: Tx, connection_id: str, run_id: int, lost: Mapping[str, Mapping[str, int]]) -> None:
    """How many values of each field a complete comparison saw cut or skipped; `lost` is source → {"cut", "skipped"}."""
    everyone = sa.update(fields).where(fields.c.connection_id == connection_id)
    tx.execute(everyone.values(cut=0, skipped=0, counted_run=run_id))
    for source, counts in lost.items():
        tx.execute(
            everyone.where(fields.c.source == source).values(cut=counts.get("cut", 0), skipped=counts.get("skipped", 0))
        )


def add_groups(tx: Tx, connection_id: str, found: Iterable[tuple[str, str, str]]) -> None:
    """(EHQ id, name, option text) of groups that are new."""
    rows = [
        {"connection_id": connection_id, "ehq_id": i, "name": name, "option": option, "heard_at": 0.0}
        for i, name, option in found
    ]
    if rows:
        tx.execute(insert(tx, groups, ("connection_id", "ehq_id")), rows)


def groups_seen(tx: Tx, connection_id: str, ehq_ids: Iterable[str], run_id: int) -> None:
    """EHQ's list, or somebody's memberships, named these in this run."""
    mine = sa.and_(groups.c.connection_id == connection_id, groups.c.seen_run.is_distinct_from(run_id))
    seen = sa.update(groups).where(mine, among(tx, groups.c.ehq_id, set(ehq_ids)))
    tx.execute(seen.values(seen_run=run_id, absent_runs=0))


def groups_absent(tx: Tx, connection_id: str, run_id: int, runs: int) -> list[Group]:
    """One more complete read that named these nowhere; answers those missing from as many as `runs` in a row."""
    mine = sa.and_(groups.c.connection_id == connection_id, ~groups.c.deleted)
    missing = sa.update(groups).where(mine, groups.c.seen_run.is_distinct_from(run_id))
    tx.execute(missing.values(absent_runs=groups.c.absent_runs + 1))
    return [group for group in all_groups(tx, connection_id) if not group.deleted and group.absent_runs >= runs]


def change_group(tx: Tx, group_id: int, **values: Any) -> None:
    tx.execute(sa.update(groups).where(groups.c.id == group_id).values(**values))
