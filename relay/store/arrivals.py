"""How the door stores what arrives: the driver's own connection, one statement, one commit.

Building a statement, asking a pool, pinging and beginning cost several times what the insert costs (bin/bench, row
"ingest"). So the door keeps one connection of its own, and says no more on it than has to be said.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from relay.store.database import Database, said, unavailable

STORED = ("connection_id", "key", "type", "subject", "received_at", "headers", "body", "state")
INSERT = f"INSERT INTO deliveries ({', '.join(STORED)})"
IF_NEW = "ON CONFLICT (connection_id, key) DO NOTHING RETURNING connection_id, key"
MOST_AT_ONCE = 100
"""Rows in one statement. Statements of few rows, which come again and again, are prepared by the driver."""
Row = Mapping[str, Any]


class Arrivals:
    """Stores deliveries; used by one thread at a time. Opens nothing before the first row: gunicorn forks."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.connection: Any = None
        self.turn: int | None = None
        place = "?" if database.sqlite else "%s"
        places = ", ".join("%b" if name == "body" and not database.sqlite else place for name in STORED)
        self._one = f"({places})"
        database.closing.append(self.close)

    def store(self, rows: Sequence[Row]) -> set[tuple[str, str]]:
        """Inserts, durably, what was not seen before; answers the (connection, key) pairs that are new.

        :raise Unavailable: when nothing was stored, or it cannot be told whether it was. Then the next call begins
        anew, and what is stored twice is known by its key.
        """
        new: set[tuple[str, str]] = set()
        try:
            with said():
                cursor = self._open()
                with self._transaction(cursor):
                    for start in range(0, len(rows), MOST_AT_ONCE):
                        new |= self._insert(cursor, rows[start : start + MOST_AT_ONCE])
        except BaseException:
            self.close()
            raise
        return new

    def close(self) -> None:
        connection, self.connection = self.connection, None
        turn, self.turn = self.turn, None
        if connection is not None:
            with contextlib.suppress(Exception):  # it may be broken already
                connection.close()
        if turn is not None:
            os.close(turn)

    def _insert(self, cursor: Any, rows: Sequence[Row]) -> set[tuple[str, str]]:
        statement = " ".join([INSERT, "VALUES", ", ".join([self._one] * len(rows)), IF_NEW])
        cursor.execute(statement, [row[name] for row in rows for name in STORED])
        return {(connection_id, key) for connection_id, key in cursor.fetchall()}

    def _open(self) -> Any:
        if self.connection is None:
            self.connection = self.database.engine.raw_connection()
            self.connection.detach()  # never back into the pool
            if not self.database.sqlite:
                self.connection.dbapi_connection.autocommit = (
                    True  # each statement its own transaction: one round trip, not three
                )
        return self.connection.cursor()

    @contextlib.contextmanager
    def _transaction(self, cursor: Any) -> Iterator[None]:
        if not self.database.sqlite:
            yield
            return
        with self._our_turn():
            cursor.execute("BEGIN IMMEDIATE")
            yield
            cursor.execute("COMMIT")

    @contextlib.contextmanager
    def _our_turn(self) -> Iterator[None]:
        """Waits for its turn among the web processes: woken at once by the kernel, where SQLite itself would sleep for
        up to 100 ms between two looks whether the file is free."""
        if self.turn is None:
            try:
                self.turn = os.open(f"{self.database.engine.url.database}-door", os.O_RDWR | os.O_CREAT, 0o600)
            except OSError as error:
                raise unavailable(type(error).__name__) from None
        fcntl.flock(self.turn, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self.turn, fcntl.LOCK_UN)
