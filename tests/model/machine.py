"""Random histories: what may happen, in any order. How it must end is the oracle's to say."""

from __future__ import annotations

import os
import random
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from relay.sync.connections import connect, credentials
from tests.model.exporting import QUESTIONS
from tests.model.history import AUDIENCES, ROLES, picks
from tests.model.in_cm import InCampaignMonitor
from tests.model.in_ehq import InEhq
from tests.model.in_relay import InTheRelay
from tests.model.oracle import Oracle
from tests.model.world import World

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


class Histories(InEhq, InCampaignMonitor, InTheRelay):
    """Of a site whose API the relay may read."""

    @initialize(
        people=st.integers(2, 9),
        seed=st.integers(1, 5),
        merges=st.booleans(),
        reports=st.booleans(),
        drops=st.booleans(),
        spelling=st.sampled_from(["dashed", "snake"]),
        cap=st.sampled_from([3, 3, 5, 1000]),
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
        if self.by_hand:
            rules["overrides"] = {"questions": QUESTIONS}
        self.world.begin(people, seed, rules, ehq, cm, self.by_hand)
        self.oracle = Oracle({"roles": ROLES, **audience}, bars, self.world.readings, self.world.whose)
        self.watch()
        if clean:
            self.world.run()

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
        world.well_again()
        if self.oracle.misled:
            self.a_person_mistypes_the_overrides_or_corrects_them(None)
        for segment in world.list.segments.values():
            segment.in_draft = False
        self.dice.shuffle(world.tray.waiting)
        self.all_deliveries_arrive()
        world.later(61.0)
        world.finish_run()
        connect.configure(world.parts, world.connection, world.rules)  # who was kept is asked about anew
        world.settle()
        self.watch()
        for again in range(3):  # absence counts after two complete runs in a row
            run = world.run()
            if run.state == "braked":
                assert world.decide(True), run
            else:
                assert run.state == "completed", run
            if run.counts.get("groups_missing"):
                world.forget_groups()
            world.settle()
            self.watch()
            if self.differs() or (self.oracle.unsure and again < 2):  # nobody tells whether those are absent yet
                continue
            if again or not self.oracle.torn:  # else no segment tells that a group was missed
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
        last = world.run(last=True)
        assert last.state == "completed", last
        assert world.account.calls.summary()["writes"] == 0, (world.account.calls.summary(), world.account.writes)
        self.check()

    def check(self) -> None:
        self.watch()
        nothing(self.differs())
        nothing(self.world.remains(self.oracle.erased))
        nothing(self.world.account.violations)

    def differs(self) -> list[str]:
        """Between the list, with its segments, and what it must be."""
        people = self.world.people()
        wrong = self.oracle.judge(people, self.world.subscribers())
        expected = self.oracle.expected(people)
        there = [
            (
                segment.title,
                {p.email.lower() for p in segment.members()}
                - self.oracle.unsure
                - (self.oracle.strangers - expected.keys()),
            )
            for segment in self.world.list.segments.values()
        ]
        for group in self.world.site.groups.values():
            mine = self.world.name_of(group)
            members = {a for a, i in expected.items() if mine in people[i]["groups"]} - self.oracle.unsure
            title = group.name.replace("[", "(").replace("]", ")")[:200]  # CM's names have no brackets
            fit = [one for one in there if one[0].startswith(title) and one[1] == members]
            if not fit:
                wrong.append(f"no segment is group {group.id} {group.name!r} with {members}: {there}")
            else:
                there.remove(fit[0])
        if self.oracle.torn:
            return wrong
        return wrong + [f"the segment {title!r} is no group's" for title, _ in there]


class ByHand(Histories):
    """Of a site whose API the relay may not read: its administrator makes exports, and uploads them when they like.

    Exports name no ids: two accounts at one address within a day, or a group by another name, are not told apart; and
    whom they list anew after an erasure only a hash of their address tells.
    """

    by_hand = True

    @rule()
    def an_export_is_made(self) -> None:
        self.world.make_export()
        self.tried("an export is made")

    @rule(pick=picks, part=picks, whole=st.booleans(), told=st.booleans(), dry=st.sampled_from([False, False, True]))
    def an_export_is_read(self, pick: int, part: int, whole: bool, told: bool, dry: bool) -> None:
        """A late one too, or one of which a part was forgotten."""
        made = (
            self.world.made[-1 - pick % min(3, len(self.world.made))] if self.world.made else self.world.make_export()
        )
        lacks = None if whole or len(made.parts) < 2 else part % len(made.parts)
        self.world.read_export(made, lacks, told, dry)
        self.tried("an export is read" if lacks is None else "an export is read that lacks a part")
