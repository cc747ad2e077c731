"""Whether anybody works here: the queue that carries rings, a worker that hears them, a clock that ticks."""

import time
from dataclasses import dataclass

from relay.store import days
from relay.sync.parts import Parts

TICKS_S = 60.0
"""A clock that has not ticked for so long stands still."""
ASK = "Ask whoever looks after the relay to"


@dataclass(frozen=True, slots=True)
class Alive:
    """`queue`: rings waiting by queue, and `workers` how many have shown themselves lately; None while the queue does
    not answer. `ticked_at` in epoch seconds."""

    queue: dict[str, int] | None
    workers: int | None
    ticked_at: float | None
    ticking: bool

    @property
    def still(self) -> tuple[str, str] | None:
        """Why nothing moves, and what to do about it; None while everything that is needed is there."""
        if self.queue is None:
            told = "the queue does not answer", f"{ASK} start it, or mend REDIS_URL; it goes on by itself then."
        elif not self.workers:
            told = (
                "no worker runs",
                f"{ASK} start one: the process “worker” of the Procfile, by hand `python worker.py`.",
            )
        elif not self.ticking:
            told = (
                "the clock stands still",
                f"{ASK} start it: the process “clock” of the Procfile, `python worker.py clock`.",
            )
        else:
            return None
        return f"Nothing moves: {told[0]}. Nothing is lost.", told[1]


def alive(parts: Parts) -> Alive:
    with parts.database.read() as tx:
        ticked = days.last_beat(tx, "clock")
    ticking = ticked is not None and time.time() - ticked < TICKS_S
    return Alive(parts.queue.lengths(), parts.queue.workers(), ticked, ticking)
