"""What a worker does when it is rung: one visit to a connection, or one step of a run; and what becomes of failures."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import structlog

from relay.errors import Incomplete, NeedsPerson, RelayError, RetryLater
from relay.store import asked as wishes
from relay.store import connections, deliveries, exports, participants, runs
from relay.store import hints as hinted
from relay.store.connections import Connection
from relay.store.database import Tx
from relay.store.leases import Lease, Lost, claim
from relay.store.participants import BULK, LEAVING, LIVE
from relay.store.runs import Run
from relay.sync import asked, brake, groups, hints
from relay.sync.apply import apply_waiting
from relay.sync.exported import ExportStep
from relay.sync.parts import Parts
from relay.sync.picture import Picture
from relay.sync.reconcile import Step

VISIT_S, APPLY_S = 5.0, 2.0
"""How long one connection may keep a worker before others have their turn."""
LIST_WAIT_S = 3.0
LEAVERS_TRY_S = 60.0
GIVE_UP_S = 1800.0
"""A run whose step fails for so long ends as incomplete."""
EHQ_PHASES = ("groups", "ehq")
log = structlog.get_logger()


class Busy(Exception):
    """Somebody else writes to this list just now."""


def visit(parts: Parts, connection_id: str) -> None:
    """Applies what arrived and writes who waits, until nothing is left or the time is up."""
    parts.queue.looking(connection_id)
    with claim(parts.database, f"list:{connection_id}") as lease:
        if lease is None:
            return  # whoever holds it looks again before and after letting go
        ends = time.monotonic() + VISIT_S
        while _look(parts, connection_id, lease) and time.monotonic() < ends and not parts.stopping.is_set():
            pass
    if waits(parts, connection_id):
        parts.queue.ring(connection_id)


def _look(parts: Parts, connection_id: str, lease: Lease) -> bool:
    """One look. Answers whether there may be more to do."""
    with parts.database.read() as tx:
        connection = connections.find(tx, connection_id)
    if connection is None:
        return False
    try:
        lease.check()
        applied = _apply(parts, connection)
        with parts.database.read() as tx:
            lanes = open_lanes(tx, connection)
        written = asked.write(parts, connection, lease, lanes)
        again = _hinted(parts, connection, lease, lanes)
        if not applied and not written and not again and LIVE in lanes:
            with parts.database.read() as tx:
                fresh = connections.find(tx, connection_id)
                picture = Picture.load(tx, connection)
            if fresh and fresh.segments_due:
                groups.due_segments(parts, parts.campaign_monitor(connection), lease, picture)
        return bool(applied or written or again)
    except Lost:
        return False
    except RelayError as error:
        failed(parts, connection, error)
        return False


def _hinted(parts: Parts, connection: Connection, lease: Lease, lanes: Sequence[int]) -> int:
    """Reads again some of those about whom CM sent word; when there are very many, a run reads the list by pages."""
    if not lanes:
        return 0
    if LIVE in lanes and hints.crowded(parts, connection):
        start_run(parts, connection.id, trigger="change", phase="campaign_monitor")
    return hints.read_again(parts, connection, parts.campaign_monitor(connection), lease)


def _apply(parts: Parts, connection: Connection) -> int:
    """What arrived; all of it, unless that takes long: whoever leaves may have come last, and is to go first."""
    ends, applied = time.monotonic() + APPLY_S, 0
    while some := apply_waiting(parts, connection):
        applied += some
        if time.monotonic() > ends:
            break
    return applied


def open_lanes(tx: Tx, connection: Connection) -> tuple[int, ...]:
    """Who may be written just now. Leaving is never delayed: neither a pause nor waiting for a person stops it, and
    whoever began to leave since CM last failed is tried at once."""
    if connection.state == "setup" or connection.cm_list_id is None or connection.cm_credential is None:
        return ()
    if connection.held(time.time()):
        failed_at = (connection.problem or {}).get("since", time.time())
        return (LEAVING,) if participants.any_waiting(tx, connection.id, (LEAVING,), failed_at) else ()
    return (LEAVING, LIVE) if connection.state == "on" else (LEAVING,)


def waits(parts: Parts, connection_id: str) -> bool:
    """Whether a visit would find something to do."""
    with parts.database.read() as tx:
        connection = connections.find(tx, connection_id)
        if connection is None:
            return False
        lanes = open_lanes(tx, connection)
        if deliveries.any_waiting(tx, connection_id):
            return True
        return wishes.any_waiting(tx, connection_id, asked.words(connection, lanes)) or bool(
            lanes
            and (
                participants.any_waiting(tx, connection_id, lanes)
                or hinted.more_than(tx, connection_id, 0)
                or (connection.segments_due and LIVE in lanes)
            )
        )


def failed(parts: Parts, connection: Connection, error: RelayError) -> None:
    """Holds the connection when it may pass, stops it when a person is needed. Everyone waiting keeps waiting."""
    problem = {"message": error.message, "remedy": error.remedy, "code": error.code, "since": time.time()}
    with parts.database.write() as tx:
        if isinstance(error, NeedsPerson):
            # Whoever wants to leave is tried again every minute all the same.
            connections.change(
                tx, connection.id, state="needs_person", problem=problem, held_until=time.time() + LEAVERS_TRY_S
            )
            log.error("needs a person", connection=connection.id, code=error.code, message=error.message)
            return
        wait = error.retry_after if isinstance(error, RetryLater) else None
        delay = connections.hold(tx, connection.id, connection.held_times, problem, wait)
    log.warning("held", connection=connection.id, code=error.code, message=error.message, seconds=round(delay, 1))


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
    if connection.state in ("paused", "needs_person") and not run.dry:
        _finish(parts, run, "stopped" if connection.state == "paused" else "needs_person", connection.problem)
        return False
    if run.problem and run.problem.get("until", 0) > time.time():
        return False

    @contextmanager
    def claim_list() -> Iterator[Lease]:
        with _list_claim(parts, connection.id) as held:
            apply_waiting(parts, connection)  # live changes first
            yield held

    taking = _step_of(parts, connection, run, claim_list)
    try:
        phase = taking.take()
        lease.check()
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
    except RelayError as error:
        if run.phase not in EHQ_PHASES and not run.dry:
            failed(parts, connection, error)
        _finish(parts, run, "needs_person" if isinstance(error, NeedsPerson) else "incomplete", _problem(error))
        return False
    with parts.database.write() as tx:
        runs.step(tx, run.id, phase, taking.cursor, taking.counts)
    if phase != "done":
        return True
    if taking.counts.get("braked") and not run.dry:
        problem = {
            "message": brake.words(taking.counts),
            "remedy": "Look what EHQ shows of them, then decide: `relay brake C --approve` lets exactly these go, "
            "`relay brake C --reject` keeps them.",
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


@contextmanager
def _list_claim(parts: Parts, connection_id: str) -> Iterator[Lease]:
    """The list's claim for one step of a run. :raise Busy: when live changes hold it for long."""
    ends = time.monotonic() + LIST_WAIT_S
    while True:
        with claim(parts.database, f"list:{connection_id}") as lease:
            if lease is not None:
                yield lease
                break
        if time.monotonic() > ends:
            raise Busy
        time.sleep(0.05)
    if waits(parts, connection_id):
        parts.queue.ring(connection_id)


def _problem(error: RelayError) -> dict[str, Any]:
    return {"message": error.message, "remedy": error.remedy, "code": error.code}


def _hold_run(parts: Parts, run: Run, error: RetryLater) -> None:
    now = time.time()
    before = run.problem or {}
    since, times = before.get("since", now), before.get("times", 0)
    if now - since > GIVE_UP_S:
        _finish(parts, run, "incomplete", _problem(error))
        return
    delay = max(error.retry_after or 0.0, min(60.0, 0.7 * 2 ** min(times, 8)))
    held = {**_problem(error), "since": since, "times": times + 1, "until": now + delay}
    with parts.database.write() as tx:
        runs.hold(tx, run.id, held)
    log.warning("run held", connection=run.connection_id, run=run.id, phase=run.phase, code=error.code)


def _finish(parts: Parts, run: Run, state: str, problem: Any) -> None:
    with parts.database.write() as tx:
        runs.finish(tx, run.id, state, problem)
        if run.trigger == "export" and not run.dry and state != "stopped":
            exports.drop_of_run(tx, run.id)
    log.info("run ended", connection=run.connection_id, run=run.id, state=state)


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


__all__ = ["BULK", "failed", "start_run", "step", "visit", "waits"]
