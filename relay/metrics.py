"""Counters of this process, and gauges read from the database when somebody asks. Never a person in a label."""

from prometheus_client import CollectorRegistry, Counter, Histogram

REGISTRY = CollectorRegistry()
DELIVERIES = Counter("relay_deliveries", "Webhook deliveries by answer.", ["answer"], registry=REGISTRY)
CALLS = Counter("relay_cm_calls", "Calls to Campaign Monitor.", ["call", "outcome"], registry=REGISTRY)
CALL_SECONDS = Histogram(
    "relay_cm_call_seconds",
    "How long Campaign Monitor took.",
    ["call"],
    registry=REGISTRY,
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120),
)


def observe_call(kind: str, seconds: float, outcome: str) -> None:
    CALLS.labels(kind, outcome).inc()
    CALL_SECONDS.labels(kind).observe(seconds)
