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
        puts = by_step.get("put", ())
        known = self._held_by_another(puts, verdicts)
        # Leavers first: they free addresses. Moves one by one, an address's holder before whoever comes to it.
        alone = [p for step in ("leave", "move", "restore") for p in by_step.get(step, ())]
        alone = [*alone, *(p for p in puts if p.id in known)][:SINGLY]
        moves = [p for p in alone if verdicts[p.id].step == "move"]
        self._singly([p for p in alone if verdicts[p.id].step == "leave"], verdicts, self.leave)
        self._singly(_holders_first(moves, verdicts), verdicts, self.move, parallel=1)
        self._singly([p for p in alone if verdicts[p.id].step in ("restore", "put")], verdicts, self.take)
        if plain := [p for p in puts if p.id not in known]:
            self.put({p.id: (p, w) for p in plain if (w := verdicts[p.id].wanted)})
        self._succeeded()
        return len(people)

    def _singly(
        self,
        people: Sequence[Person],
        verdicts: Mapping[int, Verdict],
        act: Callable[[Person, Verdict], None],
        parallel: int = PARALLEL,
    ) -> None:
        """Calls about one person each, a few at a time; one that fails is told after the others are done."""

        def attempt(person: Person) -> RelayError | None:
            verdict = verdicts[person.id]
            try:
                self.lease.check()
                act(person, verdict)
            except Throttled as error:
                if not error.about_person:
                    return error
                self._hold_back(person, error.retry_after)
            except Refused as error:
                with self.parts.database.write() as tx:
                    fingerprint = verdict.wanted.fingerprint() if verdict.wanted else ""
                    participants.refused(tx, person, error.code, fingerprint)
                    runs.note(tx, self.connection.id, [self._change(person, "refused", {"code": error.code})])
            except RelayError as error:
                return error
            return None

        if not people:
            return
        with ThreadPoolExecutor(parallel, thread_name_prefix="singly") as pool:
            failures = [error for error in pool.map(attempt, people) if error]
        for error in sorted(failures, key=lambda error: isinstance(error, NeedsPerson), reverse=True):
            raise error

    def _held_by_another(self, people: Sequence[Person], verdicts: Mapping[int, Verdict]) -> set[int]:
        """Those whose address CM holds, or held, for another of our participants: it is read before it is written."""
        new = {w.email.lower(): p.id for p in people if p.held.state is None and (w := verdicts[p.id].wanted)}
        with self.parts.database.read() as tx:
            others = participants.holders(tx, self.connection.id, new) if new else []
        return {new[other.held.email] for other in others if other.held.email in new}

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

    def take(self, person: Person, verdict: Verdict) -> None:
        """Onto the list at an address that has a past there: read first, and nothing of another's stays behind.

        Resubscribed only where our own record says that we removed whoever was there, CM says Deleted, and the
        address is not suppressed (design rule 3).
        """
        wanted = _known(verdict)
        address = wanted.email.lower()
        there = self.cm.subscriber(self.list_id, address)
        deleted = there is not None and there.state == "Deleted"
        if there is not None and there.state != "Active" and not (deleted and self._removed_by_us(address)):
            self._record(person, Held(address, there.state), "opted_out", {"state": there.state}, removed_at=None)
            return
        if deleted and self._suppressed(address):
            self._record(person, Held(address, "Suppressed"), "opted_out", {"state": "Suppressed"}, removed_at=None)
            return
        self._ready([wanted])
        held = self.picture.held(there) if there else Held()
        if not person.record.put:
            with self.parts.database.write() as tx:
                participants.intend(tx, [person.id])
        self.lease.check()
        imported = self.cm.import_subscribers(self.list_id, [self.entry(wanted, held)], resubscribe=deleted)
        if failure := imported.failures.get(address):
            self._failed(person, wanted, *failure)
            return
        what = "restored" if deleted else "joined" if person.held.state is None else "changed"
        self._record(person, _as_written(wanted, person.held), what, None, removed_at=None)

    def move(self, person: Person, verdict: Verdict) -> None:
        """A changed address moves the subscriber with their history; it never makes a second one (design rule 5)."""
        wanted, old = _known(verdict), person.held.email or ""
        new = wanted.email.lower()
        if self._claimed(old, person):
            # Addresses change hands among our own people: each address is written with whose it is now.
            self.take(person, verdict)
            return
        there = self.cm.subscriber(self.list_id, old)
        if there is not None and there.state != "Active" and not (there.state == "Deleted" and person.record.removed):
            self._record(person, Held(old, there.state), "opted_out", {"state": there.state})
            return
        if there is not None and there.state == "Active":
            if not self._suppressed(new):
                self._ready([wanted])
                self.lease.check()
                try:
                    self.cm.update(self.list_id, old, self.entry(wanted, person.held))
                    self._record(person, _as_written(wanted, person.held), "moved", None, removed_at=None)
                    return
                except Refused as error:
                    if error.code not in ("201", "203"):
                        raise
            # The new address has a past of its own: one person, one subscriber.
            with self.parts.database.write() as tx:
                participants.change(tx, [person.id], removed_at=time.time())
            self.lease.check()
            self.cm.delete(self.list_id, old)
        self.take(person, verdict)

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
            # Whoever is on the list was not removed by us any more: what removes them from now on is CM's word.
            participants.holds(tx, written, removed_at=None)
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
        """Whether CM has them Active now, with no answers but ours; if not, its word is recorded."""
        there = self.cm.subscriber(self.list_id, wanted.email)
        if there is None and self._suppressed(wanted.email.lower()):
            self._record(person, Held(wanted.email.lower(), "Suppressed"), "opted_out", {"state": "Suppressed"})
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

    def _removed_by_us(self, address: str) -> bool:
        """Whether our own record says that we removed whoever of our participants was there."""
        with self.parts.database.read() as tx:
            there = participants.holders(tx, self.connection.id, [address])
        return any(one.held.state == "Deleted" and one.record.removed for one in there)

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


def _holders_first(moves: Sequence[Person], verdicts: Mapping[int, Verdict]) -> list[Person]:
    """Whoever still has an address before whoever comes to it; those who swap, in any order."""
    there = {person.held.email: person for person in moves}
    ordered: dict[int, Person] = {}
    for person in moves:
        chain: dict[int, Person] = {}
        following: Person | None = person
        while following is not None and following.id not in chain and following.id not in ordered:
            chain[following.id] = following
            following = there.get(_known(verdicts[following.id]).email.lower())
        ordered |= dict(reversed(chain.items()))
    return list(ordered.values())


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
