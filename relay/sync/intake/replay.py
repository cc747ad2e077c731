"""Deliveries taken in once more, and what that would do to people: tried beforehand, and taken back."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from relay.domain.decide import opted_out
from relay.ehq.events import Unreadable
from relay.errors import RelayError
from relay.store import chosen as chosen_ones
from relay.store import deliveries, members, participants
from relay.store.chosen import Filter
from relay.store.connections import Connection
from relay.store.person import Person
from relay.store.structure import Group
from relay.sync.intake.apply import Taken, apply, take
from relay.sync.parts import Parts
from relay.sync.picture import Picture, Verdict

PREVIEWED = 200
"""They are tried while nobody else writes on SQLite, for a millisecond each."""
AT_ONCE = 5000
MOST = 50_000


@dataclass
class Effect:
    """What a replay would do. `people` counts by what would happen to them; `unread` counts by reason."""

    deliveries: int = 0
    without_body: int = 0
    previewed: int = 0
    oldest: int = 0
    newest: int = 0
    """Our ids of the oldest and newest that are meant: what arrives later is not replayed with these."""
    people: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    groups: Counter[str] = field(default_factory=Counter)
    """Counts by what would happen to them: keys of GROUP_WORDS."""

    @property
    def everyone(self) -> int:
        return sum(self.people.values())


WORDS = {
    "join": "would join the list",
    "change": "would be changed in Campaign Monitor",
    "move": "would move to another address",
    "leave": "would leave the list",
    "restore": "would be put back, since the relay took them off",
    "barred": "opted out in Campaign Monitor, and stay off",
    "off": "do not belong on the list, and stay off",
    "erased": "were erased here, and stay so",
    "same": "stay as they are",
}
"""What may happen to people, for people."""
GROUP_WORDS = {
    "made": "would get a segment",
    "renamed": "would have its segment renamed",
    "deleted": "would lose its segment, and whoever is in it its mark",
    "back": "would get its segment back, and whoever is in it its mark",
    "read": "would be read again in EngagementHQ",
}
"""What may happen to a group."""
MEMBERS_CHANGED = ("group.membership_changed",)


def preview(parts: Parts, connection: Connection, chosen: Filter) -> Effect:
    """The effect of `chosen`, from the oldest 200 of them. Nothing of it stays."""
    with parts.database.read() as tx:
        picture = Picture.load(tx, connection)
        total, usable, oldest, newest = chosen_ones.window(tx, connection.id, chosen, MOST)
        ids = chosen_ones.next_ids(tx, connection.id, chosen, oldest - 1, newest, PREVIEWED)
        some = chosen_ones.whole(tx, ids)
    effect = Effect(usable, total - usable, len(some), oldest, newest)
    taken = []
    for delivery in some:
        try:
            taken.append(take(parts, delivery, picture))
        except Unreadable as error:
            effect.unread[str(error)] += 1
    if taken:
        _tried(parts, picture, taken, effect)
    return effect


def _tried(parts: Parts, picture: Picture, taken: Sequence[Taken], effect: Effect) -> None:
    """Takes them in as a worker would, looks, and takes everything back: what is said here is what will happen."""
    ids = {item.event.patch.ehq_id for item in taken if item.event.patch}
    ids |= {member for item in taken if item.event.group for member in item.event.group.members or ()}
    connection = picture.connection
    with parts.database.write() as tx:
        attempt = tx.begin_nested()
        apply(tx, picture, taken)
        then = Picture.load(tx, connection)
        people = list(participants.by_ids(tx, connection.id, ids).values())
        verdicts = then.judge(tx, people)
        attempt.rollback()
        before = {p.id: p for p in participants.by_our_ids(tx, connection.id, [person.id for person in people])}
        first = picture.judge(tx, list(before.values()))
    for person in people:
        known = before.get(person.id)
        same = known is not None and known.known.values == person.known.values
        same = same and first[person.id].step == verdicts[person.id].step
        effect.people["same" if same else _word(person, verdicts[person.id])] += 1
    told = {item.event.group.id for item in taken if item.event.group and item.event.type in MEMBERS_CHANGED}
    effect.groups["read"] = len(told)
    marked: set[str] = set()
    for ehq_id, group in then.groups.items():
        if word := _group_word(picture.groups.get(ehq_id), group):
            effect.groups[word] += 1
        if word in ("deleted", "back"):
            with parts.database.read() as tx:
                marked |= members.of(tx, connection.id, ehq_id)
    with parts.database.read() as tx:
        others = participants.by_ids(tx, connection.id, marked - {person.known.ehq_id for person in people})
    effect.people["change"] += sum(p.record.put and p.held.state == "Active" for p in others.values())
    effect.people, effect.groups = +effect.people, +effect.groups


def _word(person: Person, verdict: Verdict) -> str:
    if verdict.why == "erased":
        return "erased"
    if verdict.wanted and opted_out(person.held, person.record):
        return "barred"
    if verdict.step == "put":
        return "join" if person.held.state is None else "change"
    if verdict.step != "nothing":
        return verdict.step
    return "off" if verdict.why else "same"


def _group_word(before: Group | None, now: Group) -> str | None:
    if before is None:
        return "made"
    if before.deleted != now.deleted:
        return "deleted" if now.deleted else "back"
    return "renamed" if before.name != now.name and not now.deleted else None


def replay(parts: Parts, connection: Connection, chosen: Filter, oldest: int = 0, newest: int | None = None) -> int:
    """Takes them again, in the bounds that the preview told; answers how many. Versions decide what still counts."""
    if newest is None:
        with parts.database.read() as tx:
            _, _, oldest, newest = chosen_ones.window(tx, connection.id, chosen, MOST)
    taken, last = 0, oldest - 1
    while True:
        with parts.database.write() as tx:
            ids = chosen_ones.next_ids(tx, connection.id, chosen, last, newest, AT_ONCE)
            taken += deliveries.take_again(tx, ids)
        if not ids:
            break
        last = ids[-1]
    if taken:
        parts.queue.ring(connection.id, always=True)
    return taken


def no_such(delivery: str) -> RelayError:
    return RelayError(
        f"There is no delivery {delivery!r} here.", remedy="Deliveries are kept for 30 days: look which there are."
    )
