"""Why a run found a difference: every one has a name."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from relay.domain.merge import Known
from relay.domain.schedule import day
from relay.errors import RelayError
from relay.store import connections, days, deliveries, participants, runs, structure
from relay.store.connections import Connection
from relay.store.database import Tx
from relay.sync.parts import Parts

UNDELIVERED, GROUP_UNTOLD = "never delivered by EHQ", "group changed without an event"
UNTOLD = ("first seen", UNDELIVERED, GROUP_UNTOLD)
"""What a webhook should have told of."""
FAILED, WAITS = "delivery failed or quarantined", "still waiting"
MEANINGS = {
    "first seen": "A run met them before any webhook did.",
    UNDELIVERED: "EHQ changed, and no webhook told of it.",
    FAILED: "A webhook told of it and could not be read: look at the quarantine.",
    WAITS: "It was known, and on its way.",
    "changed by hand in CM": "Somebody changed it in Campaign Monitor; what EHQ says was put back.",
    "write not kept by CM": "Campaign Monitor took the write and did not hold all of it.",
    GROUP_UNTOLD: "Their groups changed in EHQ, as saved filters do by themselves.",
    "mapping changed": "The rules, the fields or the relay changed, and so what should be on the list.",
    "changed in the export": "The export says something else than was known.",
}
"""name → what it means, for whoever reads a run."""
COUNTED = MEANINGS.keys() - {WAITS, "mapping changed"}
"""Drift as charts count it: not what was known and on its way, nor what we changed."""


def cause(known: Known, now: Mapping[str, Any]) -> str:
    """Why a page said something else than we knew, by what it says."""
    before = known.values
    if not before:
        return "first seen" if known.page is None and not known.heard else UNDELIVERED
    if {k: v for k, v in before.items() if k != "groups"} == {k: v for k, v in now.items() if k != "groups"}:
        return GROUP_UNTOLD
    return UNDELIVERED


def explained(
    tx: Tx,
    connection_id: str,
    of_group: Callable[[str], bool],
    found: Mapping[int, tuple[str, Known, Mapping[str, Any]]],
) -> dict[str, list[int]]:
    """Our ids by cause. What looks as if EHQ had said nothing was perhaps said, and lies unread or not yet applied.

    `of_group`: whether a type is a group's; `found`: our id → (cause by what the page says, what was known before it,
    the values now).
    """
    subjects: dict[int, set[str]] = {}
    for person_id, (name, known, now) in found.items():
        if name in (UNDELIVERED, GROUP_UNTOLD):
            groups = set(known.values.get("groups") or ()) ^ set(now.get("groups") or ())
            subjects[person_id] = {known.ehq_id} | {f"group {group}" for group in groups}
    wanted = {subject.removeprefix("group ") for some in subjects.values() for subject in some}
    told: dict[str, list[tuple[float, str]]] = {}
    for subject, word, at, state in deliveries.not_applied(tx, connection_id, wanted) if wanted else ():
        told.setdefault(f"group {subject}" if of_group(word) else subject, []).append((at, state))
    causes: dict[str, list[int]] = {}
    for person_id, (name, known, _) in found.items():
        since = known.page.asked if known.page else 0.0
        states = {s for subject in subjects.get(person_id, ()) for at, s in told.get(subject, ()) if at >= since}
        better = FAILED if "quarantined" in states else WAITS if "waiting" in states else name
        causes.setdefault(better, []).append(person_id)
    return causes


def count(tx: Tx, run_id: int) -> None:
    """What a whole run found, by day. A first run finds everybody new, and a mapping is ours to change: no drift."""
    run = runs.find(tx, run_id)
    connection = connections.find(tx, run.connection_id) if run else None
    if run is None or connection is None or run.dry or run.trigger == "change":
        return
    if run.state in ("completed", "braked"):
        causes = {} if run.counts.get("first_run") else run.counts.get("causes", {})
        found = {name: times for name, times in causes.items() if name in COUNTED}
        days.add(tx, connection.id, day(connection.rules, time.time()), {days.RUNS: 1, **found})


def of_run(
    parts: Parts, connection: Connection, run_id: int, name: str | None = None, limit: int = 1000
) -> list[dict[str, Any]]:
    """What one run repaired, person by person: {"ehq_id", "what", "cause", "fields", "at"}. :raise RelayError:"""
    with parts.database.read() as tx:
        run = runs.find(tx, run_id)
        if run is None or run.connection_id != connection.id:
            raise RelayError(f"There is no run {run_id} here.", remedy="Look which there are.")
        rows = runs.drift(tx, run_id, limit, name)
        people = participants.by_our_ids(tx, connection.id, sorted({row["participant_id"] for row in rows}))
        labels = {field.source: field.name or field.label for field in structure.all_fields(tx, connection.id)}
    ids = {person.id: person.known.ehq_id for person in people}
    return [
        {
            "ehq_id": ids.get(row["participant_id"]),
            "what": row["what"],
            "cause": row["cause"],
            "fields": [labels.get(source, source) for source in (row["detail"] or {}).get("fields") or ()],
            "at": row["at"],
        }
        for row in rows
    ]
