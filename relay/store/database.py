"""One engine a process, and transactions that say whether they write."""

import os
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError

from relay.errors import RelayError

BUSY_S = 20
NOTICED = {"tcp_user_timeout": 10_000, "keepalives_idle": 30, "keepalives_interval": 5, "keepalives_count": 3}
"""A server that vanished without a word is noticed in seconds, not after the kernel's quarter of an hour."""
Tx = sa.Connection


class Unavailable(RelayError):
    """The database cannot be reached or cannot store just now."""


class Broken(Exception):
    """The database refused what we asked: a bug of ours, told without anybody's data."""


class Database:
    """Reads and writes in transactions. On SQLite every writing one begins as one (BEGIN IMMEDIATE): a transaction
    that reads first and writes later would fail at once when another writes in between, whatever the time-out."""

    def __init__(self, url: str) -> None:
        self.sqlite = url.startswith("sqlite")
        self.closing: list[Callable[[], None]] = []
        """What else has to be closed with it."""
        options: dict[str, Any] = {"connect_args": {"timeout": BUSY_S, "check_same_thread": False}}
        if not self.sqlite:
            options = {
                "pool_pre_ping": True,
                "pool_size": 10,
                "max_overflow": 20,
                "connect_args": {"connect_timeout": 5, "application_name": "relay", **NOTICED},
            }
        self.engine = sa.create_engine(
            url, hide_parameters=True, json_serializer=_dumps, json_deserializer=orjson.loads, **options
        )
        if self.sqlite:
            sa.event.listen(self.engine, "connect", _prepare_sqlite)
            sa.event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[Tx]:
        with said(), self._begun(self.engine.connect()) as tx:
            yield tx

    @contextmanager
    def write(self) -> Iterator[Tx]:
        with said(), self._begun(self.engine.connect().execution_options(relay_writes=True)) as tx:
            yield tx

    @contextmanager
    def _begun(self, connection: Tx) -> Iterator[Tx]:
        """A mistake of ours amid the rows of an answer keeps its cursor open for as long as its traceback lives, and
        SQLite keeps what the cursor reads as it was then: whoever got that connection next would be told "locked"."""
        with connection, connection.begin():
            try:
                yield connection
            except Exception as error:
                if self.sqlite and not isinstance(error, RelayError):
                    connection.invalidate()
                raise

    def close(self) -> None:
        for close in self.closing:
            close()
        self.engine.dispose()


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself; see _begin_sqlite
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    with_name = connection.execute("PRAGMA database_list").fetchone()[2]
    if with_name and os.access(with_name, os.F_OK):
        os.chmod(with_name, 0o600)  # noqa: PTH101  (people's data: for this user only, whatever the umask)


def _begin_sqlite(connection: Tx) -> None:
    writes = connection.get_execution_options().get("relay_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def said() -> Iterator[None]:
    """Connection trouble as one plain failure without the statement and its values."""
    try:
        yield
    except DBAPIError as error:
        if isinstance(error, OperationalError) or error.connection_invalidated:
            raise unavailable(type(error.orig).__name__) from None
        # A bug of ours. The error's own text carries the values; the statement has only their places.
        raise Broken(f"{type(error.orig).__name__}: {error.statement}") from None
    except (sqlite3.OperationalError, psycopg.OperationalError) as error:
        raise unavailable(type(error).__name__) from None
    except (sqlite3.Error, psycopg.Error) as error:
        raise Broken(f"{type(error).__name__} of the driver's own cursor") from None


def unavailable(reason: str) -> Unavailable:
    return Unavailable(
        f"The database does not answer ({reason}).",
        remedy="Is DATABASE_URL right, the server up, and its disk not full?",
    )


def insert(tx: Tx, table: sa.Table, key: tuple[str, ...]) -> Any:
    """INSERT that leaves a row with the same `key` as it is. Rows go to `execute`: it is compiled once."""
    return insert_or(tx, table).on_conflict_do_nothing(index_elements=list(key))


def insert_or(tx: Tx, table: sa.Table) -> Any:
    """INSERT that the caller tells what to do on conflict, which both kinds of database call the same."""
    return (sqlite if tx.dialect.name == "sqlite" else postgresql).insert(table)


def among(tx: Tx, column: sa.ColumnElement[Any], items: Collection[Any]) -> sa.ColumnElement[bool]:
    """`column IN items` as one parameter: as many items as there are, and a statement that is compiled once."""
    if tx.dialect.name == "sqlite":
        listed = sa.func.json_each(_dumps(list(items))).table_valued("value")
        return column.in_(sa.select(listed.c.value))
    return column == sa.any_(sa.literal(list(items), sa.ARRAY(column.type)))


def analyze(tx: Tx, table: sa.Table) -> None:
    """Tells the planner that a table has grown: until it knows, it reads all of it to find a few.

    SQLite would pass over an index all of whose values were one when it looked, as those of a column that is filled
    later; of such it is told nothing.
    """
    tx.exec_driver_sql(f'ANALYZE "{table.name}"')
    if tx.dialect.name == "sqlite":
        for index, counts in tx.exec_driver_sql(
            "SELECT idx, stat FROM sqlite_stat1 WHERE tbl = ?", (table.name,)
        ).all():
            if index and len(set(counts.split())) == 1:
                tx.exec_driver_sql("DELETE FROM sqlite_stat1 WHERE idx = ?", (index,))
        tx.exec_driver_sql("ANALYZE sqlite_master")


def alone(tx: Tx, what: str) -> None:
    """Until this transaction ends nobody else is alone at `what`: who looks before they add sees what was added."""
    if tx.dialect.name != "sqlite":  # there, every writing transaction is alone
        tx.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(what, 0))))


def now_sql(tx: Tx) -> sa.ColumnElement[float]:
    """The database's own clock as epoch seconds: claims must not depend on which machine's clock is right."""
    if tx.dialect.name == "sqlite":
        return sa.literal_column("(julianday('now') - 2440587.5) * 86400.0", sa.Double)
    return sa.literal_column("extract(epoch from clock_timestamp())::double precision", sa.Double)
