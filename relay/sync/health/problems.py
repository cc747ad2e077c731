"""What stands in the way on a connection, by cause: derived from what is so now, with what people said about it.

Nothing here is remembered but when a cause was first seen, who acknowledged it, and when nobody was left.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Literal

from relay.errors import NeedsPerson, RelayError
from relay.store import connections, deliveries, participants, problems, runs, structure
from relay.store.connections import Connection
from relay.store.database import Tx
from relay.sync import work
from relay.sync.connections import credentials
from relay.sync.health.silence import hear
from relay.sync.intake.apply import compare
from relay.sync.parts import Parts
from relay.sync.people.why import why_refused
from relay.sync.picture import Picture
from relay.sync.runs.start import in_the_way

AT_ONCE = 500
HELD_TIMES = 5
"""Failures in a row before a pause that ends by itself is worth a problem."""
Kind = Literal["connection", "run", "silent", "refused", "segments", "quarantined", "shared", "field", "lost"]
UNITS = {
    "refused": "person",
    "shared": "person",
    "quarantined": "delivery",
    "segments": "group",
    "silent": "change",
    "lost": "person",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """`key` names the cause, `kind` what it is about, `what` the code or reason; `affected` counts `unit`s.

    `state` is open, acknowledged or resolved; times are epoch seconds. `again` says what trying again does, or ""."""

    key: str
    kind: Kind
    what: str
    title: str
    remedy: str
    affected: int
    first_seen: float
    last_seen: float
    again: str = ""
    state: str = "open"
    acknowledged_at: float | None = None
    acknowledged_by: str | None = None
    resolved_at: float | None = None

    @property
    def unit(self) -> str:
        return UNITS.get(self.kind, "")


def everything(parts: Parts, connection: Connection) -> list[Problem]:
    """What is so now, the most urgent first, and then what was resolved in the last 30 days."""
    with parts.database.read() as tx:
        found = list(_found(parts, tx, connection))
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
        found = list(_found(parts, tx, connection))
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


def _found(parts: Parts, tx: Tx, connection: Connection) -> Iterator[Problem]:
    now, problem = time.time(), connection.problem
    if problem and (connection.state == "needs_person" or connection.held_times >= HELD_TIMES):
        code, since = problem.get("code") or "", problem.get("since") or now
        yield Problem(
            f"connection:{code}", "connection", code, problem["message"], problem["remedy"], 0, since, now, "resume"
        )
    last = next((run for run in runs.latest(tx, connection.id, 10, dry=False) if run.state != "running"), None)
    if last and last.state in ("incomplete", "braked", "needs_person") and last.problem:
        told, at = last.problem, last.finished_at or now
        yield Problem(
            f"run:{last.state}", "run", str(last.id), told["message"], told["remedy"], 0, at, at, "start a run"
        )
    silence = hear(tx, connection)
    if silence.kind == "off" and silence.run:
        at = silence.run.finished_at or now
        title = "EngagementHQ's webhook seems to be off: nothing arrives, and runs find changes."
        remedy = "Look in EngagementHQ whether the webhook is on, and has this address and secret."
        yield Problem("silent", "silent", "", title, remedy, silence.untold, at, at)
    for code, number, first, latest in problems.refused(tx, connection.id):
        meaning, remedy = why_refused(code)
        yield Problem(
            f"refused:{code}", "refused", code, meaning, remedy, number, first or now, latest or now, "let them wait"
        )
    yield from _segments(tx, connection, now)
    yield from _fields(tx, connection, now)
    for reason, number, first, latest in problems.quarantined(tx, connection.id):
        remedy = "Say under Overrides how this site spells it, or have the sender mended. Then read these again."
        key, title = f"quarantined:{_short(reason)}", f"A delivery could not be read. {reason}".strip()
        yield Problem(key, "quarantined", reason, title, remedy, number, first, latest, "read them again")
    if number := problems.duplicates(tx, connection.id):
        title = (
            "Several accounts in EngagementHQ share an address; the newest holds it, the others are not on the list."
        )
        remedy = "Merge or remove the older accounts in EngagementHQ, if they belong to one person."
        yield Problem("shared", "shared", "", title, remedy, number, now, now)


def _segments(tx: Tx, connection: Connection, now: float) -> Iterator[Problem]:
    """By what stands in the way, which may be one thing for a hundred groups."""
    reasons: dict[str, int] = {}
    for group in structure.all_groups(tx, connection.id):
        if group.problem and not group.deleted:
            reasons[group.problem] = reasons.get(group.problem, 0) + 1
    for reason, number in reasons.items():
        key, title = f"segments:{_short(reason)}", f"A segment could not be made. {reason}"
        remedy = "Do what it says in Campaign Monitor; then try again."
        yield Problem(key, "segments", reason, title, remedy, number, now, now, "make them")


def _fields(tx: Tx, connection: Connection, now: float) -> Iterator[Problem]:
    """Fields that Campaign Monitor will not make, and answers of which something is lost, as the last run counted."""
    for one in structure.all_fields(tx, connection.id):
        if one.problem:
            title = f"The field for “{one.label}” could not be made. {one.problem}"
            remedy = "Do what it says in Campaign Monitor, or leave the question out; the next run tries again."
            yield Problem(f"field:{one.source}", "field", one.source, title, remedy, 0, now, now)
        if one.cut + one.skipped:
            title = f"Answers to “{one.label}” are longer than Campaign Monitor holds, or of no use to it."
            remedy = (
                "Nothing, if the beginning is enough: cut answers have their first 250 characters, skipped ones are "
                "empty, and EngagementHQ keeps them whole. Otherwise leave the question out."
            )
            yield Problem(f"lost:{one.source}", "lost", one.source, title, remedy, one.cut + one.skipped, now, now)


def _short(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:10]


def _row(problem: Problem) -> dict[str, Any]:
    names = ("key", "title", "first_seen", "last_seen", "affected")
    return {name: getattr(problem, name) for name in names}


def _with(problem: Problem, row: Any) -> Problem:
    """With what was noted. It may have come back since: then nobody has acknowledged it yet."""
    if row is None:
        return problem
    first = min(problem.first_seen, row["first_seen"])
    if row["resolved_at"] is not None or row["acknowledged_at"] is None:
        return replace(problem, first_seen=first)
    at, by = row["acknowledged_at"], row["acknowledged_by"]
    return replace(problem, first_seen=first, state="acknowledged", acknowledged_at=at, acknowledged_by=by)


def _past(key: str, row: Any, now: float) -> Problem:
    kind: Any = key.partition(":")[0]
    seen = (row["affected"], row["first_seen"], row["last_seen"])
    return Problem(key, kind, "", row["title"], "", *seen, state="resolved", resolved_at=row["resolved_at"] or now)
