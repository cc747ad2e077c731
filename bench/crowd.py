"""A connection with very many people and deliveries, put into the database at once: to see how its pages bear it."""

import random
import time
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
import sqlalchemy as sa

from relay.store import tables
from relay.store.database import Database
from relay.store.secrets import Vault

AT_ONCE = 5000
QUESTIONS = ("First name", "Last name", "What is your postcode?", "Suburb", "How did you hear of us?", "Year of birth")
FIRST = ("Ann", "Bo", "Cy", "Dee", "Eve", "Flo", "Gus", "Hal", "Ivy", "Jo", "Kim", "Lou", "May", "Ned", "Ola", "Pam")
LAST = ("Smith", "Nguyen", "Jones", "Brown", "Wilson", "Taylor", "White", "Martin", "Singh", "Murphy", "Kelly", "Ryan")
DAY_S = 86400.0


def fill(database: Database, vault: Vault, connection_id: str, people: int, deliveries: int) -> None:
    """`people` of whom most are on the list, `deliveries` over 30 days, two changes a person, a run a day."""
    chance, now = random.Random(1), time.time()
    body = vault.seal(
        orjson.dumps({"type": "participant.updated", "data": {"id": "1", "attributes": {"a": "x" * 600}}})
    )
    _add(database, tables.fields, _fields(connection_id))
    _add(database, tables.runs, _runs(connection_id, people, now))
    _add(database, tables.participants, _people(connection_id, people, chance, now))
    _deliveries(database, connection_id, deliveries, people, body, now)
    with database.read() as tx:
        ids = list(tx.execute(sa.select(tables.participants.c.id)).scalars())
        run = tx.execute(sa.select(sa.func.max(tables.runs.c.id))).scalar()
    _add(database, tables.changes, _changes(connection_id, ids, run, chance, now))
    _rest(database)


def _add(database: Database, table: sa.Table, rows: Iterable[dict[str, Any]]) -> None:
    some: list[dict[str, Any]] = []
    for row in rows:
        some.append(row)
        if len(some) == AT_ONCE:
            _insert(database, table, some)
            some = []
    if some:
        _insert(database, table, some)


def _insert(database: Database, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    with database.write() as tx:
        tx.execute(sa.insert(table), rows)


def _rest(database: Database) -> None:
    """As after a night: statistics are known, and PostgreSQL's visibility map is set."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE" if database.sqlite else "VACUUM ANALYZE")


def _fields(connection_id: str) -> Iterator[dict[str, Any]]:
    for number, label in enumerate(QUESTIONS, 1):
        yield {
            "connection_id": connection_id,
            "source": f"answer:{number}",
            "label": label,
            "kind": "text",
            "type": "Text",
            "choices": [],
            "name": label,
            "key": f"[q{number}]",
            "options": [],
        }


def _runs(connection_id: str, people: int, now: float) -> Iterator[dict[str, Any]]:
    for day in range(60, 0, -1):
        began = now - day * DAY_S
        yield {
            "connection_id": connection_id,
            "trigger": "clock",
            "dry": False,
            "state": "completed",
            "phase": "done",
            "cursor": {},
            "counts": {"ehq_read": people, "cm_read": people, "changes": 12, "written": 12, "to_write": 12},
            "started_at": began,
            "stepped_at": began + 100,
            "finished_at": began + 100,
        }


def _people(connection_id: str, many: int, chance: random.Random, now: float) -> Iterator[dict[str, Any]]:
    for number in range(1, many + 1):
        first, last = chance.choice(FIRST), chance.choice(LAST)
        email = f"{first}.{last}{number}@example{number % 50}.org".lower()
        answers = {"1": first, "2": last, "3": f"{3000 + number % 900}", "4": "Carlton", "5": "A friend", "6": "1980"}
        kind = chance.random()
        why = "unsubscribed" if kind < 0.06 else "blocked" if kind < 0.065 else "role" if kind < 0.066 else None
        opted, refused = 0.1 < kind < 0.105, 0.2 < kind < 0.202
        off = why is not None or refused
        at = now - chance.random() * 300 * DAY_S
        yield {
            "connection_id": connection_id,
            "ehq_id": str(number),
            "email": email,
            "values": {
                "email": email,
                "login": f"{first}{number}",
                "subscribed": why != "unsubscribed",
                "blocked": why == "blocked",
                "role": "participant",
                "activated": True,
                "created_at": "2026-01-05T10:28:00Z",
                "answers": answers,
                "groups": [],
                "tags": [],
            },
            "heard": {},
            "sought": f"{first} {last} {first}{number} {email}".lower(),
            "why_not": why,
            "cm_email": None if off else email,
            "cm_state": None if off else "Unsubscribed" if opted else "Active",
            "cm_name": None if off else f"{first} {last}",
            "cm_fields": {} if off else {f"answer:{question}": answer for question, answer in answers.items()},
            "put_at": None if off else at,
            "waiting_since": now - 5 if 0.3 < kind < 0.301 else None,
            "refused_code": "1" if refused else None,
            "refused_for": "x" if refused else None,
            "refused_at": at if refused else None,
        }


def _deliveries(database: Database, connection_id: str, many: int, people: int, body: bytes, now: float) -> None:
    """The database counts to a million by itself. Bodies of the last 14 days; one of 2,000 in quarantine."""
    statement = """
        WITH RECURSIVE counted(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counted WHERE n + 1 < :many)
        INSERT INTO deliveries (connection_id, key, type, subject, received_at, body, state, reason)
        SELECT :connection_id, 'msg_' || n,
            CASE WHEN n % 2000 = 7 THEN 'welcome'
                 WHEN n = :many / 10 THEN 'group.renamed' ELSE 'participant.updated' END,
            CAST((n % :people) * 7 % :people + 1 AS TEXT), :now - :span * (1 - n * 1.0 / :many),
            CASE WHEN n > :many * 16 / 30 THEN :body END,
            CASE WHEN n % 2000 = 7 THEN 'quarantined' ELSE 'applied' END,
            CASE WHEN n % 2000 = 7 THEN 'The event type ''welcome'' is unknown.' END
        FROM counted"""
    given = {
        "connection_id": connection_id,
        "many": many,
        "people": people,
        "now": now,
        "span": 30 * DAY_S,
        "body": body,
    }
    with database.write() as tx:
        tx.execute(sa.text(statement), given)


def _changes(
    connection_id: str, ids: list[int], run: int | None, chance: random.Random, now: float
) -> Iterator[dict[str, Any]]:
    for number, our_id in enumerate(ids):
        for what in ("joined", "changed"):
            at = now - 300 * DAY_S * (1 - number / len(ids))
            drift = run if chance.random() < 0.02 else None
            yield {
                "connection_id": connection_id,
                "participant_id": our_id,
                "at": at,
                "what": what,
                "run_id": drift,
                "cause": "never delivered by EHQ" if drift else None,
                "detail": {"fields": ["answer:3"]},
            }
