"""Random histories: what may happen, in any order. How it must end is the oracle's to say."""

from __future__ import annotations

import os
import random
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from relay.sync.connections import connect, credentials
from tests.model.oracle import Oracle
from tests.model.world import World

ACTS = ("update", "activate", "block", "unblock", "subscribe", "unsubscribe", "tag", "answer", "role", "delete")
OPT_OUTS = ("unsubscribe", "bounce", "complain", "delete")
ROLES = ("participant", "project_admin", "hub_admin", "site_admin")
AUDIENCES: tuple[dict[str, Any], ...] = ({}, {}, {"activated_only": True}, {"roles": ["participant"]})
NAMES = ("Panel", "Pet owners", "Jury, citizens'", 'The "Rates" [group]', "🌳 trees", "x" * 300)
CM_FAULTS: tuple[dict[str, Any], ...] = (
    {"status": 500},
    {"status": 503},
    {"drop_connection": True},
    {"drop_connection": "after"},
    {"html_500": True},
    {"code": 429},
    {"segment_busy": 2},
)
EHQ_FAULTS: tuple[dict[str, Any], ...] = (
    {"status": 503},
    {"status": 429},
    {"fail_pages": [2]},
    {"html": True},
    {"same_page": True},
    {"endless": True},
    {"shrink_total": 3},
    {"shift": 1},
    {"auth_404": True},
)
LASTING = ("fail_pages", "html", "same_page", "endless", "shrink_total", "shift", "auth_404")
DAY = 86400.0
MOST_RUNS = 2
"""Whole runs before the end: they cost the most, and each begins with nearly the same as the one before."""
picks = st.integers(min_value=0, max_value=999)
WORLDS: dict[str, World] = {}
STORES = ("SQLite", "PostgreSQL") if os.environ.get("TEST_DATABASE_URL") else ("SQLite",)


def world(number: int) -> World:
    """Where the histories of this number are played: on each store in turn."""
    store = STORES[number % len(STORES)]
    if store not in WORLDS:
        WORLDS[store] = World(store)
    return WORLDS[store]


def nothing(wrong: Any) -> None:
    assert not wrong, wrong


class Histories(RuleBasedStateMachine):
    place: World

    @initialize(
        people=st.integers(2, 9),
        seed=st.integers(1, 5),
        merges=st.booleans(),
        reports=st.booleans(),
        drops=st.booleans(),
        spelling=st.sampled_from(["dashed", "snake"]),
        cap=st.sampled_from([3, 5, 1000]),
        meta=st.booleans(),
        skew=st.sampled_from([0, 0, 240, -240]),
        audience=st.sampled_from(AUDIENCES),
        bars=st.sampled_from([False, False, True]),
        throttle=st.sampled_from([None, None, 20]),
        versions=st.booleans(),
        brake=st.sampled_from([1, 20]),
        clean=st.booleans(),
    )
    def begin(
        self, people: int, seed: int, merges: bool, reports: bool, drops: bool, spelling: str, cap: int, meta: bool,
        skew: int, audience: dict[str, Any], bars: bool, throttle: int | None, versions: bool, brake: int, clean: bool,
    ) -> None:  # fmt: skip
        self.world = self.place
        self.dice = random.Random(seed)
        rules = {"audience": audience, "brake": {"people": brake, "percent": 0}}
        rules["opt_outs"] = "unsubscribe" if bars else "remove"
        ehq = {"spelling": spelling, "page_cap": cap, "clock_skew_s": skew, "no_meta": not meta}
        ehq["no_updated_at"] = not versions
        cm = {"msm_merge": merges, "import_reports_inactive": reports, "options_drop_rules": drops}
        cm["throttle_s"] = throttle
        self.world.begin(people, seed, rules, ehq, cm)
        self.oracle = Oracle({"roles": ROLES, **audience}, bars)
        self.seen = self.runs = 0
        if clean:
            self.world.run()

    def tried(self, what: str) -> None:
        self.world.tried[what] += 1

    def watch(self) -> None:
        """The oracle sees every write that CM obeyed, before anything else happens there."""
        writes = self.world.account.writes or []
        for write in writes[self.seen :]:
            self.oracle.sees(write)
        self.seen = len(writes)

    def person(self, pick: int) -> str:
        order = self.world.site.order
        return str(order[pick % len(order)].id) if order else "0"

    # In EHQ. `silent` events never arrive; the others lie in the tray until somebody carries them.

    @rule(silent=st.booleans(), role=st.sampled_from(ROLES[:2]), confirmed=st.booleans())
    def registers(self, silent: bool, role: str, confirmed: bool) -> None:
        self.world.in_ehq("register", silent=silent, role=role, confirmed=confirmed)
        self.tried("EHQ: register")

    @rule(act=st.sampled_from(ACTS), pick=picks, silent=st.booleans())
    def something_changes_in_ehq(self, act: str, pick: int, silent: bool) -> None:
        if self.world.in_ehq(act, id=self.person(pick), silent=silent):
            self.tried(f"EHQ: {act}")

    @rule(pick=picks, silent=st.booleans(), confirmed=st.booleans())
    def changes_address(self, pick: int, silent: bool, confirmed: bool) -> None:
        if self.world.in_ehq("change_email", id=self.person(pick), confirmed=confirmed, silent=silent):
            self.tried("EHQ: change_email")

    @rule(one=picks, other=picks, silent=st.booleans())
    def two_swap_addresses(self, one: int, other: int, silent: bool) -> None:
        a, b = self.world.site.find(self.person(one)), self.world.site.find(self.person(other))
        if a is None or b is None or a is b or a.unconfirmed_email or b.unconfirmed_email:
            return
        first, second = a.email, b.email
        for who, new in ((a, f"for.a.moment{a.id}@example.com"), (b, first), (a, second)):
            self.world.in_ehq("change_email", id=str(who.id), new_email=new, confirmed=True, silent=silent)
        self.tried("EHQ: two swap addresses")

    @rule(pick=picks, other=picks, silent=st.booleans())
    def takes_a_freed_address(self, pick: int, other: int, silent: bool) -> None:
        a, b = self.world.site.find(self.person(pick)), self.world.site.find(self.person(other))
        if a is None or b is None or a is b or a.unconfirmed_email or b.unconfirmed_email:
            return
        freed = a.email
        self.world.in_ehq("change_email", id=str(a.id), confirmed=True, silent=silent)
        self.world.in_ehq("change_email", id=str(b.id), new_email=freed.upper(), confirmed=True, silent=silent)
        self.tried("EHQ: an address is freed and taken")

    @rule(silent=st.booleans())
    def registers_again_after_deletion(self, silent: bool) -> None:
        if self.world.in_ehq("reregister", silent=silent):
            self.tried("EHQ: reregister")

    @rule(pick=picks, silent=st.booleans(), joins=st.booleans())
    def panel_changes(self, pick: int, silent: bool, joins: bool) -> None:
        name = "group_add" if joins else "group_remove"
        if self.world.in_ehq(name, group="30", id=self.person(pick), silent=silent):
            self.tried(f"EHQ: {name}")

    @rule(group=st.sampled_from(["7", "12", "30"]), name=st.sampled_from(NAMES), silent=st.booleans())
    def group_is_renamed(self, group: str, name: str, silent: bool) -> None:
        if self.world.in_ehq("group_rename", group=group, name=name, silent=silent):
            self.tried("EHQ: group_rename")

    @rule(name=st.sampled_from(NAMES), tag=st.sampled_from(["Renter", "Business"]), silent=st.booleans())
    def group_is_made(self, name: str, tag: str, silent: bool) -> None:
        self.world.in_ehq("group_create", name=name, rule={"tag": tag}, silent=silent)
        self.tried("EHQ: group_create")

    @rule(group=st.sampled_from(["7", "12", "15", "30", "31"]), silent=st.booleans())
    def group_is_deleted(self, group: str, silent: bool) -> None:
        before = len(self.world.tray.waiting)
        if self.world.in_ehq("group_delete", group=group, silent=silent):
            while len(self.world.tray.waiting) > before:
                self.world.carry(self.world.tray.waiting.pop())
            self.tried("EHQ: group_delete")

    @rule(kind=st.sampled_from(["text", "radio", "checkbox", "number", "date"]), silent=st.booleans())
    def question_is_added(self, kind: str, silent: bool) -> None:
        self.world.in_ehq("form_add_question", type=kind, silent=silent)
        self.tried("EHQ: form_add_question")

    @rule(question=st.integers(10, 20), silent=st.booleans())
    def question_is_removed(self, question: int, silent: bool) -> None:
        if self.world.in_ehq("form_remove_question", question=str(question), silent=silent):
            self.tried("EHQ: form_remove_question")

    @rule(question=st.integers(10, 20), word=st.sampled_from(["Your", "The", "Our"]), silent=st.booleans())
    def question_is_relabelled(self, question: int, word: str, silent: bool) -> None:
        before = {q.id: q.label for q in self.world.site.questions}.get(question, "")
        label = f"{word} {before.partition(' ')[2] or before}"
        if label != before and self.world.in_ehq(
            "form_rename_question", question=str(question), label=label, silent=silent
        ):
            self.world.labels.setdefault(question, []).append(before)
            self.tried("EHQ: form_rename_question")

    @rule(question=st.integers(12, 19), pick=picks, silent=st.booleans(), empty=st.booleans())
    def somebody_answers(self, question: int, pick: int, silent: bool, empty: bool) -> None:
        more = {"value": None} if empty else {}
        if self.world.in_ehq("answer", id=self.person(pick), question=str(question), silent=silent, **more):
            self.tried("EHQ: answer")

    # Deliveries: in any order, late, twice, or never.

    @rule(pick=picks)
    def one_delivery_arrives(self, pick: int) -> None:
        if tray := self.world.tray.waiting:
            self.world.carry(tray.pop(pick % len(tray)))
            self.tried("a delivery arrives" if not pick else "a delivery arrives out of turn")

    @rule()
    def all_deliveries_arrive(self) -> None:
        self.tried("all deliveries arrive in turn")
        while self.world.tray.waiting:
            self.world.carry(self.world.tray.waiting.pop(0))

    @rule(pick=picks)
    def one_delivery_is_lost(self, pick: int) -> None:
        if tray := self.world.tray.waiting:
            tray.pop(pick % len(tray))
            self.tried("a delivery is lost")

    @rule(pick=picks)
    def one_delivery_arrives_again(self, pick: int) -> None:
        if carried := self.world.tray.carried:
            self.world.carry(carried[pick % len(carried)])
            self.tried("a delivery arrives again")

    @rule(days=st.sampled_from([0.001, 0.04, 1.0, 3.0, 16.0]))
    def time_passes(self, days: float) -> None:
        self.world.later(days * DAY)
        self.tried(f"{days * 24:.0f} hours pass" if days >= 0.04 else "minutes pass")

    # In Campaign Monitor.

    @rule(kind=st.sampled_from(OPT_OUTS), pick=picks)
    def opts_out_in_campaign_monitor(self, kind: str, pick: int) -> None:
        self.watch()
        active = sorted(a for a, one in self.world.list.people.items() if one.state == "Active")
        if active:
            address = active[pick % len(active)]
            self.world.in_cm(kind, email=address)
            self.oracle.opts_out(address)
            self.tried(f"CM: {kind}")

    @rule(pick=picks)
    def stranger_subscribes_in_campaign_monitor(self, pick: int) -> None:
        self.watch()
        address = f"stranger{pick % 3}@example.net"
        self.world.in_cm("subscribe", email=address)
        self.oracle.subscribes(address)
        self.tried("CM: a stranger subscribes")

    @rule(pick=picks)
    def opted_out_person_subscribes_again_in_campaign_monitor(self, pick: int) -> None:
        self.watch()
        out = sorted(a for a in self.oracle.out if a in self.world.list.people)
        if out:
            address = out[pick % len(out)]
            self.world.in_cm("subscribe", email=address)
            self.oracle.subscribes(address)
            self.tried("CM: somebody who opted out subscribes again")

    @rule(pick=picks, field=st.sampled_from(["Groups", "Tags", "Gender", "What is your postcode?"]))
    def somebody_edits_a_field_by_hand(self, pick: int, field: str) -> None:
        addresses = sorted(set(self.world.list.people) - self.oracle.strangers)
        if addresses and self.world.in_cm(
            "edit_field", email=addresses[pick % len(addresses)], field=field, value=None
        ):
            self.tried("CM: edit_field")

    @rule(act=st.sampled_from(["edit_segment", "delete_segment", "draft_segment", "rename_list"]), pick=picks)
    def somebody_tidies_up_by_hand(self, act: str, pick: int) -> None:
        segments = sorted(self.world.list.segments)
        if act == "rename_list":
            return
        if segments and self.world.in_cm(act, segment=segments[pick % len(segments)]):
            self.tried(f"CM: {act}")

    @rule(field=st.sampled_from(["Gender", "Suburb", "Household size"]), pick=picks)
    def somebody_deletes_a_field_by_hand(self, field: str, pick: int) -> None:
        if self.world.in_cm("delete_field", field=field):
            self.tried("CM: delete_field")

    @rule(lost=st.booleans())
    def campaign_monitors_notices_arrive(self, lost: bool) -> None:
        if self.world.carry_notices(lost):
            self.tried("CM's notices are lost" if lost else "CM's notices arrive")

    @rule()
    def somebody_removes_campaign_monitors_hook(self) -> None:
        self.world.list.hooks.clear()
        self.tried("CM: the webhook is deleted")

    # Faults, and the relay's own workers.

    @rule(fault=st.sampled_from(CM_FAULTS), times=st.integers(1, 4))
    def campaign_monitor_fails(self, fault: dict[str, Any], times: int) -> None:
        self.world.account.faults.set(**{name: {"value": value, "times": times} for name, value in fault.items()})
        self.tried(f"CM fails: {next(iter(fault))} {next(iter(fault.values()))}")

    @rule(fault=st.sampled_from(EHQ_FAULTS))
    def ehq_fails(self, fault: dict[str, Any]) -> None:
        (name, value), *_ = fault.items()
        self.world.site.faults.set(**{name: value if name in LASTING else {"value": value, "times": 2}})
        self.tried(f"EHQ fails: {name}")

    @rule()
    def ehq_is_well_again(self) -> None:
        self.world.site.faults.set(**dict.fromkeys((*LASTING, "status")))

    @rule(calls=st.integers(0, 12), after=st.booleans())
    def the_next_worker_will_die_in_a_call(self, calls: int, after: bool) -> None:
        self.world.dies_in, self.world.dies_after = calls, after

    @rule(writes=st.integers(0, 30))
    def the_next_worker_will_die_before_it_writes_down(self, writes: int) -> None:
        self.world.dies_writing = writes

    @rule()
    def a_worker_looks(self) -> None:
        self.world.visit()
        self.tried("a worker looks")

    @rule()
    def a_worker_looks_again_after_a_pause(self) -> None:
        self.world.later(61.0)
        self.world.visit()
        self.tried("a worker looks")

    @rule(dry=st.booleans())
    def a_run_is_started(self, dry: bool) -> None:
        self.world.start_run(dry)
        self.tried("a run is started")

    @rule(steps=st.integers(1, 5))
    def a_run_takes_some_steps(self, steps: int) -> None:
        for _ in range(steps):
            self.world.step()

    @precondition(lambda self: self.runs < MOST_RUNS)
    @rule()
    def a_run_happens(self) -> None:
        self.runs += 1
        self.world.run()

    @rule(approve=st.booleans())
    def a_person_decides_about_the_brake(self, approve: bool) -> None:
        if self.world.decide(approve):
            self.tried("the brake: approved" if approve else "the brake: rejected")

    @rule(pick=picks)
    def a_person_undoes_a_run(self, pick: int) -> None:
        if back := self.world.undo(pick):
            self.world.tried["put back by an undo"] += back

    @rule(audience=st.sampled_from(AUDIENCES))
    def a_person_changes_the_audience(self, audience: dict[str, Any]) -> None:
        self.world.rules = {**self.world.rules, "audience": audience}
        connect.configure(self.world.parts, self.world.connection, self.world.rules)
        self.oracle.audience = {"roles": ROLES, **audience}
        self.tried("the audience is changed")

    @rule(on=st.booleans())
    def a_person_pauses_or_resumes(self, on: bool) -> None:
        if on:
            credentials.resume(self.world.parts, self.world.connection)
        else:
            connect.pause(self.world.parts, self.world.connection)
        self.tried("resumed" if on else "paused")

    @precondition(lambda self: hasattr(self, "world"))
    @invariant()
    def no_write_is_ever_wrong(self) -> None:
        self.watch()
        nothing(self.oracle.wrong)
        nothing(self.world.account.violations)

    # How it must end.

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.end()
            self.tried("histories")
            self.world.tried.update({f"writes to CM: {what}": n for what, n in self.oracle.tried.items()})
            self.tried(f"people opted out at the end: {min(len(self.oracle.out), 3)}{'+' * (len(self.oracle.out) > 3)}")
        finally:
            self.world.end()

    def end(self) -> None:
        world = self.world
        world.dies_in = world.dies_writing = None
        credentials.resume(world.parts, world.connection)
        kept = {
            n: v
            for n, v in world.site.faults.active().items()
            if n in ("spelling", "page_cap", "clock_skew_s", "no_meta", "no_updated_at")
        }
        world.site.faults.clear()
        world.site.faults.set(**kept)
        world.account.faults.set(**dict.fromkeys(("status", "drop_connection", "html_500", "code", "segment_busy")))
        for segment in world.list.segments.values():
            segment.in_draft = False
        self.dice.shuffle(world.tray.waiting)
        self.all_deliveries_arrive()
        world.later(61.0)
        world.finish_run()
        connect.configure(world.parts, world.connection, world.rules)  # who was kept is asked about anew
        world.settle()
        for _ in range(3):  # absence counts after two complete runs in a row
            run = world.run()
            if run.state == "braked":
                assert world.decide(True), run
            else:
                assert run.state == "completed", run
            world.settle()
            self.watch()
            if not self.differs():
                break
        self.check()
        for delivery in list(world.tray.carried):
            world.carry(delivery)
        world.settle()
        self.watch()
        assert world.account.writes is not None
        world.account.writes.clear()
        self.seen = 0
        world.account.calls.clear()
        last = world.run()
        assert last.state == "completed", last
        assert world.account.calls.summary()["writes"] == 0, (world.account.calls.summary(), world.account.writes)
        self.check()

    def check(self) -> None:
        self.watch()
        nothing(self.differs())
        nothing(self.world.account.violations)

    def differs(self) -> list[str]:
        """Between the list, with its segments, and what it must be."""
        people = self.world.people()
        wrong = self.oracle.judge(people, self.world.subscribers())
        expected = self.oracle.expected(people)
        there = [
            (segment.title, {p.email.lower() for p in segment.members()} - self.oracle.unsure)
            for segment in self.world.list.segments.values()
        ]
        for group in self.world.site.groups.values():
            members = {a for a, i in expected.items() if str(group.id) in people[i]["groups"]} - self.oracle.unsure
            title = group.name.replace("[", "(").replace("]", ")")[:200]  # CM's names have no brackets
            mine = [one for one in there if one[0].startswith(title) and one[1] == members]
            if not mine:
                wrong.append(f"no segment is group {group.id} {group.name!r} with {members}: {there}")
            else:
                there.remove(mine[0])
        return wrong + [f"the segment {title!r} is no group's" for title, _ in there]
