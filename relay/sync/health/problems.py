"""What stands in the way on a connection, by cause: derived from what is so now, with what people said about it.

Nothing here is remembered but when a cause was first seen, who acknowledged it, and when nobody was left.
"""

import time
from dataclasses import replace
from typing import Any

from relay.errors import NeedsPerson, RelayError
from relay.store import connections, deliveries, participants, problems
from relay.store.connections import Connection
from relay.sync import work
from relay.sync.connections import credentials
from relay.sync.health import causes
from relay.sync.health.causes import Problem
from relay.sync.intake.apply import compare
from relay.sync.parts import Parts
from relay.sync.picture import Picture
from relay.sync.runs.start import in_the_way

AT_ONCE = 500


def everything(parts: Parts, connection: Connection) -> list[Problem]:
    """What is so now, the most urgent first, and then what was resolved in the last 30 days."""
    with parts.database.read() as tx:
        found = list(causes.found(tx, connection))
        noted = problems.noted(tx, connection.id)
    now = time.time()
    shown = [_with(problem, noted.get(problem.key)) for problem in found]
    there = {problem.key for problem in found}
    past = [_past(key, row, now) for key, row in noted.items() if key not in there]
    return shown + sorted(past, key=lambda problem: problem.resolved_at or 0.0, reverse=True)


def find(parts: Parts, connection: Connection, key: str) -> Problem:
    """:raise RelayError: when there is no such problem now."""
    for problem in everything(parts, connection):
        if problem.key == key and problem.state != "resolved":
            return problem
    raise RelayError("There is no such problem any more.", remedy="Look at the problems again.")


def note(parts: Parts, connection: Connection) -> None:
    """Writes down what is so now, and what is so no more. For the clock."""
    with parts.database.read() as tx:
        found = list(causes.found(tx, connection))
        noted = problems.noted(tx, connection.id)
    there = {problem.key for problem in found}
    gone = [key for key, row in noted.items() if key not in there and row["resolved_at"] is None]
    if found or noted:
        with parts.database.write() as tx:
            problems.note(tx, connection.id, map(_row, found))
            problems.resolve(tx, connection.id, gone, time.time())


def acknowledge(parts: Parts, connection: Connection, key: str, who: str) -> Problem:
    """Somebody has seen it and takes care; it stays until nobody is left."""
    problem = find(parts, connection, key)
    with parts.database.write() as tx:
        problems.note(tx, connection.id, [_row(problem)])
        problems.acknowledge(tx, connection.id, key, who, time.time())
    return find(parts, connection, key)


def again(parts: Parts, connection: Connection, key: str) -> dict[str, Any]:
    """{"problem", "tried": how many}: whoever is meant waits again, and a worker is rung.

    :raise RelayError: when there is no such problem, or trying again is no use.
    """
    problem = find(parts, connection, key)
    if not problem.again:
        raise RelayError("Trying this again is no use as things are.", remedy=problem.remedy)
    tried = problem.affected
    if problem.kind == "refused":
        tried = _refused_again(parts, connection, problem.what)
    elif problem.kind == "quarantined":
        tried = _quarantined_again(parts, connection, problem.what)
    elif problem.kind == "segments":
        with parts.database.write() as tx:
            connections.change(tx, connection.id, segments_due=True, segments_after=None)
    elif problem.kind == "connection":
        credentials.resume(parts, connection)
    else:
        if not connection.writable:
            raise NeedsPerson("No run can start as things are.", remedy="Resume the connection first.")
        run, new = work.start_run(parts, connection.id, trigger="person")
        if not new and (words := in_the_way(run, dry=False)):
            raise RelayError(f"{words}; this one was not started.", remedy="Wait until it has ended.")
        return {"problem": key, "tried": tried}
    parts.queue.ring(connection.id, always=True)
    return {"problem": key, "tried": tried}


def _refused_again(parts: Parts, connection: Connection, code: str) -> int:
    """In bites of a few hundred, so that no statement is long and no lock is kept."""
    tried, last = 0, 0
    while True:
        with parts.database.write() as tx:
            ids = problems.refused_ids(tx, connection.id, code, last, AT_ONCE)
            participants.change(
                tx, ids, refused_code=None, refused_for=None, refused_at=None, held_until=None, held_times=0
            )
            compare(tx, Picture.load(tx, connection), ids, ())
        if not ids:
            return tried
        tried, last = tried + len(ids), ids[-1]


def _quarantined_again(parts: Parts, connection: Connection, reason: str) -> int:
    tried, last = 0, 0
    while True:
        with parts.database.write() as tx:
            ids = problems.quarantined_ids(tx, connection.id, reason, last, AT_ONCE)
            deliveries.take_again(tx, ids)
        if not ids:
            return tried
        tried, last = tried + len(ids), ids[-1]


def _row(problem: Problem) -> dict[str, Any]:
    names = ("key", "title", "first_seen", "last_seen", "affected")
    return {name: getattr(problem, name) for name in names}


def _with(problem: Problem, row: Any) -> Problem:
    """With what was noted. It may have come back since, or be far worse: then nobody has acknowledged it yet."""
    if row is None:
        return problem
    first = min(problem.first_seen, row["first_seen"])
    if row["resolved_at"] is not None or row["acknowledged_at"] is None or problems.worse(problem.affected, row):
        return replace(problem, first_seen=first)
    at, by = row["acknowledged_at"], row["acknowledged_by"]
    return replace(problem, first_seen=first, state="acknowledged", acknowledged_at=at, acknowledged_by=by)


def _past(key: str, row: Any, now: float) -> Problem:
    kind: Any = key.partition(":")[0]
    seen = (row["affected"], row["first_seen"], row["last_seen"])
    return Problem(key, kind, "", row["title"], "", *seen, state="resolved", resolved_at=row["resolved_at"] or now)
