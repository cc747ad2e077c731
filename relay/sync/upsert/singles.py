"""People who need calls of their own: leaving, coming back, moving to another address."""

import time
from collections.abc import Mapping, Sequence

from relay.domain.mapping import Held
from relay.errors import Refused
from relay.store import participants, removals
from relay.store.person import Person
from relay.sync.picture import Verdict
from relay.sync.upsert.books import as_written, known
from relay.sync.upsert.imports import Imports


class Singles(Imports):
    """CM is read before anything about one person is undone there."""

    def leave(self, person: Person, verdict: Verdict) -> None:
        """Off the list, but only if Active there: whoever opted out or bounced keeps that state (design rule 3)."""
        address = person.held.email or ""
        there = self.cm.subscriber(self.list_id, address)
        if there is None:
            self.record(person, Held(), "left", {"reason": verdict.reason, "found": "not on the list"})
        elif not self.theirs(there, person):
            self.record(person, Held(), "left", {"reason": verdict.reason, "address": "now another person's"})
        elif there.state != "Active":
            held = Held(address, there.state)
            ours = there.state == "Deleted" and person.record.removed
            self.record(person, held, "left" if ours else "opted_out", {"state": there.state})
        elif self.rules.opt_outs == "unsubscribe" and person.known.values.get("subscribed") is False:
            self.lease.check()
            self.cm.unsubscribe(self.list_id, address)
            self.record(person, Held(address, "Unsubscribed"), "left", {"reason": verdict.reason})
        else:
            # Before the call: after a crash in between, CM says Deleted and this says that it was us.
            with self.parts.database.write() as tx:
                participants.change(tx, [person.id], removed_at=time.time())
            self.lease.check()
            self.cm.delete(self.list_id, address)
            self.record(person, Held(address, "Deleted"), "left", {"reason": verdict.reason})

    def take(self, person: Person, verdict: Verdict) -> None:
        """Onto the list at an address that has a past there: read first, and nothing of another's stays behind.

        Resubscribed only where our own record says that we removed whoever was there, CM says Deleted, and the
        address is not suppressed (design rule 3).
        """
        wanted = known(verdict)
        address = wanted.email.lower()
        there = self.cm.subscriber(self.list_id, address)
        deleted = there is not None and there.state == "Deleted"
        if there is not None and there.state != "Active":
            ours = deleted and self.removed_by_us(address, there.date)
            stands = there.state if not ours else "Suppressed" if self.suppressed(address) else None
            if stands:
                self.opted_out(person, wanted, there, stands, removed_at=None)
                return
        self.ready([wanted])
        held = self.picture.held(there) if there else Held()
        behind = person.held.email if person.record.removed and person.held.email != address else None
        left = self.cm.subscriber(self.list_id, behind) if behind else None
        if left and left.state == "Deleted" and not self.anothers(left, person):
            self.blank(left)
        with self.parts.database.write() as tx:
            if not person.record.put or person.held.email is None:
                participants.intend(tx, [person.id])
            if behind:  # their own record is about the new address from now on: the old one may be another's
                removals.note(tx, self.list_id, self.parts.vault.mark(behind))
        imported = self.send([self.entry(wanted, held)], resubscribe=deleted)
        if failure := imported.failures.get(address):
            self.failed(person, wanted, *failure)
            return
        what = "restored" if deleted else "joined" if person.held.state is None else "changed"
        self.record(person, as_written(wanted, person.held), what, None, removed_at=None)
        self.unmark(address)

    def move(self, person: Person, verdict: Verdict) -> None:
        """A changed address moves the subscriber with their history; it never makes a second one (design rule 5)."""
        wanted, old = known(verdict), person.held.email or ""
        new = wanted.email.lower()
        there = self.cm.known_at(self.list_id, old)
        theirs = there is None or self.theirs(there, person)
        ours = there is not None and there.state == "Deleted" and person.record.removed
        # Their own word first, since it goes with them, whoever has the address by now.
        if there is not None and theirs and there.state != "Active" and not ours:
            self.record(person, Held(old, there.state), "opted_out", {"state": there.state})
            return
        behind = Held(old, "Deleted") if ours else Held()  # nothing, or what is another's by now
        if theirs and there is not None and there.state == "Active":
            behind = Held(old, "Deleted")
            if not self.suppressed(new):
                self.ready([wanted])
                self.lease.check()
                try:
                    self.cm.update(self.list_id, old, self.entry(wanted, self.picture.held(there)))
                    self.record(person, as_written(wanted, person.held), "moved", None, removed_at=None)
                    return
                except Refused as error:
                    if error.code not in ("201", "203"):
                        raise
            # The new address has a past of its own: one person, one subscriber. Whoever EHQ gives the old one to some
            # day finds that it was us who removed it.
            with self.parts.database.write() as tx:
                participants.change(tx, [person.id], removed_at=time.time())
                removals.note(tx, self.list_id, self.parts.vault.mark(old))
            self.blank(there)  # they may ask to be erased, and nobody will know of this address then
            self.lease.check()
            self.cm.delete(self.list_id, old)
        with self.parts.database.write() as tx:
            participants.read_back(tx, [(person.id, behind)])
        self.take(person, verdict)


def holders_first(moves: Sequence[Person], verdicts: Mapping[int, Verdict]) -> list[Person]:
    """Whoever still has an address before whoever comes to it; those who swap, in any order."""
    there = {person.held.email: person for person in moves}
    ordered: dict[int, Person] = {}
    for person in moves:
        chain: dict[int, Person] = {}
        following: Person | None = person
        while following is not None and following.id not in chain and following.id not in ordered:
            chain[following.id] = following
            following = there.get(known(verdicts[following.id]).email.lower())
        ordered |= dict(reversed(chain.items()))
    return list(ordered.values())
