"""Puts back exactly those whom a run removed, the way everybody comes back: one by one, by our own record, only from
CM's state Deleted, never from the suppression list (design rule 3)."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from relay.domain.decide import opted_out
from relay.errors import RelayError
from relay.store import census, participants, runs
from relay.store.connections import Connection
from relay.store.database import Tx
from relay.store.participants import LIVE
from relay.store.person import Person
from relay.sync.parts import Parts
from relay.sync.people.explain import why_refused
from relay.sync.picture import Picture, Verdict

AT_ONCE = 500
MOST_NAMED = 200
BACK, WAITING = "back", "waiting"


def undo(parts: Parts, connection: Connection, run_id: int, *, dry: bool = False) -> dict[str, Any]:
    """Whom EHQ's runs no longer find is then counted as absent from the beginning: two complete runs that miss them
    anew may let them go again. Asked again later, it says how it went.

    {"run", "removed", "back", "waiting": who is being put back, "not": {why: people}, "people": [{"ehq_id", "why"}] of
    these the first 200, "dry_run"}
    """
    with parts.database.read() as tx:
        run = runs.find(tx, run_id)
    if run is None or run.connection_id != connection.id:
        raise RelayError(f"This connection has no run {run_id}.", remedy="Look which there are.")
    if run.state == "running":
        raise RelayError(f"Run {run_id} is under way.", remedy="Wait until it has ended, then undo it.")
    counts: Counter[str] = Counter()
    named: list[dict[str, str]] = []
    last: int | None = 0
    while last is not None:
        with parts.database.write() as tx:
            ids, last = runs.removed(tx, run_id, last, AT_ONCE)
            for ehq_id, outcome in _put_back(tx, connection, ids, dry).items():
                counts[outcome] += 1
                if outcome not in (BACK, WAITING) and len(named) < MOST_NAMED:
                    named.append({"ehq_id": ehq_id, "why": outcome})
    if not dry:
        with parts.database.write() as tx:
            runs.decide(tx, run_id, {"undone_at": time.time()})
        parts.queue.ring(connection.id, always=True)
    back, waits = counts.pop(BACK, 0), counts.pop(WAITING, 0)
    removed = back + waits + counts.total()
    result = {"run": run_id, "removed": removed, "back": back, "waiting": waits, "not": dict(counts.most_common())}
    return {**result, "people": named, "dry_run": dry}


def _put_back(tx: Tx, connection: Connection, ids: Sequence[int], dry: bool) -> dict[str, str]:
    people = participants.by_our_ids(tx, connection.id, ids)
    if not dry:
        participants.change(tx, [p.id for p in people if p.gone], **census.there_again())
    there = [replace(person, gone=False) for person in people]
    verdicts = Picture.load(tx, connection).judge(tx, there)
    outcomes = {person.known.ehq_id: _outcome(person, verdicts[person.id]) for person in there}
    if not dry:
        participants.wait(tx, [p.id for p in there if outcomes[p.known.ehq_id] == WAITING], LIVE)
    return outcomes


def _outcome(person: Person, verdict: Verdict) -> str:
    if person.held.state == "Active":
        return BACK
    if stands := opted_out(person.held, person.record):
        return stands
    if verdict.reason:
        return verdict.reason
    if verdict.step == "nothing" and person.refused_code:
        return why_refused(person.refused_code)[0]
    return WAITING
