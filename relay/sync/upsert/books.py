"""What one visit to a connection has at hand, and what it writes down."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.shapes import Entry, Subscriber, fold_key
from relay.domain.mapping import Held, Wanted
from relay.domain.rules import Rules
from relay.store import asked, connections, participants, removals, runs
from relay.store.connections import Connection
from relay.store.leases import Lease
from relay.store.person import Person
from relay.sync.parts import Parts
from relay.sync.picture import Picture, Verdict, meant
from relay.sync.structure import fields
from relay.sync.upsert import removed

THROTTLED_S = 30.0
NAME = "(erased)"
"""An empty name leaves the old one in CM (contract §4.2)."""


@dataclass
class Books:
    """One look at who waits on a connection, under the connection's claim."""

    parts: Parts
    connection: Connection
    lease: Lease
    cm: CampaignMonitor = field(init=False)
    picture: Picture = field(init=False)
    barred: set[str] | None = field(init=False, default=None)
    passed: bool = field(init=False, default=False)
    """Whether CM took anything in this look."""
    failures: int = field(init=False)
    """How often in a row CM has failed before this look."""

    def __post_init__(self) -> None:
        self.failures = self.connection.held_times
        self.cm = self.parts.campaign_monitor(self.connection)
        self.look_again()

    def look_again(self) -> None:
        """After deliveries were applied, which may have brought a new question or group."""
        with self.parts.database.read() as tx:
            self.picture = Picture.load(tx, self.connection)

    @property
    def list_id(self) -> str:
        return self.connection.cm_list_id or ""

    @property
    def rules(self) -> Rules:
        return self.connection.rules

    def ready(self, wanted: Sequence[Wanted]) -> None:
        """Fields and options exist before anyone is written with them (CM contract §7.5)."""
        self.picture = fields.ensure(self.parts, self.cm, self.lease, self.picture, wanted)

    def theirs(self, there: Subscriber, person: Person) -> bool:
        """Unless it says that it is another's of our people: whoever has the address by now was written there."""
        held = self.picture.held(there)
        said = {str(held.fields.get("ehq_id") or "")} - {"", person.known.ehq_id}
        with self.parts.database.read() as tx:
            others = participants.by_ids(tx, self.connection.id, said).values()
        return all(meant(held, one.known.values.get("created_at")) is False for one in others)

    def anothers(self, there: Subscriber, person: Person) -> bool:
        """Whether it is another's: it names them, or we put them there."""
        with self.parts.database.read() as tx:
            holders = participants.holders(tx, self.connection.id, [there.email.strip().lower()])
        return any(one.record.put and one.id != person.id for one in holders) or not self.theirs(there, person)

    def blank(self, there: Subscriber) -> None:
        """Nothing of whoever it was stays on this subscriber but the address."""
        keys = {fold_key(name): field.key for field in self.cm.fields(self.list_id) for name in (field.name, field.key)}
        clears = tuple((keys[name], "") for name in there.fields if name in keys)
        if clears or there.name:
            self.lease.check()
            self.cm.update(self.list_id, there.email, Entry(there.email, NAME if there.name else None, (), clears))

    def removed_by_us(self, address: str, since: str) -> bool:
        """Whether our own record says that we removed whoever was there; `since` as in `removed.before`."""
        with self.parts.database.read() as tx:
            there = participants.holders(tx, self.connection.id, [address])
            before = removed.before(tx, self.parts.vault, self.connection, {address: since})
        return bool(before) or any(one.held.state == "Deleted" and one.record.removed for one in there)

    def unmark(self, address: str) -> None:
        """Whoever is there now: what removes them from now on is CM's word, whoever was removed before."""
        with self.parts.database.write() as tx:
            marks = self.parts.vault.marks(address)
            asked.unmark(tx, self.connection.id, marks)
            removals.forget(tx, self.list_id, marks)

    def suppressed(self, address: str) -> bool:
        """Whether the client bars this address from all its lists; read once a look, for it may be long."""
        if self.barred is None:
            page, pages, barred = 1, 1, set()
            while page <= pages:
                found = self.cm.suppression_page(self.connection.cm_client_id or "", page)
                barred |= {item.email for item in found.people}
                page, pages = page + 1, found.pages
            self.barred = barred
        return address in self.barred

    def record(self, person: Person, held: Held, what: str, detail: Any, **also: Any) -> None:
        with self.parts.database.write() as tx:
            participants.holds(tx, [(person, held)], **also)
            runs.note(tx, self.connection.id, [self.change(person, what, detail)])
        self.succeeded()

    def change(self, person: Person, what: str, detail: Any) -> dict[str, Any]:
        """What is noted about somebody, and counted."""
        self.parts.meters.count("changes", self.connection.id, what)
        return {
            "participant_id": person.id,
            "what": what,
            "detail": detail,
            "run_id": person.cause_run,
            "cause": person.cause,
        }

    def hold_back(self, person: Person, retry_after: float | None) -> None:
        delay = max(retry_after or 0.0, THROTTLED_S * 2 ** min(person.held_times, 5) * random.uniform(0.8, 1.2))
        with self.parts.database.write() as tx:
            participants.hold_back(tx, person, min(delay, 900.0))

    def succeeded(self) -> None:
        first, self.passed = not self.passed, True
        if first and self.connection.held_times:
            with self.parts.database.write() as tx:
                connections.succeeded(tx, self.connection)


def known(verdict: Verdict) -> Wanted:
    if verdict.wanted is None:
        raise ValueError("this step is for people who belong on the list")
    return verdict.wanted


def as_written(wanted: Wanted, before: Held) -> Held:
    return Held(wanted.email.lower(), "Active", wanted.name if wanted.name is not None else before.name, wanted.fields)
