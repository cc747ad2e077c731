"""A run begins."""

import time
from collections.abc import Mapping
from typing import Any

from relay.domain.schedule import next_run
from relay.errors import NeedsPerson
from relay.store import connections, runs
from relay.store.database import Tx
from relay.store.runs import Run
from relay.sync.parts import Parts

WHOLE = "fields"
"""Where a run begins that reads both sides."""
REPLACED = {"message": "A run that reads both sides began in its place.", "remedy": "", "code": "replaced"}


def start_run(
    parts: Parts,
    connection_id: str,
    *,
    trigger: str,
    dry: bool = False,
    phase: str = WHOLE,
    counts: Mapping[str, Any] | None = None,
) -> tuple[Run, bool]:
    """A run of this connection, and whether it is new: one under way is joined, since two would read the same;
    `in_the_way` says when that one does something else. One that reads only a part (after a change) gives way to one
    that reads both sides.

    :raise NeedsPerson: when the connection was removed.
    """
    with parts.database.write() as tx:
        if connections.find(tx, connection_id, lock=True) is None:  # of two who start one at once, one joins
            raise NeedsPerson("This connection was removed.", remedy="Look which there are.", code="unknown")
        if phase == WHOLE and not dry:
            _give_way(tx, connection_id)
        run, new = _begin(tx, connection_id, trigger, dry, phase, counts)
    parts.queue.step(run.id)
    return run, new


def start_due(parts: Parts, connection_id: str) -> None:
    """The run that is due by its date, or because everybody is to be compared again. It begins and the date moves on,
    or neither, in whichever clock comes first; a run under way lets it wait."""
    now = time.time()
    with parts.database.write() as tx:
        connection = connections.find(tx, connection_id, lock=True)
        if connection is None or not connection.writable or runs.under_way(tx, connection_id):
            return
        if connection.run_due(now):
            run, _ = _begin(tx, connection_id, "clock")
            connections.change(tx, connection_id, next_run_at=next_run(connection_id, connection.rules, now))
        elif connection.remap_due:
            run, _ = _begin(tx, connection_id, "change", phase="compare")
        else:
            return
    parts.queue.step(run.id)


def in_the_way(run: Run, dry: bool) -> str | None:
    """What to say when this run under way does not do what somebody asked for; None when it does."""
    if run.dry:
        return None if dry and run.trigger != "export" else "A look at what a run would do is under way"
    if run.trigger == "export":
        return "A run that reads an export is under way"
    return "A run is under way" if dry else None


def _begin(
    tx: Tx,
    connection_id: str,
    trigger: str,
    dry: bool = False,
    phase: str = WHOLE,
    counts: Mapping[str, Any] | None = None,
) -> tuple[Run, bool]:
    first = {"first_run": True} if runs.none_was_whole(tx, connection_id) else {}
    while (new := runs.start(tx, connection_id, trigger, dry, phase, {**(counts or {}), **first})) is None:
        if joined := runs.under_way(tx, connection_id):
            return joined[0], False
    return new, True


def _give_way(tx: Tx, connection_id: str) -> None:
    for run in runs.under_way(tx, connection_id):
        if run.trigger == "change" and not run.dry:
            runs.finish(tx, run.id, "stopped", REPLACED)
            if run.cursor.get("asked"):  # half way through what a change of the rules asked for
                connections.change(tx, connection_id, remap_due=True)
