"""One visit to a connection: what arrived is applied, whoever waits is written; and what becomes of failures."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog

from relay.errors import NeedsPerson, RelayError, RetryLater
from relay.store import asked as wishes
from relay.store import connections, deliveries, members, participants, runs
from relay.store import hints as hinted
from relay.store.connections import Connection
from relay.store.database import Tx
from relay.store.leases import Lease, Lost, claim
from relay.store.participants import BULK, LEAVING, LIVE
from relay.sync.intake import hints
from relay.sync.intake.apply import apply_waiting
from relay.sync.parts import Parts
from relay.sync.people import asked
from relay.sync.picture import Picture
from relay.sync.runs.start import start_run
from relay.sync.structure import groups
from relay.sync.upsert.write import Visit

VISIT_S = 5.0
"""How long one connection may keep a worker while others wait for their turn."""
LEAVERS_TRY_S = 60.0
LIST_WAIT_S = 3.0
OURS, BUG = "The relay failed on our side; nothing is lost.", "bug"
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
        while _look(parts, connection_id, lease, ends) and _may_go_on(parts, connection_id, ends):
            pass
    if waits(parts, connection_id):
        parts.queue.ring(connection_id)
    with parts.database.read() as tx:
        told = members.due(tx, connection_id)
    if told:
        parts.queue.group(connection_id)


def _may_go_on(parts: Parts, connection_id: str, ends: float) -> bool:
    """To end a visit costs about as much time as an import, in which CM has nothing to do."""
    return not parts.stopping.is_set() and (time.monotonic() < ends or not parts.queue.others_wait(connection_id))


def _look(parts: Parts, connection_id: str, lease: Lease, ends: float) -> bool:
    """One look. Answers whether there may be more to do."""
    with parts.database.read() as tx:
        connection = connections.find(tx, connection_id)
    if connection is None:
        return False
    try:
        lease.check()
        applied = apply_waiting(parts, connection)
        with parts.database.read() as tx:
            lanes = open_lanes(tx, connection)
        visit = Visit(parts, connection, lease) if lanes else None
        if visit:
            written = asked.write(visit, lanes, lambda: _meanwhile(visit, lanes, ends))
            again = _hinted(visit, lanes)
        else:
            written, again = asked.without_cm(parts, connection), 0
        if not applied and not written and not again and LIVE in lanes:
            with parts.database.read() as tx:
                fresh = connections.find(tx, connection_id)
                picture = Picture.load(tx, connection)
            if fresh and fresh.segments_now:
                groups.due_segments(parts, parts.campaign_monitor(connection), lease, picture)
        return bool(applied or written or again)
    except Lost:
        return False
    except RelayError as error:
        failed(parts, connection, error)
        return False
    except Exception:
        log.exception("visit failed", connection=connection.id)
        failed(parts, connection, our_mistake())
        return False


def our_mistake() -> RetryLater:
    return RetryLater(OURS, remedy="Tell whoever looks after the relay: the worker's log says more.", code=BUG)


def _hinted(visit: Visit, lanes: Sequence[int]) -> int:
    """Reads again some of those about whom CM sent word; when there are very many, a run reads the list by pages. Not
    before a first run that does so: whom a subscriber names need not be known yet."""
    if visit.connection.reads_first:
        return 0
    if LIVE in lanes and hints.crowded(visit.parts, visit.connection):
        start_run(visit.parts, visit.connection.id, trigger="change", phase="campaign_monitor")
    return hints.read_again(visit)


def _meanwhile(visit: Visit, lanes: Sequence[int], ends: float) -> bool:
    """While an import is under way: takes in what arrived. Whether the visit may go on as it began."""
    parts = visit.parts
    if apply_waiting(parts, visit.connection):
        visit.look_again()
    with parts.database.read() as tx:
        now = connections.find(tx, visit.connection.id)
        as_before = now is not None and now.rules == visit.connection.rules and open_lanes(tx, now) == lanes
        interrupted = wishes.any_waiting(tx, visit.connection.id, asked.words(visit.connection, lanes))
        interrupted = interrupted or hinted.more_than(tx, visit.connection.id, 0)
    return as_before and not interrupted and _may_go_on(parts, visit.connection.id, ends)


def open_lanes(tx: Tx, connection: Connection) -> tuple[int, ...]:
    """Who may be written just now. Leaving is never delayed: neither a pause nor waiting for a person stops it, and
    whoever began to leave since CM last failed is tried at once."""
    if connection.state == "setup" or connection.cm_list_id is None or connection.cm_credential is None:
        return ()
    if connection.held(time.time()):
        failed_at = (connection.problem or {}).get("since", time.time())
        return (LEAVING,) if participants.any_waiting(tx, connection.id, (LEAVING,), failed_at) else ()
    if connection.state != "on" or connection.reads_first:
        return (LEAVING,)
    # Whom a run left waiting (CM took them too often, or failed for long) need not wait for the next one.
    return (LEAVING, LIVE, BULK) if runs.left_some(tx, connection.id) else (LEAVING, LIVE)


def waits(parts: Parts, connection_id: str) -> bool:
    """Whether a visit would find something to do."""
    with parts.database.read() as tx:
        connection = connections.find(tx, connection_id)
        if connection is None:
            return False
        if connection.held(time.time()) and (connection.problem or {}).get("code") == BUG:
            return False  # our mistake would be made again at once
        lanes = open_lanes(tx, connection)
        if deliveries.any_waiting(tx, connection_id):
            return True
        return wishes.any_waiting(tx, connection_id, asked.words(connection, lanes)) or bool(
            lanes
            and (
                participants.any_waiting(tx, connection_id, lanes)
                or (hinted.more_than(tx, connection_id, 0) and not connection.reads_first)
                or (connection.segments_now and LIVE in lanes)
            )
        )


@contextmanager
def list_claim(parts: Parts, connection_id: str) -> Iterator[Lease]:
    """The list's claim for something that is not live. :raise Busy: when live changes hold it for long."""
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
