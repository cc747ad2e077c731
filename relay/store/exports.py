"""Exports that were uploaded, page by page, until the run that reads them has ended; and whom their rows may be."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from relay.domain.merge import Known
from relay.store.database import Tx, among
from relay.store.participants import by_ids, save_known
from relay.store.person import Person, people, select
from relay.store.tables import changes, export_pages, exports, participants, runs

PREFIX = "csv-"
"""Begins the id of somebody, or of a group, of whom only an export told: EHQ's own ids are numbers."""
KEPT_S = 2 * 3600.0
"""How long an export waits for its run, or for the next one after a dry run."""
_c = participants.c


@dataclass(frozen=True, slots=True)
class Export:
    id: int
    connection_id: str
    uploaded_at: float
    made_at: float
    run_id: int | None
    summary: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Encrypted rows, and for each the turn in which this run found out who it is, and the EHQ id."""

    number: int
    body: bytes
    ids: list[tuple[int, str] | None] | None


def add(tx: Tx, connection_id: str, made_at: float) -> int:
    values = {"connection_id": connection_id, "uploaded_at": time.time(), "made_at": made_at, "summary": {}}
    return int(tx.execute(sa.insert(exports).values(**values).returning(exports.c.id)).scalar_one())


def add_page(tx: Tx, export_id: int, number: int, body: bytes) -> None:
    tx.execute(sa.insert(export_pages).values(export_id=export_id, number=number, body=body))


def change(tx: Tx, export_id: int, **values: Any) -> None:
    tx.execute(sa.update(exports).where(exports.c.id == export_id).values(**values))


def find(tx: Tx, connection_id: str, export_id: int) -> Export | None:
    return _one(tx, sa.and_(exports.c.connection_id == connection_id, exports.c.id == export_id))


def waiting(tx: Tx, connection_id: str) -> list[Export]:
    """Those that are still kept, the newest first."""
    query = sa.select(exports).where(exports.c.connection_id == connection_id)
    return [
        Export(**row) for row in tx.execute(query.order_by(exports.c.id.desc()).limit(5)).mappings() if row["summary"]
    ]


def of_run(tx: Tx, run_id: int) -> Export | None:
    return _one(tx, exports.c.run_id == run_id)


def _one(tx: Tx, wanted: sa.ColumnElement[bool]) -> Export | None:
    row = tx.execute(sa.select(exports).where(wanted)).mappings().first()
    return Export(**row) if row else None


def page(tx: Tx, export_id: int, number: int, run_id: int) -> Page | None:
    row = tx.execute(
        sa.select(export_pages).where(export_pages.c.export_id == export_id, export_pages.c.number == number)
    ).first()
    return Page(row.number, row.body, row.ids if row.run_id == run_id else None) if row else None


def found(tx: Tx, export_id: int, number: int, run_id: int, ids: Sequence[tuple[int, str] | None]) -> None:
    where = (export_pages.c.export_id == export_id, export_pages.c.number == number)
    tx.execute(sa.update(export_pages).where(*where).values(run_id=run_id, ids=list(ids)))


def forget(tx: Tx, chosen: sa.ColumnElement[bool]) -> int:
    ids = tx.execute(sa.select(exports.c.id).where(chosen)).scalars().all()
    tx.execute(sa.delete(export_pages).where(export_pages.c.export_id.in_(ids)))
    tx.execute(sa.delete(exports).where(exports.c.id.in_(ids)))
    return len(ids)


def drop(tx: Tx, export_id: int) -> None:
    forget(tx, exports.c.id == export_id)


def drop_of_run(tx: Tx, run_id: int) -> None:
    forget(tx, exports.c.run_id == run_id)


def drop_all_of(tx: Tx, connection_id: str) -> None:
    forget(tx, exports.c.connection_id == connection_id)


def purge(tx: Tx) -> int:
    """Those that nobody came back for; one that a run still reads stays."""
    running = sa.exists().where(runs.c.id == exports.c.run_id, runs.c.state == "running")
    return forget(tx, sa.and_(exports.c.uploaded_at < time.time() - KEPT_S, ~running))


# Whom the rows may be.


def unseen_named(tx: Tx, connection_id: str, logins: Collection[str], but_run: int) -> list[Person]:
    """Everyone with one of these screen names whom this run has not seen yet."""
    if not logins:
        return []
    login = _c["values"]["login"].as_string()
    query = select(connection_id).where(_c.seen_run.is_distinct_from(but_run), among(tx, login, logins))
    return people(tx, query)


def told_by_exports(tx: Tx, connection_id: str, emails: Collection[str], logins: Collection[str]) -> list[Person]:
    """People without an id of EHQ's who have one of these addresses or screen names."""
    login = _c["values"]["login"].as_string()
    query = select(connection_id).where(
        _c.ehq_id.startswith(PREFIX, autoescape=True), among(tx, _c.email, emails) | among(tx, login, logins)
    )
    return people(tx, query.with_for_update())


def lock(tx: Tx, connection_id: str, ehq_ids: Collection[str]) -> dict[str, Person]:
    """Those of these ids who are known, kept from others until the transaction ends."""
    return by_ids(tx, connection_id, ehq_ids, lock=True)


def unseen(tx: Tx, connection_id: str, run_id: int, last_id: int, limit: int) -> list[Person]:
    """The next people, by our ids, whom this run did not see."""
    query = select(connection_id).where(_c.id > last_id, _c.seen_run.is_distinct_from(run_id))
    return people(tx, query.order_by(_c.id).limit(limit))


def missed(tx: Tx, connection_id: str, absent_runs: int) -> tuple[int, int]:
    """How many people are known who have an address and are not gone; and those of them on the list, whom so many
    complete readings have missed."""
    on_list = _c.put_at.is_not(None) & (_c.cm_state == "Active")
    query = sa.select(sa.func.count(), sa.func.count().filter(on_list & (_c.absent_runs >= absent_runs))).where(
        _c.connection_id == connection_id, _c.email.is_not(None), ~_c.gone
    )
    living, some = tx.execute(query).one()
    return int(living), int(some)


def absent(tx: Tx, ids: Sequence[int]) -> None:
    """One more complete set that does not have them."""
    if ids:
        tx.execute(sa.update(participants).where(among(tx, _c.id, ids)).values(absent_runs=_c.absent_runs + 1))


def rename(tx: Tx, person: Person, ehq_id: str) -> None:
    """Somebody of whom an export told has an id of EHQ's now; the write of it counts as a change."""
    tx.execute(sa.update(participants).where(_c.id == person.id).values(ehq_id=ehq_id, revision=_c.revision + 1))


def merge(tx: Tx, person: Person, other: Person, sought: Callable[[Known], str | None]) -> None:
    """`other` is `person`, and was heard of under EHQ's id before the two were known to be one: their history joins."""
    tx.execute(sa.update(changes).where(changes.c.participant_id == other.id).values(participant_id=person.id))
    tx.execute(sa.delete(participants).where(_c.id == other.id))
    save_known(tx, [(person.id, person.known)], sought)
    rename(tx, person, other.known.ehq_id)
