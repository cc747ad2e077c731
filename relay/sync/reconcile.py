"""A run: read both sides completely, compare, repair, and look again. It advances in short steps.

Each step does one thing for at most a few seconds, saves where it is, and ends, so that live changes pass in between,
a killed worker costs one step, and a second worker that takes the same step does no harm.

fields → groups → ehq → campaign_monitor → compare → write → segments → verify
"""

import time
from dataclasses import replace
from typing import Any

import structlog

from relay.campaign_monitor.shapes import STATES
from relay.domain.decide import opted_out
from relay.domain.mapping import BASE_FIELDS, differences
from relay.domain.rules import fingerprint
from relay.ehq.client import Cursor
from relay.store import census, connections, hints, participants, runs
from relay.store import structure as tables
from relay.store.database import Tx
from relay.store.participants import BULK, LEAVING, LIVE
from relay.store.person import Person
from relay.sync import fields, form, groups, hooks, left_out, segments
from relay.sync.apply import apply_waiting
from relay.sync.brake import ABSENT_RUNS, UNTOLD, let_go
from relay.sync.hints import BY_HAND
from relay.sync.identity import recognise_groups
from relay.sync.picture import Picture, Verdict, learn
from relay.sync.prefetch import Prefetch
from relay.sync.reading import COMPARED, NOT_KEPT, Reading
from relay.sync.write import Visit

FIRST_PHASE = "fields"
CLOCKS_S = 60.0
"""How far our own machines' clocks may be apart."""
log = structlog.get_logger()


class Step(Reading):
    """Advances a run by one step."""

    def take(self) -> str:
        """Advances the run; answers the phase it is in now, or "done"."""
        self.counts.setdefault("began", {}).setdefault(self.run.phase, time.time())
        following = getattr(self, self.run.phase)()
        phase = following or self.run.phase
        if following:
            self.cursor = {}
            self.counts["began"] = {**self.counts["began"], phase: time.time()}
        return str(phase)

    # The phases. Each answers the next one's name when it is through, or None to be called again.

    def fields(self) -> str | None:
        """The list is there, and its fields are as we think."""
        if self.connection.cm_list_id is None:  # only a dry run comes here before the list is made
            return "groups"
        cm = self.parts.campaign_monitor(self.connection)
        cm.list_details(self.connection.cm_list_id or "")
        picture = self.picture()
        if not self.run.dry:
            with self.parts.database.write() as tx:
                learn(tx, picture, (), {})
            picture = fields.refresh(self.parts, cm, self.picture())
            with self.claim_list() as lease:
                hooks.keep(self.parts, self.connection, lease)
                again = {field.source for field in picture.fields.values() if field.problem}
                fields.make(self.parts, cm, lease, picture, {source: set() for source in {*BASE_FIELDS, *again}})
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
                page = replace(page, groups=recognise_groups(tx, picture, page.groups))
                learn(tx, picture, (), {group.id: group.name or "" for group in page.groups})
                tables.groups_seen(tx, self.connection.id, [group.id for group in page.groups], self.run.id)
                known = {g.ehq_id: g for g in tables.all_groups(tx, self.connection.id)}
                for news in page.groups:
                    group = known[news.id]
                    later = news.updated_at is None or news.updated_at >= group.heard_at
                    if news.name and later and (group.name != news.name or group.deleted):
                        tables.change_group(tx, group.id, name=news.name, deleted=False, heard_at=asked)
        self.count("groups_unlisted", page.unreadable + (not page.listed))
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
                    self.counts["ehq_told"] = max(page.total, self.counts.get("ehq_told", 0))
                if page.cursor is None:
                    return self._ehq_complete()
                self.cursor["page"] = page.cursor.to_dict()
                if not self.more_time():
                    break
        return None

    def campaign_monitor(self) -> str | None:
        """All five states of the list, and what CM holds of everyone."""
        if self.connection.cm_list_id is None:
            return "compare"
        cause = None if self.counts.get("first_run") else BY_HAND
        if not self._read_list(STATES, cause):
            return None
        if not self.run.dry:
            with self.parts.database.write() as tx:
                hints.taken_before(tx, self.connection.id, self.counts["began"]["campaign_monitor"] - CLOCKS_S)
        return "compare"

    def compare(self) -> str | None:
        """Everyone's two sides; the brake before anybody leaves for absence."""
        if "last" not in self.cursor:
            self._begin_comparing()
        picture = self.picture()
        last = self.cursor.get("last", 0)
        while True:
            with self.parts.database.write() as tx:
                people = left_out.forget(tx, picture, participants.after(tx, self.connection.id, last, COMPARED))
                self._compare(tx, picture, people)
            if not people:
                self._brake(picture)
                if self.run.dry:
                    return "done"
                form.counted(self.parts, self.run, self.counts)
                return "write" if self.counts.get("to_write") else "segments"
            last = self.cursor["last"] = people[-1].id
            if not self.more_time():
                return None

    def _begin_comparing(self) -> None:
        """Did a person change the rules? From here on these rules are the ones compared with; another change to them,
        even one in the next second, is another comparison."""
        with self.parts.database.write() as tx:
            fresh = connections.find(tx, self.connection.id)
            if fresh is not None:
                self.connection = fresh
            self.counts["rules"] = fingerprint(self.connection.rules)
            self.cursor |= {"last": 0, "asked": self.connection.remap_due}
            if self.connection.remap_due and not self.run.dry:
                census.ask_anew(tx, self.connection.id)
                connections.change(tx, self.connection.id, remap_due=False)
            if not self.run.dry:
                census.absent_elsewhere(tx, self.connection.id, ABSENT_RUNS)
            runs.step(tx, self.run.id, self.run.phase, self.cursor, self.counts)

    def _brake(self, picture: Picture) -> None:
        """Who would leave without EHQ's explicit word was held on the walk. A few go now, many wait for a person."""
        with self.parts.database.read() as tx:
            absent, outside = census.held(tx, self.connection.id, self.run.id, ABSENT_RUNS)
            on_list = participants.counts(tx, self.connection.id)["on_list"]
        if self.run.dry:
            absent, outside = self.cursor.get("absent", 0), self.cursor.get("outside", 0)
        if absent + outside > picture.rules.brake.limit(on_list):
            self.counts |= {"braked": absent + outside, "absent": absent, "outside": outside, "of_on_list": on_list}
        elif not self.run.dry and (gone := let_go(self.parts, self.connection, self.run.id)):
            self._found("leaves", UNTOLD, gone)

    def _compare(self, tx: Tx, picture: Picture, people: list[Person]) -> None:
        verdicts = picture.judge(tx, people)
        waits: dict[tuple[int, str], list[int]] = {}
        settled: list[Person] = []
        held: list[int] = []
        free: list[int] = []
        agreed: list[Person] = []
        self.count("compared", len(people))
        for person in people:
            verdict = verdicts[person.id]
            if self.run.dry:
                self._tally(person, verdict)
            if braking := self._braking(picture, person, verdict):
                held.append(person.id)
                if self.run.dry:
                    self.cursor[braking] = self.cursor.get(braking, 0) + 1
                    self._found("leaves", UNTOLD)
                    self._show(person, verdict, "leaves", UNTOLD)
                if braking == "outside" or self.run.dry:
                    settled.append(person)
                    continue
            elif person.brake_run is not None and not picture.outside(person):
                free.append(person.id)
            if person.refused_code and verdict.step == "nothing" and verdict.wanted:
                self.count(f"refused_{person.refused_code}")
            if verdict.wanted and opted_out(person.held, person.record):
                self.count("opted_out")
            form.count_lost(self.counts, verdict.wanted.lost if verdict.wanted else {})
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
            self._found(kind, cause)
            if self.run.dry:
                self._show(person, verdict, kind, cause)
            else:
                waits.setdefault((LEAVING if verdict.step == "leave" else BULK, cause), []).append(person.id)
        participants.judged(tx, people, {i: verdict.why for i, verdict in verdicts.items()})
        if not self.run.dry:
            participants.settle(tx, settled)
            census.hold(tx, held, self.run.id)
            participants.change(tx, free, brake_run=None)
            # Their EHQ ID stands in CM: we put them there, be it under a connection since removed.
            participants.intend(tx, [p.id for p in agreed if not p.record.put])
            # A removal that did not come about: should somebody remove them by hand now, that is not ours to undo.
            seen = [p.id for p in agreed if p.record.removed and p.cm_seen_run == self.run.id]
            participants.change(tx, seen, removed_at=None)
            for (lane, cause), ids in waits.items():
                participants.wait(tx, ids, lane, cause, self.run.id)

    def _braking(self, picture: Picture, person: Person, verdict: Verdict) -> str | None:
        """Whether they would leave the list without EHQ's explicit word about them: because "absent", or "outside"."""
        if not person.record.put or person.held.state != "Active" or person.gone:
            return None
        # A dry run counts nobody as absent: it looks as if it had.
        missed = int(self.run.dry and person.seen_run != self.run.id)
        if person.absent_runs + missed >= ABSENT_RUNS:
            return "absent"
        if self.cursor.get("asked") or person.brake_run == 0 or not picture.outside(person):
            return None
        leaving = person.waiting_since is not None and person.lane == LEAVING
        return "outside" if person.brake_run or (verdict.step == "leave" and not leaving) else None

    def _found(self, kind: str, cause: str, people: int = 1) -> None:
        self.count(kind, people)
        self.count("to_write", people)
        causes = self.counts.setdefault("causes", {})
        causes[cause] = causes.get(cause, 0) + people

    def _tally(self, person: Person, verdict: Verdict) -> None:
        """Why people stay off the list, and how many answered each question; for whoever decides by a dry run."""
        if verdict.wanted is None:
            off = self.counts.setdefault("kept_off", {})
            reason = verdict.reason or ""
            off[reason] = off.get(reason, 0) + 1
        elif verdict.step == "nothing":
            self.count("unchanged")
        if self.run.trigger != "change":
            answered = self.counts.setdefault("answered", {})
            for question in person.known.values.get("answers") or ():
                answered[question] = answered.get(question, 0) + 1

    def _show(self, person: Person, verdict: Any, kind: str, cause: str) -> None:
        """A few examples of what a dry run would do; ids and names of fields only."""
        examples = self.counts.setdefault("examples", {}).setdefault(kind, [])
        if len(examples) < 20:
            fields = differences(verdict.wanted, person.held) if verdict.wanted else []
            examples.append(
                {"ehq_id": person.known.ehq_id, "cause": cause, "reason": verdict.reason, "fields": fields[:20]}
            )

    def write(self) -> str | None:
        """Whoever waits, live changes first in every call; the list's claim is let go between steps."""
        with self.claim_list() as lease:
            visit = Visit(self.parts, self.connection, lease)
            with visit.ahead():
                while True:
                    written = visit.write((LEAVING, LIVE, BULK))
                    self.count("written", written)
                    if not written or not self.more_time():
                        return None if written else "segments"
                    # What arrives meanwhile goes next, and whoever leaves while the import is still under way.
                    if apply_waiting(self.parts, self.connection):
                        visit.picture = self.picture()

    def segments(self) -> str | None:
        cm = self.parts.campaign_monitor(self.connection)
        with self.claim_list() as lease:
            if (self.connection.cm_hook_problem or {}).get("passing"):
                hooks.keep(self.parts, self.connection, lease)
            picture = groups.options(self.parts, cm, lease, self.picture())
            picture = segments.make(self.parts, cm, lease, picture, everyone=True)
        self.counts["segments"] = sum(1 for g in picture.groups.values() if g.segment_id)
        self.counts["segments_not_made"] = sum(1 for g in picture.groups.values() if g.problem)
        return "verify" if self.counts.get("written") else "done"

    def verify(self) -> str | None:
        """Read back what was written: an import answers before anyone can be sure that it was kept."""
        if not self._read_list(("Active",), NOT_KEPT):
            return None
        return "done"
