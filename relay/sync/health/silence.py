"""Does EHQ's webhook still speak? Silence alone says nothing; silence while runs find news says that it is off."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from relay.store import deliveries, runs
from relay.store.connections import Connection
from relay.store.database import Tx
from relay.store.runs import Run
from relay.sync.runs.drift import UNTOLD

LOOKED_AT = 30


@dataclass(frozen=True, slots=True)
class Silence:
    """`kind`: none (nothing ever came), speaks, some (a run found news that nobody delivered), off.

    `last` is the last delivery, `run` the last whole run and `untold` what it found that a webhook should have told."""

    kind: Literal["none", "speaks", "some", "off"]
    last: float | None
    run: Run | None
    untold: int


def hear(tx: Tx, connection: Connection) -> Silence:
    last = deliveries.last_received(tx, connection.id)
    return judge(last, connection.created_at, runs.latest(tx, connection.id, LOOKED_AT, dry=False))


def missed(run: Run) -> int:
    """Changes that this run found and of which a webhook should have told; a first run finds everybody new."""
    causes = {} if run.counts.get("first_run") else run.counts.get("causes", {})
    return sum(causes.get(cause, 0) for cause in UNTOLD)


def judge(last: float | None, created_at: float, latest: Sequence[Run]) -> Silence:
    """`latest` newest first. What a run finds untold happened since the whole run before it."""
    whole = [run for run in latest if run.state in ("completed", "braked") and run.trigger != "change"]
    if not whole:
        return Silence("speaks" if last else "none", last, None, 0)
    run, since = whole[0], whole[1].started_at if len(whole) > 1 else created_at
    untold = missed(run)
    if untold and (last is None or last < since):
        return Silence("off", last, run, untold)
    return Silence("some" if untold else "speaks" if last else "none", last, run, untold)
