"""The schema is what the code says; a delivery is kept once, and not for ever; secrets outlive their keys."""

from __future__ import annotations

import time
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from cryptography.fernet import Fernet

from relay.errors import NeedsPerson
from relay.store import deliveries, migrate
from relay.store.arrivals import Arrivals
from relay.store.connections import Connection
from relay.store.database import Broken, Unavailable
from relay.store.secrets import Vault
from relay.store.tables import metadata
from relay.sync.parts import Parts

DAY = 86400.0


def row(key: str = "msg_1", connection: str = "bayside", **more: Any) -> dict[str, Any]:
    sent = {"connection_id": connection, "key": key, "type": "participant.updated", "subject": "1"}
    return {**sent, "received_at": time.time(), "headers": "{}", "body": b"locked", "state": "waiting", **more}


def test_the_migrations_make_the_tables_that_the_code_knows(parts: Parts) -> None:
    with parts.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    assert migrate.current(parts.database)
    assert migrate.upgrade(parts.database) == migrate.newest()


def test_a_delivery_is_stored_once_for_each_connection(parts: Parts) -> None:
    arrivals = Arrivals(parts.database)
    assert arrivals.store([row("a"), row("b")]) == {("bayside", "a"), ("bayside", "b")}
    assert arrivals.store([row("a"), row("c")]) == {("bayside", "c")}
    assert arrivals.store([row("a", "elsewhere")]) == {("elsewhere", "a")}


def test_any_number_of_deliveries_is_stored_at_once(parts: Parts) -> None:
    assert len(Arrivals(parts.database).store([row(f"msg_{number}") for number in range(250)])) == 250
    with parts.database.read() as tx:
        assert deliveries.counts(tx, "bayside") == {"waiting": 250}


def test_the_door_stores_again_after_its_connection_broke(parts: Parts) -> None:
    arrivals = Arrivals(parts.database)
    arrivals.store([row("a")])
    arrivals.connection.dbapi_connection.close()
    with pytest.raises((Broken, Unavailable)):
        arrivals.store([row("b")])
    assert arrivals.store([row("b")]) == {("bayside", "b")}


def test_bodies_go_after_14_days_and_keys_after_30_but_never_what_still_waits(
    parts: Parts, connection: Connection
) -> None:
    ages = {"new": 1, "old": 15, "oldest": 31, "waits": 31}
    rows = [
        row(key, connection.id, received_at=time.time() - age * DAY, state="waiting" if key == "waits" else "applied")
        for key, age in ages.items()
    ]
    Arrivals(parts.database).store(rows)
    with parts.database.write() as tx:
        deliveries.purge(tx)
        left = {item.key: item.body for item in deliveries.search(tx, connection.id)}
    assert left == {"new": b"locked", "old": None, "waits": b"locked"}


def test_what_was_stored_for_a_connection_that_is_no_more_goes_even_if_it_waits(
    parts: Parts, connection: Connection
) -> None:
    Arrivals(parts.database).store([row("theirs", connection.id), row("orphan", "removed-a-moment-ago")])
    with parts.database.write() as tx:
        deliveries.purge(tx)
        assert deliveries.search(tx, "removed-a-moment-ago") == []
        assert [item.key for item in deliveries.search(tx, connection.id)] == ["theirs"]


def test_a_failing_statement_tells_no_values(parts: Parts) -> None:
    with pytest.raises(Broken) as failure:
        Arrivals(parts.database).store([row(state=None, subject="someone@example.com")])
    assert "someone@example.com" not in str(failure.value)


def test_a_rotated_key_reads_what_the_old_one_locked_and_the_old_one_can_then_go() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    locked = Vault([old]).lock({"token": "t"})
    assert Vault([new, old]).unlock(locked) == {"token": "t"}
    assert Vault([new]).unlock(Vault([new, old]).rotate(locked)) == {"token": "t"}
    with pytest.raises(NeedsPerson, match="RELAY_ENCRYPTION_KEYS"):
        Vault([new]).unlock(locked)


def test_a_sealed_body_is_read_with_any_of_the_keys_and_with_no_other() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    sealed = Vault([old]).seal(b"althea@example.com")
    assert b"althea" not in sealed
    assert Vault([old]).seal(b"althea@example.com") != sealed
    assert Vault([new, old]).unseal(sealed) == b"althea@example.com"
    assert Vault([new, old]).unseal(Fernet(old).encrypt(b"stored by an older version")) == b"stored by an older version"
    for spoilt in (sealed[:-1] + bytes([sealed[-1] ^ 1]), sealed[:10], b"", b"\x01"):
        with pytest.raises(NeedsPerson):
            Vault([new, old]).unseal(spoilt)
    with pytest.raises(NeedsPerson, match="RELAY_ENCRYPTION_KEYS"):
        Vault([new]).unseal(sealed)
