"""Makes Campaign Monitor agree about whoever waits: leavers one by one and first, everyone else up to 1,000 a call."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import structlog

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.errors import DATA_AT_FAULT, Throttled
from relay.campaign_monitor.shapes import Entry, Imported
from relay.domain.decide import OPTED_OUT
from relay.domain.mapping import Held, Wanted, differences
from relay.domain.rules import Rules
from relay.errors import NeedsPerson, Refused, RelayError, RetryLater
from relay.store import connections, participants, runs
from relay.store.connections import Connection
from relay.store.leases import Lease
from relay.store.participants import BULK, LEAVING, LIVE, Person
from relay.sync import structure
from relay.sync.parts import Parts
from relay.sync.picture import Picture, Verdict

AT_ONCE = 1000
SINGLY = 40
"""People who need calls of their own in one visit, so that a crowd of leavers does not keep everyone else waiting."""
PARALLEL = 4
INACTIVE = {204: "Suppressed", 205: "Deleted", 206: "Unsubscribed", 207: "Bounced", 208: "Unconfirmed"}
"""CM's code for a person whom it will not take → their state there (CM contract §3)."""
THROTTLED_S = 30.0
log = structlog.get_logger()


@dataclass
class Visit:
    """One look at who waits on a connection, under the connection's claim."""

    parts: Parts
    connection: Connection
    lease: Lease
    run_id: int | None = None
    cm: CampaignMonitor = field(init=False)
    picture: Picture = field(init=False)

    def __post_init__(self) -> None:
        self.cm = self.parts.campaign_monitor(self.connection)
        with self.parts.database.read() as tx:
            self.picture = Picture.load(tx, self.connection)

    @property
    def list_id(self) -> str:
        return self.connection.cm_list_id or ""

    @property
    def rules(self) -> Rules:
        return self.connection.rules

    def write(self, lanes: Sequence[int]) -> int:
        """Takes up to 1,000 who wait; answers how many were looked at, 0 when nobody waits.

        :raise RetryLater: · NeedsPerson: with everyone still waiting who was not reached.
        """
        with self.parts.database.read() as tx:
            people = participants.waiting(tx, self.connection.id, lanes, AT_ONCE)
            verdicts = self.picture.judge(tx, people)
        if not people:
            return 0
        by_step: dict[str, list[Person]] = {}
        for person in people:
            by_step.setdefault(verdicts[person.id].step, []).append(person)
        if idle := by_step.get("nothing"):
            with self.parts.database.write() as tx:
                participants.settle(tx, idle)
        single = [p for step in ("leave", "restore", "move") for p in by_step.get(step, ())]
        acts = {"leave": self.leave, "restore": self.restore, "move": self.move}
        self._singly(single[:SINGLY], lambda p: acts[verdicts[p.id].step](p, verdicts[p.id]))
        if puts := by_step.get("put"):
            self.put({p.id: (p, w) for p in puts if (w := verdicts[p.id].wanted)})
        self._succeeded()
        return len(people)

    def _singly(self, people: Sequence[Person], act: Callable[[Person], None]) -> None:
        """Calls about one person each, a few at a time; one that fails is told after the others are done."""

        def attempt(person: Person) -> RelayError | None:
            try:
                self.lease.check()
                act(person)
            except Throttled as error:
                if not error.about_person:
                    return error
                self._hold_back(person, error.retry_after)
            except Refused as error:
                with self.parts.database.write() as tx:
                    participants.refused(tx, person, error.code, "")
                    participants.settle(tx, [person])
                    runs.note(tx, self.connection.id, [self._change(person, "refused", {"code": error.code})])
            except RelayError as error:
                return error
            return None

        if not people:
            return
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="singly") as pool:
            failures = [error for error in pool.map(attempt, people) if error]
        for error in sorted(failures, key=lambda error: isinstance(error, NeedsPerson), reverse=True):
            raise error

    # One person.

    def leave(self, person: Person, verdict: Verdict) -> None:
        """Off the list, but only if Active there: whoever opted out or bounced keeps that state (design rule 3)."""
        address = person.held.email or ""
        if self._claimed(address, person):
            self._record(person, Held(), "left", {"reason": verdict.reason, "address": "now another person's"})
            return
        there = self.cm.subscriber(self.list_id, address)
        if there is None:
            self._record(person, Held(), "left", {"reason": verdict.reason, "found": "not on the list"})
        elif there.state != "Active":
            held = Held(address, there.state)
            ours = there.state == "Deleted" and person.record.removed
            self._record(person, held, "left" if ours else "opted_out", {"state": there.state})
        elif self.rules.opt_outs == "unsubscribe" and person.known.values.get("subscribed") is False:
            self.lease.check()
            self.cm.unsubscribe(self.list_id, address)
            self._record(person, Held(address, "Unsubscribed"), "left", {"reason": verdict.reason})
        else:
            # Before the call: after a crash in between, CM says Deleted and this says that it was us.
            with self.parts.database.write() as tx:
                participants.change(tx, [person.id], removed_at=time.time())
            self.lease.check()
            self.cm.delete(self.list_id, address)
            self._record(person, Held(address, "Deleted"), "left", {"reason": verdict.reason})

    def restore(self, person: Person, verdict: Verdict) -> None:
        """Back on the list after we removed them ourselves, and nothing else stands against it (design rule 3)."""
        wanted = _known(verdict)
        address = wanted.email.lower()
        if address != person.held.email:
            # At another address there is nothing to bring back: an ordinary import, which revives nobody.
            self.put({person.id: (person, wanted)})
            return
        there = self.cm.subscriber(self.list_id, address)
        if there is not None and there.state not in ("Deleted", "Active"):
            self._record(person, Held(address, there.state), "opted_out", {"state": there.state}, removed_at=None)
            return
        if self._suppressed(address):
            self._record(person, Held(address, "Suppressed"), "opted_out", {"state": "Suppressed"}, removed_at=None)
            return
        held = self.picture.held(there) if there else Held()
        self._ready([wanted])
        self.lease.check()
        resubscribe = there is not None and there.state == "Deleted"
        imported = self.cm.import_subscribers(self.list_id, [self.entry(wanted, held)], resubscribe=resubscribe)
        if failure := imported.failures.get(address):
            self._failed(person, wanted, *failure)
        else:
            self._record(person, _as_written(wanted, person.held), "restored", None, removed_at=None)

    def move(self, person: Person, verdict: Verdict) -> None:
        """A changed address moves the subscriber with their history; it never makes a second one (design rule 5)."""
        wanted, old = _known(verdict), person.held.email or ""
        new = wanted.email.lower()
        self._ready([wanted])
        if self._claimed(old, person) or self._ours(new, person):
            # Addresses change hands among our own people: each address is written with whose it is now.
            self.put({person.id: (person, wanted)})
            return
        there = self.cm.subscriber(self.list_id, old)
        if there is not None and there.state != "Active":
            self._record(person, Held(old, there.state), "opted_out", {"state": there.state})
            return
        self.lease.check()
        try:
            if there is not None:
                self.cm.update(self.list_id, old, self.entry(wanted, person.held))
                self._record(person, _as_written(wanted, person.held), "moved", None)
                return
        except Refused as error:
            if error.code not in ("201", "203"):
                raise
            if error.code == "201":  # the new address is on the list already: one person, one subscriber
                self.lease.check()
                self.cm.delete(self.list_id, old)
        self.put({person.id: (person, wanted)})

    # Up to a thousand people.

    def put(self, pairs: Mapping[int, tuple[Person, Wanted]]) -> None:
        """One import for all of them, after what they need exists and our intent is on record."""
        self._ready([wanted for _, wanted in pairs.values()])
        with self.parts.database.write() as tx:
            participants.intend(tx, [i for i, (person, _) in pairs.items() if not person.record.put])
        # One address, one entry: which of two wins in an import is not known.
        by_email = {wanted.email.lower(): (person, wanted) for person, wanted in pairs.values()}
        self._import(list(by_email.values()))

    def _import(self, pairs: Sequence[tuple[Person, Wanted]]) -> None:
        self.lease.check()
        try:
            imported = self.cm.import_subscribers(self.list_id, [self.entry(w, p.held) for p, w in pairs])
        except Refused as error:
            if error.code == "253":  # a field is gone: read them again, and the next look writes
                with self.parts.database.write() as tx:
                    structure.forget(tx, self.picture)
                raise RetryLater(
                    "A custom field was deleted in Campaign Monitor; it is made again.", code="253"
                ) from None
            if error.code not in DATA_AT_FAULT:
                raise _unexpected(error) from None
            if not self._halved(pairs):
                self._failed(*pairs[0], error.code, error.message)
            return
        except Throttled as error:
            if not error.about_person:
                raise
            if not self._halved(pairs):
                self._hold_back(pairs[0][0], error.retry_after)
            return
        self._imported(pairs, imported)

    def _halved(self, pairs: Sequence[tuple[Person, Wanted]]) -> bool:
        """Somebody among them spoils it for all: each half on its own, until it is clear who. False: it is this one."""
        if len(pairs) == 1:
            return False
        middle = len(pairs) // 2
        self._import(pairs[:middle])
        self._import(pairs[middle:])
        return True

    def _imported(self, pairs: Sequence[tuple[Person, Wanted]], imported: Imported) -> None:
        taken = [(p, w) for p, w in pairs if w.email.lower() not in imported.failures]
        new = [(p, w) for p, w in taken if p.held.state is None]
        read: set[int] = set()
        if imported.existing > len(taken) - len(new) and len(new) <= SINGLY:
            # CM knew people whom we thought new; an import hides those who opted out (CM contract §4.3), so read them.
            read = {p.id for p, w in new if not self._believe(p, w)}
        written = [(p, _as_written(w, p.held)) for p, w in taken if p.id not in read]
        with self.parts.database.write() as tx:
            participants.holds(tx, written)
            runs.note(
                tx,
                self.connection.id,
                [
                    self._change(p, "joined" if p.held.state is None else "changed", {"fields": differences(w, p.held)})
                    for p, w in taken
                    if p.id not in read
                ],
            )
        for person, wanted in pairs:
            if failure := imported.failures.get(wanted.email.lower()):
                self._failed(person, wanted, *failure)

    def _believe(self, person: Person, wanted: Wanted) -> bool:
        """Whether CM has them Active now; if not, its word is recorded."""
        there = self.cm.subscriber(self.list_id, wanted.email)
        if there is None or there.state == "Active":
            return True
        self._record(person, Held(wanted.email.lower(), there.state), "opted_out", {"state": there.state})
        return False

    def _failed(self, person: Person, wanted: Wanted, code: int | str, message: str) -> None:
        if code == 429:
            self._hold_back(person, None)
            return
        with self.parts.database.write() as tx:
            if isinstance(code, int) and code in INACTIVE:
                held = Held(wanted.email.lower(), INACTIVE[code])
                participants.holds(tx, [(person, held)])
                runs.note(tx, self.connection.id, [self._change(person, "opted_out", {"code": str(code)})])
            else:
                participants.refused(tx, person, str(code), wanted.fingerprint())
                runs.note(tx, self.connection.id, [self._change(person, "refused", {"code": str(code)})])
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

    # Bookkeeping.

    def _ready(self, wanted: Sequence[Wanted]) -> None:
        """Fields and options exist before anyone is written with them (CM contract §7.5)."""
        self.picture = structure.ensure(self.parts, self.cm, self.lease, self.picture, wanted)

    def _claimed(self, address: str, person: Person) -> bool:
        """Whether another participant who belongs on the list has this address in EHQ."""
        with self.parts.database.read() as tx:
            others = participants.by_emails(tx, self.connection.id, [address])
        return any(o.id != person.id and o.email == address and self.picture.reason(o) is None for o in others)

    def _ours(self, address: str, person: Person) -> bool:
        """Whether CM holds another of our participants under this address."""
        with self.parts.database.read() as tx:
            others = participants.by_emails(tx, self.connection.id, [address])
        return any(o.id != person.id and o.held.email == address and o.held.state == "Active" for o in others)

    def _suppressed(self, address: str) -> bool:
        page, pages = 1, 1
        while page <= pages:
            found = self.cm.suppression_page(self.connection.cm_client_id or "", page)
            if any(item.email == address for item in found.people):
                return True
            page, pages = page + 1, found.pages
        return False

    def _record(self, person: Person, held: Held, what: str, detail: Any, **also: Any) -> None:
        with self.parts.database.write() as tx:
            participants.holds(tx, [(person, held)], **also)
            runs.note(tx, self.connection.id, [self._change(person, what, detail)])

    def _change(self, person: Person, what: str, detail: Any) -> dict[str, Any]:
        return {
            "participant_id": person.id,
            "what": what,
            "detail": detail,
            "run_id": self.run_id if person.cause else None,
            "cause": person.cause,
        }

    def _hold_back(self, person: Person, retry_after: float | None) -> None:
        delay = max(retry_after or 0.0, THROTTLED_S * 2 ** min(person.held_times, 5) * random.uniform(0.8, 1.2))
        with self.parts.database.write() as tx:
            participants.hold_back(tx, person, min(delay, 900.0))

    def _succeeded(self) -> None:
        if self.connection.held_times:
            with self.parts.database.write() as tx:
                connections.succeeded(tx, self.connection)


def _known(verdict: Verdict) -> Wanted:
    if verdict.wanted is None:
        raise ValueError("this step is for people who belong on the list")
    return verdict.wanted


def _as_written(wanted: Wanted, before: Held) -> Held:
    return Held(wanted.email.lower(), "Active", wanted.name if wanted.name is not None else before.name, wanted.fields)


def _unexpected(error: Refused) -> RelayError:
    """A refusal of the whole call that is not about anybody in it: a person must look, everyone keeps waiting."""
    return NeedsPerson(error.message, remedy=error.remedy, code=error.code)


__all__ = ["BULK", "LEAVING", "LIVE", "OPTED_OUT", "Visit"]
