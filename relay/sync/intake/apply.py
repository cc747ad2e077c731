"""Deliveries become what EHQ last said of people; whoever then differs from CM begins to wait."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson
import structlog

from relay.domain.merge import Known, hear, hear_membership
from relay.domain.participant import Event, Patch
from relay.domain.schedule import day
from relay.domain.version import Heard
from relay.ehq.events import Unreadable, read_event
from relay.errors import RelayError
from relay.store import census, connections, days, deliveries, members, participants, runs, structure
from relay.store.connections import Connection
from relay.store.database import Tx
from relay.store.deliveries import Delivery
from relay.store.participants import LEAVING, LIVE
from relay.store.person import email_of
from relay.sync.intake.identity import recognise
from relay.sync.parts import Parts
from relay.sync.picture import Picture, learn
from relay.sync.structure import form

AT_ONCE = 1000
LOOKED_AHEAD = 20_000
LEAVING_EVENTS = ("participant.unsubscribed", "participant.blocked", "participant.deleted")
AGAIN_S = 3600.0
"""A hint that something must be read again brings the next run forward, at most once in this time."""
OURS = "The relay failed on this delivery; please tell whoever looks after it, then take the delivery in again."
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Taken:
    delivery: Delivery
    event: Event

    @property
    def said(self) -> Heard:
        resource = self.event.patch or self.event.group
        return Heard(self.delivery.received_at, self.event.at, resource.updated_at if resource else None)


def apply_waiting(parts: Parts, connection: Connection) -> int:
    """Applies up to 1,000 deliveries in the order of their arrival, and those by which somebody leaves although they
    stand behind: versions decide what counts, not the order. Answers how many there were.

    The caller holds the connection's claim: two appliers would undo each other's order.
    """
    with parts.database.read() as tx:
        arrived = deliveries.waiting(tx, connection.id, AT_ONCE)
        if not arrived:
            return 0
        picture = Picture.load(tx, connection)
        if len(arrived) == AT_ONCE:
            behind = deliveries.types_waiting(tx, connection.id, arrived[-1].id, LOOKED_AHEAD)
            leaving = [i for i, word in behind if picture.dialect.event(word) in LEAVING_EVENTS]
            arrived += deliveries.by_ids(tx, leaving[:AT_ONCE])
    taken, unreadable = [], []
    for delivery in arrived:
        try:
            taken.append(take(parts, delivery, picture))
        except Unreadable as error:
            unreadable.append((delivery, str(error)))
        except Exception:
            # A bug of ours: this delivery is kept for a replay after the repair, and delays nobody.
            log.exception("delivery not understood", connection=connection.id, delivery=delivery.id)
            unreadable.append((delivery, OURS))
    unreadable += _take_in(parts, picture, taken)
    if unreadable:
        with parts.database.write() as tx:
            for delivery, reason in unreadable:
                deliveries.quarantined(tx, delivery.id, reason)
            _count(tx, connection, [delivery for delivery, _ in unreadable])
    return len(arrived)


def _take_in(parts: Parts, picture: Picture, taken: Sequence[Taken]) -> list[tuple[Delivery, str]]:
    """Applies all in one transaction; answers those on which we fail, found by halving, with the reason."""
    try:
        with parts.database.write() as tx:
            apply(tx, picture, taken)
            deliveries.applied(tx, [item.delivery.id for item in taken])
            _count(tx, picture.connection, [item.delivery for item in taken])
        return []
    except RelayError:
        raise
    except Exception:
        if len(taken) > 1:
            middle = len(taken) // 2
            return _take_in(parts, picture, taken[:middle]) + _take_in(parts, picture, taken[middle:])
        log.exception("delivery not applied", connection=picture.connection.id, delivery=taken[0].delivery.id)
        return [(taken[0].delivery, OURS)]


def _count(tx: Tx, connection: Connection, done: Sequence[Delivery]) -> None:
    """Arrivals by day, each once: what is replayed was counted when it arrived."""
    arrived = Counter(day(connection.rules, d.received_at) for d in done if d.reason != deliveries.REPLAYED)
    for on, times in sorted(arrived.items()):
        days.add(tx, connection.id, on, {days.ARRIVED: times})


def take(parts: Parts, delivery: Delivery, picture: Picture) -> Taken:
    """:raise Unreadable: with the reason for people."""
    if delivery.body is None:
        raise Unreadable("Its body is no longer kept.", remedy="The next run reads the person afresh.")
    return Taken(delivery, read_event(orjson.loads(parts.vault.unseal(delivery.body)), picture.dialect))


def apply(tx: Tx, picture: Picture, taken: Sequence[Taken]) -> None:
    """What these say becomes what EHQ last said; whoever then differs begins to wait. Again, it changes nothing."""
    connection = picture.connection
    taken = _recognised(tx, picture, taken)
    patches = [item.event.patch for item in taken if item.event.patch]
    names = {i: name for patch in patches for i, name in patch.group_names.items()}
    names |= {item.event.group.id: item.event.group.name or "" for item in taken if item.event.group}
    examples = {q: answer for patch in patches for q, answer in (patch.values.get("answers") or {}).items()}
    if learn(tx, picture, [q for patch in patches for q in patch.questions], names, examples):
        picture = Picture.load(tx, connection)
    _groups(tx, picture, taken)
    told = [i for i in taken if i.event.type == "group.membership_changed"]
    members.told(tx, connection.id, {i.event.group.id: i.delivery.received_at for i in told if i.event.group})
    changed_form = any(item.event.type == "signup_form.changed" for item in taken)
    if changed_form or form.differs(picture, (question for patch in patches for question in patch.questions)):
        read_again_soon(tx, connection)

    ids = {patch.ehq_id for patch in patches}
    ids |= {member for item in taken if item.event.group for member in item.event.group.members or ()}
    if not ids:
        return
    people = participants.by_ids(tx, connection.id, ids, lock=True)
    known = {i: people[i].known if i in people else Known(i) for i in ids}
    erased = {ehq_id for ehq_id, one in known.items() if one.erased}
    deliveries.drop_bodies(tx, [t.delivery.id for t in taken if t.event.patch and t.event.patch.ehq_id in erased])
    for item in taken:
        hear_one(item, known, picture)
    first = [known[i] for i in sorted(ids - people.keys())]
    # Who is new nearly always has to be written: that they wait is a part of their row, and seldom taken back.
    new = participants.add_known(tx, connection.id, first, picture.sought, waiting_since=time.time())
    if len(new) < len(first):  # a run, which reads beside us, met some of them just now
        apply(tx, picture, taken)
        return
    changed = [(person.id, known[i]) for i, person in people.items() if known[i] != person.known]
    participants.save_known(tx, changed, picture.sought)
    # News of somebody is a sign of life; what was heard before is none.
    back = [p.id for i, p in people.items() if known[i] != p.known and (p.gone or p.absent_runs)]
    participants.change(tx, back, **census.there_again())
    heard = [*new.values(), *(i for i, _ in changed)]
    picture = Picture.load(tx, connection) if heard else picture
    compare(tx, picture, heard, [*(p.email for p in people.values()), *(email_of(one) for one in known.values())])


def _recognised(tx: Tx, picture: Picture, taken: Sequence[Taken]) -> Sequence[Taken]:
    """What is said of people, questions and groups of whom an export told first."""
    _, events = recognise(tx, picture, (), [item.event for item in taken])
    return [Taken(item.delivery, event) for item, event in zip(taken, events, strict=True)]


def hear_one(item: Taken, known: dict[str, Known], picture: Picture) -> None:
    event = item.event
    if isinstance(event.patch, Patch):
        left_out = picture.left_out | {q.id for q in event.patch.questions if picture.leaves_out(q)}
        known[event.patch.ehq_id] = hear(known[event.patch.ehq_id], event.patch, item.said, left_out)
    elif event.group and event.type in ("group.member_added", "group.member_removed"):
        # Its `updated-at` is the group's: pages have the person's, with which it cannot be compared.
        said = Heard(item.said.received, item.said.version)
        for member in event.group.members or ():
            joined = event.type == "group.member_added"
            known[member] = hear_membership(known[member], event.group.id, joined, said)


def compare(
    tx: Tx, picture: Picture, ids: Sequence[int], emails: Iterable[str | None], cause: str | None = None
) -> None:
    """Who of `ids`, or of those with one of `emails` (theirs, before and now), differs from CM now begins to wait."""
    addresses = {email for email in emails if email}
    everyone = {p.id: p for p in participants.by_emails(tx, picture.connection.id, addresses)} if addresses else {}
    others = participants.by_our_ids(tx, picture.connection.id, [i for i in ids if i not in everyone])
    everyone |= {p.id: p for p in others}
    verdicts = picture.judge(tx, list(everyone.values()))
    participants.judged(tx, everyone.values(), {i: verdict.why for i, verdict in verdicts.items()})
    steps = {i: verdict.step for i, verdict in verdicts.items()}
    participants.wait(tx, [i for i, step in steps.items() if step == "leave"], LEAVING)
    waits = {i for i, p in everyone.items() if p.waiting_since and p.lane <= LIVE and (p.cause or not cause)}
    participants.wait(
        tx, [i for i, step in steps.items() if step not in ("leave", "nothing") and i not in waits], LIVE, cause
    )
    participants.settle(tx, [p for i, p in everyone.items() if steps[i] == "nothing" and p.waiting_since])


def _groups(tx: Tx, picture: Picture, taken: Sequence[Taken]) -> None:
    """Names and deletions, the later word winning, and a deletion over a name of the same moment; segments follow when
    the worker comes to them."""
    heard = {group.ehq_id: (group.heard_at, group.deleted) for group in picture.groups.values()}
    for item in taken:
        news, group = item.event.group, picture.groups.get(item.event.group.id) if item.event.group else None
        word = item.said.version, item.event.type == "group.deleted"
        if news is None or group is None or word < heard[news.id]:
            continue
        if item.event.type == "group.deleted":
            structure.change_group(tx, group.id, deleted=True, heard_at=item.said.version)
            connections.change(tx, picture.connection.id, segments_due=True, remap_due=True)
        elif news.name and not item.event.type.startswith("group.member"):
            structure.change_group(
                tx, group.id, name=news.name, deleted=False, heard_at=item.said.version, absent_runs=0
            )
            connections.change(tx, picture.connection.id, segments_due=True)
        else:
            continue
        heard[news.id] = word


def read_again_soon(tx: Tx, connection: Connection) -> None:
    """Brings the next run forward, at most once an hour."""
    now = time.time()
    last = runs.latest(tx, connection.id)
    if connection.next_run_at and (not last or last[0].started_at < now - AGAIN_S):
        connections.change(tx, connection.id, next_run_at=min(connection.next_run_at, now + 10))
