"""Runs of the reconciliation: where each one is, what it counted, and what it changed."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from relay.store.counted import days, problems
from relay.store.database import Tx
from relay.store.leases import Lost
from relay.store.many import add_rows
from relay.store.tables import (
    changes,
    connections,
    deliveries,
    export_pages,
    exports,
    fields,
    groups,
    participants,
    runs,
)

UNFINISHED = ("stopped", "needs_person")
"""States of a run that ended where it was, and may go on there."""


@dataclass(frozen=True, slots=True)
class Run:
    id: int
    connection_id: str
    trigger: str
    dry: bool
    state: str
    phase: str
    cursor: Mapping[str, Any]
    counts: Mapping[str, Any]
    started_at: float
    stepped_at: float
    finished_at: float | None
    problem: Mapping[str, Any] | None
    decision: Mapping[str, Any] | None
    """{"brake": "approved" or "rejected", "brake_at", "let_go": people, "undone_at"}, as far as a person decided."""


def start(tx: Tx, connection_id: str, trigger: str, dry: bool, phase: str, counts: Mapping[str, Any]) -> Run | None:
    """A new run, or None when one is under way (a unique index decides between two who ask at once). Only the newest
    can go on: what the ones before had still to look at is forgotten, for it may hold addresses."""
    now = time.time()
    values = {
        "connection_id": connection_id,
        "trigger": trigger,
        "dry": dry,
        "state": "running",
        "phase": phase,
        "cursor": {},
        "counts": dict(counts),
        "started_at": now,
        "stepped_at": now,
    }
    try:
        with tx.begin_nested():
            run_id = tx.execute(sa.insert(runs).values(**values).returning(runs.c.id)).scalar_one()
    except IntegrityError:
        return None
    before = runs.c.connection_id == connection_id, runs.c.id < run_id, runs.c.state.in_(UNFINISHED)
    tx.execute(sa.update(runs).where(*before).values(cursor={}))
    return find(tx, run_id)


def find(tx: Tx, run_id: int) -> Run | None:
    row = tx.execute(sa.select(runs).where(runs.c.id == run_id)).mappings().first()
    return Run(**row) if row else None


def under_way(tx: Tx, connection_id: str | None = None) -> list[Run]:
    query = sa.select(runs).where(runs.c.state == "running")
    if connection_id is not None:
        query = query.where(runs.c.connection_id == connection_id)
    return [Run(**row) for row in tx.execute(query).mappings()]


def latest(tx: Tx, connection_id: str, limit: int = 1, *, dry: bool | None = None) -> list[Run]:
    query = sa.select(runs).where(runs.c.connection_id == connection_id)
    if dry is not None:
        query = query.where(runs.c.dry == dry)
    return [Run(**row) for row in tx.execute(query.order_by(runs.c.id.desc()).limit(limit)).mappings()]


def none_was_whole(tx: Tx, connection_id: str) -> bool:
    """Whether no run has completed yet that read both sides, of the last ones."""
    ended = [run for run in latest(tx, connection_id, 50, dry=False) if run.state == "completed"]
    return all(run.trigger == "change" for run in ended)


def left_some(tx: Tx, connection_id: str) -> bool:
    """Whether the last real run ended by itself: whoever it meant to write and still waits is nobody's otherwise."""
    query = sa.select(runs.c.state).where(runs.c.connection_id == connection_id, ~runs.c.dry)
    state = tx.execute(query.order_by(runs.c.id.desc()).limit(1)).scalar()
    return state in ("completed", "braked", "incomplete", "needs_person")


def latest_braked(tx: Tx, connection_id: str) -> Run | None:
    query = sa.select(runs).where(runs.c.connection_id == connection_id, runs.c.state == "braked")
    row = tx.execute(query.order_by(runs.c.id.desc()).limit(1)).mappings().first()
    return Run(**row) if row else None


def last_ended(tx: Tx, connection_id: str) -> Run | None:
    """Dry ones left out."""
    query = sa.select(runs).where(runs.c.connection_id == connection_id, ~runs.c.dry, runs.c.state != "running")
    row = tx.execute(query.order_by(runs.c.id.desc()).limit(1)).mappings().first()
    return Run(**row) if row else None


def decide(tx: Tx, run_id: int, decision: Mapping[str, Any]) -> Mapping[str, Any]:
    """Adds what a person decided. What was decided before stands; answers all that stands now."""
    query = sa.select(runs.c.decision).where(runs.c.id == run_id).with_for_update()
    stands = {**decision, **(tx.execute(query).scalar_one() or {})}
    tx.execute(sa.update(runs).where(runs.c.id == run_id).values(decision=stands))
    return stands


def page(tx: Tx, connection_id: str, *, before: int | None, limit: int) -> list[Run]:
    """The newest first; `before` is the last one of the page before."""
    query = sa.select(runs).where(runs.c.connection_id == connection_id)
    if before is not None:
        query = query.where(runs.c.id < before)
    return [Run(**row) for row in tx.execute(query.order_by(runs.c.id.desc()).limit(limit)).mappings()]


def step(tx: Tx, run: Run, phase: str, cursor: Mapping[str, Any], counts: Mapping[str, Any]) -> Run:
    """Where it is now, `run` being where it was. :raise Lost: when somebody else moved or ended it since."""
    now: dict[str, Any] = {"phase": phase, "cursor": dict(cursor), "counts": dict(counts), "problem": None}
    now["stepped_at"] = time.time()
    where_it_was = (runs.c.id == run.id, runs.c.state == "running", runs.c.stepped_at == run.stepped_at)
    if tx.execute(sa.update(runs).where(*where_it_was).values(**now)).rowcount != 1:
        raise Lost(f"run:{run.id}")
    return replace(run, **now)


def hold(tx: Tx, run_id: int, problem: Mapping[str, Any]) -> None:
    """The step failed in a way that may pass; `problem["until"]` says when it is tried again."""
    tx.execute(
        sa.update(runs)
        .where(runs.c.id == run_id, runs.c.state == "running")
        .values(problem=dict(problem), stepped_at=time.time())
    )


def finish(tx: Tx, run_id: int, state: str, problem: Mapping[str, Any] | None = None) -> None:
    values = {"state": state, "problem": problem, "finished_at": time.time()}
    forgets: dict[str, Any] = {} if state in UNFINISHED else {"cursor": {}}
    tx.execute(sa.update(runs).where(runs.c.id == run_id, runs.c.state == "running").values(**values, **forgets))


def take_up(tx: Tx, run_id: int) -> bool:
    """A run that was stopped is under way again; False when another one is, or when it is stopped no more."""
    query = sa.update(runs).where(runs.c.id == run_id, runs.c.state.in_(UNFINISHED))
    try:
        with tx.begin_nested():
            values = {"state": "running", "finished_at": None, "problem": None, "stepped_at": time.time()}
            return tx.execute(query.values(**values)).rowcount == 1
    except IntegrityError:
        return False


def note(tx: Tx, connection_id: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """What was done to people: participant_id, what, and optionally run_id, cause, detail."""
    now = time.time()
    blank = {"run_id": None, "cause": None, "detail": None}
    add_rows(tx, changes, [{**blank, **row, "connection_id": connection_id, "at": now} for row in rows])


def history(tx: Tx, participant_id: int, limit: int = 100) -> list[Mapping[str, Any]]:
    query = sa.select(changes).where(changes.c.participant_id == participant_id)
    return [dict(row) for row in tx.execute(query.order_by(changes.c.id.desc()).limit(limit)).mappings()]


def drift(tx: Tx, run_id: int, limit: int = 1000, cause: str | None = None) -> list[Mapping[str, Any]]:
    """What a run repaired, all of it or that of one cause."""
    query = sa.select(changes).where(changes.c.run_id == run_id).order_by(changes.c.id).limit(limit)
    if cause is not None:
        query = query.where(changes.c.cause == cause)
    return [dict(row) for row in tx.execute(query).mappings()]


def removed(tx: Tx, run_id: int, after: int, limit: int) -> tuple[list[int], int | None]:
    """Participants whom this run took off the list and nothing since took off again, page by page: (our ids, the next
    `after`, None at the end). Who was not there any more, or whose address was another's by then, was not taken off."""
    later = changes.alias()
    again = sa.exists().where(
        later.c.participant_id == changes.c.participant_id, later.c.what == "left", later.c.id > changes.c.id
    )
    query = sa.select(changes.c.id, changes.c.participant_id, changes.c.detail).where(
        changes.c.run_id == run_id, changes.c.what == "left", changes.c.id > after, ~again
    )
    rows = tx.execute(query.order_by(changes.c.id).limit(limit)).all()
    ids = [row.participant_id for row in rows if not {"found", "address"} & set(row.detail or ())]
    return ids, rows[-1].id if len(rows) == limit else None


def forget_people(tx: Tx, connection_id: str) -> None:
    """Everything that was read under one connection, and done."""
    mine = sa.select(exports.c.id).where(exports.c.connection_id == connection_id)
    tx.execute(sa.delete(export_pages).where(export_pages.c.export_id.in_(mine)))
    for table in (exports, changes, participants, fields, groups, runs, days, problems):
        tx.execute(sa.delete(table).where(table.c.connection_id == connection_id))


def remove_connection(tx: Tx, connection_id: str) -> None:
    """Everything that is known under one connection, and the connection."""
    forget_people(tx, connection_id)
    tx.execute(sa.delete(deliveries).where(deliveries.c.connection_id == connection_id))
    tx.execute(sa.delete(connections).where(connections.c.id == connection_id))
