"""A run that reads an export in place of EHQ. Every other phase is that of any run.

Its rows are gone through twice: first those whose address and screen name are those of somebody known, then the rest,
who may be somebody not found yet by their screen name and time of joining (an address that changed), or new.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from relay.domain.merge import Known, see
from relay.domain.participant import Patch
from relay.domain.version import Page
from relay.ehq.client import UsersPage
from relay.ehq.export import Row, folded, near, patch, same_registration
from relay.errors import Incomplete
from relay.store import asked, census, connections, exports, participants, runs, structure
from relay.store.database import Tx
from relay.store.exports import PREFIX, Export
from relay.store.person import Person, stranger
from relay.sync.exports.exports import unlock
from relay.sync.intake.identity import question_ids
from relay.sync.picture import Picture, imagine, learn
from relay.sync.runs.brake import ABSENT_RUNS, UNTOLD
from relay.sync.runs.reading import COMPARED
from relay.sync.runs.reconcile import Step
from relay.sync.structure import form

IN_EXPORT = "changed in the export"
TEAM = ("site_admin", "hub_admin")
"""No export of participants, nor of a group, lists them: their absence there says nothing (EHQ contract §3.3)."""


class ExportStep(Step):
    """Advances a run that reads an export; without one, a run that reads Campaign Monitor alone."""

    export: Export | None = None

    def groups(self) -> str | None:
        if self.export is None or self.run.dry:
            return "campaign_monitor"
        with self.parts.database.write() as tx:
            if self.connection.exported_at is None:  # whoever is heard of from now on may be somebody in it
                connections.change(tx, self.connection.id, exported_at=0.0)
            # Some may have been heard of since it was uploaded.
            known = {group.name.casefold(): group.ehq_id for group in structure.all_groups(tx, self.connection.id)}
            told = self.export.summary["groups"]
            groups = [{**group, "id": known.get(group["name"].casefold(), group["id"])} for group in told]
            exports.change(tx, self.export.id, summary={**self.export.summary, "groups": groups})
            learn(tx, self.picture(), (), {group["id"]: group["name"] for group in groups})
        return "ehq"

    def campaign_monitor(self) -> str | None:
        following = super().campaign_monitor()
        return "ehq" if following and self.run.dry and self.export else following

    def ehq(self) -> str | None:
        export = self.export
        if export is None:  # thrown away while the run was held for very long
            raise Incomplete("The export is no longer kept.", remedy="Upload it again.")
        self.counts["ehq_total"] = export.summary["people"]
        while True:
            turn, number = self.cursor.get("turn", 1), self.cursor.get("page", 0)
            if turn == 3:
                if self._missing(export):
                    return "done" if self.run.dry else self._read(export)
            elif self._page(export, turn, number):
                self.cursor |= {"page": number + 1}
            else:
                self.cursor |= {"turn": turn + 1, "page": 0}
            if not self.more_time():
                return None

    def _page(self, export: Export, turn: int, number: int) -> bool:
        """Whether there was such a page."""
        picture = self.known_picture or self.picture()
        self.look_for_opt_outs()
        with self.parts.database.read() as tx:
            page = exports.page(tx, export.id, number, self.run.id)
        if page is None:
            return False
        rows = unlock(self.parts, page.body)
        ids = page.ids or [None] * len(rows)
        # Those found in this turn already: it is taken once more, after a worker was lost.
        todo = [place for place, known in enumerate(ids) if known is None or known[0] == turn]
        if fresh := [place for place in todo if ids[place] is None]:
            with self.parts.database.write() as tx:
                found = self._who(tx, [rows[place] for place in fresh], first=turn == 1)
                for place, ehq_id in zip(fresh, found, strict=True):
                    ids[place] = (turn, ehq_id) if ehq_id else None
                exports.found(tx, export.id, number, self.run.id, ids)
        there = [(rows[place], known[1]) for place in todo if (known := ids[place]) is not None]
        patches = self._patches(export, picture, there)
        if self.run.dry:
            self._imagine(picture, patches, export.made_at)
        elif patches:
            self._see(UsersPage(patches, None, None), export.made_at)
        return True

    def _who(self, tx: Tx, rows: Sequence[Row], first: bool) -> list[str | None]:
        """The ids of these rows; None, the first time, for whoever is not found beyond doubt."""
        at: dict[str, list[Person]] = {}
        for person in participants.by_emails(tx, self.connection.id, {folded(row.email) for row in rows}):
            at.setdefault(person.email or "", []).append(person)
        if first:
            return [_same_account(row, at.get(folded(row.email), ())) for row in rows]
        named: dict[str, list[Person]] = {}
        if "all_seen" not in self.cursor:
            self.cursor["all_seen"] = not exports.unseen(tx, self.connection.id, self.run.id, 0, 1)
        logins = {row.login for row in rows if row.login and not self.cursor["all_seen"]}
        for person in exports.unseen_named(tx, self.connection.id, logins, self.run.id):
            named.setdefault(str(person.known.values["login"]), []).append(person)
        marks = {mark: folded(row.email) for row in rows for mark in self.parts.vault.marks(folded(row.email))}
        erased = {marks[mark] for mark in asked.marked(tx, self.connection.id, marks)}
        taken: set[str] = set()
        ids: list[str | None] = []
        for row in rows:
            known = [p for p in named.get(row.login, ()) if same_registration(row.login, row.joined, p.known.values)]
            known += [p for p in at.get(folded(row.email), ()) if _may_be(row, p)]
            known = [p for p in known if p.known.ehq_id not in taken and self._free(p, row)]
            if not known and folded(row.email) in erased:  # without an id nothing tells them from whom we erased
                self.count("erased")
                ids.append(None)
                continue
            ids.append(known[0].known.ehq_id if known else self._new_id(row))
            taken.add(str(ids[-1]))
        return ids

    def _free(self, person: Person, row: Row) -> bool:
        """Whether no other row of this export was found to be them."""
        return person.seen_run != self.run.id or person.email == folded(row.email)

    def _new_id(self, row: Row) -> str:
        said = f"{self.connection.id}\n{folded(row.email)}\n{row.login}\n{row.joined}"
        return PREFIX + sha256(said.encode("utf-8", "replace")).hexdigest()[:16]

    def _group_names(self) -> dict[str, str]:
        groups = self.export.summary["groups"] if self.export else ()
        return {group["id"]: group["name"] for group in groups}

    def _patches(self, export: Export, picture: Picture, found: Sequence[tuple[Row, str]]) -> list[Patch]:
        listed = {group["name"]: group for group in export.summary["groups"]}
        whole = {group["id"] for group in listed.values() if group["complete"]}
        labels = question_ids(picture)
        with self.parts.database.read() as tx:
            people = participants.by_ids(tx, self.connection.id, [ehq_id for _, ehq_id in found]) if listed else {}
        patches = []
        for row, ehq_id in found:
            groups = None
            if listed:
                known = people[ehq_id].known.values if ehq_id in people else {}
                before = set(known.get("groups") or ())
                left = whole if picture.role({**known, **row.values}) not in TEAM else set()
                groups = sorted((before - left) | {listed[name]["id"] for name in row.groups})
            patches.append(patch(row, ehq_id, labels, picture.dialect, groups))
        return patches

    # Who is not in it.

    def _missing(self, export: Export) -> bool:
        """A part of those who are not in it; whether that were all."""
        summary, picture = export.summary, self.picture()
        whole = {group["id"] for group in summary["groups"] if group["complete"]}
        again = export.summary["digest"] == self._last_digest()
        counts = summary["complete"] and not again
        self.counts["absence_counted"] = counts
        if self.run.dry:
            with self.parts.database.read() as tx:
                living, missed = exports.missed(tx, self.connection.id, ABSENT_RUNS - 1)
            self.counts["missing"] = living - self.cursor.get("known", 0)
            if counts and (leaving := missed - self.cursor.get("back", 0)) > 0:
                self.cursor["absent"] = leaving
                self._found("leaves", UNTOLD, leaving)
            self._brake()
            return True
        while True:
            with self.parts.database.write() as tx:
                some = exports.unseen(tx, self.connection.id, self.run.id, self.cursor.get("last", 0), COMPARED)
                if counts:
                    older = [p for p in some if (p.heard_at or 0.0) < export.made_at]
                    missing = [p for p in older if summary["team"] or picture.role(p.known.values) not in TEAM]
                    exports.absent(tx, [p.id for p in missing])
                    self.count("missing", sum(not p.gone and not p.known.deleted for p in missing))
                others = [p for p in some if picture.role(p.known.values) not in TEAM]
                self._left(tx, others, whole, export.made_at)
                if some:
                    self.cursor["last"] = some[-1].id
                    self.note(tx)
            if not some:
                return True
            if not self.more_time():
                return False

    def _left(self, tx: Tx, some: Sequence[Person], whole: set[str], asked: float) -> None:
        """Whoever is in no file left the groups whose files are complete."""
        changed = []
        for person in some:
            groups = set(person.known.values.get("groups") or ())
            if groups & whole:
                now = see(person.known, Patch(person.known.ehq_id, None, {"groups": groups - whole}), Page(asked))
                changed.append((person.id, replace(now, page=person.known.page)))
        participants.save_known(tx, changed, self.picture().sought)
        participants.change(tx, [person_id for person_id, _ in changed], cause=IN_EXPORT)

    def _last_digest(self) -> str | None:
        """Of the last export whose absences were counted: uploaded again it says nothing new of who is absent."""
        with self.parts.database.read() as tx:
            before = [r for r in runs.latest(tx, self.connection.id, 50, dry=False) if r.trigger == "export"]
        ended = [r for r in before if r.counts.get("absence_counted")]
        return ended[0].counts.get("export", {}).get("digest") if ended else None

    def _read(self, export: Export) -> str:
        with self.parts.database.write() as tx:
            census.grown(tx)
            # In an export its label is all that a question is known by: it cannot be called otherwise.
            told = {question: {**said, "labels": []} for question, said in self.cursor.get("form", {}).items()}
            form.settle(tx, Picture.load(tx, self.connection), told, whole=export.summary["complete"])
            connections.change(tx, self.connection.id, exported_at=export.made_at)
        return "campaign_monitor"

    def cause(self, known: Known, now: Mapping[str, Any]) -> str:
        return IN_EXPORT if known.values and not self.counts.get("first_run") else "first seen"

    # A dry run keeps nothing of a file that may be the wrong one: it only imagines it.

    def _imagine(self, picture: Picture, patches: Sequence[Patch], asked: float) -> None:
        questions = {q.id: q for one in patches for q in one.questions}
        answers = {q: answer for one in patches for q, answer in (one.values.get("answers") or {}).items()}
        picture = imagine(picture, questions.values(), self._group_names(), answers)
        with self.parts.database.read() as tx:
            known = participants.by_ids(tx, self.connection.id, [one.ehq_id for one in patches])
            people = []
            for number, one in enumerate(patches, 1):
                person = known.get(one.ehq_id) or stranger(-number, Known(one.ehq_id))
                left_out = picture.left_out | {q.id for q in one.questions if picture.leaves_out(q)}
                now = see(person.known, one, Page(asked), left_out)
                people.append(replace(person, known=now, gone=False, absent_runs=0, seen_run=self.run.id))
            self._compare(tx, picture, people)
        self.count("ehq_read", len(patches))
        self.cursor["known"] = self.cursor.get("known", 0) + sum(not p.gone for p in known.values())
        back = sum(
            p.absent_runs >= ABSENT_RUNS - 1 and p.record.put and p.held.state == "Active" for p in known.values()
        )
        self.cursor["back"] = self.cursor.get("back", 0) + back


def _same_account(row: Row, known: Sequence[Person]) -> str | None:
    fit = [p for p in known if p.email == folded(row.email) and p.known.values.get("login") == row.login and row.login]
    return fit[0].known.ehq_id if fit else None


def _may_be(row: Row, person: Person) -> bool:
    """With this address, and no sign that it is another account: that one joined at another time."""
    known = person.known.values
    if person.email != folded(row.email):
        return False
    return not row.login or not known.get("login") or near(row.joined, known.get("created_at")) is not False
