"""Counts that outlive a process and add up over all of them: calls to Campaign Monitor, answers to deliveries.

By connection and day, too, for the calls of each. Counted in memory and added to the database now and then, so that
counting costs nothing where it matters; a process that is killed loses the last few seconds of counts.
"""

import contextlib
import threading
import time
from collections.abc import Iterator

import sqlalchemy as sa

from relay.store import days
from relay.store.database import Database, Unavailable, insert
from relay.store.tables import meters

FLUSH_S = 5.0


class Meters:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.lock = threading.Lock()
        self.pending: dict[tuple[str, str, str], tuple[int, float]] = {}
        self.days: dict[tuple[str, str], dict[str, int]] = {}
        self.flushed_at = 0.0

    def count(self, name: str, label: str, outcome: str = "", seconds: float = 0.0) -> None:
        """One more. Labels are words of ours or codes, never anything about a person."""
        with self.lock:
            times, total = self.pending.get((name, label, outcome), (0, 0.0))
            self.pending[name, label, outcome] = (times + 1, total + seconds)

    def on_day(self, connection_id: str, day: str, what: str) -> None:
        """One more for this connection on this day."""
        with self.lock:
            counts = self.days.setdefault((connection_id, day), {})
            counts[what] = counts.get(what, 0) + 1

    def called(self, kind: str, seconds: float, outcome: str) -> None:
        """One call to Campaign Monitor."""
        self.count("cm_calls", kind, outcome, seconds)

    def flush(self, *, now: bool = False) -> None:
        """Adds what was counted to the database; at most every few seconds unless `now`."""
        if not self.pending or (not now and time.monotonic() < self.flushed_at + FLUSH_S):
            return
        with self.lock:
            taken, self.pending = self.pending, {}
            on_days, self.days = self.days, {}
            self.flushed_at = time.monotonic()
        rows = [
            {"name": name, "label": label, "outcome": outcome, "times": 0, "seconds": 0.0}
            for name, label, outcome in taken
        ]
        with contextlib.suppress(Unavailable), self.database.write() as tx:
            for (connection_id, day), counts in sorted(on_days.items()):
                days.add(tx, connection_id, day, counts)
            tx.execute(insert(tx, meters, ("name", "label", "outcome")), rows)
            for (name, label, outcome), (times, seconds) in taken.items():
                mine = (meters.c.name == name) & (meters.c.label == label) & (meters.c.outcome == outcome)
                added = {"times": meters.c.times + times, "seconds": meters.c.seconds + seconds}
                tx.execute(sa.update(meters).where(mine).values(**added))

    def read(self) -> Iterator[tuple[str, str, str, int, float]]:
        """(name, label, outcome, times, seconds), over all processes."""
        with self.database.read() as tx:
            rows = tx.execute(
                sa.select(meters.c.name, meters.c.label, meters.c.outcome, meters.c.times, meters.c.seconds)
            )
            yield from [tuple(row) for row in rows]
