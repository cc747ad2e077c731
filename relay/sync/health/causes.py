"""What stands in the way on a connection, by cause, as it is now."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from relay.store import problems, runs, structure
from relay.store.connections import Connection
from relay.store.database import Tx
from relay.sync.health.silence import hear
from relay.sync.people.why import why_refused
from relay.sync.structure import groups

HELD_TIMES = 5
"""Failures in a row before a pause that ends by itself is worth a problem."""
Kind = Literal[
    "connection",
    "run",
    "notices",
    "silent",
    "refused",
    "failed",
    "groups",
    "segments",
    "quarantined",
    "shared",
    "field",
    "lost",
]
UNITS = {
    "refused": "person",
    "failed": "person",
    "shared": "person",
    "quarantined": "delivery",
    "groups": "group",
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


def found(tx: Tx, connection: Connection) -> Iterator[Problem]:
    """The most urgent first."""
    now, problem = time.time(), connection.problem
    if problem and (connection.state == "needs_person" or connection.held_times >= HELD_TIMES):
        code, since = problem.get("code") or "", problem.get("since") or now
        yield Problem(
            f"connection:{code}", "connection", code, problem["message"], problem["remedy"], 0, since, now, "resume"
        )
    last = next((run for run in runs.latest(tx, connection.id, 10, dry=False) if run.state != "running"), None)
    if last and last.state in ("incomplete", "braked", "needs_person") and last.problem:
        told, at = last.problem, last.finished_at or now
        key = f"run:{told.get('code') or last.state}"  # another failure is another problem
        yield Problem(key, "run", str(last.id), told["message"], told["remedy"], 0, at, at, "start a run")
    if notices := connection.cm_hook_problem:
        title = f"Campaign Monitor's notices do not arrive: opt-outs there are noticed later. {notices['message']}"
        since = notices.get("since") or now
        key = f"notices:{notices.get('code', '')}"
        yield Problem(key, "notices", "", title, notices["remedy"], 0, since, now, "start a run")
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
    if number := problems.failed(tx, connection.id):
        title = "The relay fails on what EngagementHQ says of some people, so nothing is written about them."
        remedy = "Tell whoever looks after the relay: the worker's log says more. Each run tries them again."
        yield Problem("failed", "failed", "", title, remedy, number, now, now, "start a run")
    yield from _segments(tx, connection, now)
    yield from _fields(tx, connection, now)
    for reason, number, first, latest in problems.quarantined(tx, connection.id):
        remedy = "Say under Overrides how this site spells it, or have the sender mended. Then read these again."
        key, title = f"quarantined:{_short(reason)}", f"A delivery could not be read. {_first_sentence(reason)}"
        yield Problem(key, "quarantined", reason, title, remedy, number, first, latest, "read them again")
    if number := problems.duplicates(tx, connection.id):
        title = (
            "Several accounts in EngagementHQ share an address; the newest holds it, the others are not on the list."
        )
        remedy = "Merge or remove the older accounts in EngagementHQ, if they belong to one person."
        yield Problem("shared", "shared", "", title, remedy, number, now, now)


def _segments(tx: Tx, connection: Connection, now: float) -> Iterator[Problem]:
    """By what stands in the way, which may be one thing for a hundred groups."""
    everyone = structure.all_groups(tx, connection.id)
    if number := sum(map(groups.missing, everyone)):
        title = "Groups are found nowhere in EngagementHQ, more than a run deletes by itself."
        remedy = (
            "Look which they are. If they are gone, say so there, and their segments are deleted. If not, the key may "
            "have lost its rights in EngagementHQ: give another under Settings."
        )
        yield Problem("groups", "groups", "", title, remedy, number, now, now)
    reasons: dict[tuple[str, str], int] = {}
    for group in everyone:
        if group.problem:
            cause = ("deleted" if group.deleted else "made", group.problem)
            reasons[cause] = reasons.get(cause, 0) + 1
    for (done, reason), number in reasons.items():
        key = f"segments:{_short(reason if done == 'made' else f'{done} {reason}')}"
        title = f"A segment could not be {done}. {reason}"
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


def _first_sentence(text: str) -> str:
    """What happened, without what to do."""
    told, more, _ = text.partition(". ")
    return told + more.strip()


def _short(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:10]
