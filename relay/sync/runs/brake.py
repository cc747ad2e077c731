"""The brake: many people would leave without EHQ's explicit word about each of them. A person decides about the run.

Who is held stays on the list. Explicit opt-outs, blocks and deletions are never held (design rule 7).
"""

import time
from typing import Any

from relay.domain.rules import spelling
from relay.errors import RelayError
from relay.store import census, participants, runs
from relay.store.connections import Connection
from relay.store.database import Tx
from relay.store.participants import LEAVING
from relay.store.runs import Run
from relay.sync.parts import Parts
from relay.sync.picture import Picture

ABSENT_RUNS = 2
"""Complete runs in a row that must miss somebody."""
AT_ONCE = 1000
UNTOLD = "never delivered by EHQ"


def waiting(parts: Parts, connection: Connection) -> dict[str, Any] | None:
    """The latest run that waits for a person's decision, or None:

    {"run", "people", "absent", "outside", "of_on_list": as counted by the run, "held": of them still, "finished_at"}
    """
    with parts.database.read() as tx:
        run = runs.latest_braked(tx, connection.id)
        if run is None or (run.decision or {}).get("brake"):
            return None
        still = sum(census.held(tx, connection.id, run.id, ABSENT_RUNS))
    if not still:
        return None
    counted = {"people": run.counts["braked"]} | {n: run.counts[n] for n in ("absent", "outside", "of_on_list")}
    return {"run": run.id, **counted, "held": still, "finished_at": run.finished_at}


def approve(parts: Parts, connection: Connection, run_id: int) -> dict[str, Any]:
    """Lets go exactly those whom this run counted and who are still missing; whoever is back stays. Twice is once.

    {"run", "decision": "approved", "people": as counted by the run, "let_go"}
    """
    run = _decide(parts, connection, run_id, "approved")
    gone = let_go(parts, connection, run.id)
    with parts.database.write() as tx:
        stands = runs.decide(tx, run.id, {"let_go": gone})
    parts.queue.ring(connection.id, always=True)
    return {"run": run.id, "decision": "approved", "people": run.counts["braked"], "let_go": stands["let_go"]}


def reject(parts: Parts, connection: Connection, run_id: int) -> dict[str, Any]:
    """They stay. The absent are asked about again when the next two complete runs miss them anew; those outside the
    audience when they belonged again in between, or the rules change.

    {"run", "decision": "rejected", "people": as counted by the run, "kept"}
    """
    run = _decide(parts, connection, run_id, "rejected")
    kept = 0
    while True:
        with parts.database.write() as tx:
            people = census.held_people(tx, connection.id, run.id, AT_ONCE)
            census.keep(tx, people, ABSENT_RUNS)
        if not people:
            return {"run": run.id, "decision": "rejected", "people": run.counts["braked"], "kept": kept}
        kept += len(people)


def _decide(parts: Parts, connection: Connection, run_id: int, decision: str) -> Run:
    """Of two decisions about one run the first stands. :raise RelayError: for the other, or a run without a brake."""
    with parts.database.write() as tx:
        run = runs.find(tx, run_id)
        if run is None or run.connection_id != connection.id or run.state != "braked":
            raise RelayError(
                f"Run {run_id} of this connection is not one that the brake stopped.",
                remedy="Look which run waits for a decision.",
                code="brake",
            )
        stands = runs.decide(tx, run_id, {"brake": decision, "brake_at": time.time()})
    if stands["brake"] != decision:
        raise RelayError(
            f"Run {run_id} was {stands['brake']} already.",
            remedy="Whoever left can be put back, by an undo of this run."
            if stands["brake"] == "approved"
            else "The next runs ask again, as far as they still find so many.",
            code="brake",
        )
    return run


def let_go(parts: Parts, connection: Connection, up_to_run: int) -> int:
    """Those held by this run or an earlier one leave; answers how many."""
    count = 0
    while True:
        with parts.database.write() as tx:
            people = census.held_people(tx, connection.id, up_to_run, AT_ONCE)
            if not people:
                return count
            census.let_go(tx, people, ABSENT_RUNS)
            fresh = participants.by_our_ids(tx, connection.id, [person.id for person in people])
            verdicts = Picture.load(tx, connection).judge(tx, fresh)
            leaving = [person.id for person in fresh if verdicts[person.id].step == "leave"]
            participants.wait(tx, leaving, LEAVING, UNTOLD, up_to_run)
        count += len(leaving)


# A wrong alias makes everybody an explicit opt-out, whom no brake holds: the first read of EHQ by other overrides takes
# in few of those, and asks before it takes in many. It asks as long as nobody corrects or confirms them.


def new_overrides(connection: Connection) -> bool:
    """Whether EHQ was last read by others, and nobody confirmed these."""
    return connection.read_overrides not in (None, spelling(connection.rules))


def overrides_code(connection: Connection) -> str:
    """The code of a run that asks about these overrides."""
    return f"overrides-{spelling(connection.rules)}"


def asks_about_overrides(tx: Tx, connection: Connection) -> bool:
    if not new_overrides(connection):
        return False
    code = overrides_code(connection)
    return any((run.problem or {}).get("code") == code for run in runs.latest(tx, connection.id, 50))


def words(counts: Any) -> str:
    """What the brake of a run says."""
    absent, outside = counts.get("absent", 0), counts.get("outside", 0)
    parts = [f"{absent} people are missing from EHQ"] if absent else []
    parts += [f"{outside} people are outside the audience by what EHQ says now"] if outside else []
    return f"{' and '.join(parts)}, more than the brake lets go at once. None of them was removed."
