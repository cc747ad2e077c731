"""Lists of people for those who look: by name, address or EHQ id, and by where they stand. Newest first.

Each asks an index for the ids of one page, and the table for those only.
"""

import time
from typing import Any

import sqlalchemy as sa

from relay.store.database import Tx
from relay.store.participants import by_our_ids
from relay.store.person import Person
from relay.store.problems import FAILED
from relay.store.standing import ON_LIST
from relay.store.tables import participants as table

DAY_S = 86400.0
_c = table.c


def people(
    tx: Tx,
    connection_id: str,
    *,
    words: str = "",
    which: str = "",
    before: int | None = None,
    limit: int = 50,
    whole: bool = False,
) -> tuple[list[Person], int | None]:
    """One page, and the id before which the next one begins (None: there is none).

    `words` is part of a name, log-in name or address, or a whole EHQ id; with `whole`, only a whole address or id.
    `which`: "off" (not on the list), "waiting", "refused" or "refused:<code>", "new" (put there within a day), or one
    word of standing (see STANDING in tables.py).
    """
    given, words = words.strip(), " ".join(words.lower().split())
    query = sa.select(_c.id).where(_c.connection_id == connection_id, *_those(which))
    if before is not None:
        query = query.where(_c.id < before)
    if words:
        exact = (_c.ehq_id == given, _c.email == words, _c.cm_email == words)
        matches = (
            exact if whole else (_c.sought.contains(words, autoescape=True), _c.ehq_id == given, _c.cm_email == words)
        )
        # One index each: an OR over all of them would read every row.
        ids = {i for match in matches for i in _page(tx, query.where(match), limit)}
    else:
        ids = set(_page(tx, query, limit))
    some = sorted(ids, reverse=True)
    shown = some[:limit]
    found = {person.id: person for person in by_our_ids(tx, connection_id, shown)}
    return [found[i] for i in shown if i in found], shown[-1] if len(some) > limit else None


def _page(tx: Tx, query: sa.Select[Any], limit: int) -> list[int]:
    return list(tx.execute(query.order_by(_c.id.desc()).limit(limit + 1)).scalars())


def _those(which: str) -> list[sa.ColumnElement[bool]]:
    word, _, code = which.partition(":")
    if not word:
        return [_c.standing != "erased"]
    if word == "off":
        return [_c.standing.not_in([*ON_LIST, "erased"])]
    if word == "waiting":
        return [_c.waiting_since.is_not(None)]
    if word == "refused":
        return [_c.refused_code == code if code else _c.refused_code.is_not(None)]
    if word == "failed":
        return [FAILED]
    if word == "new":
        return [_c.standing == "on", _c.put_at >= time.time() - DAY_S]
    return [_c.standing == word]


def one(tx: Tx, connection_id: str, our_id: int) -> Person | None:
    return next(iter(by_our_ids(tx, connection_id, [our_id])), None)
