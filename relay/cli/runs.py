"""`relay runs`: which runs there were, and what one of them repaired."""

import argparse
from typing import Any

from relay.store import runs
from relay.sync.health import status as reports
from relay.sync.parts import Parts
from relay.sync.runs import drift

SHOWN = ("ehq_read", "cm_read", "joins", "changes", "leaves", "opted_out", "left_alone", "not_kept", "braked")


def show_runs(parts: Parts, options: argparse.Namespace) -> tuple[Any, int]:
    """The last runs, newest first; or one with everybody whom it repaired and why."""
    connection = parts.connection(options.connection)
    limit = max(1, options.limit)
    if options.run is not None:
        people = drift.of_run(parts, connection, options.run, options.cause, limit)
        with parts.database.read() as tx:
            run = runs.find(tx, options.run)
        return {**(reports.run_report(run) if run else {}), "drift": people}, 0
    with parts.database.read() as tx:
        latest = runs.latest(tx, connection.id, limit)
    return [_short(reports.run_report(run)) for run in latest], 0


def _short(report: dict[str, Any]) -> dict[str, Any]:
    counts = report["counts"]
    kept = {name: counts[name] for name in SHOWN if counts.get(name)}
    names = ("run", "state", "dry_run", "trigger", "started_at", "finished_at")
    return {**{name: report[name] for name in names}, "counts": kept, "causes": counts.get("causes", {})}
