"""Everything the health page of a connection says, by a few indexed questions however many people there are."""

import time
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from relay.domain.schedule import day
from relay.store import days, participants, runs
from relay.store.connections import Connection
from relay.store.runs import Run
from relay.sync.health import standing
from relay.sync.health.alive import Alive, alive
from relay.sync.health.silence import Silence, hear
from relay.sync.health.standing import Look
from relay.sync.parts import Parts
from relay.sync.runs.drift import COUNTED

DAYS = 30
EHQ_PHASES = ("groups", "ehq")


@dataclass(frozen=True, slots=True)
class Day:
    """`drift` is None on a day without a whole run: then nobody knows."""

    day: str
    arrived: int
    drift: int | None


@dataclass(frozen=True, slots=True)
class Overview:
    look: Look
    people: dict[str, Any]
    silence: Silence
    days: list[Day]
    received: int
    """Today; and so are `calls` to Campaign Monitor and those that `failed`."""
    calls: int
    failed: int
    read: Run | None
    unread: Run | None
    """The last run, where it could not read EHQ."""
    alive: Alive


def overview(parts: Parts, connection: Connection) -> Overview:
    now = time.time()
    look = standing.look(parts, connection)
    today = date.fromisoformat(day(connection.rules, now))
    names = [(today - timedelta(days=back)).isoformat() for back in range(DAYS - 1, -1, -1)]
    with parts.database.read() as tx:
        people = participants.counts(tx, connection.id)
        silence = hear(tx, connection)
        counted = days.since(tx, connection.id, names[0])
        ended = runs.latest(tx, connection.id, DAYS, dry=False)
    read = next((r for r in ended if r.counts.get("ehq_read") and r.state in ("completed", "braked")), None)
    on_today = counted.get(names[-1], {})
    return Overview(
        look,
        people,
        silence,
        [_day(name, counted.get(name, {})) for name in names],
        on_today.get(days.ARRIVED, 0) + look.waiting.deliveries,
        on_today.get(days.CALLS, 0) + on_today.get(days.FAILED_CALLS, 0),
        on_today.get(days.FAILED_CALLS, 0),
        read,
        _unread(connection, look.last),
        alive(parts),
    )


def _unread(connection: Connection, last: Run | None) -> Run | None:
    ended = last and last.state in ("incomplete", "needs_person") and last.phase in EHQ_PHASES
    return last if last and ended and last.problem and last.problem != connection.problem else None


def _day(name: str, counts: dict[str, int]) -> Day:
    drift = sum(counts.get(cause, 0) for cause in COUNTED)
    return Day(name, counts.get(days.ARRIVED, 0), drift if counts.get(days.RUNS) else None)
