"""What both simulators and the database hold at one moment, to begin any number of tests there."""

from __future__ import annotations

import io
import pickle
import sqlite3
import threading
import time
from typing import Any

from relay.store.database import Database
from relay.store.tables import metadata
from sandbox.campaign_monitor import Account
from sandbox.campaign_monitor.hooks import Postman
from sandbox.ehq import Site
from sandbox.ehq.emitter import Emitter

FRESH_S = 60
"""Nothing in a test is longer ago than this, or a test would depend on which were run before it."""
TABLES = metadata.sorted_tables
EMPTY = "; ".join(
    [
        *(f'DELETE FROM "{table.name}"' for table in reversed(TABLES)),  # far faster than TRUNCATE where little is
        "SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S'",
    ]
)
COLUMNS = {
    table.name: ", ".join(f'"{column.name}"' for column in table.columns if column.computed is None) for table in TABLES
}
NUMBERS = "; ".join(
    f"SELECT setval(pg_get_serial_sequence('{table.name}', '{key.name}'), max({key.name})) FROM \"{table.name}\""
    for table in TABLES
    if (key := table.autoincrement_column) is not None
)


class Moment:
    """PostgreSQL keeps it in a schema of this name."""

    def __init__(self, name: str, database: Database, site: Site, account: Account) -> None:
        self.since, self.name = time.monotonic(), name
        self.held = frozen((site, account))
        if database.sqlite:
            self.file = sqlite3.connect(":memory:", check_same_thread=False)
            with sqlite3.connect(database.engine.url.database or "") as live:
                live.backup(self.file)
        else:
            with database.write() as tx:
                tx.exec_driver_sql(f"DROP SCHEMA IF EXISTS {name} CASCADE; CREATE SCHEMA {name}")
                for table, columns in COLUMNS.items():
                    tx.exec_driver_sql(f'CREATE TABLE {name}."{table}" AS SELECT {columns} FROM "{table}"')

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() < self.since + FRESH_S

    def restore(self, database: Database) -> None:
        """Into an empty database."""
        if database.sqlite:
            with sqlite3.connect(database.engine.url.database or "") as live:
                self.file.backup(live)
        else:
            with database.write() as tx:
                tx.exec_driver_sql(
                    "; ".join(
                        f'INSERT INTO "{table}" ({columns}) SELECT * FROM {self.name}."{table}"'
                        for table, columns in COLUMNS.items()
                    )
                )
                tx.exec_driver_sql(NUMBERS)

    def states(self) -> tuple[Site, Account]:
        site, account = pickle.loads(self.held)
        return site, working(account)


def working(account: Account) -> Account:
    """Posts what its lists have to say."""
    account.postman = Postman(account)
    return account


def frozen(states: Any) -> bytes:
    """Everything held, without the threads that work with it and the locks between them: a copy has its own."""
    file = io.BytesIO()
    Pickler(file).dump(states)
    return file.getvalue()


class Pickler(pickle.Pickler):
    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, type(threading.Lock())):
            return threading.Lock, ()
        if isinstance(thing, type(threading.RLock())):
            return threading.RLock, ()
        if isinstance(thing, Emitter):
            return Emitter, (thing.faults,)
        if isinstance(thing, Postman):
            return type(None), ()
        return NotImplemented  # pickle's word for: as always
