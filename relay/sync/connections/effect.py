"""What other rules would do to people, before they are saved: everybody judged under both, or a part of them that is
spread over all; and, where EHQ would be read otherwise, what its first page then says."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from relay.domain.decide import opted_out
from relay.domain.merge import Known, see
from relay.domain.rules import Rules, told_to_leave
from relay.domain.version import Page
from relay.errors import RelayError
from relay.store import participants
from relay.store.connections import Connection
from relay.store.database import Tx
from relay.store.person import Person
from relay.sync.parts import Parts
from relay.sync.picture import Picture

MOST, AT_ONCE = 10_000, 500
"""Reading and judging cost some 0.13 ms a person: whoever saves can wait for so many."""


@dataclass(slots=True)
class Effect:
    """People who would join, change or leave, of those `looked` at; `everyone` when these are not all."""

    joins: int = 0
    changes: int = 0
    leaves: int = 0
    opt_outs: int = 0
    """Of those who leave: by what would count as EHQ's explicit word."""
    looked: int = 0
    everyone: int = 0
    wrong: str = ""
    """Why EHQ could not be asked."""

    @property
    def whole(self) -> bool:
        return self.looked >= self.everyone

    def judge(self, tx: Tx, now: Picture, then: Picture, people: Sequence[Person], known: Mapping[int, Known]) -> None:
        """`known`: by our id, who would be read otherwise."""
        before = now.judge(tx, people)
        after = then.judge(tx, [replace(p, known=known.get(p.id, p.known)) for p in people])
        for person in people:
            if opted_out(person.held, person.record):
                continue
            one, other = before[person.id].wanted, after[person.id].wanted
            self.joins += one is None and other is not None
            self.leaves += one is not None and other is None
            self.opt_outs += one is not None and told_to_leave(known.get(person.id, person.known)) is not None
            self.changes += bool(one and other and one.fingerprint() != other.fingerprint())
        self.looked += len(people)


def effect(parts: Parts, connection: Connection, rules: Rules, most: int = MOST) -> Effect:
    """By what is known of people now."""
    found, last = Effect(), 0
    with parts.database.read() as tx:
        found.everyone = participants.counts(tx, connection.id)["participants"]
        every = -(-found.everyone // most) or 1
        now, then = Picture.load(tx, connection), Picture.load(tx, replace(connection, rules=rules))
        while people := participants.spread(tx, connection.id, last, AT_ONCE, every):
            found.judge(tx, now, then, people, {})
            last = people[-1].id
    if every == 1:
        found.looked = found.everyone  # erased people are no people any more
    return found


def read_anew(parts: Parts, connection: Connection, rules: Rules) -> Effect | None:
    """By what EHQ's first page says when it is read by `rules`; of people whom we know. None where EHQ is not read, or
    is read as before."""
    if connection.reads != "api" or rules.overrides == connection.rules.overrides:
        return None
    found = Effect()
    other = replace(connection, rules=rules)
    try:
        page = parts.ehq(other).users(None)
    except RelayError as error:
        return Effect(wrong=error.message)
    said = {patch.ehq_id: patch for patch in page.people}
    with parts.database.read() as tx:
        found.everyone = participants.counts(tx, connection.id)["participants"]
        now, then = Picture.load(tx, connection), Picture.load(tx, other)
        people = list(participants.by_ids(tx, connection.id, said).values())
        read = {p.id: see(p.known, said[p.known.ehq_id], Page(time.time()), then.left_out) for p in people}
        found.judge(tx, now, then, people, read)
    return found
