"""What a run reads, page by page: people from EHQ and subscribers from CM, and how each changes what we know."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from relay.campaign_monitor.shapes import STATES
from relay.domain.decide import opted_out
from relay.domain.mapping import Held, alike, differences
from relay.domain.merge import Known, see
from relay.domain.participant import Question
from relay.domain.rules import spelling, told_to_leave
from relay.domain.version import Page
from relay.errors import Incomplete, NeedsPerson
from relay.store import asked, census, connections, holdings, members, participants, runs
from relay.store import structure as tables
from relay.store.connections import Connection
from relay.store.database import Tx
from relay.store.holdings import Holding
from relay.store.participants import BULK
from relay.store.person import Person
from relay.store.runs import Run
from relay.store.structure import FORMER
from relay.sync.intake.hints import BY_HAND, note_opt_outs
from relay.sync.intake.identity import recognise
from relay.sync.parts import Parts
from relay.sync.picture import Picture, learn
from relay.sync.runs import brake, drift
from relay.sync.runs.named import named
from relay.sync.runs.prefetch import Prefetch
from relay.sync.structure import form, groups
from relay.sync.upsert import removed

STEP_S = 4.0
COMPARED = 2000
FEW = 2
NOT_KEPT = "write not kept by CM"


@dataclass
class Reading:
    """One step of one run, under the run's claim; `claim_list` gives the list's claim, waiting for it a little."""

    parts: Parts
    connection: Connection
    run: Run
    claim_list: Callable[[], Any]
    cursor: dict[str, Any] = field(init=False)
    counts: dict[str, Any] = field(init=False)
    ends: float = field(init=False)
    known_picture: Picture | None = field(init=False, default=None)
    """As of the last page: a thousand people rarely bring a new question or group."""

    def __post_init__(self) -> None:
        self.cursor, self.counts = dict(self.run.cursor), dict(self.run.counts)
        self.ends = time.monotonic() + STEP_S

    def more_time(self) -> bool:
        return time.monotonic() < self.ends and not self.parts.stopping.is_set()

    def note(self, tx: Tx, phase: str | None = None) -> None:
        """What must not be done twice is noted with it: whoever takes this step again goes on after it; with `phase`
        in that one, from its beginning. :raise Lost: when another worker took the step meanwhile, and did it."""
        self.run = runs.step(tx, self.run, phase or self.run.phase, {} if phase else self.cursor, self.counts)

    def page_kept(self) -> None:
        """What was read so far need not be read again when a later page fails; and that it came so far is progress."""
        with self.parts.database.write() as tx:
            self.note(tx)

    def count(self, name: str, by: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + by

    def caused(self, cause: str, people: int) -> None:
        """Of what kind the differences were that were found."""
        causes = self.counts.setdefault("causes", {})
        causes[cause] = causes.get(cause, 0) + people

    def picture(self) -> Picture:
        with self.parts.database.read() as tx:
            return Picture.load(tx, self.connection)

    def cause(self, known: Known, now: Mapping[str, Any]) -> str:
        """Why a page said something else than we knew. Before the first run nothing was expected of EHQ: whatever was
        read in a set-up is still new."""
        return "first seen" if self.counts.get("first_run") else drift.cause(known, now)

    def _see(self, page: Any, asked: float) -> None:
        self.count("ehq_read", len(page.people))
        self.count("ehq_unreadable", page.unreadable)
        picture = self.known_picture or self.picture()
        if self.connection.exported_at is not None:
            with self.parts.database.write() as tx:
                page = replace(page, people=recognise(tx, picture, page.people)[0])
        patches = {patch.ehq_id: patch for patch in page.people}
        mentioned = {(q.id, q.label, q.kind, q.options) for patch in patches.values() for q in patch.questions}
        questions = {words[0]: Question(*words) for words in mentioned}
        names = {i: name for patch in patches.values() for i, name in patch.group_names.items()}
        left_out = picture.left_out | {q.id for q in questions.values() if picture.leaves_out(q)}
        with self.parts.database.write() as tx:
            new = {q.id for q in questions.values()} - {s.removeprefix("answer:") for s in picture.fields}
            examples = {q: a for p in patches.values() for q, a in (p.values.get("answers") or {}).items() if q in new}
            if learn(tx, picture, questions.values(), names, examples):
                picture = Picture.load(tx, self.connection)
            tables.groups_seen(tx, self.connection.id, names, self.run.id)
            people = participants.by_ids(tx, self.connection.id, patches, lock=True)
            pages = {i: Page(asked, patch.updated_at) for i, patch in patches.items()}
            first = [see(Known(i), patches[i], pages[i], left_out) for i in sorted(patches.keys() - people.keys())]
            also = {"seen_run": self.run.id, "cause": self.cause(Known(""), {})}
            added = participants.add_known(tx, self.connection.id, first, picture.sought, **also)
            if heard_of_meanwhile := {known.ehq_id for known in first} - added.keys():
                people |= participants.by_ids(tx, self.connection.id, heard_of_meanwhile, lock=True)
            changed: list[tuple[int, Known]] = []
            found: dict[int, tuple[str, Known, Mapping[str, Any]]] = {}
            for ehq_id, person in people.items():
                if person.known.erased:
                    continue
                now = see(person.known, patches[ehq_id], pages[ehq_id], left_out)
                same_page = now.page is not None and person.known.page is not None
                if now.values != person.known.values or now.heard != person.known.heard or not same_page:
                    changed.append((person.id, now))
                if now.values != person.known.values:
                    found[person.id] = self.cause(person.known, now.values), person.known, now.values
            self._opt_outs_by_overrides(tx, [people[known.ehq_id] for _, known in changed], dict(changed))
            participants.save_known(tx, changed, picture.sought)
            census.seen(tx, [person.id for person in people.values()], self.run.id, asked)
            for name, ids in drift.explained(tx, self.connection.id, picture.dialect.of_group, found).items():
                participants.change(tx, ids, cause=name)
        self.known_picture = picture
        form.note(self.cursor.setdefault("form", {}), (Question(*words) for words in mentioned))

    def _opt_outs_by_overrides(self, tx: Tx, people: Sequence[Person], now: Mapping[int, Known]) -> None:
        """Who would be an explicit opt-out by overrides that are new: as many as the brake lets go are taken in.

        An export was looked at before. :raise NeedsPerson: before any more is stored.
        """
        if self.run.trigger == "export" or not brake.new_overrides(self.connection):
            return
        ours = [p for p in people if p.record.put and p.held.state == "Active"]
        fresh = [p for p in ours if not told_to_leave(p.known) and told_to_leave(now[p.id])]
        self.cursor["opt_outs"] = self.cursor.get("opt_outs", 0) + len(fresh)
        limit = self.connection.rules.brake.limit(participants.counts(tx, self.connection.id)["on_list"])
        if self.cursor["opt_outs"] > limit or brake.asks_about_overrides(tx, self.connection):
            raise NeedsPerson(
                f"More than {limit} people on the list would be unsubscribed or blocked in EHQ by overrides that are "
                "new. Reading stopped before these were taken in.",
                remedy="Are the right attributes read? Correct it under Overrides, or confirm there that they are.",
                code=brake.overrides_code(self.connection),
            )

    def _ehq_complete(self) -> str:
        total, told = self.counts.get("ehq_total"), self.counts.get("ehq_told", 0)
        if total is not None:
            self._all_there(total, told)
        with self.parts.database.write() as tx:
            census.grown(tx)
            # Somebody whose resource had no id may be anybody: then nobody is counted as absent.
            if not self.run.dry and not self.counts.get("ehq_unreadable"):
                census.count_absent(tx, self.connection.id, self.run.id, self.counts["began"]["ehq"])
                members.answered(tx, self.connection.id, self.counts["began"]["ehq"])
                if self.counts.get("groups_unlisted") == 0:
                    groups.absent(tx, self.connection, self.run.id, self.counts)
            connections.change(tx, self.connection.id, read_overrides=spelling(self.connection.rules))
            if not self.run.dry:
                form.settle(tx, Picture.load(tx, self.connection), self.cursor.get("form", {}))
            self.note(tx, "campaign_monitor")
        return "campaign_monitor"

    def _all_there(self, total: int, told: int) -> None:
        """`total` is what EHQ said last, `told` the most it said. A few people may come or go while we read.

        :raise Incomplete: when pages list some twice and others not at all, or the total shrinks under our hands.
        """
        with self.parts.database.read() as tx:
            different = census.distinct(tx, self.connection.id, self.run.id) + self.counts.get("ehq_unreadable", 0)
        listed = self.counts.get("ehq_read", 0) + self.counts.get("ehq_unreadable", 0)
        if listed < total:
            found = f"EHQ says that it has {total} people but listed {listed}."
        elif different < total - max(FEW, total // 100):
            found = f"EHQ says that it has {total} people but listed {different}, some of them more than once."
        elif told - total > self.connection.rules.brake.limit(told):
            found = f"EHQ said first that it has {told} people, and {total} a few pages later."
        else:
            return
        again = "Nobody was removed. The next run tries again; if this stays, ask EHQ's support."
        raise Incomplete(found, remedy=again, code="ehq-paging")

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

        with Prefetch(fetch, tuple(self.cursor.get("at", (0, 1))), lambda answer: answer[1]) as pages:
            for page, next_at, asked in pages:
                self._hold(page.people, picture, cause, asked)
                if next_at is None:
                    if states == STATES:
                        self._vanished(cause)
                    return True
                self.cursor["at"] = list(next_at)
                self.page_kept()
                if not self.more_time():
                    return False
        return True

    def _hold(self, people: Any, picture: Picture, cause: str | None, asked: float) -> None:
        """What CM holds, where it is not what we knew."""
        there = {held.email: held for held in map(picture.held, people) if held.email}
        with self.parts.database.write() as tx:
            ours = holdings.by_address(tx, self.connection.id, there.keys())
            if cause != NOT_KEPT:
                ours, elsewhere, mistaken = named(tx, self.connection.id, there, ours)
                self.cursor.setdefault("second", []).extend(elsewhere)
                participants.read_back(tx, [(i, Held()) for i in mistaken])
            all_ours = [(one, there[address]) for address, one in ours.items()]
            found = [(o, held) for o, held in all_ours if not alike(held, o.held) and (o.written_at or 0.0) < asked]
            # What stands in a field from before its question changed its kind was not changed by anybody.
            moved = [(one.id, held) for one, held in found if any(s.startswith(FORMER) for s in held.fields)]
            participants.read_back(tx, moved, cause and "mapping changed")
            left = {i for i, _ in moved}
            participants.read_back(tx, [(one.id, held) for one, held in found if one.id not in left], cause)
            if cause == BY_HAND:
                note_opt_outs(tx, self.connection.id, [(one.id, one.held, one.record, h) for one, h in found])
            self._removed_before(tx, found, {one.email.lower(): one.date for one in people})
            # Their EHQ ID stands in CM, so we put them there, even if our record of it is lost (a restored database).
            ours_again = [o.id for o, held in all_ours if not o.record.put and held.fields.get("ehq_id") == o.ehq_id]
            participants.change(tx, ours_again, put_at=time.time())
            if cause == NOT_KEPT:  # a second look at the same people
                self._not_kept(tx, picture, [one.id for one, _ in found])
            else:  # a complete read: whom it does not see is not there
                participants.change(tx, [one.id for one in ours.values()], cm_seen_run=self.run.id)
                self.count("cm_read", len(people))
                self.count("left_alone", len(there) - len(ours))

    def _removed_before(self, tx: Tx, found: list[tuple[Holding, Held]], since: Mapping[str, str]) -> None:
        """Newcomers at an address from which we removed somebody before: that is no opt-out of theirs."""
        new = {held.email or "": p.id for p, held in found if held.state == "Deleted" and p.held.state is None}
        ours = removed.before(tx, self.parts.vault, self.connection, {address: since[address] for address in new})
        participants.change(tx, [new[address] for address in ours], removed_at=time.time())
        asked.unmark(tx, self.connection.id, [mark for address in ours for mark in self.parts.vault.marks(address)])

    def _not_kept(self, tx: Tx, picture: Picture, ids: list[int]) -> None:
        """CM holds something else than it took: they are written once more, for a hand may have been in between. After
        that it is told instead, on the person, until what we would send changes."""
        people = participants.by_our_ids(tx, self.connection.id, ids)
        verdicts = picture.judge(tx, people)
        for person in people:
            wanted = verdicts[person.id].wanted
            if wanted is None or verdicts[person.id].step != "put" or person.waiting_since is not None:
                continue
            if "written_again" not in self.counts:
                participants.wait(tx, [person.id], BULK, NOT_KEPT, self.run.id)
                self.count("to_write")
                self.cursor["again"] = True
            elif (person.cm_written_at or 0.0) > self.counts["written_again"]:
                participants.refused(tx, person, "not-kept", wanted.fingerprint())
                lost = {"code": "not-kept", "fields": differences(wanted, person.held)}
                change = {"participant_id": person.id, "what": "refused", "cause": NOT_KEPT, "detail": lost}
                runs.note(tx, self.connection.id, [{**change, "run_id": self.run.id}])
                self.count("not_kept")

    def _vanished(self, cause: str | None) -> None:
        """Whom we thought to be on the list and who is in none of its states any more. An opt-out outlives its
        subscriber: it belongs to the person, also when another has their address by now (design rule 3)."""
        # Of several addresses at which they are named, the one where they are on the list.
        second = {
            i: (address, state)
            for state_of in reversed(STATES)
            for i, address, state in self.cursor.get("second", ())
            if state == state_of
        }
        last, since = 0, self.counts.get("began", {}).get(self.run.phase, self.run.started_at)
        while True:
            with self.parts.database.write() as tx:
                gone = census.cm_unseen(tx, self.connection.id, self.run.id, since, last, COMPARED)
                now = [(person, second.get(person.known.ehq_id)) for person in gone]
                out = {person.id for person in gone if opted_out(person.held, person.record)}
                there = {person.id: person.held.email for person in gone if person.held.state == "Active"}
                read = [(p, Held(*at) if at else Held(there.get(p.id))) for p, at in now if at or p.id not in out]
                participants.read_back(tx, [(person.id, held) for person, held in read], cause)
                if cause == BY_HAND:
                    note_opt_outs(tx, self.connection.id, [(p.id, p.held, p.record, held) for p, held in read])
            if not gone:
                return
            last = gone[-1].id
