"""The brake: before many leave without EHQ's explicit word, a person decides. And what was decided can be undone."""

from __future__ import annotations

from typing import Any

import pytest

from relay.errors import RelayError
from relay.sync.connections import connect
from relay.sync.runs import brake, undo
from tests.conftest import Live
from tests.sync.test_absence import vanish


@pytest.fixture
def braked(live: Live) -> tuple[Live, list[str], int]:
    """Three people vanished from EHQ, the brake lets two go: (…, their addresses, the run it stopped)."""
    connect.configure(live.relay.parts, live.connection, {"brake": {"people": 2, "percent": 0}})
    gone = vanish(live, 0, 1, 2)
    assert live.run().state == "completed"
    run = live.run()
    assert run.state == "braked"
    assert {live.state(email) for email in gone} == {"Active"}
    return live, gone, run.id


def decide(live: Live, decision: Any, run: int) -> dict[str, Any]:
    answer: dict[str, Any] = decision(live.relay.parts, live.relay.parts.connection(live.connection.id), run)
    live.relay.settle(live.connection)
    return answer


def waiting(live: Live) -> dict[str, Any] | None:
    return brake.waiting(live.relay.parts, live.connection)


def take_back(live: Live, run: int, **more: Any) -> dict[str, Any]:
    answer = undo.undo(live.relay.parts, live.relay.parts.connection(live.connection.id), run, **more)
    live.relay.settle(live.connection)
    return answer


def test_the_brake_stops_a_run_that_would_let_too_many_go_and_says_so_while_opt_outs_leave(live: Live) -> None:
    connect.configure(live.relay.parts, live.connection, {"brake": {"people": 2, "percent": 0}})
    gone = vanish(live, 0, 1, 2)
    (still, opted_out) = live.ehq.someone(0)
    assert live.run().state == "completed"
    live.ehq.act("unsubscribe", id=still, silent=True)
    run = live.run()
    assert run.state == "braked"
    assert run.problem is not None
    assert run.problem["message"].startswith("3 people are missing")
    assert {live.state(email) for email in gone} == {"Active"}
    assert live.state(opted_out) == "Deleted", "explicit opt-outs are not held"
    assert live.relay.status(live.connection)["brake"]["people"] == 3
    assert live.run().state == "braked"
    connect.configure(live.relay.parts, live.connection, {"brake": {"people": 3, "percent": 0}})
    assert live.run().state == "completed"
    assert {live.state(email) for email in gone} == {"Deleted"}
    assert waiting(live) is None


def test_approved_exactly_those_go_whom_the_run_counted(braked: tuple[Live, list[str], int]) -> None:
    live, gone, run = braked
    found = waiting(live)
    assert found is not None
    assert (found["run"], found["people"], found["held"]) == (run, 3, 3)
    (late,) = vanish(live, 0)
    assert [live.run().state, live.run().state] == ["braked", "braked"], "one more is absent by now"
    answer = decide(live, brake.approve, run)
    assert (answer["people"], answer["let_go"]) == (3, 3)
    assert {live.state(email) for email in gone} == {"Deleted"}
    assert live.state(late) == "Active"
    assert decide(live, brake.approve, run) == answer, "a second click changes nothing"


def test_whoever_is_back_when_it_is_approved_stays(braked: tuple[Live, list[str], int]) -> None:
    live, gone, run = braked
    live.ehq.act("register", email=gone[0])
    live.arrives()
    decide(live, brake.approve, run)
    assert [live.state(email) for email in gone] == ["Active", "Deleted", "Deleted"]


def test_rejected_they_stay_and_the_question_comes_back_after_two_more_runs_that_miss_them(
    braked: tuple[Live, list[str], int],
) -> None:
    live, gone, run = braked
    assert decide(live, brake.reject, run)["kept"] == 3
    assert waiting(live) is None
    assert live.run().state == "completed"
    assert live.run().state == "braked"
    assert {live.state(email) for email in gone} == {"Active"}
    with pytest.raises(RelayError, match="rejected already"):
        brake.approve(live.relay.parts, live.connection, run)


def test_an_undo_puts_back_exactly_those_whom_the_run_removed_and_says_who_cannot_come_back(
    braked: tuple[Live, list[str], int],
) -> None:
    live, gone, run = braked
    one, earlier = live.ehq.someone(0)
    live.happens("unsubscribe", id=one)
    decide(live, brake.approve, run)
    live.cm.act("complain", list="Bayside", email=gone[2])
    would = take_back(live, run, dry=True)
    assert (would["removed"], would["waiting"], would["dry_run"]) == (3, 3, True)
    assert {live.state(email) for email in gone[:2]} == {"Deleted"}
    take_back(live, run)
    answer = take_back(live, run)
    assert (answer["removed"], answer["back"], answer["waiting"]) == (3, 2, 0)
    assert list(answer["not"].values()) == [1]
    assert "Unsubscribed" in answer["people"][0]["why"]
    assert [live.state(email) for email in gone] == ["Active", "Active", "Unsubscribed"]
    assert live.state(earlier) == "Deleted", "an opt-out is nobody's to undo"
    assert live.run().state == "completed"
    assert [live.state(email) for email in gone[:2]] == ["Active", "Active"], "not removed by the very next run"
    assert live.cm.violations() == []


def test_an_undo_does_not_bring_back_an_opt_out_that_the_run_carried_out(live: Live) -> None:
    one, email = live.ehq.someone()
    live.ehq.act("unsubscribe", id=one, silent=True)
    run = live.run()
    assert live.state(email) == "Deleted"
    answer = take_back(live, run.id)
    assert answer["not"] == {"Unsubscribed in EHQ.": 1}
    assert live.state(email) == "Deleted"


def everyone_loses(live: Live, *numbers: int, silent: bool = True) -> list[str]:
    """EHQ's API suddenly answers for these people that they are administrators, outside the audience of this list."""
    people = [live.ehq.someone(n) for n in numbers]
    live.ehq.act("role", id=[one for one, _ in people], role="hub_admin", silent=silent)
    return [email for _, email in people]


AUDIENCE = {"audience": {"roles": ["participant"]}, "brake": {"people": 2, "percent": 0}}


@pytest.fixture
def narrow(live: Live) -> Live:
    connect.configure(live.relay.parts, live.connection, AUDIENCE)
    assert live.run().state == "completed"
    return live


def test_many_whom_a_run_finds_outside_the_audience_wait_for_a_person_too(narrow: Live) -> None:
    live = narrow
    out = everyone_loses(live, 0, 1, 2)
    run = live.run()
    assert run.state == "braked"
    assert run.problem is not None
    assert run.problem["message"].startswith("3 people are outside the audience")
    assert {live.state(email) for email in out} == {"Active"}
    assert "The brake keeps them" in live.relay.person(live.connection, out[0])["summary"]
    assert live.relay.person(live.connection, out[0])["standing"] == "held"
    assert decide(live, brake.approve, run.id)["let_go"] == 3
    assert {live.state(email) for email in out} == {"Deleted"}


def test_kept_outside_the_audience_they_are_not_asked_about_again_unless_the_audience_changes(narrow: Live) -> None:
    live = narrow
    out = everyone_loses(live, 0, 1, 2)
    decide(live, brake.reject, live.run().id)
    assert live.run().state == "completed"
    assert {live.state(email) for email in out} == {"Active"}
    assert live.relay.person(live.connection, out[0])["standing"] == "kept"
    connect.configure(live.relay.parts, live.connection, {**AUDIENCE, "time_zone": "Australia/Sydney"})
    assert live.run().state == "completed"
    assert {live.state(email) for email in out} == {"Active"}
    narrower = {**AUDIENCE, "audience": {"roles": ["participant"], "activated_only": True}}
    connect.configure(live.relay.parts, live.connection, narrower)
    assert live.run().state == "completed"
    assert {live.state(email) for email in out} == {"Deleted"}


def test_who_belongs_again_is_held_no_more(narrow: Live) -> None:
    live = narrow
    one, email = live.ehq.someone(0)
    everyone_loses(live, 0, 1, 2)
    assert live.run().state == "braked"
    live.ehq.act("role", id=one, role="participant", silent=True)
    assert live.run().state == "completed"
    assert live.state(email) == "Active"


def test_a_few_outside_the_audience_leave_at_once(narrow: Live) -> None:
    out = everyone_loses(narrow, 0, 1)
    assert narrow.run().state == "completed"
    assert {narrow.state(email) for email in out} == {"Deleted"}


def test_webhooks_about_each_of_them_are_explicit_and_never_held(narrow: Live) -> None:
    out = everyone_loses(narrow, 0, 1, 2, silent=False)
    narrow.arrives()
    assert {narrow.state(email) for email in out} == {"Deleted"}


def test_a_narrower_audience_that_a_person_chose_is_not_held(live: Live) -> None:
    out = everyone_loses(live, 0, 1, 2, silent=False)
    live.arrives()
    assert {live.state(email) for email in out} == {"Active"}
    connect.configure(live.relay.parts, live.connection, AUDIENCE)
    assert live.run().state == "completed"
    assert {live.state(email) for email in out} == {"Deleted"}


def test_a_dry_run_says_that_the_brake_would_stop_it(live: Live) -> None:
    connect.configure(live.relay.parts, live.connection, {"brake": {"people": 2, "percent": 0}})
    vanish(live, 0, 1, 2)
    live.run()
    run = live.run(dry=True)
    assert run.state == "completed"
    assert (run.counts["braked"], run.counts["leaves"]) == (3, 3)
    assert waiting(live) is None


MISTYPED = {"overrides": {"roles": {"site_admin": ["participant"]}}}
CAREFUL = {"brake": {"people": 2, "percent": 0}}


def test_many_whom_overrides_put_outside_the_audience_wait_for_a_person(narrow: Live) -> None:
    before = narrow.cm.active()
    connect.configure(narrow.relay.parts, narrow.connection, {**AUDIENCE, **MISTYPED})
    run = narrow.change()
    assert run.state == "braked"
    assert narrow.cm.active() == before
    connect.configure(narrow.relay.parts, narrow.connection, AUDIENCE)
    assert narrow.change().state == "completed"
    assert waiting(narrow) is None


def test_of_an_audience_and_overrides_that_change_together_only_what_the_audience_means_is_done_at_once(
    live: Live,
) -> None:
    out = everyone_loses(live, 0, 1, 2, silent=False)
    live.arrives()
    before = live.cm.active()
    connect.configure(live.relay.parts, live.connection, {**AUDIENCE, **MISTYPED})
    assert live.change().state == "braked"
    gone = before - live.cm.active()
    assert gone > set(out)
    roles = {a["email"].lower(): a["role-name"] for a in live.ehq.people().values()}
    assert "participant" not in {roles[email] for email in gone}


def test_a_deleted_group_lets_nobody_go_whom_the_brake_holds(narrow: Live) -> None:
    out = everyone_loses(narrow, 0, 1, 2)
    assert narrow.run().state == "braked"
    narrow.happens("group_delete")
    narrow.change()
    assert {narrow.state(email) for email in out} == {"Active"}


WRONG = {"overrides": {"attributes": {"subscribed": ["unconfirmed"]}}}


def test_overrides_that_make_many_opt_outs_stop_the_read_until_a_person_corrects_or_confirms_them(live: Live) -> None:
    before = live.cm.active()
    connect.configure(live.relay.parts, live.connection, {**CAREFUL, **WRONG})
    for _ in range(2):
        run = live.run()
        assert run.state == "needs_person"
        assert run.problem is not None
        assert "unsubscribed or blocked" in run.problem["message"]
    assert live.cm.active() == before
    connect.configure(live.relay.parts, live.connection, CAREFUL)
    assert live.run().state == "completed"
    assert live.cm.active() == before
    connect.configure(live.relay.parts, live.connection, {**CAREFUL, **WRONG})
    assert live.run().state == "needs_person"
    connect.confirm_overrides(live.relay.parts, live.relay.parts.connection(live.connection.id))
    assert live.run().state == "completed"
    assert len(live.cm.active()) < len(before) / 2
