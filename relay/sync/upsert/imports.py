"""Up to a thousand people in one import, and what came of each."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import structlog

from relay.campaign_monitor.errors import DATA_AT_FAULT, TROUBLE, Throttled
from relay.campaign_monitor.shapes import Entry, Imported, Subscriber
from relay.domain.mapping import Held, Wanted, differences
from relay.errors import NeedsPerson, Refused, RelayError, RetryLater
from relay.store import participants, runs
from relay.store.person import Person
from relay.sync.structure import fields
from relay.sync.upsert.books import Books, as_written

SINGLY = 40
"""People who need calls of their own in one visit, so that a crowd of leavers does not keep everyone else waiting."""
INACTIVE = {204: "Suppressed", 205: "Deleted", 206: "Unsubscribed", 207: "Bounced", 208: "Unconfirmed"}
"""CM's code for a person whom it will not take → their state there (CM contract §3)."""
OFTEN, ALONE, PATIENT = 3, 3, 3
"""After so many failures of CM's in a row somebody's data may be why. If so many fail alone and nobody passes, it is
not. Whoever was held back so often is refused."""
SPOILS = "spoils"
"""Our code for that."""
ANOTHERS = "anothers-opt-out"
"""Our code for an address at which somebody else opted out."""
Pairs = Sequence[tuple[Person, Wanted]]
log = structlog.get_logger()


@dataclass
class Imports(Books):
    """One call for all who are put on the list or changed there."""

    pool: ThreadPoolExecutor | None = field(init=False, default=None)
    under_way: tuple[Pairs, Future[Imported]] | None = field(init=False, default=None)
    one_at_a_time: Lock = field(init=False, default_factory=Lock)

    def put(self, pairs: Mapping[int, tuple[Person, Wanted]]) -> None:
        """One import for all of them, after what they need exists and our intent is on record."""
        self.ready([wanted for _, wanted in pairs.values()])
        with self.parts.database.write() as tx:
            intended = [i for i, (p, _) in pairs.items() if not p.record.put or p.held.email is None]
            participants.intend(tx, intended)
        # One address, one entry: which of two wins in an import is not known.
        unique = list({wanted.email.lower(): (person, wanted) for person, wanted in pairs.values()}.values())
        if self.pool is None:
            self._import(unique)
            return
        entries = self._entries(unique)  # while the one before is under way: CM waits for nothing then
        before = self._landed()
        self.under_way = (unique, self.pool.submit(self.send, entries))
        if before:
            self._imported(*before)

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """While one import is under way, the next one is prepared and the last one written down. CM still gets one
        import at a time."""
        with ThreadPoolExecutor(1, thread_name_prefix="import") as self.pool:
            try:
                yield
            finally:
                self.finish()
                self.pool = None

    def finish(self) -> None:
        """Waits for the import under way, if there is one, and writes down what came of it."""
        if before := self._landed():
            self._imported(*before)

    def _landed(self) -> tuple[Pairs, Imported] | None:
        if self.under_way is None:
            return None
        (pairs, call), self.under_way = self.under_way, None
        try:
            return pairs, call.result()
        except RelayError as error:
            self._not_imported(pairs, error)
            return None

    def _entries(self, pairs: Pairs) -> list[Entry]:
        return [self.entry(wanted, person.held) for person, wanted in pairs]

    def send(self, entries: Sequence[Entry], *, resubscribe: bool = False) -> Imported:
        """CM gets one import at a time for a list (CM contract §2): of one person, too, whom several are read for at
        once."""
        with self.one_at_a_time:
            self.lease.check()
            return self.cm.import_subscribers(self.list_id, entries, resubscribe)

    def _import(self, pairs: Pairs) -> None:
        try:
            imported = self.send(self._entries(pairs))
        except RelayError as error:
            self._not_imported(pairs, error)
        else:
            self._imported(pairs, imported)

    def _not_imported(self, pairs: Pairs, error: RelayError) -> None:
        """The whole call failed. :raise RelayError: unless it is for the sake of somebody in it, who is then found."""
        if isinstance(error, Refused):
            if error.code not in DATA_AT_FAULT:
                raise self.unexpected(error)
            if not self._halved(pairs):
                self.failed(*pairs[0], error.code, error.message)
        elif isinstance(error, Throttled) and error.about_person:
            if not self._halved(pairs):
                self.hold_back(pairs[0][0], error.retry_after)
        elif error.code in TROUBLE and self.failures >= OFTEN:
            self._searched(pairs, error)
        else:
            raise error

    def _searched(self, pairs: Pairs, error: RelayError) -> None:
        """CM failed several times in a row: for its own sake, or for the sake of somebody's data (CM contract §3). Who
        fails alone while others pass waits longer, and in the end is refused. :raise RelayError: when nobody passes."""
        left, passed = [pairs], False
        alone: list[tuple[Person, Wanted]] = []
        while left and (passed or len(alone) < ALONE):
            some = left.pop()
            if some is not pairs and self._sent(some):
                passed = True
            elif len(some) == 1:
                alone += some
            else:
                middle = len(some) // 2
                left += [some[middle:], some[:middle]]
        if not passed and not all(person.held_times for person, _ in alone):
            raise error
        for person, wanted in alone:
            self.spoiled(person, wanted if passed else None, error)

    def spoiled(self, person: Person, wanted: Wanted | None, error: RelayError) -> None:
        """Only they wait on. Whoever leaves wants nothing, and is tried for ever (design rule 2)."""
        if wanted and person.held_times >= PATIENT:
            self.failed(person, wanted, SPOILS, error.message)
        else:
            self.hold_back(person, None)

    def _sent(self, pairs: Pairs) -> bool:
        """Whether CM did not fail again."""
        try:
            imported = self.send(self._entries(pairs))
        except RelayError as error:
            if error.code in TROUBLE:
                return False
            self._not_imported(pairs, error)
        else:
            self._imported(pairs, imported)
        return True

    def _halved(self, pairs: Pairs) -> bool:
        """Somebody among them spoils it for all: each half on its own, until it is clear who. False: it is this one."""
        if len(pairs) == 1:
            return False
        middle = len(pairs) // 2
        self._import(pairs[:middle])
        self._import(pairs[middle:])
        return True

    def _imported(self, pairs: Pairs, imported: Imported) -> None:
        self.lease.check()  # whoever has the claim now knows better what CM holds; they still wait, and are sent again
        self.succeeded()
        taken = [(p, w) for p, w in pairs if w.email.lower() not in imported.failures]
        new = [(p, w) for p, w in taken if p.held.state is None]
        read: set[int] = set()
        if imported.existing > len(taken) - len(new) and len(new) <= SINGLY:
            # CM knew people whom we thought new; an import hides those who opted out (CM contract §4.3), so read them.
            read = {p.id for p, w in new if not self._believed(p, w)}
        written = [(p, as_written(w, p.held)) for p, w in taken if p.id not in read]
        with self.parts.database.write() as tx:
            # Whoever is on the list was not removed by us any more: what removes them from now on is CM's word.
            participants.holds(tx, written, removed_at=None)
            runs.note(
                tx,
                self.connection.id,
                [
                    self.change(p, "joined" if p.held.state is None else "changed", {"fields": differences(w, p.held)})
                    for p, w in taken
                    if p.id not in read
                ],
            )
        for person, wanted in pairs:
            if failure := imported.failures.get(wanted.email.lower()):
                self.failed(person, wanted, *failure)

    def _believed(self, person: Person, wanted: Wanted) -> bool:
        """The import passed: if CM fails now it is for the sake of this one, and nobody else waits for that."""
        try:
            return self.believe(person, wanted)
        except RelayError as error:
            if error.code not in TROUBLE:
                raise
            self.hold_back(person, None)
            return False

    def believe(self, person: Person, wanted: Wanted) -> bool:
        """Whether CM has them Active now, with no answers but ours; if not, its word is recorded."""
        there = self.cm.subscriber(self.list_id, wanted.email)
        if there is None and self.suppressed(wanted.email.lower()):
            self.record(person, Held(wanted.email.lower(), "Suppressed"), "opted_out", {"state": "Suppressed"})
            return False
        if there is None:
            return True
        if there.state == "Active":
            held = self.picture.held(there)
            if differences(wanted, held):  # what stood there before us is cleared by the next look
                with self.parts.database.write() as tx:
                    participants.read_back(tx, [(person.id, held)])
                return False
            return True
        self.opted_out(person, wanted, there, there.state)
        return False

    def opted_out(self, person: Person, wanted: Wanted, there: Subscriber, state: str, **also: Any) -> None:
        """CM's word about the address that EHQ gives. It is theirs, unless it is another's of our people (design rule
        3): then nobody can be written there, and they are elsewhere."""
        if self.anothers(there, person):
            self.failed(person, wanted, ANOTHERS, "")
        else:
            self.record(person, Held(wanted.email.lower(), state), "opted_out", {"state": state}, **also)

    def failed(self, person: Person, wanted: Wanted, code: int | str, message: str) -> None:
        if code == 429:
            self.hold_back(person, None)
            return
        with self.parts.database.write() as tx:
            if isinstance(code, int) and code in INACTIVE:
                held = Held(wanted.email.lower(), INACTIVE[code])
                participants.holds(tx, [(person, held)])
                runs.note(tx, self.connection.id, [self.change(person, "opted_out", {"code": str(code)})])
            else:
                participants.refused(tx, person, str(code), wanted.fingerprint())
                runs.note(tx, self.connection.id, [self.change(person, "refused", {"code": str(code)})])
        log.info("person refused", connection=self.connection.id, participant=person.id, code=code)

    def entry(self, wanted: Wanted, held: Held) -> Entry:
        """The full set of values, and what CM holds besides to be cleared: right whether CM replaces or merges."""
        fields = self.picture.fields
        values: list[tuple[str, str]] = []
        clears: list[tuple[str, str]] = []
        for source in {**wanted.fields, **held.fields}:
            key = fields[source].key if source in fields else None
            if key is None:
                continue
            want, have = wanted.fields.get(source), held.fields.get(source)
            if isinstance(want, tuple):
                values += [(key, option) for option in want]
                clears += [(key, option) for option in (have or ()) if option not in want]
            elif want:
                values.append((key, want.replace("-", "/") if fields[source].type == "Date" else want))
            else:
                clears.append((key, ""))
        return Entry(wanted.email, wanted.name, tuple(values), tuple(clears), self.rules.consent_to_track)

    def unexpected(self, error: Refused) -> RelayError:
        """A refusal that is not about anybody in the call: everyone keeps waiting, and a person must look."""
        if error.code == "253":  # a field is gone: read them again, and the next look writes
            with self.parts.database.write() as tx:
                fields.forget(tx, self.picture)
            return RetryLater("A custom field was deleted in Campaign Monitor; it is made again.", code="253")
        return NeedsPerson(error.message, remedy=error.remedy, code=error.code)
