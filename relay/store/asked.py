"""What somebody asked for about one person: to be synced now, or to be erased. A worker does it with its next look."""

import time
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from relay.store.database import Tx, among
from relay.store.participants import change
from relay.store.person import Person, people, select
from relay.store.tables import changes
from relay.store.tables import participants as table

SYNC, READ, ERASE = "sync", "read", "erase"
"""`sync` is asked for by a person; the worker reads CM and compares, and it becomes `read` until they are written."""
AT_ONCE = 20
BLANK = (
    *("email", "sought", "page_asked_at", "page_updated_at", "cm_email", "cm_state", "cm_name", "put_at", "removed_at"),
    *("waiting_since", "refused_code", "refused_for", "refused_at", "held_until", "cause", "cause_run", "asked"),
    *("brake_run", "heard_at", "cm_hinted_at", "cm_moved_to"),
)
"""Columns of which nothing is left when somebody is erased."""
_c = table.c


def ask(tx: Tx, ids: Sequence[int], what: str) -> None:
    change(tx, ids, asked=what, held_until=None)


def waiting(tx: Tx, connection_id: str, words: Collection[str]) -> list[Person]:
    """Those of whom one of `words` was asked, but for those held back by CM."""
    query = select(connection_id).where(
        _c.asked.is_not(None), _c.asked.in_(words), (_c.held_until.is_(None)) | (_c.held_until <= time.time())
    )
    return people(tx, query.order_by(_c.id).limit(AT_ONCE))


def any_waiting(tx: Tx, connection_id: str, words: Collection[str]) -> bool:
    return bool(words) and bool(waiting(tx, connection_id, words))


def done(tx: Tx, ids: Sequence[int], following: str | None = None) -> None:
    change(tx, ids, asked=following)


def try_again(tx: Tx, ids: Sequence[int]) -> None:
    """What CM refused of them is sent once more."""
    change(tx, ids, refused_code=None, refused_for=None, refused_at=None)


def forget(tx: Tx, person: Person, mark: str | None) -> None:
    """Leaves of a person what keeps them from coming back by accident: their EHQ id, and `mark` of an address from
    which we removed them."""
    blank = dict.fromkeys(BLANK)
    change(
        tx,
        [person.id],
        **blank,
        values={"erased": True, "erased_at": time.time()},
        heard={},
        cm_fields={},
        why_not="erased",
        erased_mark=mark,
        gone=False,
        absent_runs=0,
        revision=_c.revision + 1,
    )
    tx.execute(sa.update(changes).where(changes.c.participant_id == person.id).values(detail=None))


def let_in(tx: Tx, person: Person) -> str | None:
    """What EHQ says of them counts again, from the next word on; that it was we who removed them stays known. Answers
    the mark of the address that was."""
    mark: str | None = tx.execute(sa.select(_c.erased_mark).where(_c.id == person.id)).scalar_one()
    ours = sa.case((_c.erased_mark.is_not(None), time.time()), else_=sa.null())
    blank: dict[str, Any] = {"values": {}, "why_not": "no_address", "page_asked_at": None, "erased_mark": None}
    change(tx, [person.id], **blank, removed_at=ours, revision=_c.revision + 1)
    return mark


def marked(tx: Tx, connection_id: str, marks: Collection[str]) -> set[str]:
    """Those of `marks` that stand on somebody erased."""
    if not marks:
        return set()
    query = sa.select(_c.erased_mark).where(_c.connection_id == connection_id, _c.erased_mark.is_not(None))
    return {mark for mark in tx.execute(query.where(among(tx, _c.erased_mark, marks))).scalars() if mark}


def unmark(tx: Tx, connection_id: str, marks: Collection[str]) -> None:
    if not marks:
        return
    mine = (_c.connection_id == connection_id) & _c.erased_mark.is_not(None)
    tx.execute(sa.update(table).where(mine, among(tx, _c.erased_mark, marks)).values(erased_mark=None))
