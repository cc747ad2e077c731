"""Deliveries taken in once more, and what that would do to people, worked out in memory beforehand."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from relay.domain.decide import opted_out
from relay.domain.merge import Known
from relay.ehq.events import Unreadable
from relay.errors import RelayError
from relay.store import chosen as chosen_ones
from relay.store import deliveries, participants
from relay.store.chosen import Filter
from relay.store.connections import Connection
from relay.store.person import Person, stranger
from relay.sync.intake.apply import Taken, hear_one, take
from relay.sync.parts import Parts
from relay.sync.picture import Picture

PREVIEWED = 500
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


def preview(parts: Parts, connection: Connection, chosen: Filter) -> Effect:
    """The effect of `chosen`, from the oldest 500 of them. Writes nothing."""
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
    effect.people = _judged(parts, picture, taken)
    return effect


def _judged(parts: Parts, picture: Picture, taken: Sequence[Taken]) -> Counter[str]:
    ids = {item.event.patch.ehq_id for item in taken if item.event.patch}
    ids |= {member for item in taken if item.event.group for member in item.event.group.members or ()}
    with parts.database.read() as tx:
        before = participants.by_ids(tx, picture.connection.id, ids)
        known = {i: before[i].known if i in before else Known(i) for i in ids}
        for item in taken:
            hear_one(item, known, picture)
        strangers = {i: stranger(-number, known[i]) for number, i in enumerate(ids - before.keys(), 1)}
        now: dict[str, Person] = {**{i: replace(person, known=known[i]) for i, person in before.items()}, **strangers}
        first = picture.judge(tx, list(before.values()))
        verdicts = picture.judge(tx, list(now.values()))
    counted: Counter[str] = Counter()
    for ehq_id, person in now.items():
        verdict = verdicts[person.id]
        unchanged = ehq_id in before and known[ehq_id].values == before[ehq_id].known.values
        if verdict.why == "erased":
            counted["erased"] += 1
        elif unchanged and first[person.id].step == verdict.step:
            counted["same"] += 1
        elif verdict.wanted and opted_out(person.held, person.record):
            counted["barred"] += 1
        elif verdict.step == "put":
            counted["join" if person.held.state is None else "change"] += 1
        elif verdict.step != "nothing":
            counted[verdict.step] += 1
        else:
            counted["off" if verdict.why else "same"] += 1
    return counted


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
