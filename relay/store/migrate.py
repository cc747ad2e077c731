"""The schema's history, applied by Alembic: `relay migrate`, and the release phase.

Alembic is imported by whoever needs it: that takes as long as all of SQLAlchemy, and most commands do not.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from relay.store.database import Database, said

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK = 7_303_014_521
"""Of PostgreSQL's advisory locks: two releases at once migrate one after the other."""


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    return config


def upgrade(database: Database) -> str:
    """Brings the schema to the newest version and answers it. :raise Unavailable:"""
    from alembic import command

    config = _config()
    with said(), database.engine.connect().execution_options(relay_writes=True) as connection, connection.begin():
        if not database.sqlite:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return newest()


def newest() -> str:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def current(database: Database) -> bool:
    """Whether the schema is the one this code was written for. :raise Unavailable:"""
    from alembic.runtime.migration import MigrationContext

    with database.read() as tx:
        return MigrationContext.configure(tx).get_current_revision() == newest()
