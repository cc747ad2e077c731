"""Campaign Monitor tells the relay when somebody leaves or is changed there, and the relay looks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from relay.sync.connections import connect, credentials
from tests.conftest import Live

POSTCODE = "What is your postcode?"
LEFT = {"unsubscribe": "Unsubscribed", "bounce": "Bounced", "complain": "Unsubscribed", "delete": "Deleted"}


def hooks(live: Live) -> list[dict[str, Any]]:
    return list(live.cm.list()["webhooks"])


def reads(live: Live) -> int:
    """How many people the relay looked up in Campaign Monitor."""
    return int(live.cm.calls()["calls"].get("GET subscribers/{id}", 0))


def until(live: Live, true: Callable[[], bool]) -> None:
    """Works until it is so."""
    give_up = time.monotonic() + 30
    while not true():
        assert time.monotonic() < give_up
        live.relay.work()
        time.sleep(0.02)


def posted(live: Live) -> None:
    """Campaign Monitor has posted everything it has to say."""
    give_up = time.monotonic() + 30
    while any(hook["pending"] for hook in hooks(live)):
        assert time.monotonic() < give_up
        time.sleep(0.02)


def all_told(live: Live) -> None:
    """Campaign Monitor has posted everything, and what came of it is done."""
    posted(live)
    live.relay.settle(live.connection)


@pytest.mark.parametrize(("how", "state"), LEFT.items())
def test_whoever_leaves_in_campaign_monitor_is_shown_so_at_once_and_never_sent_again(
    told: Live, how: str, state: str
) -> None:
    one, email = told.ehq.someone()
    told.cm.act(how, email=email)
    until(told, lambda: told.relay.person(told.connection, one)["campaign_monitor"]["state"] == state)
    assert "stands" in told.relay.person(told.connection, one)["summary"]
    assert told.relay.status(told.connection)["opted_out"] == 1
    told.cm.forget_calls()
    told.happens("answer", id=one, question=12, value="3002")
    assert told.cm.calls()["writes"] == 0
    assert told.state(email) == state
    assert told.relay.person(told.connection, one)["history"][-1]["what"]


def test_a_value_edited_there_is_put_back_at_once(told: Live) -> None:
    one, email = told.ehq.someone()
    before = told.subscriber(email)["fields"][POSTCODE]
    written_long_ago(told)
    told.cm.act("edit_field", email=email, field=POSTCODE, value="9999")
    until(told, lambda: told.subscriber(email)["fields"][POSTCODE] == before)
    assert any(h.get("cause") == "changed by hand in CM" for h in told.relay.person(told.connection, one)["history"])


def test_an_edit_that_answers_our_own_write_is_put_back_by_the_next_run_only(told: Live) -> None:
    one, email = told.ehq.someone()
    told.happens("answer", id=one, question=12, value="3007")
    all_told(told)
    told.cm.act("edit_field", email=email, field=POSTCODE, value="9999")
    until(told, lambda: told.relay.person(told.connection, one)["campaign_monitor"]["fields"][POSTCODE] == "9999")
    all_told(told)
    assert told.subscriber(email)["fields"][POSTCODE] == "9999"
    assert told.run().counts["causes"] == {"changed by hand in CM": 1}
    assert told.subscriber(email)["fields"][POSTCODE] == "3007"


def test_echoes_of_our_own_writes_cause_nothing(told: Live) -> None:
    (one, _), (two, _), (three, _) = (told.ehq.someone(n) for n in range(3))
    all_told(told)
    told.cm.forget_calls()
    told.happens("answer", id=one, question=12, value="3001")
    told.happens("register")
    told.happens("change_email", id=three, new_email="moved@example.com", confirmed=True)
    told.happens("unsubscribe", id=two)
    told.happens("subscribe", id=two)
    all_told(told)
    # The move, the removal and the return each read first; the notice of a removal may come before our own record.
    assert reads(told) in (3, 4)
    assert told.cm.calls()["writes"] == 5
    told.agrees()


def test_whoever_comes_back_by_their_own_wish_is_kept_up_to_date_again(told: Live) -> None:
    one, email = told.ehq.someone()
    told.cm.act("unsubscribe", email=email)
    until(told, lambda: told.relay.status(told.connection)["opted_out"] == 1)
    told.happens("answer", id=one, question=12, value="3033")
    told.cm.act("subscribe", email=email)
    until(told, lambda: told.subscriber(email)["fields"][POSTCODE] == "3033")
    told.happens("unsubscribe", id=one)
    assert told.state(email) == "Deleted"


def test_the_run_makes_the_webhook_once_and_it_arrives(told: Live) -> None:
    (hook,) = hooks(told)
    assert sorted(hook["Events"]) == ["Deactivate", "Subscribe", "Update"]
    assert told.relay.status(told.connection)["campaign_monitor_webhook"] == {"state": "on", "problem": None}
    told.run()
    assert [h["WebhookID"] for h in hooks(told)] == [hook["WebhookID"]]


def test_a_webhook_switched_off_or_deleted_is_put_right_by_the_next_run(told: Live) -> None:
    (hook,) = hooks(told)
    told.cm.act("switch_off_webhook")
    assert hooks(told)[0]["Status"] == "Deactivated"
    told.run()
    assert [(h["WebhookID"], h["Status"]) for h in hooks(told)] == [(hook["WebhookID"], "Active")]
    told.cm.act("delete_webhook")
    told.run()
    assert [h["Status"] for h in hooks(told)] == ["Active"]


def test_removing_the_connection_removes_the_webhook(told: Live) -> None:
    answer = connect.remove(told.relay.parts, told.relay.parts.connection(told.connection.id))
    assert answer["campaign_monitor_webhook"] == "removed"
    assert hooks(told) == []


def test_a_webhook_that_cannot_be_removed_is_said_and_keeps_nobody_from_removing(told: Live) -> None:
    told.cm.faults(status=500)
    answer = connect.remove(told.relay.parts, told.relay.parts.connection(told.connection.id))
    assert answer["removed"]
    assert answer["campaign_monitor_webhook"].startswith("not removed: ")


def test_a_webhook_that_does_not_arrive_is_told_and_stops_nothing(live: Live) -> None:
    told = live.relay.status(live.connection)["campaign_monitor_webhook"]
    assert (told["state"], told["problem"]["code"]) == ("off", "610")
    assert told["problem"]["remedy"]
    live.agrees()


def test_thousands_told_of_at_once_are_read_by_pages(told: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    from relay.sync.intake import hints

    monkeypatch.setattr(hints, "CROWD", 5)
    people = [told.ehq.someone(n)[1] for n in range(12)]
    for email in people:
        told.cm.act("unsubscribe", email=email)
    posted(told)
    until(told, lambda: told.relay.status(told.connection)["opted_out"] == 12)
    until(told, lambda: told.relay.status(told.connection)["last_run"]["state"] == "completed")
    assert told.relay.status(told.connection)["last_run"]["trigger"] == "change"


def test_an_echo_that_comes_before_our_own_record_causes_nothing(told: Live) -> None:
    one, _ = told.ehq.someone()
    all_told(told)
    told.cm.forget_calls()
    told.cm.faults(only_paths="import", timeout_s=0.6)
    told.happens("answer", id=one, question=12, value="3001")
    told.cm.faults(timeout_s=None)
    all_told(told)
    assert (reads(told), told.cm.calls()["writes"]) == (0, 1)


def test_an_address_changed_by_hand_there_is_moved_back_and_makes_no_second_subscriber(told: Live) -> None:
    one, email = told.ehq.someone()
    told.cm.act("change_email", email=email, new_email="typed@example.com")
    until(told, lambda: told.state(email) == "Active")
    assert told.subscriber(email)["fields"]["EHQ ID"] == one
    assert told.state("typed@example.com") is None
    told.agrees()


def test_someone_who_leaves_ehq_is_removed_where_their_address_was_moved_to_by_hand(told: Live) -> None:
    one, email = told.ehq.someone()
    told.cm.act("change_email", email=email, new_email="typed@example.com")
    told.ehq.act("unsubscribe", id=one)
    told.arrives()
    until(told, lambda: told.state("typed@example.com") != "Active" and told.state(email) != "Active")


def written_long_ago(live: Live) -> None:
    from relay.store import participants

    with live.relay.parts.database.write() as tx:
        ids = [p.id for p in participants.after(tx, live.connection.id, 0, 1000)]
        participants.change(tx, ids, cm_written_at=time.time() - 3600)


def test_a_notice_met_by_a_passing_refusal_is_read_again_afterwards(told: Live) -> None:
    _, email = told.ehq.someone()
    told.cm.faults(only_paths="subscribers/[0-9a-f]+.json", code=901)
    told.cm.act("unsubscribe", email=email)
    until(told, lambda: bool(told.relay.parts.connection(told.connection.id).problem))
    told.cm.faults(only_paths=None, code=None)
    credentials.resume(told.relay.parts, told.relay.parts.connection(told.connection.id))
    until(told, lambda: told.relay.person(told.connection, email)["standing"] == "opted_out")
