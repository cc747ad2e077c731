"""Forgetting a person, here and in Campaign Monitor, and telling a person what we hold (docs/privacy.md)."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import orjson

from relay.ehq.dialect import dialect
from relay.ehq.events import Unreadable, read_event
from relay.errors import RelayError
from relay.store import asked, audit, deliveries, participants, removals, runs
from relay.store.connections import Connection
from relay.store.deliveries import Delivery
from relay.store.person import Person
from relay.sync.parts import Parts
from relay.sync.picture import Picture
from relay.sync.upsert.books import Books

DONE = {
    "removed": "Cleared and removed in Campaign Monitor.",
    "cleared": "Cleared in Campaign Monitor; their opt-out there stands.",
    "not there": "Not in Campaign Monitor's list.",
    "not ours": "Campaign Monitor was left alone: the relay did not put them there. Delete them there by hand.",
    "another's": "The subscriber stays in Campaign Monitor: another EHQ account with the same address holds it.",
    "not connected": "Campaign Monitor is not connected, so nothing was done there.",
}
AT_ONCE, MOST = 500, 100_000
LOOKS = (
    "Who opened this person's data, or a delivery about them. Not listed by person: downloads of whom Campaign Monitor "
    "refused (CSV), and deliveries about groups or that could not be read; the audit log has those by run and "
    "by delivery."
)


def ask_to_erase(parts: Parts, connection: Connection, people: list[Person]) -> list[Person]:
    """Records the wish and rings; the worker that holds the list's claim does it. Answers whose erasure begins with
    this: not theirs who are erased, or were asked for."""
    still = [person for person in people if not person.known.erased]
    with parts.database.write() as tx:
        asked.ask(tx, [person.id for person in still], asked.ERASE)  # anew also of those held back, who are tried now
    parts.queue.ring(connection.id, always=True)
    return [person for person in still if person.asked != asked.ERASE]


def let_in(parts: Parts, connection: Connection, person: Person) -> None:
    """Erased by mistake, or they changed their mind: what EHQ says of this account counts again."""
    with parts.database.write() as tx:
        if mark := asked.let_in(tx, person):  # whoever has the address by now finds that it was us
            removals.note(tx, connection.cm_list_id or "", mark)
        runs.note(tx, connection.id, [{"participant_id": person.id, "what": "let_in"}])


def meant(people: Sequence[Person], email_or_id: str) -> list[Person]:
    """Of those found, whose id or own address this is: not whoever only stands under it in CM still, and moved on."""
    who = email_or_id.strip()
    return [p for p in people if who == p.known.ehq_id or who.lower() == (p.email or p.held.email)]


def erase(books: Books, person: Person) -> None:
    """CM first: while that fails we still know whom to erase there."""
    done, removed = _there(books, person)
    forget(books.parts, books.connection, person, done, removed)


def forget(parts: Parts, connection: Connection, person: Person, done: str, removed: bool) -> None:
    address = person.held.email or person.email
    mark = parts.vault.mark(address) if removed and address else None
    mentions = [d.id for d in mentioning(parts, connection, person) if d.state != "waiting"]
    with parts.database.write() as tx:
        of_group = dialect(connection.rules.overrides or None).of_group
        deliveries.forget(tx, connection.id, person.known.ehq_id, of_group, mentions)
        asked.forget(tx, person, mark)
        change = {"participant_id": person.id, "what": "erased", "detail": {"campaign_monitor": done}}
        runs.note(tx, connection.id, [change])


def _there(books: Books, person: Person) -> tuple[str, bool]:
    """What was done in CM, a key of DONE, and whether it was we who removed them."""
    address = person.held.email
    if not address or person.held.state == "Suppressed":
        return "not there", False
    if not person.record.put:
        return ("not ours" if person.held.state else "not there"), False
    there = books.cm.subscriber(books.list_id, address)
    if there is None:
        return "not there", False
    if not books.theirs(there, person):
        return "another's", False
    if there.state == "Active":
        with books.parts.database.write() as tx:
            participants.change(tx, [person.id], removed_at=time.time())
    books.lease.check()
    books.blank(there)
    if there.state != "Active":
        return "cleared", there.state == "Deleted" and person.record.removed
    books.lease.check()
    books.cm.delete(books.list_id, address)
    return "removed", True


def mentioning(parts: Parts, connection: Connection, person: Person) -> Iterator[Delivery]:
    """Deliveries about others whose body names this person: of groups they are in, and those that could not be read."""
    with parts.database.read() as tx:
        picture = Picture.load(tx, connection)
    words = {person.known.ehq_id, person.email, person.held.email} - {None}
    of_group, last = picture.dialect.of_group, 0
    while True:
        with parts.database.read() as tx:
            some = deliveries.of_groups_or_unread(tx, connection.id, of_group, last, AT_ONCE)
        if not some:
            return
        for delivery in some:
            theirs = delivery.subject == person.known.ehq_id and not of_group(delivery.type)
            if not theirs and _names(parts, picture, delivery, words):
                yield delivery
        last = some[-1].id


def _names(parts: Parts, picture: Picture, delivery: Delivery, words: set[str | None]) -> bool:
    body = orjson.loads(parts.vault.unseal(delivery.body or b""))
    try:
        event = read_event(body, picture.dialect)
    except Unreadable:
        return any(text in words for text in _texts(body))
    return bool(event.group and words & set(event.group.members or ()))


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for inner in part.values():
            yield from _texts(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _texts(inner)
    elif isinstance(part, str | int):
        yield str(part).strip().lower()


def export(parts: Parts, connection: Connection, email_or_id: str) -> dict[str, Any]:
    """Everything we hold about everyone of this address or EHQ id, in one document. :raise RelayError: nobody is."""
    with parts.database.read() as tx:
        people = meant(participants.one(tx, connection.id, email_or_id), email_or_id)
        if not people:
            raise nobody()
        picture = Picture.load(tx, connection)
    return {
        "made_at": time.time(),
        "connection": {"id": connection.id, "name": connection.name, "ehq_url": connection.ehq_url},
        "times": "seconds since 1970-01-01 UTC",
        "looked_at_by": LOOKS,
        "people": [_about(parts, connection, picture, person) for person in people],
    }


def _about(parts: Parts, connection: Connection, picture: Picture, person: Person) -> dict[str, Any]:
    known = asdict(person)
    mentions = list(mentioning(parts, connection, person))
    with parts.database.read() as tx:
        history = runs.history(tx, person.id, MOST)
        arrived = deliveries.about(tx, connection.id, person.known.ehq_id, picture.dialect.of_group, MOST)
        looked = audit.search(tx, connection_id=connection.id, participant_id=person.id, limit=MOST)
    return {
        "id": person.id,
        "ehq_id": person.known.ehq_id,
        "ehq": dict(person.known.values),
        "campaign_monitor": known["held"],
        "kept_by_the_relay": {
            **{name: value for name, value in known.items() if name not in ("known", "held", "record", "id")},
            "heard": {name: heard.to_json() for name, heard in person.known.heard.items()},
            "page": asdict(person.known.page) if person.known.page else None,
            "record": known["record"],
        },
        "questions": {s: f.label for s, f in picture.fields.items()},
        "groups": {g: picture.groups[g].name for g in person.known.values.get("groups") or () if g in picture.groups},
        "history": [
            {str(name): value for name, value in row.items() if name not in ("connection_id", "participant_id")}
            for row in history
        ],
        "looked_at_by": [
            {"at": entry.at, "what": entry.what, "who": entry.name or entry.email or "command line"} for entry in looked
        ],
        "deliveries": [
            *(_delivery(parts, delivery) for delivery in arrived),
            *(_mention(delivery) for delivery in mentions),
        ],
    }


def _mention(delivery: Delivery) -> dict[str, Any]:
    """That it names them, and no more: the rest of what it says is about others."""
    return {
        "id": delivery.key,
        "type": delivery.type,
        "received_at": delivery.received_at,
        "state": delivery.state,
        "about_others": True,
    }


def _delivery(parts: Parts, delivery: Delivery) -> dict[str, Any]:
    headers = getattr(delivery, "headers", None)
    return {
        "id": delivery.key,
        "type": delivery.type,
        "received_at": delivery.received_at,
        "state": delivery.state,
        "reason": delivery.reason,
        "headers": orjson.loads(headers) if headers else None,
        "body": orjson.loads(parts.vault.unseal(delivery.body)) if delivery.body else None,
    }


def report(parts: Parts, connection: Connection, ids: list[int]) -> list[dict[str, Any]]:
    """What became of those who were to be erased: {"ehq_id", "erased", "campaign_monitor", "ehq"}."""
    with parts.database.read() as tx:
        people = participants.by_our_ids(tx, connection.id, ids)
        return [
            {
                "ehq_id": one.known.ehq_id,
                "erased": one.known.erased,
                "campaign_monitor": DONE.get(done_there(runs.history(tx, one.id, 20)), ""),
                "ehq": still_listed(one),
            }
            for one in people
        ]


def done_there(history: Sequence[Mapping[str, Any]]) -> str:
    """What the last erasure did in CM: a key of DONE."""
    return next((str((row["detail"] or {}).get("campaign_monitor")) for row in history if row["what"] == "erased"), "")


def still_listed(person: Person) -> str:
    """What EHQ still has, as far as we know, and what to do about it."""
    return (
        f"EHQ still holds the account {person.known.ehq_id}, unless it was deleted there. To have it deleted, "
        "ask EHQ's support. Until then the relay takes in nothing that EHQ says of it."
    )


def nobody() -> RelayError:
    return RelayError(
        "Nobody with this address or id is known here.",
        remedy="EHQ has not delivered them, and no run has read them: is the address right? Is a run due?",
    )
