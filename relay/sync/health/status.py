"""How a connection is, in numbers and one word."""

import time
from typing import Any

from relay.store import deliveries, participants, runs, structure
from relay.store.connections import Connection
from relay.store.runs import Run
from relay.sync.parts import Parts
from relay.sync.runs import brake


def report(parts: Parts, connection: Connection) -> dict[str, Any]:
    """{"connection", "name", "state", "participants", "waiting", "oldest_waiting_s", "refused": {code: n},
    "quarantined", "on_list", "opted_out", "lost": {"cut", "skipped"}, "field_problems": {field: why},
    "segment_problems": {group: why}, "problem", "brake", "last_run", "next_run", "last_delivery_at",
    "campaign_monitor_webhook": {"state": on, off or none yet, "problem"}, "reads": "api" or "export", "exported_at",
    "reads_first": whether nobody is written before a run}.

    `waiting` counts people who differ and deliveries not applied yet; times are epoch seconds.
    """
    now = time.time()
    with parts.database.read() as tx:
        people = participants.counts(tx, connection.id)
        arrived = deliveries.counts(tx, connection.id)
        oldest = [people["oldest_waiting"], deliveries.oldest_waiting(tx, connection.id)]
        last = runs.latest(tx, connection.id)
        fields = structure.all_fields(tx, connection.id)
        groups = structure.all_groups(tx, connection.id)
        last_delivery = deliveries.last_received(tx, connection.id)
    braked = brake.waiting(parts, connection)
    since = min((at for at in oldest if at is not None), default=None)
    return {
        "connection": connection.id,
        "name": connection.name,
        "state": connection.state,
        "participants": people["participants"],
        "waiting": people["waiting"] + arrived.get("waiting", 0),
        "oldest_waiting_s": None if since is None else round(now - since, 3),
        "refused": people["refused"],
        "quarantined": arrived.get("quarantined", 0),
        "on_list": people["on_list"],
        "opted_out": people["opted_out"],
        "lost": {"cut": sum(f.cut for f in fields), "skipped": sum(f.skipped for f in fields)},
        "field_problems": {f.name or f.label: f.problem for f in fields if f.problem},
        "segment_problems": {g.name: g.problem for g in groups if g.problem},
        "problem": connection.problem,
        "brake": braked,
        "last_run": run_report(last[0]) if last else None,
        "next_run": connection.next_run_at,
        "last_delivery_at": last_delivery,
        "campaign_monitor_webhook": {
            "state": "off" if connection.cm_hook_problem else "on" if connection.cm_hook else "none yet",
            "problem": connection.cm_hook_problem,
        },
        "reads": connection.reads,
        "exported_at": connection.exported_at or None,
        "reads_first": connection.reads_first,
    }


def run_report(run: Run) -> dict[str, Any]:
    return {
        "run": run.id,
        "state": run.state,
        "dry_run": run.dry,
        "trigger": run.trigger,
        "phase": run.phase,
        "counts": dict(run.counts),
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "problem": run.problem,
        "decision": run.decision,
    }
