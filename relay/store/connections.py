"""Connections: one EHQ site, one CM list, the rules between, and whether writing may go on."""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from relay.domain.rules import Rules
from relay.store.database import Tx
from relay.store.tables import connections

FIRST_HOLD_S, LONGEST_HOLD_S = 1.0, 60.0


@dataclass(frozen=True, slots=True)
class Connection:
    id: str
    name: str
    created_at: float
    ehq_url: str
    ehq_credential: str
    cm_credential: str | None
    cm_token_expires_at: float | None
    cm_client_id: str | None
    cm_list_id: str | None
    cm_list_name: str | None
    webhook_secrets: str
    rules: Rules
    state: str
    problem: Mapping[str, Any] | None
    held_until: float | None
    held_times: int
    segments_due: bool
    remap_due: bool
    next_run_at: float | None
    cm_hook: str | None = None
    cm_hook_problem: Mapping[str, Any] | None = None
    reads: str = "api"
    exported_at: float | None = None
    """When the export was made that was last read to its end; 0 while the first one is read."""
    segments_after: float | None = None
    rules_kept: Mapping[str, Any] | None = None
    switches: Mapping[str, Any] | None = None
    cm_account: str | None = None
    compared_rules: Mapping[str, Any] | None = None
    """{"audience", "overrides"}"""
    read_overrides: str | None = None
    list_unread: bool = False
    """Whether an earlier connection wrote to this list, and no run of this one has read it yet."""

    @property
    def writable(self) -> bool:
        return self.state == "on" and self.cm_list_id is not None

    @property
    def unasked(self) -> bool:
        """Whether nobody could choose yet who is on the list and what travels: with EHQ's API the set-up asks."""
        return self.reads == "export" and not self.exported_at

    @property
    def reads_first(self) -> bool:
        """Whether nobody is written before a run: who opted out may stand at an address that they left since."""
        return self.unasked or self.list_unread

    def run_due(self, now: float) -> bool:
        return self.next_run_at is None or self.next_run_at <= now

    @property
    def segments_now(self) -> bool:
        """Whether segments are to be looked at, and CM was not busy with one a moment ago."""
        return self.segments_due and (self.segments_after or 0.0) <= time.time()

    def held(self, now: float) -> bool:
        return self.held_until is not None and self.held_until > now


def _read(row: sa.RowMapping) -> Connection:
    return Connection(**{**row, "rules": Rules.model_validate(row["rules"])})


def find(tx: Tx, connection_id: str, *, lock: bool = False) -> Connection | None:
    """`lock`: nobody else changes it until the transaction ends."""
    query = sa.select(connections).where(connections.c.id == connection_id)
    row = tx.execute(query.with_for_update() if lock else query).mappings().first()
    return _read(row) if row else None


def everyone(tx: Tx) -> list[Connection]:
    rows = tx.execute(sa.select(connections).order_by(connections.c.created_at)).mappings()
    return [_read(row) for row in rows]


def add(tx: Tx, **values: Any) -> None:
    tx.execute(sa.insert(connections).values(**{"rules": {}, **values}))


def change(tx: Tx, connection_id: str, **values: Any) -> None:
    tx.execute(sa.update(connections).where(connections.c.id == connection_id).values(**values))


def hold(tx: Tx, connection_id: str, times: int, problem: Mapping[str, Any], at_least: float | None = None) -> float:
    """Pause after a failure that may pass."""
    delay = pause_s(times, at_least)
    change(tx, connection_id, held_until=time.time() + delay, held_times=times + 1, problem=problem)
    return delay


def pause_s(times: int, at_least: float | None = None) -> float:
    """How long, after so many before: at most 1 s at first, doubling with jitter, never over 60 s."""
    delay = min(LONGEST_HOLD_S, FIRST_HOLD_S * 2 ** min(times, 10)) * random.uniform(0.5, 1.0)
    return float(min(LONGEST_HOLD_S, max(delay, at_least or 0.0)))


def succeeded(tx: Tx, connection: Connection) -> None:
    """The first success forgets every pause before it, but not that a person is needed for something else."""
    if connection.held_times:
        told = {"problem": None} if connection.state == "on" else {}
        change(tx, connection.id, held_until=None, held_times=0, **told)
