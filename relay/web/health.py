"""Is it alive, is it ready, and what has it done: for machines."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Blueprint, Response, current_app, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from relay.store import connections, days, migrate
from relay.store.database import Unavailable
from relay.sync.health import status
from relay.sync.parts import Parts

blueprint = Blueprint("health", __name__)
LATE_S = 600.0
"""An oldest waiting person of this age makes the relay unready, unless CM or a person is what they wait for."""


@blueprint.get("/healthz")
def alive() -> Response:
    return jsonify(status="alive")


@blueprint.get("/readyz")
def ready() -> tuple[Response, int]:
    """200 ready or degraded (CM held or someone needed), 503 unready; each check by name."""
    parts: Parts = current_app.extensions["relay"]
    checks: dict[str, Any] = {}
    try:
        checks["migrations"] = "ok" if migrate.current(parts.database) else "behind: run `relay migrate`"
        with parts.database.read() as tx:
            everyone = connections.everyone(tx)
        reports = [status.report(parts, connection) for connection in everyone]
        checks["database"] = "ok"
        ours = [r["oldest_waiting_s"] or 0.0 for r in reports if r["state"] == "on" and not waits_for_a_person(r)]
        oldest = max(ours, default=0.0)
        checks["oldest_waiting_s"] = round(oldest, 1)
        checks["connections"] = {r["connection"]: r["state"] for r in reports}
        degraded = any(r["state"] == "needs_person" or r["problem"] or lets_nobody_in(r) for r in reports)
        late = oldest > LATE_S
    except Unavailable as error:
        checks["database"], degraded, late = error.message, False, True
    checks["queue"] = "ok" if parts.queue.lengths() is not None else "away"
    unready = late or checks["queue"] != "ok" or checks.get("migrations") != "ok"
    word = "unready" if unready else "degraded" if degraded else "ready"
    return jsonify(status=word, checks=checks), 503 if unready else 200


def lets_nobody_in(report: Mapping[str, Any]) -> bool:
    """EHQ, as a rule: the connection is on, and its last run needs a person."""
    last = report["last_run"] or {}
    return last.get("state") == "needs_person" and not last.get("dry_run")


def waits_for_a_person(report: Mapping[str, Any]) -> bool:
    """Or for CM: a problem is known, a first run is due, or somebody stopped a run in the middle of writing."""
    return bool(report["problem"]) or report["reads_first"] or (report["last_run"] or {}).get("state") == "stopped"


@blueprint.get("/metrics")
def metrics() -> Response:
    """Prometheus: what all processes counted, and what the database says now."""
    parts: Parts = current_app.extensions["relay"]
    now = CollectorRegistry()
    names = {
        "oldest_waiting_s": Gauge(
            "relay_oldest_waiting_seconds", "Age of who waits longest.", ["connection"], registry=now
        ),
        "waiting": Gauge("relay_waiting", "People and deliveries that wait.", ["connection"], registry=now),
        "participants": Gauge("relay_participants", "Participants known.", ["connection"], registry=now),
        "quarantined": Gauge("relay_quarantined", "Deliveries in quarantine.", ["connection"], registry=now),
    }
    refused = Gauge("relay_refused", "People CM refuses.", ["connection", "code"], registry=now)
    runs = Gauge("relay_last_run_people", "Counts of the last run.", ["connection", "count"], registry=now)
    ended = Gauge("relay_last_run_finished_timestamp_seconds", "When it ended.", ["connection", "state"], registry=now)
    expires = Gauge("relay_token_expiry_timestamp_seconds", "When CM's token ends.", ["connection"], registry=now)
    ticks = Gauge("relay_clock_tick_timestamp_seconds", "When a clock last ticked.", registry=now)
    now.register(Counted(parts))
    with parts.database.read() as tx:
        everyone = connections.everyone(tx)
        ticks.set(days.last_beat(tx, "clock") or 0)
    for connection in everyone:
        report = status.report(parts, connection)
        for key, gauge in names.items():
            gauge.labels(connection.id).set(report[key] or 0)
        for code, count in report["refused"].items():
            refused.labels(connection.id, code).set(count)
        if last := report["last_run"]:
            for name, count in last["counts"].items():
                if isinstance(count, int | float):
                    runs.labels(connection.id, name).set(count)
            ended.labels(connection.id, last["state"]).set(last["finished_at"] or time.time())
        if connection.cm_token_expires_at:
            expires.labels(connection.id).set(connection.cm_token_expires_at)
    return Response(generate_latest(now), content_type=CONTENT_TYPE_LATEST)


class Counted(Collector):
    """The meters as Prometheus reads them."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def collect(self) -> Iterator[Metric]:
        self.parts.meters.flush(now=True)
        answers = CounterMetricFamily("relay_deliveries", "Webhook deliveries by answer.", labels=["answer"])
        calls = CounterMetricFamily("relay_cm_calls", "Calls to Campaign Monitor.", labels=["call", "outcome"])
        changes = CounterMetricFamily("relay_changes", "What was done to people.", labels=["connection", "what"])
        took = SummaryMetricFamily("relay_cm_call_seconds", "How long they took.", labels=["call", "outcome"])
        for name, label, outcome, times, seconds in self.parts.meters.read():
            if name == "deliveries":
                answers.add_metric([label], times)
            elif name == "changes":
                changes.add_metric([label, outcome], times)
            else:
                calls.add_metric([label, outcome], times)
                took.add_metric([label, outcome], count_value=times, sum_value=seconds)
        yield from (answers, calls, changes, took)
