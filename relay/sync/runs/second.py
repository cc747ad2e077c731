"""A person has one subscriber (design rule 5). A second one comes about when somebody types another address in CM, and
the relay writes to the one that it knew before it hears of that."""

from relay.campaign_monitor.shapes import Subscriber
from relay.domain.mapping import Held
from relay.store import participants, removals, runs
from relay.store.person import Person
from relay.sync.intake.hints import BY_HAND
from relay.sync.upsert.books import Books


def one_subscriber(books: Books, person: Person, address: str, run_id: int) -> None:
    """`address`: where somebody is named whom we know to be elsewhere. What joined the list first is what we made, be
    it at another address by now, and its opt-out is theirs; what joined later is a copy that somebody else made, and is
    left alone (design rule 6). Under the list's claim.

    :raise RetryLater: · NeedsPerson:
    """
    other = books.cm.known_at(books.list_id, address)
    if other is None or books.picture.held(other).fields.get("ehq_id") != person.known.ehq_id:
        return
    if person.known.erased:
        _remove(books, other)
        return
    known = books.cm.known_at(books.list_id, person.held.email) if person.held.email not in (None, address) else None
    if known is None or not "" < other.joined < known.joined:
        return
    if other.state == "Active":
        _remove(books, other)
        what, detail = "merged", {}
    elif other.state == "Deleted" and books.removed_by_us(address, other.date):
        return
    else:
        if known.state == "Active":
            _delete(books, known)
        what, detail = "opted_out", {"state": other.state}
        with books.parts.database.write() as tx:
            participants.read_back(tx, [(person.id, Held(address, other.state))], BY_HAND)
            participants.change(tx, [person.id], removed_at=None)
    row = {"participant_id": person.id, "what": what, "cause": BY_HAND, "run_id": run_id, "detail": detail}
    with books.parts.database.write() as tx:
        runs.note(tx, books.connection.id, [row])


def _remove(books: Books, there: Subscriber) -> None:
    """Nothing of theirs stays there: nobody will know of this address when they ask to be erased."""
    books.blank(there)
    if there.state == "Active":
        _delete(books, there)


def _delete(books: Books, there: Subscriber) -> None:
    """Whoever comes to this address finds that it was us."""
    address = there.email.strip().lower()
    with books.parts.database.write() as tx:
        removals.note(tx, books.list_id, books.parts.vault.mark(address))
    books.lease.check()
    books.cm.delete(books.list_id, address)
