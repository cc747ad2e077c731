"""What befalls the relay: faults of both systems, its workers' looks and deaths, and what a person does with it."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import precondition, rule

from relay.sync.connections import connect, credentials
from tests.model.history import AUDIENCES, ROLES, History, by_api, picks
from tests.model.world import EHQ_FAILS

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
MISREAD: tuple[dict[str, Any], ...] = (
    {"attributes": {"subscribed": ["unconfirmed"]}},
    {"roles": {"site_admin": ["participant"]}},
)
"""Wrong overrides: whoever confirmed their address would be unsubscribed, every participant an administrator."""
MOST_RUNS = 2
"""Whole runs before the end: they cost the most, and each begins with nearly the same as the one before."""


class InTheRelay(History):
    @rule(fault=st.sampled_from(CM_FAULTS), times=st.integers(1, 4))
    def campaign_monitor_fails(self, fault: dict[str, Any], times: int) -> None:
        self.world.account.faults.set(**{name: {"value": value, "times": times} for name, value in fault.items()})
        self.tried(f"CM fails: {next(iter(fault))} {next(iter(fault.values()))}")

    @by_api
    @rule(fault=st.sampled_from(EHQ_FAULTS))
    def ehq_fails(self, fault: dict[str, Any]) -> None:
        (name, value), *_ = fault.items()
        self.world.site.faults.set(**{name: {"value": value, "times": 2} if name == "status" else value})
        self.tried(f"EHQ fails: {name}")

    @by_api
    @rule()
    def ehq_is_well_again(self) -> None:
        self.world.site.faults.set(**dict.fromkeys(EHQ_FAILS))

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
    @rule(fault=st.sampled_from([None, None, None, *EHQ_FAULTS]))
    def a_run_happens(self, fault: dict[str, Any] | None) -> None:
        """In which EHQ may fail, or lie."""
        self.runs += 1
        if fault and not self.by_hand:
            self.ehq_fails(fault)
        self.world.run()
        self.world.site.faults.set(**dict.fromkeys(EHQ_FAILS))

    @precondition(lambda self: self.runs < MOST_RUNS)
    @rule(
        gone=st.lists(picks, min_size=2, max_size=5),
        approve=st.sampled_from([True, True, False, None]),
        undone=st.booleans(),
    )
    def many_are_missing_from_ehq(self, gone: list[int], approve: bool | None, undone: bool) -> None:
        """Two runs miss them. A person decides, or does not, and may undo it."""
        self.runs = MOST_RUNS
        for pick in gone:
            self.vanishes(self.person(pick))
        for _ in range(2):
            self.world.run()
        if approve is not None:
            self.a_person_decides_about_the_brake(approve)
        if undone:
            self.world.visit()
            self.a_person_undoes_a_run(0)

    a_run_happens_twice_as_often, many_are_missing_twice_as_often = a_run_happens, many_are_missing_from_ehq

    @rule(approve=st.booleans())
    def a_person_decides_about_the_brake(self, approve: bool) -> None:
        if self.world.decide(approve):
            self.tried("the brake: approved" if approve else "the brake: rejected")

    @rule(pick=picks)
    def a_person_undoes_a_run(self, pick: int) -> None:
        if back := self.world.undo(pick):
            self.oracle.puts_back()
            self.world.tried["put back by an undo"] += back

    @rule(audience=st.sampled_from(AUDIENCES))
    def a_person_changes_the_audience(self, audience: dict[str, Any]) -> None:
        self.rules_change({"audience": audience})
        self.oracle.chooses({"roles": ROLES, **audience})
        self.tried("the audience is changed")

    @rule(on=st.booleans())
    def a_person_pauses_or_resumes(self, on: bool) -> None:
        if on:
            credentials.resume(self.world.parts, self.world.connection)
        else:
            connect.pause(self.world.parts, self.world.connection)
        self.tried("resumed" if on else "paused")

    @rule(bars=st.booleans())
    def a_person_chooses_what_becomes_of_opt_outs(self, bars: bool) -> None:
        if bars != self.oracle.bars:
            self.rules_change({"opt_outs": "unsubscribe" if bars else "remove"})
            self.oracle.bars = bars
            self.tried("what becomes of opt-outs is changed")

    @rule(question=st.integers(12, 18), out=st.booleans())
    def a_person_leaves_a_question_out_or_takes_it_in(self, question: int, out: bool) -> None:
        left_out = set(self.world.rules.get("fields_left_out", ()))
        labels = {q.id: q.label for q in self.world.site.questions}
        name = labels[question] if self.by_hand else str(question)
        if out != (name in left_out):
            self.rules_change({"fields_left_out": sorted(left_out ^ {name})})
            self.tried("a question is left out" if out else "a question is taken in")

    @by_api
    @rule(overrides=st.sampled_from([None, *MISREAD]))
    def a_person_mistypes_the_overrides_or_corrects_them(self, overrides: dict[str, Any] | None) -> None:
        self.watch()
        self.rules_change({"overrides": overrides or {}})
        self.oracle.is_misled(bool(overrides))
        self.tried("overrides are mistyped" if overrides else "overrides are corrected")

    @by_api
    @rule(pick=picks)
    def somebody_is_erased(self, pick: int) -> None:
        known = [str(person.id) for person in self.world.site.order] + [str(i) for i, _ in self.world.site.gone]
        who = known[pick % len(known)] if known else "0"
        self.watch()
        if who not in self.oracle.erased and self.world.erase(who):
            self.oracle.is_erased(who)
            self.tried("somebody is erased")

    @by_api
    @rule(pick=picks)
    def an_erasure_is_taken_back(self, pick: int) -> None:
        erased = sorted(self.oracle.erased)
        if erased and self.world.let_in(erased[pick % len(erased)]):
            self.oracle.is_let_in(erased[pick % len(erased)])
            self.tried("an erasure is taken back")

    @precondition(lambda self: not self.oracle.torn)
    @rule()
    def a_person_disconnects_and_connects_the_list_again(self) -> None:
        """Not while somebody is erased: the new connection would not know."""
        if not self.oracle.erased:
            self.watch()
            self.world.reconnect()
            self.oracle.forgotten({a for a, one in self.world.list.people.items() if one.state == "Active"})
            self.tried("disconnected, and connected again")
