"""A site kept right by exports alone, and what happens when EHQ's own ids are heard of later."""

from __future__ import annotations

import csv
import io
import time
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from relay import clock
from relay.ehq.dialect import dialect
from relay.errors import Invalid, NeedsPerson, RelayError
from relay.store import exports as store
from relay.store import participants, runs, structure
from relay.store.connections import Connection
from relay.store.runs import Run
from relay.sync import work
from relay.sync.connections import connect, credentials
from relay.sync.exports import exports, uploads
from relay.sync.exports.exported import ExportStep
from relay.sync.exports.uploads import Manifest, Upload
from relay.sync.health.standing import look
from relay.sync.people import erase
from relay.sync.structure import form
from tests.conftest import Begun, Live, Relay, SimulatedCampaignMonitor, SimulatedEhq
from tests.sync.test_absence import found, go_on

Rows = list[dict[str, str]]


@dataclass
class ByHand:
    """A connection without access to EHQ's API, and an administrator who makes exports."""

    relay: Relay
    ehq: SimulatedEhq
    cm: SimulatedCampaignMonitor
    connection: Connection

    def download(self, path: str = "export.zip", **asked: Any) -> bytes:
        return requests.get(f"{self.ehq.url}/sandbox/{path}", params=asked, timeout=20).content

    def stage(
        self,
        *groups: str,
        whole: bool = True,
        team: bool = True,
        part: int = 5000,
        edit: Callable[[Rows], Rows] | None = None,
        made_at: float | None = None,
    ) -> store.Export:
        files = [Upload("export.zip", io.BytesIO(edited(self.download(part=part), edit)))]
        if team:
            files.append(Upload("team.csv", io.BytesIO(self.download("team.csv")), "team"))
        files += [Upload("g.zip", io.BytesIO(self.download(group=name)), "group", name) for name in groups]
        people = sum(1 for one in self.ehq.people().values() if one["role-name"] in ("participant", "project_admin"))
        manifest = Manifest(people if whole else None)
        return exports.stage(self.relay.parts, self.now, files, manifest, made_at)

    def read(self, *groups: str, dry: bool = False, **more: Any) -> Run:
        """An export is made, uploaded, and read to the end of its run."""
        return self.run(self.stage(*groups, **more), dry=dry)

    def run(self, export: store.Export, dry: bool = False) -> Run:
        exports.start(self.relay.parts, self.now, export, dry=dry)
        return self.relay.reconcile(self.now)

    @property
    def now(self) -> Connection:
        return self.relay.parts.connection(self.connection.id)

    def state(self, email: str) -> str | None:
        found = self.cm.subscribers().get(email.lower())
        return found["state"] if found else None

    def agrees(self) -> None:
        expected = {a["email"].lower() for a in self.ehq.people().values() if a["subscribed"] and not a["blocked"]}
        assert self.cm.active() == expected
        assert self.cm.violations() == []

    def members(self, name: str) -> set[str]:
        return {email for email, s in self.cm.subscribers().items() if any(name in g for g in field(s, "Groups"))}


def edited(data: bytes, edit: Callable[[Rows], Rows] | None) -> bytes:
    if edit is None:
        return data
    archive = zipfile.ZipFile(io.BytesIO(data))
    out = io.StringIO(newline="")
    rows = edit(list(csv.DictReader(io.StringIO(archive.read(archive.namelist()[0]).decode("utf-8-sig")))))
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def field(subscriber: Any, name: str) -> list[str]:
    value = next((value for key, value in subscriber["fields"].items() if key.strip("[]").lower() == name.lower()), [])
    return value if isinstance(value, list) else [value]


@pytest.fixture
def by_hand(relay: Relay, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor) -> ByHand:
    made = relay.connect(ehq, ehq_url="", ehq_credential={}, reads="export")
    return ByHand(relay, ehq, cm, made)


@pytest.fixture
def kept(
    relay: Relay,
    ehq: SimulatedEhq,
    cm: SimulatedCampaignMonitor,
    begun: Begun,
) -> ByHand:
    """After the first complete export."""

    def first_export() -> Connection:
        made = relay.connect(ehq, ehq_url="", ehq_credential={}, reads="export")
        assert ByHand(relay, ehq, cm, made).read("Female Only", "Pet owners").state == "completed"
        return made

    return ByHand(relay, ehq, cm, begun("kept", first_export))


def test_the_first_export_fills_the_list_with_participants_and_team_answers_and_groups(kept: ByHand) -> None:
    kept.agrees()
    one, email = kept.ehq.someone()
    person, subscriber = kept.ehq.person(one), kept.cm.subscribers()[email.lower()]
    postcode = next(a["value"] for a in person["signup-answers"] if a["question-id"] == "12")
    assert field(subscriber, "What is your postcode?") == [postcode]
    assert kept.cm.segments()["Female Only"] == len(kept.members("Female Only")) > 0
    with kept.relay.parts.database.read() as tx:
        assert store.unseen(tx, kept.connection.id, -1, 0, 1)
        assert store.page(tx, 1, 0, 0) is None, "the export is deleted when its run has ended"


def test_who_registers_before_the_first_export_waits_for_it_since_nobody_chose_yet_what_travels(
    by_hand: ByHand, door: Callable[[Connection], str]
) -> None:
    door(by_hand.connection)
    _, email = by_hand.ehq.register()
    by_hand.ehq.delivered()
    by_hand.relay.work()
    assert by_hand.state(email) is None
    said = look(by_hand.relay.parts, by_hand.now).standing
    assert "1 person waits for it: webhooks told of them." in said.sentence
    assert "Upload" in said.remedy
    by_hand.read("Female Only", "Pet owners")
    assert by_hand.state(email) == "Active"
    by_hand.agrees()


def test_the_same_export_again_changes_nothing(kept: ByHand) -> None:
    before = kept.cm.calls()["writes"]
    run = kept.read("Female Only", "Pet owners")
    assert (run.state, run.counts.get("to_write", 0)) == ("completed", 0)
    assert kept.cm.calls()["writes"] == before


def test_changes_opt_outs_and_newcomers_arrive_with_the_next_export(kept: ByHand) -> None:
    (one, changed), (two, leaves) = kept.ehq.someone(0), kept.ehq.someone(1)
    kept.ehq.act("answer", id=one, question=12, value="3999", silent=True)
    kept.ehq.act("unsubscribe", id=two, silent=True)
    _, joins = kept.ehq.register(silent=True)
    assert kept.read("Female Only", "Pet owners").state == "completed"
    assert kept.state(leaves) == "Deleted"
    assert kept.state(joins) == "Active"
    assert "3999" in str(kept.cm.subscribers()[changed.lower()])
    kept.agrees()


def test_a_changed_address_moves_the_person_and_makes_no_second_one(kept: ByHand) -> None:
    one, email = kept.ehq.someone()
    before = kept.relay.person(kept.connection, email)["ehq_id"]
    kept.ehq.act("change_email", id=one, new_email="moved@example.com", confirmed=True, silent=True)
    run = kept.read("Female Only", "Pet owners")
    assert (run.counts.get("joins", 0), run.counts["changes"]) == (0, 1)
    assert kept.relay.person(kept.connection, "moved@example.com")["ehq_id"] == before
    kept.agrees()


def test_an_address_taken_by_somebody_else_is_another_person_s(kept: ByHand) -> None:
    one, email = kept.ehq.someone()
    before = kept.relay.person(kept.connection, email)["ehq_id"]
    kept.ehq.act("change_email", id=one, new_email="moved@example.com", confirmed=True, silent=True)
    kept.ehq.register(email=email, silent=True)
    kept.read("Female Only", "Pet owners")
    assert kept.relay.person(kept.connection, "moved@example.com")["ehq_id"] == before
    kept.agrees()


def test_a_new_screen_name_is_no_new_person(kept: ByHand) -> None:
    one, email = kept.ehq.someone()
    before = kept.relay.person(kept.connection, email)["ehq_id"]
    kept.ehq.act("update", id=one, login="somebody else", silent=True)
    kept.read("Female Only", "Pet owners")
    assert kept.relay.person(kept.connection, email)["ehq_id"] == before
    assert kept.relay.status(kept.connection)["participants"] == len(kept.ehq.people())


def test_whoever_left_a_group_leaves_it_and_other_groups_are_left_alone(kept: ByHand) -> None:
    pets = kept.members("Pet owners")
    member = next(i for i, a in kept.ehq.people().items() if a["email"].lower() in kept.members("Female Only"))
    email = kept.ehq.person(member)["email"].lower()
    kept.ehq.act("answer", id=member, question=13, value="Male", silent=True)
    kept.read("Female Only")
    assert email not in kept.members("Female Only")
    assert kept.members("Pet owners") == pets


def test_the_file_of_a_group_alone_sets_that_group_and_removes_nobody(kept: ByHand) -> None:
    everyone = kept.cm.active()
    member = next(i for i, a in kept.ehq.people().items() if a["email"].lower() in kept.members("Female Only"))
    kept.ehq.act("answer", id=member, question=13, value="Male", silent=True)
    file = Upload("g.zip", io.BytesIO(kept.download(group="Female Only")), "group", "female only")
    export = exports.stage(kept.relay.parts, kept.now, [file], Manifest())
    assert not export.summary["complete"]
    assert kept.run(export).state == "completed"
    assert kept.ehq.person(member)["email"].lower() not in kept.members("Female Only")
    assert kept.cm.active() == everyone


def vanish(site: ByHand, *numbers: int) -> list[str]:
    people = [site.ehq.someone(n) for n in numbers]
    site.ehq.act("delete", id=[one for one, _ in people], silent=True)
    return [email for _, email in people]


def test_only_absence_from_two_complete_exports_removes_somebody(kept: ByHand) -> None:
    (email,) = vanish(kept, 0)
    assert kept.read(whole=False).state == "completed"
    assert kept.read().state == "completed"
    assert kept.state(email) == "Active"
    kept.ehq.register(silent=True)
    assert kept.read().state == "completed"
    assert kept.state(email) == "Deleted"
    kept.agrees()


def test_one_export_read_twice_is_one_export(kept: ByHand) -> None:
    (email,) = vanish(kept, 0)
    first, second = kept.read(), kept.read()
    assert (first.counts["absence_counted"], second.counts["absence_counted"]) == (True, False)
    assert kept.state(email) == "Active"


def test_without_a_file_of_the_team_its_absence_says_nothing(kept: ByHand) -> None:
    team = [a["email"] for a in kept.ehq.people().values() if a["role-name"] == "site_admin" and a["subscribed"]]
    for _ in range(2):
        kept.ehq.register(silent=True)
        assert kept.read(team=False).state == "completed"
    assert {kept.state(email) for email in team} == {"Active"}


def test_the_brake_holds_what_too_many_missing_people_would_do(kept: ByHand) -> None:
    connect.configure(kept.relay.parts, kept.now, {"brake": {"people": 2, "percent": 0}})
    gone = vanish(kept, 0, 1, 2)
    kept.read()
    kept.ehq.register(silent=True)
    assert kept.read().state == "braked"
    assert {kept.state(email) for email in gone} == {"Active"}


INCOMPLETE: list[tuple[Manifest, str]] = [
    (Manifest(), "Nobody said how many"),
    (Manifest(people=10), "EHQ shows 10 participants"),
    (Manifest(files={"participants-1.csv": 10}), "should have 10"),
    (Manifest(files={"participants-9.csv": 10}), "participants-9.csv is missing"),
]


@pytest.mark.parametrize(("manifest", "says"), INCOMPLETE, ids=[row[1] for row in INCOMPLETE])
def test_what_makes_a_set_incomplete_is_said(by_hand: ByHand, manifest: Manifest, says: str) -> None:
    file = Upload("export.zip", io.BytesIO(by_hand.download()))
    summary = exports.stage(by_hand.relay.parts, by_hand.connection, [file], manifest).summary
    assert not summary["complete"]
    assert says in summary["incomplete_because"][0]


def test_a_single_part_of_the_most_that_ehq_exports_is_suspicious(by_hand: ByHand) -> None:
    lines = "".join(f"a{n}@example.com\n" for n in range(5000))
    file = Upload("people.csv", io.BytesIO(f"Email\n{lines}".encode()))
    summary = exports.stage(by_hand.relay.parts, by_hand.connection, [file], Manifest(5000)).summary
    assert "exactly 5,000" in summary["warnings"][0]
    assert summary["pages"] == 5


def test_what_is_uploaded_together_is_bounded(by_hand: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    def stage(*contents: str) -> Any:
        files = [Upload("p.csv", io.BytesIO(f"Email\n{text}".encode())) for text in contents]
        return exports.stage(by_hand.relay.parts, by_hand.connection, files, Manifest()).summary

    with monkeypatch.context() as smaller:
        smaller.setattr(uploads, "MOST_BYTES", 60)
        assert stage("a@b.example\n" * 3)["people"] == 1
        with pytest.raises(Invalid, match="together"):
            stage("a@b.example\n" * 3, "c@d.example\n" * 3)
    monkeypatch.setattr(uploads, "MOST_PEOPLE", 2)
    file = Upload("g.csv", io.BytesIO(b"Email\na@b.example\nb@b.example\nc@b.example\n"), "group", "Pets")
    taking = uploads.Taking(by_hand.connection, dialect(), Manifest(), uploads.opened([file], dialect()))
    with pytest.raises(Invalid, match="more than 2 people"):
        next(taking.people())  # before anybody is handed on


def test_pages_are_bounded_whatever_a_row_holds(by_hand: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "PAGE_BYTES", 3000)
    for header, entry in (("Screen Name", "x" * 2000), ("Participant Tags", "|".join(f"{n:0200}" for n in range(15)))):
        lines = "".join(f"a{n}@example.com,{entry}\n" for n in range(3))
        file = Upload("people.csv", io.BytesIO(f"Email,{header}\n{lines}".encode()))
        assert exports.stage(by_hand.relay.parts, by_hand.connection, [file], Manifest()).summary["pages"] == 3


def test_parts_are_one_export_and_the_stricter_of_two_entries_counts(by_hand: ByHand) -> None:
    one, email = by_hand.ehq.someone()
    earlier = by_hand.download()
    by_hand.ehq.act("unsubscribe", id=one, silent=True)
    files = [Upload("a.zip", io.BytesIO(earlier)), Upload("b.zip", io.BytesIO(by_hand.download(part=7)))]
    export = exports.stage(by_hand.relay.parts, by_hand.connection, files, Manifest())
    assert export.summary["listed_twice"] == 56
    assert by_hand.run(export).state == "completed"
    assert by_hand.state(email) is None
    assert by_hand.relay.status(by_hand.connection)["participants"] == 56


def test_a_dry_run_shows_the_plan_and_keeps_nothing_and_the_export_can_then_be_applied(by_hand: ByHand) -> None:
    export = by_hand.stage("Female Only")
    dry = by_hand.run(export, dry=True)
    expected = sum(1 for a in by_hand.ehq.people().values() if a["subscribed"] and not a["blocked"])
    assert (dry.state, dry.counts["joins"]) == ("completed", expected)
    assert by_hand.relay.status(by_hand.connection)["participants"] == 0
    assert by_hand.cm.active() == set()
    assert by_hand.run(export).state == "completed"
    by_hand.agrees()


def test_a_dry_run_tells_who_would_change_and_how_many_are_missing(kept: ByHand) -> None:
    one, _ = kept.ehq.someone(1)
    vanish(kept, 0)
    kept.ehq.act("answer", id=one, question=12, value="3999", silent=True)
    dry = kept.read(dry=True)
    assert (dry.counts["changes"], dry.counts.get("joins", 0), dry.counts["missing"]) == (1, 0, 1)


def test_a_dry_run_knows_of_questions_and_groups_that_the_export_brings(by_hand: ByHand) -> None:
    def renamed(rows: Rows) -> Rows:
        return [{k.replace("postcode", "post code"): v for k, v in row.items()} for row in rows]

    assert by_hand.read("Pet owners").state == "completed"
    assert by_hand.read(dry=True).counts.get("changes", 0) == 0
    listed = [one for one in by_hand.ehq.people().values() if one["role-name"] in ("participant", "project_admin")]
    belong = [one for one in listed if one["subscribed"] and not one["blocked"]]
    answered = sum("12" in {a["question-id"] for a in one["signup-answers"]} for one in belong)
    assert by_hand.read(dry=True, edit=renamed).counts["changes"] == answered
    members = by_hand.read("Female Only", dry=True).counts["changes"]
    assert by_hand.read("Female Only").state == "completed"
    assert members == len(by_hand.members("Female Only")) > 0


def test_whoever_was_erased_is_not_brought_back_by_an_export(kept: ByHand) -> None:
    _, email = kept.ehq.someone()
    with kept.relay.parts.database.read() as tx:
        people = participants.one(tx, kept.connection.id, email)
    erase.ask_to_erase(kept.relay.parts, kept.now, people)
    kept.relay.settle(kept.now)
    assert kept.state(email) == "Deleted"
    kept.ehq.act("update", email=email, login="a new screen name", silent=True)
    run = kept.read("Female Only", "Pet owners")
    assert (run.state, run.counts["erased"]) == ("completed", 1)
    assert kept.state(email) == "Deleted"


def test_an_export_older_than_what_is_known_is_refused(kept: ByHand) -> None:
    with pytest.raises(Invalid, match="older than what is known"):
        kept.stage(made_at=time.time() - 7200)


def test_a_worker_killed_while_it_reads_an_export_doubles_nothing(kept: ByHand) -> None:
    """After each step of the reading all that it did is done, and nothing says so: another worker takes it again."""
    (email,) = vanish(kept, 0)
    _, joins = kept.ehq.register(silent=True)
    exports.start(kept.relay.parts, kept.now, kept.stage("Female Only"))
    while (run := under_way(kept)) and run.phase in ("fields", "groups", "ehq"):
        step = ExportStep(kept.relay.parts, kept.now, run, nullcontext)
        with kept.relay.parts.database.read() as tx:
            step.export = store.of_run(tx, run.id)
        if run.phase == "ehq":
            step.take()
        work.step(kept.relay.parts, run.id)
    done = kept.relay.reconcile(kept.now)
    assert (done.state, done.trigger) == ("completed", "export")
    assert kept.state(email) == "Active", "missing once is missing once"
    assert kept.state(joins) == "Active"
    assert kept.relay.status(kept.connection)["participants"] == len(kept.ehq.people()) + 1
    assert kept.read("Female Only").state == "completed"
    assert kept.state(email) == "Deleted"
    kept.agrees()


def under_way(kept: ByHand) -> Run | None:
    with kept.relay.parts.database.read() as tx:
        return next(iter(runs.under_way(tx, kept.connection.id)), None)


@pytest.mark.parametrize("running", [False, True], ids=["nobody came back for it", "a run reads it"])
def test_an_upload_goes_after_two_hours_unless_a_run_reads_it(kept: ByHand, running: bool, time_machine: Any) -> None:
    export = kept.stage()
    if running:
        exports.start(kept.relay.parts, kept.now, export)
    for passed, stays in ((3600, True), (3700, running)):
        time_machine.move_to(time.time() + passed)
        kept.relay.parts.queue.redis.flushdb()
        clock.tick(kept.relay.parts)
        with kept.relay.parts.database.read() as tx:
            assert (store.find(tx, kept.connection.id, export.id) is not None) is stays
            assert (store.page(tx, export.id, 0, 0) is not None) is stays


def test_a_run_under_way_is_not_mixed_with_an_export(kept: ByHand) -> None:
    exports.start(kept.relay.parts, kept.now, kept.stage())
    with pytest.raises(RelayError, match="under way"):
        exports.start(kept.relay.parts, kept.now, kept.stage())


def test_without_the_api_a_run_looks_at_campaign_monitor_alone(kept: ByHand) -> None:
    run = kept.relay.reconcile(kept.now)
    assert (run.state, run.counts.get("ehq_read", 0)) == ("completed", 0)
    kept.agrees()
    assert "last one is of" in exports.last_read(kept.now)
    with pytest.raises(NeedsPerson, match="by hand"):
        kept.relay.parts.ehq(kept.now)


def test_when_the_api_comes_nobody_is_doubled_and_nothing_is_forgotten(kept: ByHand) -> None:
    (one, _), (two, away) = kept.ehq.someone(0), kept.ehq.someone(1)
    kept.ehq.act("unsubscribe", id=two, silent=True)
    kept.read("Female Only", "Pet owners")
    assert kept.state(away) == "Deleted"
    kept.ehq.act("subscribe", id=two, silent=True)
    kept.ehq.act("change_email", id=one, new_email="moved@example.com", confirmed=True, silent=True)
    credentials.reconnect(kept.relay.parts, kept.now, {"token": "sandbox"}, None, kept.ehq.url)
    assert kept.relay.reconcile(kept.now).state == "completed"
    kept.agrees()
    assert kept.state(away) == "Active", "we removed them, so they come back"
    assert kept.relay.person(kept.connection, "moved@example.com")["ehq_id"] == one
    assert kept.relay.status(kept.connection)["participants"] == len(kept.ehq.people())
    with kept.relay.parts.database.read() as tx:
        fields = structure.all_fields(tx, kept.connection.id)
        labels = [f.label for f in fields if not f.source.startswith(structure.FORMER)]
        names = [g.name for g in structure.all_groups(tx, kept.connection.id)]
    assert len(labels) == len(set(labels))
    assert len(names) == len(set(names)) == 5
    assert not any("(2)" in name for name in kept.cm.segments())
    run = kept.relay.reconcile(kept.now)
    assert run.counts.get("to_write", 0) == 0


def test_when_webhooks_come_to_a_site_kept_by_exports_they_mean_the_same_people(
    kept: ByHand, door: Callable[[Connection], str]
) -> None:
    door(kept.connection)
    live = Live(kept.relay, kept.connection, kept.ehq, kept.cm)
    one, email = kept.ehq.someone(0)
    two, other = kept.ehq.someone(1)
    live.happens("answer", id=one, question=12, value="3999")
    live.happens("change_email", id=two, new_email="moved@example.com", confirmed=True)
    live.happens("unsubscribe", id=one)
    assert (live.state(email), live.state("moved@example.com")) == ("Deleted", "Active")
    assert live.state(other) in (None, "Deleted")
    assert kept.relay.person(kept.connection, one)["ehq"]["email"] == email
    assert kept.relay.status(kept.connection)["participants"] == len(kept.ehq.people())
    live.happens("subscribe", id=one)
    assert live.state(email) == "Active"
    assert kept.read("Female Only", "Pet owners").state == "completed"
    live.agrees()


@pytest.mark.parametrize("phase", ["fields", "ehq"])
def test_webhooks_that_arrive_while_the_first_export_is_read_make_nobody_and_no_group_twice(
    by_hand: ByHand, door: Callable[[Connection], str], phase: str
) -> None:
    door(by_hand.connection)
    live = Live(by_hand.relay, by_hand.connection, by_hand.ehq, by_hand.cm)
    one, _ = by_hand.ehq.someone()
    export = by_hand.stage("Youth advisory panel", "Pet owners")
    run = exports.start(by_hand.relay.parts, by_hand.now, export)
    while found(live, run.id).phase != phase:
        work.step(by_hand.relay.parts, run.id)
    by_hand.ehq.act("group_add", group=30, id=one)
    by_hand.ehq.act("answer", id=one, question=12, value="3999")
    live.arrives()
    go_on(live, run.id)
    by_hand.relay.settle(by_hand.connection)
    assert by_hand.relay.status(by_hand.connection)["participants"] == len(by_hand.ehq.people())
    assert sorted(by_hand.cm.segments()) == ["Pet owners", "Youth advisory panel"]
    live.agrees()


def test_a_webhook_received_after_the_export_was_made_knows_better(
    kept: ByHand, door: Callable[[Connection], str]
) -> None:
    door(kept.connection)
    live = Live(kept.relay, kept.connection, kept.ehq, kept.cm)
    one, email = kept.ehq.someone(0)
    made_at = time.time()
    export = kept.stage(made_at=made_at)
    live.happens("unsubscribe", id=one)
    assert kept.run(export).state == "completed"
    assert live.state(email) == "Deleted"


def test_whoever_registers_after_the_export_was_made_is_not_missing_from_it(
    kept: ByHand, door: Callable[[Connection], str]
) -> None:
    door(kept.connection)
    live = Live(kept.relay, kept.connection, kept.ehq, kept.cm)
    made_at = time.time()
    one, email = kept.ehq.register()
    live.arrives()
    kept.ehq.act("delete", id=one, silent=True)
    assert kept.read(made_at=made_at).state == "completed"
    kept.ehq.register(silent=True)
    assert kept.read().state == "completed"
    assert kept.state(email) == "Active"


def test_an_export_beside_the_api_finds_everybody_by_address(live: Live) -> None:
    site = ByHand(live.relay, live.ehq, live.cm, live.connection)
    one, _ = live.ehq.someone(0)
    live.ehq.act("change_email", id=one, new_email="moved@example.com", confirmed=True, silent=True)
    run = site.read("Female Only")
    assert (run.state, run.counts.get("joins", 0), run.counts["changes"]) == ("completed", 0, 1)
    assert live.relay.status(live.connection)["participants"] == len(live.ehq.people())
    live.agrees()


OPTIONS = ["Parks, gardens", "Roads", "Arts, culture and events", "Rates", "Waste & recycling", "Sport"]
NAMED = {"questions": {"I am interested in": {"kind": "checkbox", "options": [*OPTIONS, "Youth services"]}}}


@pytest.mark.parametrize("before", [True, False], ids=["before the first export", "after it"])
def test_choices_that_hold_commas_are_told_by_the_options_that_were_named(by_hand: ByHand, before: bool) -> None:
    if not before:
        assert by_hand.read().state == "completed"
    connect.configure(by_hand.relay.parts, by_hand.connection, {"overrides": NAMED})
    assert by_hand.read().state == "completed"
    interests = {
        a["email"].lower(): sorted(answer["value"])
        for a in by_hand.ehq.people().values()
        for answer in a["signup-answers"]
        if answer["question-id"] == "14" and answer["value"] and a["role-name"] == "participant"
        if a["subscribed"] and not a["blocked"]
    }
    held = by_hand.cm.subscribers()
    assert interests
    name = "I am interested in" + (" (2)" if not before else "")  # what was a text is another field now
    assert all(sorted(field(held[email], name)) == wanted for email, wanted in interests.items())


def test_a_question_in_no_column_of_a_complete_export_is_asked_no_more(kept: ByHand) -> None:
    def without(rows: Rows) -> Rows:
        return [{name: text for name, text in row.items() if name != "What is your postcode?"} for row in rows]

    def asked() -> bool:
        return {one["label"]: one["asked"] for one in form.report(kept.relay.parts, kept.connection.id)}[
            "What is your postcode?"
        ]

    assert kept.read(edit=without, whole=False).state == "completed"
    assert asked()
    assert kept.read(edit=without).state == "completed"
    assert not asked()
    assert kept.read().state == "completed"
    assert asked()


def test_a_dry_run_for_a_list_with_people_says_who_opted_out_there_and_who_is_on_it_already(
    relay: Relay, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor
) -> None:
    before = relay.connect(ehq, name="Old")
    (_, out), (_, there), (_, gone) = (ehq.someone(number) for number in range(3))
    for email in (out, there, gone):
        cm.act("subscribe", list="Old", email=email)
    cm.act("unsubscribe", list="Old", email=out)
    cm.act("delete", list="Old", email=gone)
    cm.act("subscribe", list="Old", email="not-in-ehq@example.com")
    connect.remove(relay.parts, before)
    made = relay.connect(ehq, ehq_url="", ehq_credential={}, reads="export", list_id=before.cm_list_id)
    run = ByHand(relay, ehq, cm, made).read(dry=True)
    belong = sum(a["subscribed"] and not a["blocked"] for a in ehq.people().values())
    assert (run.counts["opted_out"], run.counts["joins"]) == (2, belong - 3)
    assert (run.counts["changes"], run.counts["left_alone"]) == (1, 1), "who is on it already gets answers there"
