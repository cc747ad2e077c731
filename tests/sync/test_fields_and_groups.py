"""Custom fields and segments are made, adopted, re-read and repaired."""

from __future__ import annotations

import time

import pytest

from relay.sync.structure import groups
from tests.conftest import Live, Relay, SimulatedCampaignMonitor, SimulatedEhq
from tests.sync.test_absence import go_on, run_in

POSTCODE = "What is your postcode?"


def rules(live: Live, title: str) -> list:
    return next(s["RuleGroups"] for s in live.cm.list()["segments"] if s["Title"] == title)


def segment_id(live: Live, title: str) -> str:
    return next(s["SegmentID"] for s in live.cm.list()["segments"] if s["Title"] == title)


def fields(live: Live) -> dict[str, str]:
    return {f["FieldName"]: f["DataType"] for f in live.cm.list()["fields"]}


def test_a_field_deleted_by_hand_is_made_again_and_filled(live: Live) -> None:
    live.cm.act("delete_field", field=POSTCODE)
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=12, value="3777")
    _, other = live.ehq.someone(1)
    assert live.run().state == "completed"
    assert live.subscriber(email)["fields"][POSTCODE] == "3777"
    assert live.subscriber(other)["fields"][POSTCODE]


def test_a_field_deleted_before_what_was_written_is_read_back_is_filled_by_the_next_run(live: Live) -> None:
    one, email = live.ehq.someone()
    live.ehq.act("answer", id=one, question=12, value="3777", silent=True)
    run = run_in(live, "verify")
    live.cm.act("delete_field", field=POSTCODE)
    go_on(live, run)
    assert live.relay.status(live.connection)["refused"].keys() == {"not-kept"}
    assert live.run().state == "completed"
    assert live.subscriber(email)["fields"][POSTCODE] == "3777"
    assert live.relay.status(live.connection)["refused"] == {}


def test_a_field_made_anew_with_another_type_gets_a_second_name(live: Live) -> None:
    live.cm.act("delete_field", field=POSTCODE)
    live.cm.act("add_field", field=POSTCODE, type="Number")
    assert live.run().state == "completed"
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=12, value="0801")
    assert live.subscriber(email)["fields"][f"{POSTCODE} (2)"] == "0801"
    assert fields(live)[POSTCODE] == "Number"


def test_a_new_question_becomes_a_field_with_the_first_answer(live: Live) -> None:
    live.happens("form_add_question", label="Pets", type="checkbox", options=["Dog", "Cat, old", "Cat"])
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question="Pets", value=["Cat, old", "Dog"])
    assert sorted(live.subscriber(email)["fields"]["Pets"]) == ["Cat, old", "Dog"]
    live.agrees()


@pytest.mark.parametrize(
    "label", ["Role", "Groups", "x" * 150, "\u5e74\u9f61"], ids=["Role", "Groups", "long", "not ASCII"]
)
def test_a_question_of_any_label_finds_a_name(live: Live, label: str) -> None:
    live.happens("form_add_question", label=label, type="text")
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=label, value="an answer")
    assert "an answer" in live.subscriber(email)["fields"].values()


def test_options_taken_away_by_hand_are_put_back(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=13, value="Female")
    live.cm.act("delete_option", field="Gender", option="Female")
    assert live.run().state == "completed"
    assert live.subscriber(email)["fields"]["Gender"] == "Female"


def test_a_new_group_gets_its_segment_and_the_others_keep_their_rules(live: Live) -> None:
    live.happens("group_create", name="Night owls")
    one, _ = live.ehq.someone()
    live.happens("group_add", group="Night owls", id=one)
    assert live.cm.segments()["Night owls"] == 1
    assert all(rules(live, title) for title in live.cm.segments())


def test_a_group_that_nobody_told_of_and_nobody_is_in_has_its_segment_after_one_run(live: Live) -> None:
    live.ehq.act("group_create", name="Jury", silent=True)
    live.run()
    assert live.cm.segments()["Jury"] == 0
    live.cm.forget_calls()
    live.run()
    assert live.cm.calls()["writes"] == 0


def test_a_renamed_group_keeps_its_segment(live: Live) -> None:
    before = segment_id(live, "Pet owners")
    live.happens("group_rename", group="Pet owners", name="Animal friends")
    assert segment_id(live, "Animal friends") == before
    assert "Pet owners" not in live.cm.segments()


def test_a_run_knows_better_who_is_in_a_group_than_a_webhook_before_it_however_lately_the_group_changed(
    live: Live,
) -> None:
    one, email = live.ehq.someone()
    live.happens("group_add", group=30, id=one)
    live.happens("group_rename", group=30, name="Young people")
    live.happens("group_remove", group=30, id=one)
    live.ehq.act("group_add", group=30, id=one, silent=True)
    live.run()
    assert "Youth advisory panel [30]" in live.subscriber(email)["fields"]["Groups"]


@pytest.mark.parametrize("versions", [True, False], ids=["with updated-at", "without"])
@pytest.mark.parametrize("silent", [True, False], ids=["found by a run", "told"])
def test_a_group_renamed_again_is_followed_although_ehqs_clock_is_behind(
    live: Live, silent: bool, versions: bool
) -> None:
    live.ehq.faults(clock_skew_s=-240, no_updated_at=not versions)
    live.ehq.act("group_rename", group="Pet owners", name="Animal friends", silent=True)
    assert live.run().state == "completed"
    live.ehq.act("group_rename", group="Animal friends", name="Cats and dogs", silent=silent)
    live.arrives()
    if silent:
        assert live.run().state == "completed"
    assert "Cats and dogs" in live.cm.segments()


def test_a_deleted_group_loses_its_segment_and_its_members(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("group_add", group=30, id=one)
    live.happens("group_delete", group=30)
    assert "Youth advisory panel" not in live.cm.segments()
    live.run()
    assert "Youth advisory panel [30]" not in live.subscriber(email)["fields"].get("Groups", [])


@pytest.mark.parametrize("first", ["group.deleted", "group.renamed"])
def test_deleted_and_renamed_in_the_same_moment_a_group_is_gone_whichever_arrives_first(live: Live, first: str) -> None:
    live.ehq.act("group_delete", group=30, silent=True)
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
    data = {"type": "groups", "id": "30", "attributes": {"name": "Renamed", "updated-at": moment}}
    for word in sorted(["group.deleted", "group.renamed"], key=lambda word: word != first):
        live.happens("event", type=word, data=data)
    assert not {"Renamed", "Youth advisory panel"} & live.cm.segments().keys()


def test_a_group_deleted_and_another_made_with_its_name_has_a_segment_at_once(live: Live) -> None:
    live.ehq.act("group_delete", group=30)
    live.ehq.act("group_create", name="Youth advisory panel")
    live.arrives()
    assert "Youth advisory panel" in live.cm.segments()


def test_of_two_groups_with_one_name_the_lower_id_keeps_it(live: Live) -> None:
    before = segment_id(live, "Pet owners")
    live.happens("group_create", name="Pet owners")
    assert segment_id(live, "Pet owners") == before
    assert "Pet owners (2)" in live.cm.segments()


def test_two_groups_that_swap_their_names_swap_their_segments_names(live: Live) -> None:
    one, two = segment_id(live, "Pet owners"), segment_id(live, "Parks people")
    live.ehq.act("group_rename", group=12, name="Parks people")
    live.ehq.act("group_rename", group=15, name="Pet owners")
    live.arrives()
    assert live.run().state == "completed"
    assert (segment_id(live, "Pet owners"), segment_id(live, "Parks people")) == (two, one)


@pytest.mark.parametrize("action", ["edit_segment", "delete_segment"])
def test_a_segment_spoilt_by_hand_is_repaired_by_the_next_run(live: Live, action: str) -> None:
    members = live.cm.segments()["Female Only"]
    live.cm.act(action, segment="Female Only")
    assert live.run().state == "completed"
    assert live.cm.segments()["Female Only"] == members


@pytest.mark.parametrize(
    "name",
    [
        'Cats, "dogs" [and] (more)',
        "x" * 300,
        "\U0001f600 Faces",
        "  ",
        "a\nb",
        "\u05e7\u05d1\u05d5\u05e6\u05d4 (\u05d0)",
    ],
)
def test_a_group_of_any_name_has_a_segment(live: Live, name: str) -> None:
    before = len(live.cm.segments())
    live.happens("group_create", name=name)
    one, _ = live.ehq.someone()
    live.ehq.act("group_add", group=31, id=one)
    live.arrives()
    assert len(live.cm.segments()) == before + 1
    assert live.run().counts["segments_not_made"] == 0


def test_a_segment_used_in_a_draft_is_kept_and_the_group_says_why(live: Live) -> None:
    live.cm.act("draft_segment", segment="Youth advisory panel")
    live.happens("group_delete", group=30)
    assert live.run().state == "completed"
    assert "Youth advisory panel" in live.cm.segments()


def test_the_limit_of_segments_stops_nothing_else(
    relay: Relay, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor
) -> None:
    cm.faults(segment_limit=2)
    connection = relay.connect(ehq)
    run = relay.reconcile(connection)
    assert (run.state, run.counts["segments"], run.counts["segments_not_made"]) == ("completed", 2, 3)
    assert len(cm.active()) > 40


def test_busy_segments_are_waited_for(live: Live) -> None:
    live.cm.faults(segment_busy=2)
    live.happens("group_create", name="Patient people")
    assert "Patient people" in live.cm.segments()


def test_an_existing_segment_of_a_groups_name_is_adopted(live: Live) -> None:
    live.cm.act("edit_segment", segment="Female Only", title="Sleepers")
    live.happens("group_create", name="Sleepers")
    live.run()
    assert {"Sleepers", "Female Only"} <= live.cm.segments().keys()
    assert all(rules(live, title) for title in live.cm.segments())


def test_a_group_that_vanishes_without_an_event_loses_its_segment_after_two_complete_runs(live: Live) -> None:
    live.ehq.act("group_delete", group=30, silent=True)
    live.run()
    assert "Youth advisory panel" in live.cm.segments()
    run = live.run()
    assert "Youth advisory panel" not in live.cm.segments()
    assert run.counts["groups_gone"] == 1


def test_a_group_missing_once_and_there_again_keeps_its_segment(live: Live) -> None:
    before = segment_id(live, "Youth advisory panel")
    live.ehq.faults(hide_groups=[30])
    live.run()
    live.ehq.faults(hide_groups=None)
    live.run()
    live.ehq.faults(hide_groups=[30])
    live.run()
    assert segment_id(live, "Youth advisory panel") == before


def test_groups_that_vanish_in_numbers_keep_their_segments_until_a_person_says_so(live: Live) -> None:
    for group in (7, 12, 15, 30):
        live.ehq.act("group_delete", group=group, silent=True)
    live.run()
    run = live.run()
    assert (run.counts["groups_missing"], len(live.cm.segments())) == (4, 5)
    groups.forget(live.relay.parts, live.connection, ["7", "12", "15", "30"])
    live.relay.settle(live.connection)
    assert list(live.cm.segments()) == ["Joined in the last 30 days"]


def test_a_merged_group_hands_its_members_over(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("group_add", group=30, id=one)
    live.ehq.act("group_create", name="Youth")
    live.ehq.act("group_add", group=31, id=one)
    live.happens("group_delete", group=30)
    live.run()
    assert live.cm.segments()["Youth"] == 1
    assert live.subscriber(email)["fields"]["Groups"][-1] == "Youth [31]"
    assert "Youth advisory panel" not in live.cm.segments()


def test_people_s_own_segments_keep_their_rules_when_options_are_added(live: Live) -> None:
    gender = [{"Rules": [{"RuleType": "[Gender]", "Clause": "EQUALS Female"}]}]
    live.cm.act("add_segment", title="Women, by hand", rule_groups=gender)
    before = live.cm.segments()["Women, by hand"]
    one, _ = live.ehq.someone()
    live.happens("answer", id=one, question=13, value="Agender")
    assert rules(live, "Women, by hand") == gender
    assert live.cm.segments()["Women, by hand"] <= before
    live.cm.act("edit_segment", segment="Women, by hand", rule_groups=[], title="Women, by hand")
    live.run()
    assert rules(live, "Women, by hand") == []  # a person's own change is theirs


def test_our_segments_hold_nobody_else_while_a_new_group_comes(live: Live) -> None:
    members = live.cm.segments()["Female Only"]
    live.happens("group_create", name="Night owls")
    assert live.cm.segments()["Female Only"] == members
    assert all(rules(live, title) for title in live.cm.segments())


def test_a_group_renamed_to_the_title_of_a_segment_made_by_hand_takes_a_second_one(live: Live) -> None:
    before = segment_id(live, "Pet owners")
    live.cm.act("add_segment", title="Animal friends")
    live.happens("group_rename", group="Pet owners", name="Animal friends")
    assert segment_id(live, "Animal friends (2)") == before
    assert segment_id(live, "Animal friends") != before
    live.cm.forget_calls()
    live.run()
    assert segment_id(live, "Animal friends (2)") == before
    assert live.cm.calls()["writes"] == 0, "it is not asked for again what is somebody else's"


def test_a_segment_that_is_campaign_monitors_own_is_left_alone(live: Live) -> None:
    live.cm.act("add_segment", title="Engaged", system=True)
    live.happens("group_create", name="Engaged")
    assert rules(live, "Engaged") == []
    assert rules(live, "Engaged (2)")


def test_busy_segments_delay_no_person(live: Live) -> None:
    live.cm.faults(segment_busy=True)
    live.ehq.act("group_create", name="Patient people")
    live.ehq.delivered()
    live.relay.parts.queue.ring(live.connection.id, always=True)
    live.relay.work()
    assert live.relay.parts.connection(live.connection.id).problem is None
    _, email = live.ehq.register()
    live.ehq.delivered()
    live.relay.parts.queue.ring(live.connection.id, always=True)
    live.relay.work()
    assert live.state(email) == "Active"
    live.cm.faults(segment_busy=None)
    live.run()
    assert "Patient people" in live.cm.segments()


def test_the_limit_of_segments_is_met_once_a_run(live: Live) -> None:
    live.cm.faults(segment_limit=5)
    for name in ("One", "Two", "Three"):
        live.ehq.act("group_create", name=name)
    live.arrives()
    live.cm.forget_calls()
    assert live.run().counts["segments_not_made"] == 3
    assert live.cm.calls()["calls"]["POST segments/{id}"] == 1
    assert set(live.relay.status(live.connection)["segment_problems"]) == {"One", "Two", "Three"}
