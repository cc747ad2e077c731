"""A run: read both sides completely, compare, repair, and look again. It advances in short steps.

Each step does one thing for at most a few seconds, saves where it is, and ends, so that live changes pass in between,
a killed worker costs one step, and a second worker that takes the same step does no harm.

fields → groups → ehq → campaign_monitor → compare → write → segments → verify
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from relay.campaign_monitor.shapes import STATES
from relay.domain.decide import opted_out
from relay.domain.mapping import BASE_FIELDS, Held, differences
from relay.domain.merge import Known, see
from relay.domain.version import Page
from relay.ehq.client import Cursor
from relay.errors import Incomplete, NeedsPerson, RelayError, RetryLater
from relay.store import connections, participants, runs
from relay.store import structure as tables
from relay.store.connections import Connection
from relay.store.database import Tx
from relay.store.leases import Lease
from relay.store.participants import BULK, LEAVING, LIVE, Person
from relay.store.runs import Run
from relay.sync import structure
from relay.sync.parts import Parts
from relay.sync.picture import Picture, learn
from relay.sync.prefetch import Prefetch
from relay.sync.write import Visit

STEP_S = 4.0
COMPARED = 2000
ABSENT_RUNS = 2
FIRST_PHASE = "fields"
NOT_KEPT = "write not kept by CM"
log = structlog.get_logger()


@dataclass
class Step:
    """One step of one run, under the run's claim; `write_claim` gives the list's claim, waiting for it a little."""

    parts: Parts
    connection: Connection
    run: Run
    claim_list: Callable[[], Any]
    cursor: dict[str, Any] = field(init=False)
    counts: dict[str, Any] = field(init=False)
    ends: float = field(init=False)

    def __post_init__(self) -> None:
        self.cursor, self.counts = dict(self.run.cursor), dict(self.run.counts)
        self.ends = time.monotonic() + STEP_S

    def take(self) -> str:
        """Advances the run; answers the phase it is in now, or "done"."""
        following = getattr(self, self.run.phase)()
        phase = following or self.run.phase
        if following:
            self.cursor = {}
        return str(phase)

    def more_time(self) -> bool:
        return time.monotonic() < self.ends and not self.parts.stopping.is_set()

    def count(self, name: str, by: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + by

    def picture(self) -> Picture:
        with self.parts.database.read() as tx:
            return Picture.load(tx, self.connection)

    # The phases. Each answers the next one's name when it is through, or None to be called again.

    def fields(self) -> str | None:
        """The list is there, and its fields are as we think."""
        cm = self.parts.campaign_monitor(self.connection)
        cm.list_details(self.connection.cm_list_id or "")
        picture = self.picture()
        if not self.run.dry:
            with self.parts.database.write() as tx:
                learn(tx, picture, (), {})
            picture = structure.refresh(self.parts, cm, self.picture())
            with self.claim_list() as lease:
                structure.make(self.parts, cm, lease, picture, {source: set() for source in BASE_FIELDS})
        return "groups"

    def groups(self) -> str | None:
        """What EHQ's groups are called now."""
        ehq = self.parts.ehq(self.connection)
        cursor = Cursor.from_dict(self.cursor["page"]) if "page" in self.cursor else None
        asked = time.time()
        page = ehq.groups(cursor)
        picture = self.picture()
        with self.parts.database.write() as tx:
            if not self.run.dry:
                learn(tx, picture, (), {group.id: group.name or "" for group in page.groups})
                known = {g.ehq_id: g for g in tables.all_groups(tx, self.connection.id)}
                for news in page.groups:
                    group = known[news.id]
                    later = news.updated_at is None or news.updated_at >= group.heard_at
                    if news.name and later and (group.name != news.name or group.deleted):
                        tables.change_group(tx, group.id, name=news.name, deleted=False, heard_at=asked)
        if page.cursor is None:
            return "ehq"
        self.cursor["page"] = page.cursor.to_dict()
        return None

    def ehq(self) -> str | None:
        """Everyone in EHQ, page by page; the next page is on its way while this one is stored."""
        ehq = self.parts.ehq(self.connection)
        cursor = Cursor.from_dict(self.cursor["page"]) if "page" in self.cursor else None
        with Prefetch(lambda c: (time.time(), ehq.users(c)), cursor, lambda answer: answer[1].cursor) as pages:
            for asked, page in pages:
                self._see(page, asked)
                if page.total is not None:
                    self.counts["ehq_total"] = page.total
                if page.cursor is None:
                    return self._ehq_complete()
                self.cursor["page"] = page.cursor.to_dict()
                if not self.more_time():
                    break
        return None

    def _see(self, page: Any, asked: float) -> None:
        self.count("ehq_read", len(page.people))
        self.count("ehq_unreadable", page.unreadable)
        picture = self.picture() if "picture" not in self.__dict__ else self.__dict__["picture"]
        patches = {patch.ehq_id: patch for patch in page.people}
        questions = {q.id: q for patch in patches.values() for q in patch.questions}
        names = {i: name for patch in patches.values() for i, name in patch.group_names.items()}
        left_out = picture.left_out | {q.id for q in questions.values() if picture.leaves_out(q)}
        with self.parts.database.write() as tx:
            new = {q.id for q in questions.values()} - {s.removeprefix("answer:") for s in picture.fields}
            examples = {q: a for p in patches.values() for q, a in (p.values.get("answers") or {}).items() if q in new}
            if learn(tx, picture, questions.values(), names, examples):
                picture = Picture.load(tx, self.connection)
            people = participants.by_ids(tx, self.connection.id, patches, lock=True)
            if missing := patches.keys() - people.keys():
                participants.add_stubs(tx, self.connection.id, missing)
                people |= participants.by_ids(tx, self.connection.id, missing, lock=True)
            changed: list[tuple[int, Known]] = []
            causes: dict[str, list[int]] = {}
            for ehq_id, patch in patches.items():
                person = people[ehq_id]
                now = see(person.known, patch, Page(asked, patch.updated_at), left_out)
                same_page = now.page is not None and person.known.page is not None
                if now.values != person.known.values or now.heard != person.known.heard or not same_page:
                    changed.append((person.id, now))
                if now.values != person.known.values:
                    causes.setdefault(_cause(person, now.values), []).append(person.id)
            participants.save_known(tx, changed)
            participants.seen(tx, [person.id for person in people.values()], self.run.id, asked)
            for cause, ids in causes.items():
                participants.change(tx, ids, cause=cause)
        self.__dict__["picture"] = picture

    def _ehq_complete(self) -> str:
        total = self.counts.get("ehq_total")
        read = self.counts.get("ehq_read", 0) + self.counts.get("ehq_unreadable", 0)
        if total is not None and read < total:
            raise Incomplete(
                f"EHQ says that it has {total} people but listed {read}.",
                remedy="Nobody was removed. The next run tries again; if this stays, ask EHQ's support.",
            )
        with self.parts.database.write() as tx:
            participants.grown(tx)
            # Somebody whose resource had no id may be anybody: then nobody is counted as absent.
            if not self.run.dry and not self.counts.get("ehq_unreadable"):
                participants.count_absent(tx, self.connection.id, self.run.id)
        return "campaign_monitor"

    def campaign_monitor(self) -> str | None:
        """All five states of the list, and what CM holds of everyone."""
        cause = None if self.counts.get("first_run") else "changed by hand in CM"
        return "compare" if self._read_list(STATES, cause) else None

    def _read_list(self, states: tuple[str, ...], cause: str | None) -> bool:
        cm = self.parts.campaign_monitor(self.connection)
        list_id = self.connection.cm_list_id or ""
        picture = self.picture()

        def following(at: tuple[int, int], pages: int) -> tuple[int, int] | None:
            state, number = at
            if number < pages:
                return state, number + 1
            return (state + 1, 1) if state + 1 < len(states) else None

        def fetch(at: tuple[int, int] | None) -> Any:
            state, number = at or (0, 1)
            asked = time.time()
            page = cm.page(list_id, states[state], number)
            return page, following((state, number), page.pages), asked

        start = tuple(self.cursor.get("at", (0, 1)))
        with Prefetch(fetch, start, lambda answer: answer[1]) as pages:
            for page, next_at, asked in pages:
                self._hold(page.people, picture, cause, asked)
                if next_at is None:
                    if states == STATES:
                        self._vanished(cause)
                    return True
                self.cursor["at"] = list(next_at)
                if not self.more_time():
                    return False
        return True

    def _hold(self, people: Any, picture: Picture, cause: str | None, asked: float) -> None:
        """What CM holds, where it is not what we knew."""
        there = {held.email: held for held in map(picture.held, people) if held.email}
        with self.parts.database.write() as tx:
            ours = participants.by_emails(tx, self.connection.id, there.keys())
            matched: dict[str, Person] = {}
            for person in ours:
                # The one whom we know under this address comes before the one whom EHQ gives it now.
                for address in filter(None, (person.held.email, person.email)):
                    if address in there and (address not in matched or person.held.email == address):
                        matched[address] = person
                        break
            found = [
                (person, there[address])
                for address, person in matched.items()
                if not _same(there[address], person.held) and (person.cm_written_at or 0.0) < asked
            ]
            participants.read_back(tx, [(person.id, held) for person, held in found], cause)
            participants.change(tx, [person.id for person in matched.values()], cm_seen_run=self.run.id)
            # Their EHQ ID stands in CM, so we put them there, even if our record of it is lost (a restored database).
            ours_again = [
                person.id
                for address, person in matched.items()
                if person.put_at is None and there[address].fields.get("ehq_id") == person.known.ehq_id
            ]
            participants.change(tx, ours_again, put_at=time.time())
            if cause == NOT_KEPT:
                self._not_kept(tx, picture, [person.id for person, _ in found])
        self.count("cm_read", len(people))
        self.count("left_alone", len(there) - len(matched))

    def _not_kept(self, tx: Tx, picture: Picture, ids: list[int]) -> None:
        """CM answered well and holds something else. Sending the same again would change nothing: it is told instead,
        on the person, until what we would send changes."""
        people = participants.by_our_ids(tx, self.connection.id, ids)
        verdicts = picture.judge(tx, people)
        for person in people:
            wanted = verdicts[person.id].wanted
            if wanted and verdicts[person.id].step == "put":
                participants.refused(tx, person, "not-kept", wanted.fingerprint())
                lost = {"code": "not-kept", "fields": differences(wanted, person.held)}
                change = {"participant_id": person.id, "what": "refused", "run_id": self.run.id, "cause": NOT_KEPT}
                runs.note(tx, self.connection.id, [{**change, "detail": lost}])
                self.count("not_kept")

    def _vanished(self, cause: str | None) -> None:
        """Whom we thought to be on the list and who is in none of its states any more."""
        last = 0
        while True:
            with self.parts.database.write() as tx:
                gone = participants.cm_unseen(tx, self.connection.id, self.run.id, last, COMPARED)
                participants.read_back(tx, [(person.id, Held()) for person in gone], cause)
            if not gone:
                return
            last = gone[-1].id

    def compare(self) -> str | None:
        """Everyone's two sides; the brake before anybody leaves for absence."""
        picture = self.picture()
        if "last" not in self.cursor and not self.run.dry:
            self._brake(picture)
        last = self.cursor.get("last", 0)
        while True:
            with self.parts.database.write() as tx:
                people = participants.after(tx, self.connection.id, last, COMPARED)
                self._compare(tx, picture, people)
            if not people:
                if self.run.dry:
                    return "done"
                with self.parts.database.write() as tx:
                    connections.change(tx, self.connection.id, remap_due=False)
                return "write" if self.counts.get("to_write") else "segments"
            last = self.cursor["last"] = people[-1].id
            if not self.more_time():
                return None

    def _brake(self, picture: Picture) -> None:
        with self.parts.database.write() as tx:
            leaving = participants.would_leave_for_absence(tx, self.connection.id, ABSENT_RUNS)
            on_list = participants.counts(tx, self.connection.id)["on_list"]
            if leaving > picture.rules.brake.limit(on_list):
                self.counts["braked"] = leaving
            else:
                participants.let_go(tx, self.connection.id, ABSENT_RUNS)

    def _compare(self, tx: Tx, picture: Picture, people: list[Person]) -> None:
        verdicts = picture.judge(tx, people)
        waits: dict[tuple[int, str], list[int]] = {}
        settled: list[Person] = []
        agreed: list[Person] = []
        for person in people:
            verdict = verdicts[person.id]
            if person.refused_code and verdict.step == "nothing" and verdict.wanted:
                self.count(f"refused_{person.refused_code}")
            if verdict.wanted and opted_out(person.held, person.record):
                self.count("opted_out")
            if verdict.step == "nothing":
                if person.waiting_since or person.cause:
                    settled.append(person)
                if verdict.wanted and person.held.state == "Active" and not person.refused_code:
                    agreed.append(person)
                continue
            kind = {"leave": "leaves", "put": "joins" if person.held.state is None else "changes"}.get(
                verdict.step, "joins" if verdict.step == "restore" else "changes"
            )
            cause = person.cause or ("still waiting" if person.waiting_since else "mapping changed")
            self.count(kind)
            self.count("to_write")
            self.counts.setdefault("causes", {})
            self.counts["causes"][cause] = self.counts["causes"].get(cause, 0) + 1
            if self.run.dry:
                self._show(person, verdict, kind, cause)
            else:
                waits.setdefault((LEAVING if verdict.step == "leave" else BULK, cause), []).append(person.id)
        if not self.run.dry:
            participants.settle(tx, settled)
            # Their EHQ ID stands in CM: we put them there, be it under a connection since removed.
            participants.intend(tx, [p.id for p in agreed if not p.record.put])
            # A removal that did not come about: should somebody remove them by hand now, that is not ours to undo.
            seen = [p.id for p in agreed if p.record.removed and p.cm_seen_run == self.run.id]
            participants.change(tx, seen, removed_at=None)
            for (lane, cause), ids in waits.items():
                participants.wait(tx, ids, lane, cause)

    def _show(self, person: Person, verdict: Any, kind: str, cause: str) -> None:
        """A few examples of what a dry run would do; ids and names of fields only."""
        examples = self.counts.setdefault("examples", {}).setdefault(kind, [])
        if len(examples) < 20:
            fields = differences(verdict.wanted, person.held) if verdict.wanted else []
            examples.append(
                {"ehq_id": person.known.ehq_id, "cause": cause, "reason": verdict.reason, "fields": fields[:20]}
            )

    def write(self) -> str | None:
        """Whoever waits, live changes first; the list's claim is let go between steps."""
        with self.claim_list() as lease:
            written = self._visit(lease).write((LEAVING, LIVE, BULK))
        self.count("written", written)
        return None if written else "segments"

    def _visit(self, lease: Lease) -> Visit:
        return Visit(self.parts, self.connection, lease, self.run.id)

    def segments(self) -> str | None:
        cm = self.parts.campaign_monitor(self.connection)
        with self.claim_list() as lease:
            picture = structure.segments(self.parts, cm, lease, self.picture(), everyone=True)
        with self.parts.database.write() as tx:
            connections.change(tx, self.connection.id, segments_due=False)
        self.counts["segments"] = sum(1 for g in picture.groups.values() if g.segment_id)
        self.counts["segments_not_made"] = sum(1 for g in picture.groups.values() if g.problem)
        return "verify" if self.counts.get("written") else "done"

    def verify(self) -> str | None:
        """Read back what was written: an import answers before anyone can be sure that it was kept."""
        if not self._read_list(("Active",), NOT_KEPT):
            return None
        return "done"


def _same(one: Held, other: Held) -> bool:
    """Whether a read says what we knew. Of those who left, only the state is of interest, and only that is kept."""
    if one.email != other.email or one.state != other.state:
        return False
    return one.state != "Active" or (one.name or "", one.fields) == (other.name or "", other.fields)


def _cause(person: Person, now: Mapping[str, Any]) -> str:
    """Why a page said something else than we knew: the drift's name (issue: drift, named)."""
    before = person.known.values
    if not before:
        return "first seen" if person.known.page is None and not person.known.heard else "never delivered by EHQ"
    if {k: v for k, v in before.items() if k != "groups"} == {k: v for k, v in now.items() if k != "groups"}:
        return "group changed without an event"
    return "never delivered by EHQ"


__all__ = ["FIRST_PHASE", "NeedsPerson", "RelayError", "RetryLater", "Step"]
