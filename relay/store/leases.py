"""Claims on work: one row, taken by a conditional update, let go by itself after 15 s unless its holder renews it."""

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
import structlog

from relay.store.database import Database, Tx, Unavailable, insert, now_sql
from relay.store.tables import leases

SECONDS = 15.0
log = structlog.get_logger()


class Lost(Exception):
    """Somebody else may hold the claim now: whoever sees this writes no more."""


class Lease:
    """A held claim. `check()` before every write to a remote."""

    def __init__(self, database: Database, name: str) -> None:
        self.database, self.name = database, name
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._ends = 0.0
        self._done = threading.Event()

    def check(self) -> None:
        """By what was last granted, not by what the renewing thread found out: a process that was stopped for a minute
        wakes in any of its threads first. :raise Lost: when that is over."""
        if time.monotonic() >= self._ends:
            raise Lost(self.name)

    def take(self) -> bool:
        with self.database.write() as tx:
            free = (leases.c.until < now_sql(tx)) | (leases.c.owner == self.owner)
            ends = self._grant(tx, free)
            if ends is None:
                tx.execute(insert(tx, leases, ("name",)), {"name": self.name, "owner": "", "until": 0.0})
                ends = self._grant(tx, free)
        self._ends = ends or 0.0
        return ends is not None

    def _grant(self, tx: Tx, mine: sa.ColumnElement[bool]) -> float | None:
        """When it ends by our own clock, which is asked first: never after the database's own idea of it."""
        ends = time.monotonic() + SECONDS
        granted = sa.update(leases).where(leases.c.name == self.name, mine)
        rows = tx.execute(granted.values(owner=self.owner, until=now_sql(tx) + SECONDS)).rowcount
        return ends if rows == 1 else None

    def renew(self) -> None:
        """Renews every third of its length in a thread of its own, since a call to CM may take minutes."""
        while not self._done.wait(SECONDS / 3):
            try:
                with self.database.write() as tx:
                    ends = self._grant(tx, (leases.c.owner == self.owner) & (leases.c.until > now_sql(tx)))
            except Unavailable:
                continue  # what was granted before holds to its end, and is over when the database is away for longer
            except Exception:
                log.exception("claim not renewed", claim=self.name)
                return  # it ends by itself
            if self._done.is_set():
                return  # it was let go of meanwhile
            if ends is None:
                self._ends = 0.0
                log.warning("claim lost", claim=self.name)
                return
            self._ends = ends

    def release(self) -> None:
        self._done.set()
        self._ends = 0.0
        try:
            with self.database.write() as tx:
                tx.execute(
                    sa.update(leases).where(leases.c.name == self.name, leases.c.owner == self.owner).values(until=0.0)
                )
        except Unavailable:
            pass  # it ends by itself


@contextmanager
def claim(database: Database, name: str) -> Iterator[Lease | None]:
    """The claim `name`, or None when somebody else holds it."""
    lease = Lease(database, name)
    if not lease.take():
        yield None
        return
    threading.Thread(target=lease.renew, name=f"renew {name}", daemon=True).start()
    HELD.add(lease)
    try:
        yield lease
    finally:
        HELD.discard(lease)
        lease.release()


HELD: set[Lease] = set()
"""The claims of this process, so that a worker that is told to end can let go of them."""
