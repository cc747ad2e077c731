"""Rings for what was forgotten, starts what is due, renews tokens early, purges what is old.

Any number of clocks may run: each thing they do is decided by a conditional update, or harmless twice.
"""

import time

import structlog

from relay.domain.rules import Rules
from relay.domain.schedule import day
from relay.errors import RelayError
from relay.store import audit, connections, days, deliveries, exports, members, removals, runs
from relay.store.connections import Connection
from relay.store.database import Unavailable
from relay.sync import work
from relay.sync.health import problems
from relay.sync.parts import Parts
from relay.sync.runs.start import start_due

TICK_S, BEAT_S = 2.0, 10.0
RING_AGAIN_S, PROBLEMS_S, PURGE_S, TOKENS_S = 5, 60, 3600, 3600
STALLED_S = 8.0
log = structlog.get_logger()


def run(parts: Parts) -> None:
    """Ticks until told to stop. Losing the database or Redis is said once, and waited out."""
    away, beaten = False, 0.0
    while not parts.stopping.wait(TICK_S):
        try:
            tick(parts)
            if time.monotonic() > beaten + BEAT_S:
                beaten = time.monotonic()
                with parts.database.write() as tx:
                    days.beat(tx, "clock", time.time())
            if away:
                log.info("database back")
            away = False
        except Unavailable as error:
            if not away:
                log.error("clock waits", message=error.message, remedy=error.remedy)
            away = True
        except Exception:
            log.exception("tick failed")


def tick(parts: Parts) -> None:
    with parts.database.read() as tx:
        everyone = connections.everyone(tx)
        under_way = {run.connection_id: run for run in runs.under_way(tx)}
        groups_due = members.connections_due(tx)
    now = time.time()
    for connection in everyone:
        if work.waits(parts, connection.id) and parts.queue.once(f"live:{connection.id}", RING_AGAIN_S):
            parts.queue.ring(connection.id, always=True)
        if connection.id in groups_due and parts.queue.once(f"group:{connection.id}", RING_AGAIN_S):
            parts.queue.group(connection.id)
        running = under_way.get(connection.id)
        if running is not None:
            held = (running.problem or {}).get("until", 0.0)
            stalled = running.stepped_at < now - STALLED_S or (held and held <= now)
            if held <= now and stalled and parts.queue.once(f"step:{running.id}", RING_AGAIN_S):
                parts.queue.step(running.id)
        elif connection.writable and (connection.run_due(now) or connection.remap_due):
            start_due(parts, connection.id)
        if parts.queue.once(f"problems:{connection.id}", PROBLEMS_S):
            problems.note(parts, connection)
        if connection.cm_token_expires_at and parts.queue.once(f"token:{connection.id}", TOKENS_S):
            _renew(parts, connection)
    if parts.queue.once("purge", PURGE_S):
        with parts.database.write() as tx:
            deliveries.purge(tx)
            audit.purge(tx)
            exports.purge(tx)
            removals.purge(tx)
            days.purge(tx, day(Rules(), now - days.KEPT * 86400))


def _renew(parts: Parts, connection: Connection) -> None:
    """Two days early (CM contract §1.3), so that a weekend without CM's OAuth server does no harm."""
    try:
        keep_fresh = getattr(parts.campaign_monitor(connection).credential, "keep_fresh", None)
        if keep_fresh and keep_fresh():
            log.info("token renewed", connection=connection.id)
    except RelayError as error:
        log.warning("token not renewed", connection=connection.id, code=error.code, message=error.message)
