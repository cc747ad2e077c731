"""An address is typed anew in Campaign Monitor, and its notice is lost: the EHQ ID says whose the subscriber is."""

from __future__ import annotations

import pytest

from relay.store import participants
from relay.sync.connections import connect
from relay.sync.people import erase
from tests.conftest import Live

TYPED = "typed@example.com"


def typed(live: Live, email: str, new: str) -> None:
    """Somebody changes the address in Campaign Monitor, and its notice is lost."""
    live.cm.act("change_email", email=email, new_email=new)


def test_an_address_typed_in_campaign_monitor_is_moved_back_by_the_next_run(live: Live) -> None:
    one, email = live.ehq.someone()
    typed(live, email, TYPED)
    run = live.run()
    assert (live.state(email), live.state(TYPED)) == ("Active", None)
    assert live.subscriber(email)["fields"]["EHQ ID"] == one
    assert run.counts["causes"] == {"changed by hand in CM": 1}
    live.agrees()
    live.cm.forget_calls()
    live.run()
    assert live.cm.calls()["writes"] == 0


@pytest.mark.parametrize("how", ["unsubscribe", "delete"])
def test_whoever_left_ehq_under_an_address_typed_in_campaign_monitor_is_found_and_removed(live: Live, how: str) -> None:
    one, email = live.ehq.someone()
    typed(live, email, TYPED)
    live.happens(how, id=one)
    assert live.state(TYPED) == "Active", "nobody could know"
    assert live.run().state == "completed"
    assert live.state(TYPED) == "Deleted"
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
    typed(live, email, TYPED)
    live.cm.act("unsubscribe", email=TYPED)
    assert live.run().state == "completed"
    assert (live.state(email), live.state(TYPED)) == (None, "Unsubscribed")
    assert "That word stands" in live.relay.person(live.connection, one)["summary"]
    assert live.run().counts.get("to_write", 0) == 0


def test_an_opt_out_at_an_address_typed_there_is_theirs_too_when_the_relay_found_nobody_at_the_old_one(
    live: Live,
) -> None:
    one, email = live.ehq.someone()
    typed(live, email, TYPED)
    live.happens("unsubscribe", id=one)
    live.cm.act("bounce", email=TYPED)
    live.happens("subscribe", id=one)
    live.run()
    assert live.state(TYPED) == "Bounced"
    assert live.state(email) != "Active"
    assert "That word stands" in live.relay.person(live.connection, one)["summary"]


def test_whoever_left_and_opted_out_under_an_address_typed_there_does_not_come_back(live: Live) -> None:
    one, email = live.ehq.someone()
    typed(live, email, TYPED)
    live.happens("unsubscribe", id=one)
    live.cm.act("bounce", email=TYPED)
    live.run()
    live.happens("subscribe", id=one)
    assert (live.state(email), live.state(TYPED)) == (None, "Bounced")


def written_twice(live: Live) -> tuple[str, str]:
    """Somebody who is on the list at EHQ's address, and at one typed in Campaign Monitor."""
    one, email = live.ehq.someone()
    typed(live, email, TYPED)
    live.happens("answer", id=one, question=12, value="3999")
    assert {live.state(email), live.state(TYPED)} == {"Active"}, "nobody could know"
    return one, email


def test_whoever_was_written_to_before_anybody_told_of_an_address_typed_there_has_one_subscriber_after_a_run(
    live: Live,
) -> None:
    one, email = written_twice(live)
    assert live.run().counts["causes"] == {"changed by hand in CM": 1}
    assert (live.state(email), live.state(TYPED)) == ("Active", "Deleted")
    assert not live.subscriber(TYPED)["fields"]
    assert "merged" in {row["what"] for row in live.relay.person(live.connection, one)["history"]}
    live.agrees()
    live.cm.forget_calls()
    live.run()
    assert live.cm.calls()["writes"] == 0


def test_whoever_opted_out_at_an_address_typed_there_is_written_to_nowhere_after_a_run(live: Live) -> None:
    one, email = live.ehq.someone()
    typed(live, email, TYPED)
    live.cm.act("unsubscribe", email=TYPED)
    live.happens("answer", id=one, question=12, value="3999")
    assert live.state(email) == "Active", "nobody could know"
    assert live.run().state == "completed"
    assert (live.state(email), live.state(TYPED)) == ("Deleted", "Unsubscribed")
    assert "That word stands" in live.relay.person(live.connection, one)["summary"]
    assert live.cm.violations() == []


def test_whoever_was_erased_is_erased_by_the_next_run_at_an_address_typed_there_too(live: Live) -> None:
    one, email = live.ehq.someone()
    typed(live, email, TYPED)
    with live.relay.parts.database.read() as tx:
        people = participants.one(tx, live.connection.id, one)
    erase.ask_to_erase(live.relay.parts, live.connection, people)
    live.relay.settle(live.connection)
    assert live.run().state == "completed"
    assert live.state(TYPED) == "Deleted"
    assert not live.subscriber(TYPED)["fields"]


def test_of_two_subscribers_of_one_person_staff_may_delete_one(live: Live) -> None:
    _, email = written_twice(live)
    live.cm.act("delete", email=TYPED)
    assert live.run().state == "completed"
    assert live.state(email) == "Active"
    assert not live.subscriber(TYPED)["fields"], "nothing of theirs stays there"


def test_whoever_opted_out_as_a_copy_of_theirs_has_opted_out(live: Live) -> None:
    one, email = live.ehq.someone()
    live.cm.act("subscribe", email="copy@example.com")
    live.cm.act("edit_field", email="copy@example.com", field="EHQ ID", value=one)
    live.cm.act("unsubscribe", email="copy@example.com")
    live.run()
    assert live.state(email) == "Deleted"
    live.cm.act("subscribe", email=email)
    live.run()
    assert live.state(email) == "Active", "they are back by their own wish"
    assert live.run().counts.get("to_write", 0) == 0
    assert live.cm.violations() == []


def test_no_more_second_subscribers_are_removed_at_once_than_the_brake_lets_go(live: Live) -> None:
    connect.configure(live.relay.parts, live.connection, {"brake": {"people": 1, "percent": 0}})
    three = [live.ehq.someone(number) for number in range(3)]
    for number, (_, email) in enumerate(three):
        typed(live, email, f"typed{number}@example.com")
    for one, _ in three:
        live.ehq.act("answer", id=one, question=12, value="3999")
    live.arrives()
    second = {f"typed{number}@example.com" for number in range(3)}
    assert second <= live.cm.active()
    live.run()
    assert len(second & live.cm.active()) == 2
    live.run()
    live.run()
    live.agrees()


def test_an_opt_out_of_somebody_who_registered_on_another_day_is_not_theirs_though_the_number_is(live: Live) -> None:
    """The list belonged to another site before, whose numbers are other people's here."""
    one, email = live.ehq.someone()
    live.cm.act("subscribe", email="past@example.com")
    for field, value in (("EHQ ID", one), ("Joined", "2011-03-04")):
        live.cm.act("edit_field", email="past@example.com", field=field, value=value)
    live.cm.act("unsubscribe", email="past@example.com")
    live.run()
    assert live.state(email) == "Active"
    assert live.subscriber("past@example.com")["fields"]["EHQ ID"] == one, "and is left alone"
