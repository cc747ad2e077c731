"""A person has one subscriber (design rule 5). A second one comes about when somebody types another address in CM, and
the relay writes to the one that it knew before it hears of that."""

from dataclasses import replace

from relay.campaign_monitor.shapes import Subscriber
from relay.domain.decide import opted_out
from relay.domain.mapping import Held
from relay.store import participants, removals, runs
from relay.store.person import Person
from relay.sync.intake.hints import BY_HAND
from relay.sync.picture import meant
from relay.sync.upsert.books import Books

MERGED = "merged"
THEIRS = ("Unsubscribed", "Bounced")
"""A person's own word. *Deleted* is somebody's who found two of them."""


def one_subscriber(books: Books, ehq_id: str, address: str, run_id: int, may_remove: bool) -> bool:
    """`address`: where somebody is named whom we know to be elsewhere. Nothing of theirs stays there, and an opt-out
    there is their word. Answers whether they were on the list there; not `may_remove`: then they stay. Under the list's
    claim; each call leaves what the next look goes on from.

    Whoever is on the list there and bears a number only, not the day of registration that we write beside it, is left
    alone (design rule 6), unless they opted out or were erased.

    :raise RetryLater: · NeedsPerson: · Refused: for the sake of this one.
    """
    with books.parts.database.read() as tx:
        person = participants.by_ids(tx, books.connection.id, [ehq_id]).get(ehq_id)
    other = books.cm.known_at(books.list_id, address)
    held = books.picture.held(other) if other else Held()
    if person is None or other is None or person.held.email == address or held.fields.get("ehq_id") != ehq_id:
        return False
    known = books.cm.known_at(books.list_id, person.held.email) if person.held.email else None
    active, out = held.state == "Active", opted_out(person.held, person.record)
    if active:
        twice = known is not None and meant(held, person.known.values.get("created_at"))
        if not may_remove or not (twice or out or person.known.erased):
            return False
        _remove(books, other, person, run_id)
    elif person.held.email and not out and other.state in THEIRS:
        _leave(books, known, person, other.state, run_id)
    books.blank(other)
    return active


def _remove(books: Books, there: Subscriber, person: Person, run_id: int) -> None:
    """Whoever comes to this address finds that it was us."""
    row = {"participant_id": person.id, "what": MERGED, "cause": BY_HAND, "run_id": run_id}
    with books.parts.database.write() as tx:
        removals.note(tx, books.list_id, books.parts.vault.mark(there.email.strip().lower()))
        runs.note(tx, books.connection.id, [row])
    books.lease.check()
    books.cm.delete(books.list_id, there.email)


def _leave(books: Books, known: Subscriber | None, person: Person, word: str, run_id: int) -> None:
    """Their word counts where we know them: *Deleted*, and not by us, so that it is theirs there as well."""
    if known and known.state == "Active" and books.theirs(known, person):
        books.lease.check()
        books.cm.delete(books.list_id, known.email)
    person = replace(person, cause=BY_HAND, cause_run=run_id)
    books.record(person, Held(person.held.email, "Deleted"), "opted_out", {"state": word}, removed_at=None)
