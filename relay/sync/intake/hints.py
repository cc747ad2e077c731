"""What CM tells by its webhook is a hint: the person is read there again. What only echoes our writes is dropped."""

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from relay.campaign_monitor import hooks as wire
from relay.campaign_monitor.errors import TROUBLE
from relay.domain.decide import Record, opted_out
from relay.domain.mapping import Held, Wanted, alike, differences
from relay.errors import RelayError
from relay.store import hints, participants, runs
from relay.store.connections import Connection
from relay.store.database import Tx
from relay.store.hints import Seen
from relay.store.person import Person
from relay.sync.intake.apply import compare
from relay.sync.intake.receive import UnknownConnection
from relay.sync.parts import Parts
from relay.sync.picture import Picture
from relay.sync.upsert.imports import ANOTHERS
from relay.sync.upsert.write import Visit

AT_ONCE, PARALLEL = 20, 4
QUIET_S = 600.0
"""So long after our own write an edit in CM is put back by the next run only."""
CROWD = 1000
"""More than so many to be read again are read by pages, in a run."""
BY_HAND = "changed by hand in CM"
Hinted = tuple[Person, float, str | None]


def hear(parts: Parts, connection: Connection, body: bytes) -> int:
    """Marks whom CM's post is news about, and answers how many. No call to CM: it waits for the answer.

    :raise Invalid: when the body is none of CM's. · UnknownConnection: when it is about another list. · Unavailable:
    """
    list_id, events = wire.read(body)
    if list_id.lower() != (connection.cm_list_id or "").lower():
        raise UnknownConnection("This address is for another list.", code="unknown-connection")
    addresses = {told.before for told in events} | {told.now.email.strip().lower() for told in events}
    with parts.database.read() as tx:
        holders = _holders(hints.under(tx, connection.id, addresses))
        picture = Picture.load(tx, connection)
    news: set[int] = set()
    moved: dict[int, str] = {}
    for told in events:
        now = picture.held(told.now)
        for seen in {s.id: s for a in (told.before, now.email or "") for s in holders.get(a, ())}.values():
            if not _echo(now, seen):
                news.add(seen.id)
                if told.before != now.email and now.email:
                    moved[seen.id] = now.email
    if news:
        with parts.database.write() as tx:
            hints.give(tx, news, moved)
        parts.queue.ring(connection.id)
    return len(news)


def _holders(some: Iterable[Seen]) -> dict[str, list[Seen]]:
    """By address: whoever CM holds there; where it holds none of ours, to whom EHQ gives it."""
    there: dict[str, list[Seen]] = {}
    here: dict[str, list[Seen]] = {}
    for seen in some:
        if seen.held.email:
            there.setdefault(seen.held.email, []).append(seen)
        if seen.ehq_email and seen.held.state != "Active":
            here.setdefault(seen.ehq_email, []).append(seen)
    return here | there


def _echo(now: Held, seen: Seen) -> bool:
    """Whether CM tells us nothing but what we wrote. Our record of a write may be still to come: then the person waits,
    and whatever their answers are in CM is written over anyway. A word of leaving is dropped only when it is known."""
    if now.state != "Active":
        return (now.email, now.state) == (seen.held.email, seen.held.state)
    if seen.waits and now.email in (seen.held.email, seen.ehq_email):
        return True
    told = Wanted(now.email or "", now.name or "", now.fields)
    return seen.held.state == "Active" and not differences(told, seen.held)


def read_again(visit: Visit) -> int:
    """Reads some of those hinted at, first hinted first; answers how many. Under the list's claim.

    :raise RetryLater: · NeedsPerson: with the hints kept of whoever could not be read.
    """
    parts, connection = visit.parts, visit.connection
    with parts.database.read() as tx:
        hinted = hints.given(tx, connection.id, AT_ONCE)
        if not hinted:
            return 0
        picture = Picture.load(tx, connection)
    visit.lease.check()

    def read(one: Hinted) -> Held | RelayError:
        try:
            return _read(visit, picture, one)
        except RelayError as error:
            if error.code not in TROUBLE:
                raise
            return error

    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="hinted") as pool:
        answers = list(zip(hinted, pool.map(read, hinted), strict=True))
    visit.lease.check()
    if found := [(one, held) for one, held in answers if isinstance(held, Held)]:
        _record(parts, picture, found)
    visit.judge_trouble([(one[0], error) for one, error in answers if isinstance(error, RelayError)])
    return len(hinted)


def _read(visit: Visit, picture: Picture, one: Hinted) -> Held:
    """What CM holds of this person now: under the address we know, or where it said that they moved."""
    person, _, moved_to = one
    for address in dict.fromkeys(filter(None, (person.held.email, moved_to, person.email))):
        there = visit.cm.known_at(visit.list_id, address)
        if there is None:
            continue
        held = picture.held(there)
        # Elsewhere than we know, it is theirs if it says so; or, where EHQ has them, if it does not name another.
        if address == person.held.email or held.fields.get("ehq_id") == person.known.ehq_id:
            return held
        if address == person.email and not visit.anothers(there, person):
            return held
    return person.held if opted_out(person.held, person.record) else Held()  # an opt-out outlives its subscriber


def _record(parts: Parts, picture: Picture, found: Sequence[tuple[Hinted, Held]]) -> None:
    """What was read, and who differs by it. EHQ's side may have changed meanwhile, CM's not: we hold the claim."""
    read = {p.id: (p, held) for (p, _, _), held in found}
    changed = {i: (p, held) for i, (p, held) in read.items() if not alike(held, p.held)}
    # Somebody, or something, may answer each of our writes with an edit: a run puts that back, once a day.
    later = [i for i, (p, held) in changed.items() if _edited_at_once(p, held)]
    with parts.database.write() as tx:
        hints.taken(tx, [(person.id, at) for (person, at, _), _ in found])
        participants.read_back(tx, [(i, held) for i, (_, held) in changed.items()])
        participants.change(tx, later, cause=BY_HAND)
        words = [(i, person.held, person.record, held) for i, (person, held) in changed.items()]
        note_opt_outs(tx, picture.connection.id, words)
        # Whoever is on the list was not removed by us any more: what removes them from now on is CM's word.
        back = [i for i, (p, held) in read.items() if p.record.removed and held.state == "Active"]
        participants.change(tx, back, removed_at=None)
        now = [i for i in changed if i not in later]
        compare(tx, picture, now, [changed[i][0].email for i in now], BY_HAND)


def _edited_at_once(person: Person, held: Held) -> bool:
    same = person.held.state == held.state == "Active" and person.held.email == held.email
    return same and (person.cm_written_at or 0.0) > time.time() - QUIET_S


def note_opt_outs(tx: Tx, connection_id: str, changed: Iterable[tuple[int, Held, Record, Held]]) -> None:
    """For the history: who of these (our id, what we knew, our record, what CM says now) opted out, or is back. Then
    whoever else EHQ gives their address to is tried there again."""
    rows = []
    for person_id, known, record, held in changed:
        before, now = opted_out(known, record), opted_out(held, record)
        if now and now != before:
            rows.append({"participant_id": person_id, "what": "opted_out", "detail": {"state": held.state}})
        elif before and not now and held.state == "Active":
            rows.append({"participant_id": person_id, "what": "opted_in", "detail": {"state": held.state}})
    runs.note(tx, connection_id, rows)
    if any(row["what"] == "opted_in" for row in rows):
        participants.not_refused(tx, connection_id, ANOTHERS)


def crowded(parts: Parts, connection: Connection) -> bool:
    """Whether so many are to be read again that pages are cheaper."""
    with parts.database.read() as tx:
        return hints.more_than(tx, connection.id, CROWD)
