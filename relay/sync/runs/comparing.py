"""A run compares, two thousand people at a time, and writes, a thousand at a time as soon as so many are found: while
CM takes them, the next ones are compared."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from relay.domain.decide import opted_out
from relay.domain.mapping import differences
from relay.domain.rules import Rules, against, fingerprint
from relay.ehq.dialect import dialect
from relay.store import census, connections, participants
from relay.store.database import Tx
from relay.store.participants import BULK, LEAVING, LIVE
from relay.store.person import Person
from relay.sync.intake.apply import apply_waiting
from relay.sync.picture import Picture, Verdict
from relay.sync.runs.barred import Barred
from relay.sync.runs.brake import ABSENT_RUNS, UNTOLD, let_go
from relay.sync.runs.reading import COMPARED, STEP_S, Reading
from relay.sync.structure import form, groups, left_out
from relay.sync.upsert.write import Visit

WRITING_S = 10.0
"""A step that writes is longer than others: at its end nothing overlaps, and live changes pass within it."""


class Comparing(Reading):
    """A step that compares or writes. A dry run only counts, and shows a few examples."""

    barred: Barred | None = None

    def compare(self) -> str | None:
        """Everyone's two sides; the brake before anybody leaves for absence."""
        if "last" not in self.cursor:
            self._begin_comparing()
        self.look_for_opt_outs()
        with self.writing() as write:
            while self._compare_some() == COMPARED:  # there are more
                write(self.counts.get("to_write", 0) - self.counts.get("written", 0) >= COMPARED // 2)
                if not self.more_time():
                    return None
        self._brake()
        if self.run.dry:
            return "done"
        form.counted(self.parts, self.run, self.counts)
        return "write" if self.counts.get("to_write") else "segments"

    @contextmanager
    def writing(self) -> Iterator[Callable[[bool], int]]:
        """What writes up to a thousand who wait, and answers how many there were: whoever leaves and what arrived
        meanwhile first, and whom the run found if told so. Under the list's claim; the last import has landed when this
        is left."""
        if self.run.dry:
            yield lambda found: 0
            return
        self.ends += WRITING_S - STEP_S
        with self.claim_list() as lease:
            visit = Visit(self.parts, self.connection, lease)
            visit.failures = (self.run.problem or {}).get("times", 0)

            def write(found: bool) -> int:
                if apply_waiting(self.parts, self.connection):
                    visit.look_again()
                written = visit.write((LEAVING, LIVE, BULK) if found else (LEAVING, LIVE))
                self.count("written", written)
                return written

            with visit.ahead():
                yield write

    def _begin_comparing(self) -> None:
        """From here on these rules are the ones compared with; another change to them, even one in the next second, is
        another comparison."""
        with self.parts.database.write() as tx:
            fresh = connections.find(tx, self.connection.id)
            if fresh is not None:
                self.connection = fresh
            self.counts |= {"rules": fingerprint(self.connection.rules), "members": {}}
            self.cursor["last"] = 0
            if not self.run.dry:
                if self.connection.compared_rules not in (None, _deciding(self.connection.rules)):
                    census.ask_anew(tx, self.connection.id)
                connections.change(tx, self.connection.id, remap_due=False)
                census.absent_elsewhere(tx, self.connection.id, ABSENT_RUNS)
            self._on_list(tx)
            self.note(tx)

    def _brake(self) -> None:
        """Who would leave without EHQ's explicit word was held on the walk. A few go now, many wait for a person."""
        with self.parts.database.read() as tx:
            absent, outside = census.held(tx, self.connection.id, self.run.id, ABSENT_RUNS)
            on_list = self._on_list(tx)
        if self.run.dry:
            absent, outside = self.cursor.get("absent", 0), self.cursor.get("outside", 0)
        if absent + outside > self.connection.rules.brake.limit(on_list):
            self.counts |= {"braked": absent + outside, "absent": absent, "outside": outside}
        if not self.run.dry and self.counts["rules"] == fingerprint(self.connection.rules):
            with self.parts.database.write() as tx:
                connections.change(tx, self.connection.id, compared_rules=_deciding(self.connection.rules))
        if self.counts.get("braked"):
            return
        if not self.run.dry and (gone := let_go(self.parts, self.connection, self.run.id)):
            self._found("leaves", UNTOLD, gone)

    def _on_list(self, tx: Tx) -> int:
        """How many the list had before this run wrote."""
        if "of_on_list" not in self.counts:
            self.counts["of_on_list"] = participants.counts(tx, self.connection.id)["on_list"]
        return int(self.counts["of_on_list"])

    def _compare_some(self) -> int:
        """The next of them. Where the walk is, is saved with what was found: a call to CM that fails undoes nothing."""
        with self.parts.database.write() as tx:
            picture = Picture.load(tx, self.connection)
            people = participants.after(tx, self.connection.id, self.cursor.get("last", 0), COMPARED)
            self._compare(tx, picture, left_out.forget(tx, picture, people))
            if people:
                self.cursor["last"] = people[-1].id
                self.note(tx)
        return len(people)

    def look_for_opt_outs(self) -> None:
        """Once a step of a dry run, before anybody is compared: whom CM would not take, be they never written to."""
        if self.run.dry and self.barred is None:
            first_export = self.run.trigger == "export" and not self.connection.exported_at
            self.barred = Barred(self.parts, self.connection, self.picture(), states=first_export)
            self.counts["opt_outs_unread"] = not self.barred.whole
            self.ends = max(self.ends, time.monotonic() + STEP_S)

    def _compare(self, tx: Tx, picture: Picture, people: list[Person]) -> None:
        if self.barred:
            people, there = self.barred.meet(tx, people)
            self.count("left_alone", -there)
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
            if verdict.wanted:
                form.count_lost(self.counts, verdict.wanted.lost)
                groups.count_members(self.counts, person.known.values.get("groups") or ())
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
        if person.brake_run == 0 or not picture.outside(person) or self._chosen(person):
            return None
        leaving = person.waiting_since is not None and person.lane == LEAVING
        return "outside" if person.brake_run or (verdict.step == "leave" and not leaving) else None

    def _chosen(self, person: Person) -> bool:
        """Whether an audience that a person chose since everybody was last compared puts them outside, as they were
        read before: what other overrides make of people is nobody's choice about each of them."""
        last, rules = self.connection.compared_rules, self.connection.rules
        if last is None or last["audience"] == _deciding(rules)["audience"]:
            return False
        if last["overrides"] != rules.overrides and self.run.trigger != "change":
            return False
        role = dialect(last["overrides"] or None).role(person.known.values.get("role"))
        return against(person.known, rules, role) is not None

    def _found(self, kind: str, cause: str, people: int = 1) -> None:
        self.count(kind, people)
        self.count("to_write", people)
        self.caused(cause, people)

    def _tally(self, person: Person, verdict: Verdict) -> None:
        """Why people stay off the list, and how many answered each question; for whoever decides by a dry run."""
        if verdict.wanted is None:
            off = self.counts.setdefault("kept_off", {})
            reason = verdict.reason or ""
            off[reason] = off.get(reason, 0) + 1
        elif verdict.step == "nothing" and not opted_out(person.held, person.record):
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


def _deciding(rules: Rules) -> dict[str, Any]:
    """Of the rules, what decides who is outside."""
    return rules.model_dump(mode="json", include={"audience", "overrides"})
