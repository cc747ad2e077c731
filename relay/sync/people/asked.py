"""What somebody asked for about one person, done under the list's claim like everything else that is written there.

Sync now: read CM, compare, write with everyone who waits, read back. Each step is a row of their history, so that a
page can show it as it happens. Erase: see erase.py.
"""

from collections.abc import Callable, Sequence
from typing import Any

from relay.campaign_monitor.errors import TROUBLE, Throttled
from relay.domain.decide import opted_out
from relay.domain.mapping import Held, differences
from relay.errors import Invalid, Refused, RelayError
from relay.store import asked, participants, runs
from relay.store.connections import Connection
from relay.store.participants import LEAVING, LIVE
from relay.store.person import Person
from relay.sync.parts import Parts
from relay.sync.people.erase import erase, forget
from relay.sync.upsert.write import Visit


def sync_now(parts: Parts, connection: Connection, our_ids: Sequence[int]) -> None:
    """Records the wish and rings. :raise Invalid: while nothing may be written."""
    if connection.cm_list_id is None or connection.state == "setup":
        raise Invalid("Campaign Monitor is not connected yet.", remedy="Finish setting up this connection first.")
    if connection.state == "paused":
        raise Invalid("This connection is paused.", remedy="Resume it; then whoever waits is written.")
    if connection.state == "needs_person":
        problem = connection.problem or {}
        raise Invalid("This connection needs a person first.", remedy=str(problem.get("remedy", "")))
    with parts.database.write() as tx:
        people = [
            p for p in participants.by_our_ids(tx, connection.id, our_ids) if p.asked is None and not p.known.erased
        ]
        asked.ask(tx, [p.id for p in people], asked.SYNC)
        runs.note(tx, connection.id, [{"participant_id": p.id, "what": "sync_asked"} for p in people])
    parts.queue.ring(connection.id, always=True)


def words(connection: Connection, lanes: Sequence[int]) -> tuple[str, ...]:
    """What may be done just now. Erasing is as little delayed as leaving, and needs CM only where there is one. Whom an
    earlier connection put on the list is known when a run has read it."""
    if connection.list_unread:
        return ()
    if LIVE in lanes:
        return (asked.ERASE, asked.SYNC, asked.READ)
    return (asked.ERASE,) if lanes or not _connected(connection) else ()


def without_cm(parts: Parts, connection: Connection) -> int:
    """Erases here, where there is no CM to erase in."""
    if _connected(connection):
        return 0
    with parts.database.read() as tx:
        people = asked.waiting(tx, connection.id, (asked.ERASE,))
    for person in people:
        forget(parts, connection, person, "not connected", removed=False)
    return len(people)


def _connected(connection: Connection) -> bool:
    return connection.cm_list_id is not None and connection.cm_credential is not None


def write(visit: Visit, lanes: Sequence[int], meanwhile: Callable[[], bool]) -> int:
    """Whoever was asked about, and whoever waits; answers how many there were. `meanwhile` does what can be done while
    an import is under way, and answers whether to go on after it."""
    wanted, troubled = before_writing(visit, lanes)
    written = 0
    with visit.ahead():
        while some := visit.write(lanes):
            written += some
            if not meanwhile():
                break
    if LIVE in lanes:
        troubled += after_writing(visit)
    visit.judge_trouble(troubled)  # last: nobody waits for the sake of one of these
    return wanted + written


def before_writing(visit: Visit, lanes: Sequence[int]) -> tuple[int, list[tuple[Person, RelayError]]]:
    """Erases whoever is to be erased; reads and compares whoever is to be synced. How many there were, and in whose
    calls CM was in trouble."""
    now = [word for word in words(visit.connection, lanes) if word != asked.READ]
    with visit.parts.database.read() as tx:
        people = asked.waiting(tx, visit.connection.id, now)
    troubled: list[tuple[Person, RelayError]] = []
    for person in people:
        visit.lease.check()
        try:
            if person.asked == asked.ERASE:
                erase(visit, person)
            else:
                _read_and_compare(visit, person)
        except Throttled as error:
            if not error.about_person:
                raise
            visit.hold_back(person, error.retry_after)
        except Refused as error:
            visit.hold_back(person, None)
            with visit.parts.database.write() as tx:
                runs.note(tx, visit.connection.id, [visit.change(person, "refused", {"code": error.code})])
        except RelayError as error:
            if error.code not in TROUBLE:
                raise
            troubled.append((person, error))
    return len(people), troubled


def after_writing(visit: Visit) -> list[tuple[Person, RelayError]]:
    """Reads back whoever was read before and waits no more. Answers in whose calls CM was in trouble."""
    with visit.parts.database.read() as tx:
        people = asked.waiting(tx, visit.connection.id, (asked.READ,))
    troubled: list[tuple[Person, RelayError]] = []
    for person in people:
        try:
            if person.waiting_since is None:
                _read_back(visit, person)
        except RelayError as error:
            if error.code not in TROUBLE:
                raise
            troubled.append((person, error))
    return troubled


def _read_and_compare(visit: Visit, person: Person) -> None:
    held = _look(visit, person)
    with visit.parts.database.write() as tx:
        asked.try_again(tx, [person.id])
        participants.read_back(tx, [(person.id, held)])
        (now,) = participants.by_our_ids(tx, visit.connection.id, [person.id])
        verdict = visit.picture.judge(tx, [now])[now.id]
        if verdict.step == "nothing":
            participants.settle(tx, [now])
        else:
            participants.wait(tx, [now.id], LEAVING if verdict.step == "leave" else LIVE)
        asked.done(tx, [now.id], asked.READ)
        detail = {"state": held.state, "was": person.held.state, "step": verdict.step}
        fields = differences(verdict.wanted, held) if verdict.wanted and held.state == "Active" else []
        _note(visit, tx, person, "looked", {**detail, "fields": fields})


def _read_back(visit: Visit, person: Person) -> None:
    held = _look(visit, person)
    with visit.parts.database.write() as tx:
        participants.read_back(tx, [(person.id, held)])
        (now,) = participants.by_our_ids(tx, visit.connection.id, [person.id])
        verdict = visit.picture.judge(tx, [now])[now.id]
        fields = differences(verdict.wanted, held) if verdict.wanted and verdict.step != "nothing" else []
        if fields and verdict.wanted and verdict.step == "put":
            participants.refused(tx, now, "not-kept", verdict.wanted.fingerprint())
        asked.done(tx, [now.id])
        _note(visit, tx, person, "read_back", {"state": held.state, "fields": fields})


def _look(visit: Visit, person: Person) -> Held:
    """What CM holds of them now. Who is suppressed for the client need not be on the list."""
    address = person.held.email or person.email
    there = visit.cm.subscriber(visit.list_id, address) if address else None
    if there is None or (address != person.held.email and visit.anothers(there, person)):
        return person.held if opted_out(person.held, person.record) else Held()
    return visit.picture.held(there)


def _note(visit: Visit, tx: Any, person: Person, what: str, detail: Any) -> None:
    runs.note(tx, visit.connection.id, [{"participant_id": person.id, "what": what, "detail": detail}])
