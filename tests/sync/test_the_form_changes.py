"""The signup form changes: a question is added, relabelled, retyped, removed, gains options; nothing is lost unseen."""

from __future__ import annotations

from typing import Any

import pytest

from relay.sync.connections import connect
from relay.sync.structure import form
from tests.conftest import Live, Relay, SimulatedCampaignMonitor, SimulatedEhq

POSTCODE = "What is your postcode?"
LONG = "x" * 300


def field(live: Live, source: str) -> dict[str, Any]:
    return next(f for f in form.report(live.relay.parts, live.connection.id) if f["source"] == source)


def in_cm(live: Live) -> dict[str, str]:
    return {f["FieldName"]: f["DataType"] for f in live.cm.list()["fields"]}


def holds(live: Live, email: str, name: str) -> Any:
    return live.subscriber(email)["fields"].get(name)


def test_a_name_that_is_asked_no_more_stays_in_campaign_monitor_which_takes_no_empty_one(live: Live) -> None:
    for question in (10, 11):
        live.ehq.act("form_remove_question", question=question, silent=True)
    _, email = live.ehq.someone()
    name = live.subscriber(email)["name"]
    assert live.run().state == "completed"
    assert (live.subscriber(email)["name"], holds(live, email, "First name")) == (name, None)
    assert live.relay.status(live.connection)["refused"] == {}
    live.cm.forget_calls()
    assert live.run().state == "completed"
    assert live.cm.calls()["writes"] == 0


def test_a_question_that_is_called_otherwise_keeps_its_field_and_shows_its_new_name(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("form_rename_question", question=12, label="Your postcode")
    live.happens("answer", id=one, question=12, value="3000")
    assert live.run().state == "completed"
    found = field(live, "answer:12")
    assert (found["label"], found["earlier_labels"], found["name"]) == ("Your postcode", [POSTCODE], POSTCODE)
    assert holds(live, email, POSTCODE) == "3000"
    assert "Your postcode" not in in_cm(live)


def test_a_late_webhook_with_the_old_label_changes_nothing_and_hastens_a_run(live: Live) -> None:
    live.happens("form_rename_question", question=12, label="Your postcode")
    live.run()
    before = live.relay.parts.connection(live.connection.id).next_run_at
    live.ehq.act("form_rename_question", question=12, label=POSTCODE, silent=True)
    live.happens("answer", id=live.ehq.someone()[0], question=12, value="3001")
    assert field(live, "answer:12")["label"] == "Your postcode"
    assert live.relay.parts.connection(live.connection.id).next_run_at == before  # one was an instant ago
    live.run()
    assert field(live, "answer:12")["label"] == POSTCODE


def test_a_question_left_out_by_its_label_stays_out_when_it_is_relabelled(live: Live) -> None:
    connect.configure(live.relay.parts, live.connection, {"fields_left_out": [POSTCODE]})
    live.run()
    live.happens("form_rename_question", question=12, label="Your postcode")
    live.run()
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=12, value="3000")
    live.run()
    assert field(live, "answer:12")["left_out"]
    assert holds(live, email, POSTCODE) is None
    assert "3000" not in str(live.relay.person(live.connection, one)["ehq"])


def test_a_question_left_out_before_it_was_ever_met_stays_out_under_a_new_label(
    relay: Relay, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor
) -> None:
    connection = relay.connect(ehq)
    connect.configure(relay.parts, connection, {"fields_left_out": ["Date of birth", "Tags"]})
    relay.reconcile(connection)
    ehq.act("form_rename_question", question=15, label="When were you born?", silent=True)
    relay.reconcile(connection)
    relay.reconcile(connection)
    names = {f["FieldName"] for f in cm.list()["fields"]}
    assert not names & {"Date of birth", "When were you born?"}
    assert not any(s["fields"].get("Tags") for s in cm.subscribers().values())


def test_a_question_that_changes_its_kind_has_a_new_field_and_its_answers_move(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=12, value="3000")
    live.happens("form_retype_question", question=12, type="number")
    run = live.run()
    assert holds(live, email, f"{POSTCODE} (2)") == "3000"
    assert holds(live, email, POSTCODE) is None
    assert in_cm(live)[POSTCODE] == "Text"
    assert in_cm(live)[f"{POSTCODE} (2)"] == "Number"
    assert set(run.counts["causes"]) == {"mapping changed"}
    assert live.run().counts.get("to_write", 0) == 0


def test_a_question_that_changes_its_kind_back_has_its_first_field_again(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("form_retype_question", question=12, type="number")
    live.run()
    live.happens("form_retype_question", question=12, type="text")
    live.happens("answer", id=one, question=12, value="0800")
    live.run()
    assert holds(live, email, POSTCODE) == "0800"
    assert holds(live, email, f"{POSTCODE} (2)") is None
    assert f"{POSTCODE} (3)" not in in_cm(live)
    assert live.run().counts.get("to_write", 0) == 0


def test_a_former_field_deleted_by_hand_stops_nothing(live: Live) -> None:
    live.happens("form_retype_question", question=12, type="number")
    live.run()
    live.cm.act("delete_field", field=POSTCODE)
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=12, value="3003")
    live.run()
    assert holds(live, email, f"{POSTCODE} (2)") == "3003"
    assert not any(f["former"] for f in form.report(live.relay.parts, live.connection.id))


def test_a_removed_question_leaves_an_empty_field(live: Live) -> None:
    _, email = live.ehq.someone()
    assert holds(live, email, POSTCODE)
    live.happens("form_remove_question", question=12)
    live.run()
    assert holds(live, email, POSTCODE) is None
    assert POSTCODE in in_cm(live)
    assert field(live, "answer:12")["asked"] is False
    assert field(live, "answer:13")["asked"] is True


def test_new_options_are_known_once_a_run_has_read_them(live: Live) -> None:
    live.ehq.faults(show_options=True)
    live.happens("form_retype_question", question=14, options=["Parks", "Parks, gardens", "Dogs, cats", "Roads"])
    live.run()
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=14, value="Dogs, cats, Parks, gardens, Parks")
    assert sorted(holds(live, email, "I am interested in")) == ["Dogs, cats", "Parks", "Parks, gardens"]


@pytest.mark.parametrize(
    ("question", "value", "name", "held", "word"),
    [
        (17, LONG, "Tell us about yourself", LONG[:250], "cut"),
        (15, "1850-01-01", "Date of birth", None, "skipped"),
        (15, "2200-01-01", "Date of birth", None, "skipped"),
        (18, "many", "Household size", None, "skipped"),
        (13, ["Female", "Male"], "Gender", "Female", "skipped"),
    ],
    ids=["a long text", "a date long ago", "a date far away", "no number", "two answers where one is possible"],
)
def test_what_is_lost_is_told_on_the_person_on_the_run_and_on_the_field(
    live: Live, question: int, value: Any, name: str, held: Any, word: str
) -> None:
    one, email = live.ehq.someone()
    before = field(live, f"answer:{question}")[word]
    live.happens("answer", id=one, question=question, value=value)
    assert holds(live, email, name) == held
    assert live.relay.person(live.connection, one)["should_be"]["lost"][name] == word
    run = live.run()
    after = field(live, f"answer:{question}")
    assert run.counts["lost"][f"answer:{question}"][word] == after[word] == before + 1
    assert after["counted_run"] == run.id
    assert live.relay.status(live.connection)["lost"][word] >= 1
    live.happens("answer", id=one, question=question, value=None)
    live.run()
    assert field(live, f"answer:{question}")[word] == before


def test_an_unknown_option_is_added_and_travels(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=13, value="Agender")
    live.happens("answer", id=one, question=14, value=["Roads", "Something, else"])
    assert holds(live, email, "Gender") == "Agender"
    assert sorted(holds(live, email, "I am interested in")) == ["Roads", "Something, else"]


def test_an_emptied_answer_is_emptied_in_campaign_monitor(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=14, value=["Roads"])
    live.happens("answer", id=one, question=14, value=[])
    live.happens("answer", id=one, question=12, value="")
    assert holds(live, email, "I am interested in") is None
    assert holds(live, email, POSTCODE) is None


def test_too_many_options_are_skipped_visibly_and_delay_nobody(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.sync.structure.fields.MOST_OPTIONS", 5)
    (one, email), (two, other) = live.ehq.someone(), live.ehq.someone(1)
    live.happens("answer", id=one, question=13, value="A fifth")
    live.happens("answer", id=two, question=13, value="A sixth")
    assert (holds(live, email, "Gender"), holds(live, other, "Gender")) == ("A fifth", None)
    assert live.relay.person(live.connection, two)["should_be"]["lost"] == {"Gender": "skipped"}
    assert "Gender" in live.relay.status(live.connection)["field_problems"]
    run = live.run()
    assert (run.state, run.counts.get("to_write", 0), run.counts["values_skipped"]) == ("completed", 0, 1)
    monkeypatch.setattr("relay.sync.structure.fields.MOST_OPTIONS", 100)
    live.run()
    assert holds(live, other, "Gender") == "A sixth"
    assert live.relay.status(live.connection)["field_problems"] == {}


def test_a_field_that_campaign_monitor_does_not_make_delays_nobody(live: Live) -> None:
    live.cm.faults(field_limit=1)
    live.happens("form_add_question", label="Pets", type="text")
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question="Pets", value="A dog")
    live.happens("answer", id=one, question=12, value="3999")
    assert holds(live, email, POSTCODE) == "3999"
    assert live.relay.person(live.connection, one)["should_be"]["lost"] == {"Pets": "skipped"}
    assert live.run().state == "completed"
    assert "Pets" in live.relay.status(live.connection)["field_problems"]
    live.cm.faults(field_limit=None)
    live.run()
    assert holds(live, email, "Pets") == "A dog"
