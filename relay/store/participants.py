"""Participants: what EHQ last said, what CM was last known to hold, and who waits."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from relay.domain.mapping import Held
from relay.domain.merge import Known
from relay.store.database import Tx, among
from relay.store.many import add_rows, rows_of
from relay.store.person import Person, lower, people, select
from relay.store.standing import ON_LIST
from relay.store.tables import participants as table

LEAVING, LIVE, BULK = 0, 1, 2
"""Lanes, in the order in which they are served."""
Sought = Callable[[Known], str | None]
"""What a person is searched by."""
EXTRA = {"as_of": sa.Integer(), "in_lane": sa.Integer()}
"""What `_update` is told beside columns: the revision that was written, and the lane in which they waited for it."""
_c = table.c


def by_ids(tx: Tx, connection_id: str, ehq_ids: Iterable[str], *, lock: bool = False) -> dict[str, Person]:
    """By EHQ id. `lock` keeps others from changing them until the transaction ends (in one order: no deadlock)."""
    query = select(connection_id).where(among(tx, _c.ehq_id, set(ehq_ids))).order_by(_c.ehq_id)
    return {p.known.ehq_id: p for p in people(tx, query.with_for_update() if lock else query)}


def by_emails(tx: Tx, connection_id: str, emails: Collection[str]) -> list[Person]:
    """Everyone to whom EHQ gives one of these addresses, or under whom CM holds one of them."""
    mine = select(connection_id)
    found = people(tx, mine.where(among(tx, _c.email, emails)))
    found += people(tx, mine.where(among(tx, _c.cm_email, emails), _c.email.is_distinct_from(_c.cm_email)))
    return list({person.id: person for person in found}.values())


def holders(tx: Tx, connection_id: str, emails: Collection[str]) -> list[Person]:
    """Everyone under whom CM was last known to hold one of these addresses, whatever the state."""
    return people(tx, select(connection_id).where(among(tx, _c.cm_email, emails), _c.cm_state.is_not(None)))


def shared_emails(tx: Tx, connection_id: str, emails: Collection[str]) -> set[str]:
    """Those of `emails` that EHQ gives to more than one participant."""
    query = (
        sa.select(_c.email)
        .where(_c.connection_id == connection_id, among(tx, _c.email, emails))
        .group_by(_c.email)
        .having(sa.func.count() > 1)
    )
    return {email for email in tx.execute(query).scalars() if email}


def after(tx: Tx, connection_id: str, last_id: int, limit: int) -> list[Person]:
    """The next participants in the order of our ids: a walk that costs the same on the last page as on the first."""
    return people(tx, select(connection_id).where(_c.id > last_id).order_by(_c.id).limit(limit))


def spread(tx: Tx, connection_id: str, last_id: int, limit: int, every: int) -> list[Person]:
    """Like `after`, but of our ids only those that `every` divides."""
    query = select(connection_id).where(_c.id > last_id, _c.id % every == 0)
    return people(tx, query.order_by(_c.id).limit(limit))


def by_our_ids(tx: Tx, connection_id: str, ids: Sequence[int]) -> list[Person]:
    """These participants as they are now, by our ids."""
    return people(tx, select(connection_id).where(among(tx, _c.id, ids)))


def one(tx: Tx, connection_id: str, email_or_id: str) -> list[Person]:
    text = email_or_id.strip()
    match = (_c.ehq_id == text) | (_c.email == text.lower()) | (_c.cm_email == text.lower())
    return people(tx, select(connection_id).where(match).order_by(_c.id.desc()).limit(20))


def waiting(tx: Tx, connection_id: str, lanes: Sequence[int], limit: int, but: Collection[int] = ()) -> list[Person]:
    """Who waits, leavers first, then in the order in which they began to; those held back by CM only when due.
    `but` leaves out people who are being written just now."""
    now = time.time()
    query = (
        select(connection_id)
        .where(_c.waiting_since.is_not(None), _c.lane.in_(lanes), (_c.held_until.is_(None)) | (_c.held_until <= now))
        .order_by(_c.lane, _c.waiting_since)
        .limit(limit)
    )
    return people(tx, query.where(~among(tx, _c.id, but)) if but else query)


def any_waiting(tx: Tx, connection_id: str, lanes: Sequence[int], since: float = 0.0) -> bool:
    """Whether anybody waits who may be written now; with `since`, anybody who began to wait then or later."""
    query = sa.select(_c.id).where(
        _c.connection_id == connection_id,
        _c.waiting_since >= since,
        _c.lane.in_(lanes),
        (_c.held_until.is_(None)) | (_c.held_until <= time.time()),
    )
    return tx.execute(query.limit(1)).first() is not None


def add_stubs(tx: Tx, connection_id: str, ehq_ids: Iterable[str]) -> None:
    """Rows for participants of whom we hear for the first time."""
    rows = [{"connection_id": connection_id, "ehq_id": i, "values": {}, "heard": {}, "cm_fields": {}} for i in ehq_ids]
    add_rows(tx, table, rows, key=("connection_id", "ehq_id"))


def add_known(tx: Tx, connection_id: str, new: Sequence[Known], sought: Sought, **also: Any) -> dict[str, int]:
    """People who are met for the first time. EHQ id → our id, of those who were not there yet."""
    also |= {"connection_id": connection_id, "cm_fields": {}, "revision": 1}
    rows = [{**_said(known, sought), "ehq_id": known.ehq_id, **also} for known in new]
    return dict(tuple(row) for row in add_rows(tx, table, rows, ("connection_id", "ehq_id"), (_c.ehq_id, _c.id)))


def save_known(tx: Tx, merged: Sequence[tuple[int, Known]], sought: Sought) -> None:
    """EHQ's side, after a merge that changed it; counts the revision, so that a write under way sees that it is old."""
    rows = [{"id": person_id, **_said(known, sought)} for person_id, known in merged]
    _update(tx, rows, lambda _: {"revision": _c.revision + 1})


def _said(known: Known, sought: Sought) -> dict[str, Any]:
    return {
        "email": lower(known.values.get("email")),
        "values": dict(known.values),
        "heard": {name: heard.to_json() for name, heard in known.heard.items()},
        "heard_at": max((heard.received for heard in known.heard.values()), default=None),
        "page_asked_at": known.page.asked if known.page else None,
        "page_updated_at": known.page.updated if known.page else None,
        "sought": sought(known),
    }


def _update(tx: Tx, rows: Sequence[Mapping[str, Any]], also: Callable[[Any], Mapping[str, Any]]) -> None:
    """The participants with the `id` of each row get what else stands in it, and what `also` makes of the rows."""
    if not rows:
        return
    columns = {name: EXTRA[name] if name in EXTRA else table.columns[name].type for name in rows[0]}
    new = rows_of(tx, columns, rows)
    told = {name: new.c[name] for name in columns if name != "id" and name not in EXTRA}
    tx.execute(sa.update(table).where(_c.id == new.c.id).values(**told, **also(new.c)))


def change(tx: Tx, ids: Sequence[int], **values: Any) -> None:
    """The same new values for all of `ids`."""
    if ids:
        tx.execute(sa.update(table).where(among(tx, _c.id, ids)).values(**values))


def wait(tx: Tx, ids: Sequence[int], lane: int, cause: str | None = None, run_id: int | None = None) -> None:
    """They differ now. Whoever waits already keeps their place, or gets the better lane of the two. `run_id` is the
    run that found it, if one did: what is written then counts as its repair, whoever writes it.

    Leaving is a wish of its own: it begins now whatever they waited for before, and nothing from before holds it back.
    """
    better = sa.case((_c.waiting_since.is_(None), lane), (_c.lane > lane, lane), else_=_c.lane)
    since: Any = sa.func.coalesce(_c.waiting_since, time.time())
    leaves: dict[str, Any] = {}
    if lane == LEAVING:
        already = _c.waiting_since.is_not(None) & (_c.lane == LEAVING)
        since = sa.case((already, _c.waiting_since), else_=time.time())
        leaves = {"held_until": sa.case((already, _c.held_until), else_=sa.null())}
    change(
        tx,
        ids,
        waiting_since=since,
        **leaves,
        lane=better,
        cause=sa.func.coalesce(_c.cause, cause),
        **({} if run_id is None else {"cause_run": run_id}),
    )


def judged(tx: Tx, people: Iterable[Person], why: Mapping[int, str | None]) -> None:
    """Why each does not belong, by our id (None: they do), where that is not what stands on them already."""
    by_why: dict[str | None, list[int]] = {}
    for person in people:
        if person.why_not != why[person.id]:
            by_why.setdefault(why[person.id], []).append(person.id)
    for word, ids in by_why.items():
        change(tx, ids, why_not=word)


def settle(tx: Tx, some: Iterable[Person]) -> None:
    """Nothing to do for these after all, unless EHQ's side changed since they were read."""
    _if_unchanged(tx, some, waiting_since=None, cause=None, cause_run=None)


def _if_unchanged(tx: Tx, some: Iterable[Person], **values: Any) -> None:
    by_revision: dict[int, list[int]] = {}
    for person in some:
        by_revision.setdefault(person.revision, []).append(person.id)
    for revision, ids in by_revision.items():
        tx.execute(sa.update(table).where(among(tx, _c.id, ids), _c.revision == revision).values(**values))


def intend(tx: Tx, ids: Sequence[int]) -> None:
    """Before CM is first asked to hold them: should we die during the call, they are known to be ours, and where."""
    change(tx, ids, put_at=sa.func.coalesce(_c.put_at, time.time()), cm_email=sa.func.coalesce(_c.cm_email, _c.email))


def holds(tx: Tx, written: Sequence[tuple[Person, Held]], **also: Any) -> None:
    """CM holds this now. Nobody waits any more, but for those who changed again while we wrote."""

    def and_waits(row: Any) -> dict[str, Any]:
        # Who changed meanwhile, or is to leave by now, is looked at again: what they were then compared with is old.
        unchanged = (_c.revision == row.as_of) & (_c.lane >= row.in_lane)
        return {
            "waiting_since": sa.case((unchanged, sa.null()), else_=sa.func.coalesce(_c.waiting_since, time.time())),
            "lane": sa.case((unchanged, LIVE), else_=_c.lane),
            "cause": None,
            "cause_run": None,
            "cm_written_at": time.time(),
            "held_until": None,
            "held_times": 0,
            "refused_code": None,
            "refused_for": None,
            "refused_at": None,
            **also,
        }

    _update(tx, [{**_held(p.id, held), "as_of": p.revision, "in_lane": p.lane} for p, held in written], and_waits)


def read_back(tx: Tx, found: Sequence[tuple[int, Held]], cause: str | None = None) -> None:
    """What a read of CM found, where it differs from what we knew. Nobody begins or ends to wait by this."""
    _update(tx, [_held(i, held) for i, held in found], lambda _: {"cause": sa.func.coalesce(_c.cause, cause)})


def _held(person_id: int, held: Held) -> dict[str, Any]:
    return {
        "id": person_id,
        "cm_email": held.email,
        "cm_state": held.state,
        "cm_name": held.name,
        "cm_fields": dict(held.fields),
    }


def refused(tx: Tx, person: Person, code: str, fingerprint: str) -> None:
    """CM will not take them as they are: they wait no more until what we would send changes."""
    values = {"refused_code": code, "refused_for": fingerprint, "refused_at": time.time()}
    change(tx, [person.id], **values)
    _if_unchanged(tx, [person], waiting_since=None, cause=None, cause_run=None)


def not_refused(tx: Tx, connection_id: str, code: str) -> None:
    """Whom CM refused with this code is taken as if it had not."""
    mine = (_c.connection_id == connection_id) & (_c.refused_code == code)
    tx.execute(sa.update(table).where(mine).values(refused_code=None, refused_for=None, refused_at=None))


def hold_back(tx: Tx, person: Person, delay: float) -> None:
    """CM took this one too many times too quickly: only they wait longer."""
    change(tx, [person.id], held_until=time.time() + delay, held_times=person.held_times + 1)


def how_many_wait(tx: Tx, connection_id: str) -> tuple[int, float | None]:
    """How many people differ, and since when the first."""
    query = sa.select(sa.func.count(), sa.func.min(_c.waiting_since))
    number, since = tx.execute(query.where(_c.connection_id == connection_id, _c.waiting_since.is_not(None))).one()
    return number, since


def counts(tx: Tx, connection_id: str) -> dict[str, Any]:
    """{"participants", "waiting", "oldest_waiting": epoch or None, "refused": {code: n}, "on_list", "opted_out",
    "standing": {word: n}}"""
    mine = _c.connection_id == connection_id
    standing: dict[str, int] = dict(
        tx.execute(sa.select(_c.standing, sa.func.count()).where(mine).group_by(_c.standing)).all()
    )
    waits, oldest = how_many_wait(tx, connection_id)
    refused = tx.execute(
        sa.select(_c.refused_code, sa.func.count()).where(mine, _c.refused_code.is_not(None)).group_by(_c.refused_code)
    )
    return {
        "participants": sum(standing.values()) - standing.get("erased", 0),
        "waiting": waits,
        "oldest_waiting": oldest,
        "refused": dict(refused.all()),
        "on_list": sum(standing.get(word, 0) for word in ON_LIST),
        "opted_out": standing.get("opted_out", 0),
        "standing": standing,
    }
