"""What other rules would do to people, before they are saved: everybody judged under both, up to a bound."""

from dataclasses import dataclass, replace

from relay.domain.decide import opted_out
from relay.domain.rules import Rules
from relay.store import participants
from relay.store.connections import Connection
from relay.sync.parts import Parts
from relay.sync.picture import Picture

LOOKED_AT, AT_ONCE = 1000, 500
"""Reading and judging cost some 0.13 ms a person: a page can wait for so many."""


@dataclass(slots=True)
class Effect:
    """People who would join, change or leave, of those `looked` at; `everyone` when these are not all."""

    joins: int = 0
    changes: int = 0
    leaves: int = 0
    looked: int = 0
    everyone: int = 0

    @property
    def whole(self) -> bool:
        return self.looked >= self.everyone


def effect(parts: Parts, connection: Connection, rules: Rules) -> Effect:
    found, last = Effect(), 0
    with parts.database.read() as tx:
        found.everyone = participants.counts(tx, connection.id)["participants"]
        now, then = Picture.load(tx, connection), Picture.load(tx, replace(connection, rules=rules))
        while found.looked < LOOKED_AT:
            people = participants.after(tx, connection.id, last, AT_ONCE)
            if not people:
                found.looked = max(found.looked, found.everyone)  # erased people are no people any more
                break
            before, after = now.judge(tx, people), then.judge(tx, people)
            for person in people:
                if opted_out(person.held, person.record):
                    continue
                one, other = before[person.id].wanted, after[person.id].wanted
                found.joins += one is None and other is not None
                found.leaves += one is not None and other is None
                found.changes += bool(one and other and one.fingerprint() != other.fingerprint())
            found.looked, last = found.looked + len(people), people[-1].id
    return found
