"""A list that was disconnected and is connected again: whom the relay removed may come back, nobody else does."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from relay.store import hints, participants, removals
from relay.sync.connections import connect
from relay.sync.exports import exports
from relay.sync.exports.uploads import Manifest, Upload
from relay.sync.health import standing
from relay.sync.people import erase
from tests.conftest import Live


def disconnected(live: Live) -> Callable[[], Live]:
    """What connects the list again."""
    list_id = str(live.cm.list()["id"])
    connect.remove(live.relay.parts, live.connection)
    return lambda: live._replace(connection=live.relay.connect(live.ehq, list_id=list_id))


def connected_again(live: Live) -> Live:
    again = disconnected(live)()
    assert again.run().state == "completed"
    return again


def test_whom_the_relay_removed_comes_back_when_they_subscribe_again(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("unsubscribe", id=one)
    live = connected_again(live)
    assert live.state(email) == "Deleted"
    live.ehq.act("subscribe", id=one, silent=True)
    assert live.run().state == "completed"
    assert live.state(email) == "Active"
    live.agrees()


def test_nobody_is_written_to_a_list_that_was_connected_before_until_a_run_has_read_it(live: Live, door: Any) -> None:
    one, email = live.ehq.someone()
    live.happens("unsubscribe", id=one)
    live = disconnected(live)()
    door(live.connection)
    live.ehq.act("subscribe", id=one)
    live.ehq.delivered()
    live.relay.work()
    assert live.state(email) == "Deleted"
    assert live.relay.parts.connection(live.connection.id).run_due(time.time()), "one begins by itself"
    said = standing.look(live.relay.parts, live.relay.parts.connection(live.connection.id)).standing
    assert "nobody is written before a run has read it" in said.sentence
    assert "nobody is written until a run has read this list" in live.relay.person(live.connection, one)["summary"]
    assert live.run().state == "completed"
    assert live.state(email) == "Active"
    live.happens("answer", id=one, question=12, value="3999")
    live.agrees()
    assert live.cm.violations() == []


def test_a_webhook_before_the_first_run_revives_no_opt_out_at_an_address_left_since(live: Live, door: Any) -> None:
    one, before = live.ehq.someone()
    list_id = str(live.cm.list()["id"])
    live.cm.act("unsubscribe", email=before)
    connect.remove(live.relay.parts, live.connection)
    live = live._replace(connection=live.relay.connect(live.ehq, list_id=list_id))
    door(live.connection)
    live.ehq.act("change_email", id=one, new_email="moved@example.org", confirmed=True)
    live.ehq.delivered()
    live.relay.work()
    assert live.state("moved@example.org") is None
    assert live.run().state == "completed"
    assert live.state("moved@example.org") is None
    assert live.cm.violations() == []


def test_whom_a_dry_run_took_for_opted_out_before_it_knew_the_fields_is_not(live: Live) -> None:
    (one, theirs), (other, _) = live.ehq.someone(0), live.ehq.someone(1)
    connect_again = disconnected(live)
    live.cm.act("unsubscribe", email=theirs)
    live.ehq.act("change_email", id=one, new_email="moved@example.org", confirmed=True, silent=True)
    live.ehq.act("change_email", id=other, new_email=theirs, confirmed=True, silent=True)
    live = connect_again()
    assert live.run(dry=True).state == "completed"
    assert live.run().state == "completed"
    assert (live.state(theirs), live.state("moved@example.org")) == ("Unsubscribed", None)
    assert "That word stands" in live.relay.person(live.connection, one)["summary"]
    assert "Somebody else opted out" in live.relay.person(live.connection, other)["summary"]
    assert live.cm.violations() == []


def test_a_notice_of_an_opt_out_before_the_first_run_is_nobody_elses_word(live: Live, door: Any) -> None:
    (one, theirs), (other, _) = live.ehq.someone(0), live.ehq.someone(1)
    connect_again = disconnected(live)
    live = connect_again()
    door(live.connection)
    live.ehq.act("change_email", id=one, new_email="moved@example.org", confirmed=True, silent=True)
    live.ehq.act("change_email", id=other, new_email=theirs, confirmed=True)
    live.ehq.delivered()
    live.relay.work()
    with live.relay.parts.database.read() as tx:
        (known,) = participants.by_ids(tx, live.connection.id, [other]).values()
    live.cm.act("unsubscribe", email=theirs)
    with live.relay.parts.database.write() as tx:
        hints.give(tx, [known.id], {})
    live.relay.parts.queue.ring(live.connection.id, always=True)
    live.relay.work()
    assert live.run().state == "completed"
    assert (live.state(theirs), live.state("moved@example.org")) == ("Unsubscribed", None)
    assert "That word stands" in live.relay.person(live.connection, one)["summary"]
    assert "Somebody else opted out" in live.relay.person(live.connection, other)["summary"]
    assert live.cm.violations() == []


def test_whoever_moved_while_the_list_was_disconnected_is_on_it_once(live: Live) -> None:
    one, before = live.ehq.someone()
    connect_again = disconnected(live)
    live.ehq.act("change_email", id=one, new_email="moved@example.org", confirmed=True, silent=True)
    live = connect_again()
    assert live.run().state == "completed"
    assert (live.state(before), live.state("moved@example.org")) == (None, "Active")
    assert live.subscriber("moved@example.org")["fields"]["EHQ ID"] == one
    live.agrees()


def test_an_opt_out_stands_although_another_has_the_address_by_the_time_of_the_next_connection(live: Live) -> None:
    (one, theirs), (other, old) = live.ehq.someone(0), live.ehq.someone(1)
    connect_again = disconnected(live)
    live.cm.act("unsubscribe", email=theirs)
    live.ehq.act("change_email", id=one, new_email="moved@example.org", confirmed=True, silent=True)
    live.ehq.act("change_email", id=other, new_email=theirs, confirmed=True, silent=True)
    live = connect_again()
    assert live.run().state == "completed"
    assert (live.state(theirs), live.state("moved@example.org")) == ("Unsubscribed", None)
    assert live.state(old) != "Active"
    live.ehq.act("change_email", id=other, new_email="elsewhere@example.org", confirmed=True, silent=True)
    assert live.run().state == "completed"
    assert live.state("elsewhere@example.org") == "Active", "the word was not theirs"
    assert live.cm.violations() == []


def test_an_opt_out_stands_although_they_have_another_address_by_the_time_of_the_next_connection(live: Live) -> None:
    one, before = live.ehq.someone()
    connect.remove(live.relay.parts, live.connection)
    live.cm.act("unsubscribe", email=before)
    live.ehq.act("change_email", id=one, new_email="moved@example.org", confirmed=True, silent=True)
    list_id = str(live.cm.list()["id"])
    again = live._replace(connection=live.relay.connect(live.ehq, list_id=list_id))
    assert again.run().state == "completed"
    assert (again.state(before), again.state("moved@example.org")) == ("Unsubscribed", None)
    assert "That word stands" in again.relay.person(again.connection, one)["summary"]
    assert again.run().counts.get("to_write", 0) == 0
    assert again.cm.violations() == []


def test_a_list_disconnected_twice_still_knows(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("unsubscribe", id=one)
    live = connected_again(connected_again(live))
    live.ehq.act("subscribe", id=one, silent=True)
    live.run()
    assert live.state(email) == "Active"


@pytest.mark.parametrize("how", ["delete", "unsubscribe", "bounce"])
def test_what_campaign_monitor_said_itself_stands(live: Live, how: str) -> None:
    _, email = live.ehq.someone()
    live.cm.act(how, email=email)
    live.run()
    live = connected_again(live)
    live.run()
    assert live.state(email) != "Active"
    assert live.cm.violations() == []


def test_somebody_removed_by_hand_since_the_relay_did_is_not_put_back(live: Live, time_machine: Any) -> None:
    one, email = live.ehq.someone()
    live.happens("unsubscribe", id=one)
    connect_again = disconnected(live)
    time_machine.move_to(time.time() + 3 * 86400)
    live.cm.act("subscribe", email=email)
    live.cm.act("delete", email=email)
    live.ehq.act("subscribe", id=one, silent=True)
    live = connect_again()
    live.run()
    live.run()
    assert live.state(email) == "Deleted"


def test_whoever_was_erased_does_not_come_back(live: Live) -> None:
    _, email = live.ehq.someone()
    with live.relay.parts.database.read() as tx:
        people = participants.one(tx, live.connection.id, email)
    erase.ask_to_erase(live.relay.parts, live.connection, people)
    live.relay.settle(live.connection)
    live = connected_again(live)
    live.run()
    assert live.state(email) == "Deleted"


def test_what_is_kept_is_a_keyed_hash_and_ends(live: Live, time_machine: Any) -> None:
    one, email = live.ehq.someone()
    live.happens("unsubscribe", id=one)
    list_id = str(live.cm.list()["id"])
    connect.remove(live.relay.parts, live.connection)
    marks = live.relay.parts.vault.marks(email)
    with live.relay.parts.database.write() as tx:
        assert removals.of(tx, list_id, marks).keys() == set(marks)
        time_machine.move_to(time.time() + removals.KEPT_S + 60)
        removals.purge(tx)
        assert not removals.of(tx, list_id, marks)


def test_a_connection_with_an_upload_that_waits_can_be_disconnected(live: Live) -> None:
    data = requests.get(f"{live.ehq.url}/sandbox/export.zip", timeout=20).content
    exports.stage(live.relay.parts, live.connection, [Upload("export.zip", io.BytesIO(data))], Manifest(None), None)
    assert connect.remove(live.relay.parts, live.connection)["removed"]


def test_whom_a_worker_was_removing_when_it_died_may_come_back_after_a_disconnection(live: Live) -> None:
    one, email = live.ehq.someone()
    live.ehq.act("unsubscribe", id=one, silent=True)
    with live.relay.parts.database.write() as tx:  # what a worker writes down before it calls, and no more
        (person,) = participants.by_ids(tx, live.connection.id, [one]).values()
        participants.change(tx, [person.id], removed_at=time.time())
    live.cm.act("delete", email=email)
    live = connected_again(live)
    assert live.state(email) == "Deleted"
    live.ehq.act("subscribe", id=one, silent=True)
    assert live.run().state == "completed"
    assert live.state(email) == "Active"


def test_nobody_is_removed_for_being_named_on_a_list_and_in_a_group_and_nowhere_else(live: Live, door: Any) -> None:
    one, email = live.ehq.someone()
    connect_again = disconnected(live)
    live = connect_again()
    door(live.connection)
    live.ehq.act("group_add", group="30", id=one)
    live.ehq.delivered()
    live.ehq.act("delete", id=one, silent=True)
    assert live.run().state == "completed"
    assert live.state(email) == "Active"


def test_an_answer_that_went_while_the_list_was_disconnected_goes_though_nobody_has_one_now(live: Live) -> None:
    live.ehq.act("tag", id=list(live.ehq.people()), tags=[], silent=True)
    one, email = live.ehq.someone()
    live.ehq.act("tag", id=one, tags=["Renter"], silent=True)
    live.run()
    assert live.subscriber(email)["fields"]["Tags"] == ["Renter"]
    connect_again = disconnected(live)
    live.ehq.act("tag", id=one, tags=[], silent=True)
    live = connect_again()
    assert live.run().state == "completed"
    assert not live.subscriber(email)["fields"].get("Tags")


def test_whoever_asks_to_be_erased_before_the_first_run_is_erased_in_campaign_monitor_after_it(
    live: Live, door: Any
) -> None:
    one, email = live.ehq.someone()
    connect_again = disconnected(live)
    live = connect_again()
    assert live.run(dry=True).state == "completed"
    with live.relay.parts.database.read() as tx:
        people = participants.one(tx, live.connection.id, email)
    erase.ask_to_erase(live.relay.parts, live.connection, people)
    live.relay.work()
    assert "until a run has read this list" in live.relay.person(live.connection, one)["summary"]
    assert live.run().state == "completed"
    live.relay.settle(live.connection)
    there = live.subscriber(email)
    assert (there["state"], there["fields"].get("EHQ ID")) == ("Deleted", None)
    assert live.cm.violations() == []
