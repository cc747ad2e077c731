"""Who may log in: their role, and whether they may still."""

import secrets
import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from relay.store import database
from relay.store.database import Tx
from relay.store.tables import users

ROLES = ("viewer", "operator", "admin")
"""Each may do what the ones before may."""
_c = users.c


@dataclass(frozen=True, slots=True)
class User:
    """`round` is part of every session and link of theirs: when it grows, all of them end."""

    id: int
    email: str
    name: str
    role: str
    password_hash: str | None
    created_at: float
    disabled: bool
    round: int
    last_seen_at: float | None

    @property
    def state(self) -> str:
        return "disabled" if self.disabled else "invited" if self.password_hash is None else "active"

    def may(self, role: str) -> bool:
        return not self.disabled and role in ROLES and ROLES.index(self.role) >= ROLES.index(role)


def find(tx: Tx, user_id: int) -> User | None:
    return _one(tx, _c.id == user_id)


def by_email(tx: Tx, email: str) -> User | None:
    return _one(tx, _c.email == email.strip().lower())


def _one(tx: Tx, which: sa.ColumnElement[bool]) -> User | None:
    row = tx.execute(sa.select(users).where(which)).mappings().first()
    return User(**row) if row else None


def everyone(tx: Tx, limit: int = 1000) -> list[User]:
    return [User(**row) for row in tx.execute(sa.select(users).order_by(_c.name, _c.id).limit(limit)).mappings()]


def any_at_all(tx: Tx) -> bool:
    return tx.execute(sa.select(_c.id).limit(1)).first() is not None


def add(tx: Tx, email: str, name: str, role: str, password_hash: str | None = None) -> User | None:
    """None when someone has that address already."""
    values = {
        "email": email.strip().lower(),
        "name": name,
        "role": role,
        "password_hash": password_hash,
        "created_at": time.time(),
        "round": secrets.randbelow(
            2**30
        ),  # SQLite gives an id again: sessions and links of the former end all the same
    }
    try:
        with tx.begin_nested():
            user_id = tx.execute(sa.insert(users).values(**values).returning(_c.id)).scalar_one()
    except IntegrityError:
        return None
    return find(tx, user_id)


def change(tx: Tx, user_id: int, *, ends: bool = False, **values: Any) -> None:
    """`ends`: every session and every link of theirs ends."""
    if ends:
        values["round"] = _c.round + 1
    tx.execute(sa.update(users).where(_c.id == user_id).values(**values))


def alone(tx: Tx) -> None:
    """Until this transaction ends nobody else changes who may do what: of two last admins one must stay."""
    database.alone(tx, "users")


def admins(tx: Tx) -> int:
    """How many can administer: with a password, and not disabled."""
    who = _c.role == "admin", ~_c.disabled, _c.password_hash.is_not(None)
    return tx.execute(sa.select(sa.func.count()).where(*who)).scalar_one()
