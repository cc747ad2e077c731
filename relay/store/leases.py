"""Claims on work: one row, taken by a conditional update, let go by itself after 15 s unless its holder renews it."""

import os
import socket
import threading
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
        self._lost = threading.Event()
        self._done = threading.Event()

    def check(self) -> None:
        if self._lost.is_set():
            raise Lost(self.name)

    def take(self) -> bool:
        with self.database.write() as tx:
            if self._take(tx):
                return True
            tx.execute(insert(tx, leases, ("name",)), {"name": self.name, "owner": "", "until": 0.0})
            return self._take(tx)

    def _take(self, tx: Tx) -> bool:
        now = now_sql(tx)
        taken = tx.execute(
            sa.update(leases)
            .where(leases.c.name == self.name, (leases.c.until < now) | (leases.c.owner == self.owner))
            .values(owner=self.owner, until=now + SECONDS)
        )
        return taken.rowcount == 1

    def renew(self) -> None:
        """Renews every third of its length in a thread of its own, since a call to CM may take minutes."""
        while not self._done.wait(SECONDS / 3):
            try:
                with self.database.write() as tx:
                    now = now_sql(tx)
                    kept = tx.execute(
                        sa.update(leases)
                        .where(leases.c.name == self.name, leases.c.owner == self.owner, leases.c.until > now)
                        .values(until=now + SECONDS)
                    )
                if kept.rowcount == 1:
                    continue
            except Unavailable:
                pass  # not renewed: by the time the database answers again, it may be somebody else's
            if self._done.is_set():
                return  # it was let go of meanwhile
            self._lost.set()
            log.warning("claim lost", claim=self.name)
            return

    def release(self) -> None:
        self._done.set()
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
