"""How a connection is doing: one word, one sentence, and what to do, for pages and the command line."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from relay.store import deliveries, participants, problems, runs
from relay.store.connections import Connection
from relay.store.runs import Run
from relay.sync.exports import exports
from relay.sync.health.alive import Alive, alive
from relay.sync.health.silence import Silence, hear, missed
from relay.sync.parts import Parts
from relay.sync.runs import brake

SLOW_S = 60.0
"""Waiting for longer than this is worth a word."""
Kind = Literal["good", "busy", "off", "warning", "bad"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """People who differ and deliveries not applied yet; `since` in epoch seconds is the oldest of both."""

    people: int
    deliveries: int
    since: float | None

    @property
    def all(self) -> int:
        return self.people + self.deliveries


@dataclass(frozen=True, slots=True)
class Standing:
    """`word`: On, Catching up, First sync, Paused, Held, Needs you or Setting up. `kind` says how good that is."""

    word: str
    sentence: str
    kind: Kind
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What a card shows. `last`: the last run that ended, no dry one; `running`: the one under way, dry or not; `asks`:
    the number of the run about which the brake waits for a decision; `problems`: how many are open."""

    connection: Connection
    standing: Standing
    waiting: Waiting
    last: Run | None
    running: Run | None
    asks: int | None
    problems: int


def look(parts: Parts, connection: Connection) -> Look:
    """By a few indexed questions, however many people there are."""
    with parts.database.read() as tx:
        people, since = participants.how_many_wait(tx, connection.id)
        arrived, first = deliveries.how_many_wait(tx, connection.id)
        under_way = runs.under_way(tx, connection.id)
        last = runs.last_ended(tx, connection.id)
        silence = hear(tx, connection) if last and missed(last) else None
        open_problems = problems.open_count(tx, connection.id)
    braked = brake.waiting(parts, connection)
    oldest = min((at for at in (since, first) if at is not None), default=None)
    waiting = Waiting(people, arrived, oldest)
    running = under_way[0] if under_way else None
    due = [at for at in (oldest, running and running.stepped_at, connection.next_run_at) if at]
    late = connection.state == "on" and min(due, default=math.inf) < time.time() - SLOW_S
    held, helpers = braked["held"] if braked else 0, alive(parts) if late else None
    said = standing(connection, waiting, last, running, held, silence, helpers)
    if open_problems and said.kind == "good":
        many = "1 problem is" if open_problems == 1 else f"{open_problems:,} problems are"
        said = replace(said, sentence=f"{said.sentence} {many} open.", kind="warning", remedy="Look at the problems.")
    return Look(connection, said, waiting, last, running, braked["run"] if braked else None, open_problems)


def standing(
    connection: Connection,
    waiting: Waiting,
    last: Run | None,
    running: Run | None,
    braked: int = 0,
    silence: Silence | None = None,
    helpers: Alive | None = None,
    now: float | None = None,
) -> Standing:
    """The most urgent thing that can be said, and only that. `braked`: people about whom the brake asks. `helpers` are
    told where something is late."""
    now = time.time() if now is None else now
    problem: Mapping[str, Any] = connection.problem or {}
    told = str(problem.get("message", "")), str(problem.get("remedy", ""))
    if connection.state == "setup":
        return Standing("Setting up", "Nothing is written until the set-up is done.", "off", "Go on with it.")
    if connection.state == "needs_person":
        return Standing("Needs you", told[0] or "Somebody has to act before it can go on.", "bad", told[1])
    if braked:
        sentence = f"A run stopped before removing {_people(braked)} from the list: that is many at once."
        return Standing("Needs you", sentence, "bad", "Look at the run, and decide.")
    if connection.state == "paused":
        wait = f"{_people(waiting.people)} wait meanwhile" if waiting.people else "Nobody waits"
        return Standing("Paused", f"Only people who leave are written. {wait}.", "off", "Resume when you are ready.")
    if helpers and helpers.still:
        return Standing("Needs you", helpers.still[0], "bad", helpers.still[1])
    if connection.held(now) and problem:
        return Standing("Held", told[0], "warning", told[1] or "It tries again by itself, within a minute.")
    if running and not running.dry:
        if last is None:
            return Standing("First sync", "The first run is under way.", "busy")
        return Standing("Catching up", "A run compares both sides now.", "busy")
    if last and last.state == "needs_person":
        return _unread(last)
    if connection.unasked:
        sentence = exports.last_read(connection)
        if waiting.people:
            many = "1 person waits" if waiting.people == 1 else f"{waiting.people:,} people wait"
            sentence = f"{sentence} {many} for it: webhooks told of them."
        return Standing("On", sentence, "warning" if waiting.people else "good", "Upload the first one.")
    if connection.list_unread:
        sentence = "This list was connected before: nobody is written before a run has read it."
        return Standing("On", sentence, "warning", "Start a run, or wait: one begins by itself.")
    if waiting.since is not None and now - waiting.since > SLOW_S:
        many = _people(waiting.people) if waiting.people else f"{waiting.deliveries:,} deliveries"
        return Standing("Catching up", f"{many} wait to reach Campaign Monitor.", "busy")
    if silence and silence.kind == "off" and connection.reads == "api":
        sentence = f"EngagementHQ's webhook seems off: the last run found {silence.untold:,} changes it never told of."
        return Standing("On", sentence, "warning", "Look at the webhook in EngagementHQ.")
    if last and last.state == "incomplete":
        sentence = f"Changes arrive, but the last run could not read everything. {_told(last)[0]}".strip()
        return Standing("On", sentence, "warning", "The next run tries again by itself.")
    if connection.reads == "export" and not waiting.people:
        return Standing("On", exports.last_read(connection), "good")
    if last is None:
        return Standing("On", "Changes arrive. No run has compared both sides yet.", "good", "Start the first run.")
    if waiting.people:
        return Standing("On", f"{_people(waiting.people)} on the way to Campaign Monitor.", "good")
    return Standing("On", "Everybody is up to date.", "good")


def _unread(last: Run) -> Standing:
    """The connection is on, and no run can do its work: EHQ, as a rule, lets nobody in."""
    message, remedy = _told(last)
    sentence = f"Changes arrive, but the last run could not go on. {message}".strip()
    return Standing("Needs you", sentence, "bad", remedy or "Look at the run.")


def _told(run: Run) -> tuple[str, str]:
    problem = run.problem or {}
    return str(problem.get("message", "")), str(problem.get("remedy", ""))


def _people(number: int) -> str:
    return "1 person" if number == 1 else f"{number:,} people"
