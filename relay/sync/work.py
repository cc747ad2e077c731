"""What a worker does when it is rung: one visit to a connection (visits.py), or one step of a run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from relay.errors import Incomplete, NeedsPerson, RelayError, RetryLater
from relay.store import connections, exports, runs
from relay.store.connections import Connection
from relay.store.database import Unavailable
from relay.store.leases import Lease, Lost, claim
from relay.store.runs import Run
from relay.sync.exports.exported import ExportStep
from relay.sync.intake.apply import apply_waiting
from relay.sync.parts import Parts
from relay.sync.runs import brake, drift
from relay.sync.runs.reconcile import Step
from relay.sync.runs.start import start_run
from relay.sync.upsert.visits import BUG, Busy, failed, list_claim, open_lanes, our_mistake, visit, waits

GIVE_UP_S = 1800.0
"""A run whose step fails for so long ends as incomplete."""
NOT_ON = {
    "message": "The connection is not on, so the run ended.",
    "remedy": "Resume it, and the run goes on; or finish its set-up. A dry run needs neither.",
    "code": "not-on",
}
BUG_TRIES = 4
EHQ_PHASES = ("groups", "ehq")
log = structlog.get_logger()


def step(parts: Parts, run_id: int) -> None:
    """One step of a run, and a ring for the next one."""
    with parts.database.read() as tx:
        run = runs.find(tx, run_id)
    if run is None or run.state != "running":
        return
    with claim(parts.database, f"run:{run.connection_id}") as lease:
        if lease is None:
            return
        with parts.database.read() as tx:
            run = runs.find(tx, run_id)  # where it is now that nobody else moves it
            connection = connections.find(tx, run.connection_id) if run else None
        if run is None or run.state != "running" or connection is None:
            return
        again = _advance(parts, connection, run, lease)
    if again:
        parts.queue.step(run_id)


def _advance(parts: Parts, connection: Connection, run: Run, lease: Lease) -> bool:
    """Takes the step and records what came of it; answers whether the next may follow at once."""
    if connection.state != "on" and not run.dry:
        needed = connection.state == "needs_person"
        _finish(parts, run, "needs_person" if needed else "stopped", connection.problem if needed else NOT_ON)
        return False
    if run.problem and run.problem.get("until", 0) > time.time():
        return False

    @contextmanager
    def claim_list() -> Iterator[Lease]:
        with list_claim(parts, connection.id) as held:
            apply_waiting(parts, connection)  # live changes first
            yield held

    try:
        taking = _step_of(parts, connection, run, claim_list)
        phase = taking.take()
        lease.check()
        with parts.database.write() as tx:
            runs.step(tx, taking.run, phase, taking.cursor, taking.counts)
    except Lost:
        return False
    except Busy:
        return True
    except RetryLater as error:
        _hold_run(parts, run, error)
        return False
    except Incomplete as error:
        _finish(parts, run, "incomplete", _problem(error))
        return False
    except Unavailable:
        raise  # nothing of the run is lost: the clock takes the step again
    except RelayError as error:
        if run.phase not in EHQ_PHASES and not run.dry:
            failed(parts, connection, error)
        _finish(parts, run, "needs_person" if isinstance(error, NeedsPerson) else "incomplete", _problem(error))
        return False
    except Exception:
        log.exception("step failed", connection=connection.id, run=run.id, phase=run.phase)
        _hold_run(parts, run, our_mistake())
        return False
    if phase != "done":
        return True
    if taking.counts.get("braked") and not run.dry:
        problem = {
            "message": brake.words(taking.counts),
            "remedy": "Look what EHQ shows of them. Then decide about this run: let exactly these go, or keep them.",
            "code": "brake",
        }
        _finish(parts, run, "braked", problem)
    else:
        _finish(parts, run, "completed", None)
    return False


def _step_of(parts: Parts, connection: Connection, run: Run, claim_list: Any) -> Step:
    """Of a run that reads EHQ's API, or an export of it."""
    with parts.database.read() as tx:
        export = exports.of_run(tx, run.id) if run.trigger == "export" else None
    if export is None and run.trigger != "export" and connection.reads == "api":
        return Step(parts, connection, run, claim_list)
    step = ExportStep(parts, connection, run, claim_list)
    step.export = export
    return step


def _problem(error: RelayError) -> dict[str, Any]:
    return {"message": error.message, "remedy": error.remedy, "code": error.code}


def _hold_run(parts: Parts, run: Run, error: RetryLater) -> None:
    now = time.time()
    with parts.database.read() as tx:
        before = (runs.find(tx, run.id) or run).problem or {}  # none when this step came on before it failed
    since, times = before.get("since", now), before.get("times", 0)
    bugs = before.get("bugs", 0) + (error.code == BUG)
    if now - since > GIVE_UP_S or bugs >= BUG_TRIES:
        _finish(parts, run, "incomplete", _problem(error))
        return
    delay = connections.pause_s(times, error.retry_after)
    if run.phase in EHQ_PHASES:  # which may ask for longer (EHQ contract §5.7): nobody but this run waits for it
        delay = max(delay, error.retry_after or 0.0)
    held = {**_problem(error), "since": since, "times": times + 1, "bugs": bugs, "until": now + delay}
    with parts.database.write() as tx:
        runs.hold(tx, run.id, held)
    log.warning("run held", connection=run.connection_id, run=run.id, phase=run.phase, code=error.code)


def _finish(parts: Parts, run: Run, state: str, problem: Any) -> None:
    with parts.database.write() as tx:
        runs.finish(tx, run.id, state, problem)
        drift.count(tx, run.id)
        if run.trigger == "export" and not run.dry and state not in runs.UNFINISHED:
            exports.drop_of_run(tx, run.id)
    log.info("run ended", connection=run.connection_id, run=run.id, state=state)


__all__ = ["failed", "open_lanes", "start_run", "step", "visit", "waits"]
