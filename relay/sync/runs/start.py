"""A run begins."""

from collections.abc import Mapping
from typing import Any

from relay.store import runs
from relay.store.runs import Run
from relay.sync.parts import Parts


def start_run(
    parts: Parts,
    connection_id: str,
    *,
    trigger: str,
    dry: bool = False,
    phase: str = "fields",
    counts: Mapping[str, Any] | None = None,
) -> tuple[Run, bool]:
    """A run of this connection, and whether it is new: one under way is joined, since two would read the same."""
    with parts.database.write() as tx:
        first = not any(run.state == "completed" for run in runs.latest(tx, connection_id, 50, dry=False))
        run = runs.start(
            tx, connection_id, trigger, dry, phase, {**(counts or {}), **({"first_run": True} if first else {})}
        )
        new = run is not None
        if run is None:
            run = runs.under_way(tx, connection_id)[0]
    parts.queue.step(run.id)
    return run, new
