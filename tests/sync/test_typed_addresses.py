"""An address is typed anew in Campaign Monitor, and its notice is lost: the EHQ ID says whose the subscriber is."""

from __future__ import annotations

import time

import pytest

from relay.store import participants
from relay.sync.people import erase
from tests.conftest import Live


def typed(live: Live, email: str, new: str) -> None:
    """Somebody changes the address in Campaign Monitor, and its notice is lost."""
    live.cm.act("change_email", email=email, new_email=new)


def a_second_later() -> None:
    """Campaign Monitor says to the second since when somebody is on a list."""
    time.sleep(1.0)


def test_an_address_typed_in_campaign_monitor_is_moved_back_by_the_next_run(live: Live) -> None:
    one, email = live.ehq.someone()
    typed(live, email, "typed@example.com")
    run = live.run()
    assert (live.state(email), live.state("typed@example.com")) == ("Active", None)
    assert live.subscriber(email)["fields"]["EHQ ID"] == one
    assert run.counts["causes"] == {"changed by hand in CM": 1}
    live.agrees()
    live.cm.forget_calls()
    live.run()
    assert live.cm.calls()["writes"] == 0


@pytest.mark.parametrize("how", ["unsubscribe", "delete"])
def test_whoever_left_ehq_under_an_address_typed_in_campaign_monitor_is_found_and_removed(live: Live, how: str) -> None:
    one, email = live.ehq.someone()
    typed(live, email, "typed@example.com")
    live.happens(how, id=one)
    assert live.state("typed@example.com") == "Active", "nobody could know"
    assert live.run().state == "completed"
    assert live.state("typed@example.com") == "Deleted"
    assert live.state(email) is None


def test_a_second_subscriber_with_somebodys_ehq_id_is_left_alone(live: Live) -> None:
    one, email = live.ehq.someone()
    live.cm.act("subscribe", email="copy@example.com")
    live.cm.act("edit_field", email="copy@example.com", field="EHQ ID", value=one)
    run = live.run()
    assert run.counts["left_alone"] == 1
    assert (live.state(email), live.state("copy@example.com")) == ("Active", "Active")


def test_an_opt_out_at_an_address_typed_in_campaign_monitor_is_theirs(live: Live) -> None:
    one, email = live.ehq.someone()
    typed(live, email, "typed@example.com")
    live.cm.act("unsubscribe", email="typed@example.com")
    assert live.run().state == "completed"
    assert (live.state(email), live.state("typed@example.com")) == (None, "Unsubscribed")
    assert "That word stands" in live.relay.person(live.connection, one)["summary"]
    assert live.run().counts.get("to_write", 0) == 0


def test_an_opt_out_at_an_address_typed_there_is_theirs_too_when_the_relay_found_nobody_at_the_old_one(
    live: Live,
) -> None:
    one, email = live.ehq.someone()
    typed(live, email, "typed@example.com")
    live.happens("unsubscribe", id=one)
    live.cm.act("bounce", email="typed@example.com")
    live.happens("subscribe", id=one)
    live.run()
    assert live.state("typed@example.com") == "Bounced"
    assert live.state(email) != "Active"
    assert "That word stands" in live.relay.person(live.connection, one)["summary"]


def test_whoever_was_written_to_before_anybody_told_of_an_address_typed_there_has_one_subscriber_after_a_run(
    live: Live,
) -> None:
    one, email = live.ehq.someone()
    typed(live, email, "typed@example.com")
    a_second_later()
    live.happens("answer", id=one, question=12, value="3999")
    assert {live.state(email), live.state("typed@example.com")} == {"Active"}, "nobody could know"
    assert live.run().state == "completed"
    assert (live.state(email), live.state("typed@example.com")) == ("Active", "Deleted")
    assert not live.subscriber("typed@example.com")["fields"]
    assert "merged" in {row["what"] for row in live.relay.person(live.connection, one)["history"]}
    live.agrees()
    live.cm.forget_calls()
    live.run()
    assert live.cm.calls()["writes"] == 0


def test_whoever_opted_out_at_an_address_typed_there_is_written_to_nowhere_after_a_run(live: Live) -> None:
    one, email = live.ehq.someone()
    typed(live, email, "typed@example.com")
    live.cm.act("unsubscribe", email="typed@example.com")
    a_second_later()
    live.happens("answer", id=one, question=12, value="3999")
    assert live.state(email) == "Active", "nobody could know"
    assert live.run().state == "completed"
    assert (live.state(email), live.state("typed@example.com")) == ("Deleted", "Unsubscribed")
    assert "That word stands" in live.relay.person(live.connection, one)["summary"]
    assert live.cm.violations() == []


def test_whoever_was_erased_is_erased_by_the_next_run_at_an_address_typed_there_too(live: Live) -> None:
    one, email = live.ehq.someone()
    typed(live, email, "typed@example.com")
    with live.relay.parts.database.read() as tx:
        people = participants.one(tx, live.connection.id, one)
    erase.ask_to_erase(live.relay.parts, live.connection, people)
    live.relay.settle(live.connection)
    assert live.run().state == "completed"
    assert live.state("typed@example.com") == "Deleted"
    assert not live.subscriber("typed@example.com")["fields"]
