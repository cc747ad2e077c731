"""What a person asked for about one person: sync now, erase, export."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from relay.domain.merge import Known
from relay.errors import Invalid
from relay.store import connections, participants, tables
from relay.store.person import Person
from relay.sync.connections import connect
from relay.sync.people import asked, explain, story
from relay.sync.people import erase as erasing
from tests.conftest import Live


def known(live: Live, who: str) -> Person:
    with live.relay.parts.database.read() as tx:
        return participants.one(tx, live.connection.id, who)[0]


def sync_now(live: Live, who: str) -> list[dict[str, Any]]:
    """The steps, as a page shows them."""
    asked.sync_now(live.relay.parts, live.relay.parts.connection(live.connection.id), [known(live, who).id])
    live.relay.work()
    told = explain.one(live.relay.parts, live.connection, known(live, who).id)
    assert told is not None
    return story.steps(told.history, told.person.asked, {})


def erase(live: Live, who: str) -> Person:
    parts = live.relay.parts
    with parts.database.read() as tx:
        people = participants.one(tx, live.connection.id, who)
    erasing.ask_to_erase(parts, live.connection, people)
    live.relay.work()
    with parts.database.read() as tx:
        return participants.by_our_ids(tx, live.connection.id, [people[0].id])[0]


def everything_stored(live: Live) -> str:
    """Every text in every table, with the bodies of deliveries opened."""
    found = []
    with live.relay.parts.database.read() as tx:
        for table in tables.metadata.sorted_tables:
            for row in tx.execute(sa.select(table)).mappings():
                body = row.get("body")
                found.append(str(dict(row)) + (live.relay.parts.vault.unseal(body).decode() if body else ""))
    return "\n".join(found)


def test_sync_now_reads_compares_writes_and_reads_back_before_everybody(live: Live) -> None:
    one, email = live.ehq.someone()
    live.cm.act("edit_field", email=email, field="EHQ ID", value="nobody")
    steps = sync_now(live, one)
    assert [step["state"] for step in steps] == ["done"] * 4
    assert "Read in Campaign Monitor and compared: active there" in steps[1]["text"]
    assert live.subscriber(email)["fields"]["EHQ ID"] == one
    assert "as it should be" in steps[3]["text"]
    live.agrees()


def test_sync_now_of_somebody_in_step_writes_nothing(live: Live) -> None:
    one, _ = live.ehq.someone()
    live.cm.forget_calls()
    steps = sync_now(live, one)
    assert steps[2] == {"label": "Written", "text": "Nothing was to be written.", "at": None, "state": "done"}
    assert live.cm.calls()["writes"] == 0
    assert known(live, one).asked is None


def test_sync_now_never_puts_back_whoever_opted_out_meanwhile(live: Live) -> None:
    one, email = live.ehq.someone()
    live.cm.act("unsubscribe", email=email)
    sync_now(live, one)
    assert live.state(email) == "Unsubscribed"
    assert "stands" in live.relay.person(live.connection, one)["summary"]


def test_sync_now_survives_a_campaign_monitor_that_is_away_and_waits_for_its_return(live: Live) -> None:
    one, email = live.ehq.someone()
    live.cm.faults(status=500)
    sync_now(live, one)
    assert known(live, one).asked == "sync"
    live.cm.faults(status=None)
    with live.relay.parts.database.write() as tx:
        connections.change(tx, live.connection.id, held_until=None)
    live.relay.settle(live.connection)
    live.relay.work()
    assert known(live, one).asked is None
    assert live.state(email) == "Active"


def test_a_paused_connection_says_so_instead(live: Live) -> None:
    one, _ = live.ehq.someone()
    with live.relay.parts.database.write() as tx:
        connections.change(tx, live.connection.id, state="paused")
    with pytest.raises(Invalid, match="paused"):
        sync_now(live, one)


def test_whoever_is_erased_is_cleared_and_removed_there_and_forgotten_here(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=12, value="3999 Erased Street")
    person = erase(live, email)
    assert person.known.values["erased"] is True
    there = live.subscriber(email)
    assert (there["state"], there["name"], there["fields"]) == ("Deleted", "(erased)", {})
    stored = everything_stored(live)
    assert email not in stored.lower()
    assert "Erased Street" not in stored
    assert "Erased here" in live.relay.person(live.connection, one)["summary"]
    assert live.cm.violations() == []


def test_the_erased_do_not_come_back_by_a_webhook_a_replay_or_a_run(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=12, value="3001")
    erase(live, one)
    live.happens("answer", id=one, question=12, value="3002")
    live.happens("unsubscribe", id=one)
    live.happens("subscribe", id=one)
    assert live.run().state == "completed"
    assert live.run().state == "completed"
    assert live.state(email) == "Deleted"
    assert known(live, one).known.values.keys() == {"erased", "erased_at"}
    assert email not in everything_stored(live).lower()
    assert live.relay.status(live.connection)["participants"] == len(live.ehq.people()) - 1


@pytest.mark.parametrize("silent", [False, True], ids=["told by a webhook", "found by a run"])
def test_whoever_registers_anew_after_an_erasure_joins(live: Live, silent: bool) -> None:
    one, email = live.ehq.someone()
    erase(live, one)
    live.happens("delete", id=one)
    live.ehq.register(email=email, silent=silent)
    live.arrives()
    if silent:
        live.run()
    assert live.state(email) == "Active"
    live.cm.act("delete", email=email)  # from here on, that is somebody's own word
    live.run()
    live.happens("answer", id=live.relay.person(live.connection, email)["ehq_id"], question=12, value="3003")
    assert live.state(email) == "Deleted"
    assert live.cm.violations() == []


def test_an_opt_out_outlives_the_erasure(live: Live) -> None:
    one, email = live.ehq.someone()
    live.cm.act("unsubscribe", email=email)
    live.run()
    erase(live, one)
    assert (live.state(email), live.subscriber(email)["fields"]) == ("Unsubscribed", {})
    live.happens("delete", id=one)
    live.ehq.register(email=email)
    live.arrives()
    assert live.state(email) == "Unsubscribed"
    assert live.cm.violations() == []


def test_somebody_whom_we_did_not_put_there_is_forgotten_here_only(live: Live) -> None:
    one, email = live.ehq.register(email="own@example.org", subscribed=False)
    live.arrives()
    live.cm.act("subscribe", email=email)
    live.run()
    erase(live, one)
    assert live.state(email) == "Active"
    assert email not in everything_stored(live)
    told = explain.one(live.relay.parts, live.connection, known(live, one).id)
    assert told is not None
    assert "Delete them there by hand" in erasing.DONE[erasing.done_there(told.history)]


def test_an_account_erased_by_mistake_is_let_in_again(live: Live) -> None:
    one, email = live.ehq.someone()
    person = erase(live, one)
    erasing.let_in(live.relay.parts, live.connection, person)
    assert live.run().state == "completed"
    assert live.state(email) == "Active"
    assert live.cm.violations() == []


def test_whoever_has_their_address_by_the_time_they_are_let_in_again_joins(live: Live) -> None:
    (one, address), (other, old) = live.ehq.someone(0), live.ehq.someone(1)
    person = erase(live, one)
    live.ehq.act("change_email", id=one, new_email="moved@example.org", confirmed=True, silent=True)
    live.ehq.act("change_email", id=other, new_email=address, confirmed=True, silent=True)
    erasing.let_in(live.relay.parts, live.connection, person)
    assert live.run().state == "completed"
    assert (live.state(address), live.state("moved@example.org")) == ("Active", "Active")
    assert live.state(old) != "Active"
    live.agrees()


def test_an_erasure_passes_a_pause_like_anybody_who_leaves(live: Live) -> None:
    one, email = live.ehq.someone()
    with live.relay.parts.database.write() as tx:
        connections.change(tx, live.connection.id, state="paused")
    erase(live, one)
    assert live.state(email) == "Deleted"


def test_whoever_only_stands_in_cm_under_somebodys_address_is_not_taken_for_them(live: Live) -> None:
    first, address = live.ehq.someone()
    with live.relay.parts.database.write() as tx:  # the page was read, and nothing is written yet
        person = participants.by_ids(tx, live.connection.id, [first])[first]
        values = {**person.known.values, "email": "moved@example.org"}
        participants.save_known(tx, [(person.id, Known(first, values))], lambda known: None)
        participants.add_stubs(tx, live.connection.id, ["99001"])
        other = participants.by_ids(tx, live.connection.id, ["99001"])["99001"]
        participants.save_known(tx, [(other.id, Known("99001", {"email": address}))], lambda known: None)
        there = participants.one(tx, live.connection.id, address)
    assert {one.known.ehq_id for one in there} == {first, "99001"}
    assert [one.known.ehq_id for one in erasing.meant(there, address.upper())] == ["99001"]


def test_an_export_says_that_a_delivery_about_others_names_the_person_and_not_what_it_says(live: Live) -> None:
    (one, email), (other, _) = live.ehq.someone(), live.ehq.someone(1)
    live.happens("group_add", id=[one, other])
    (person,) = erasing.export(live.relay.parts, live.connection, email)["people"]
    (mention,) = [each for each in person["deliveries"] if each["type"] == "group.member_added"]
    assert set(mention) == {"id", "type", "received_at", "state", "about_others"}
    assert other not in re.findall(r"\d+", str(mention))


def of_a_group(live: Live, word: str, group: str, *members: str) -> None:
    data = {"type": "groups", "id": group, "attributes": {"name": "Night market", "members": list(members)}}
    live.ehq.act("event", type=word, data=data)
    live.ehq.delivered()


@pytest.mark.parametrize("word", ["group.member_added", "Segment.MemberAdded", "crew.joined"])
def test_what_a_group_of_the_same_id_says_is_not_about_the_person(live: Live, word: str) -> None:
    (one, email), (other, _) = live.ehq.someone(), live.ehq.someone(1)
    rules = {"overrides": {"events": {"group.member_added": ["crew.joined"]}}}
    connect.configure(live.relay.parts, live.connection, rules)
    live.run()
    of_a_group(live, word, one, one, other)
    live.arrives()
    assert "delivery" not in str(live.relay.person(live.connection, one)["history"])
    connection = live.relay.parts.connection(live.connection.id)
    (person,) = erasing.export(live.relay.parts, connection, email)["people"]
    (mention,) = person["deliveries"]
    assert mention["about_others"]
    assert other not in re.findall(r"\d+", str(mention))


def test_an_erasure_drops_nothing_that_waits_about_a_group_of_the_same_id(live: Live) -> None:
    (one, _), (other, _) = live.ehq.someone(), live.ehq.someone(1)
    person = known(live, one)
    of_a_group(live, "segment.member_added", one, other)
    erasing.forget(live.relay.parts, live.connection, person, "not there", False)
    live.arrives()
    assert one in known(live, other).known.values["groups"]


def test_an_export_holds_everything_we_know_of_a_person_and_nobody_else(live: Live) -> None:
    one, email = live.ehq.someone()
    _, other = live.ehq.someone(1)
    live.happens("answer", id=one, question=12, value="3777")
    document = orjson.dumps(erasing.export(live.relay.parts, live.connection, email)).decode()
    assert other not in document
    assert "downloads of whom Campaign Monitor refused (CSV)" in orjson.loads(document)["looked_at_by"]
    (person,) = orjson.loads(document)["people"]
    assert person["ehq"]["email"].lower() == email.lower()
    assert person["campaign_monitor"]["state"] == "Active"
    assert "3777" in str(person["deliveries"][0]["body"])
    assert [row["what"] for row in person["history"]][-1] == "joined"
    assert "webhook-id" in str(person["deliveries"][0]["headers"]).lower()


@pytest.mark.parametrize("removed_first", [False, True])
def test_nothing_of_whoever_is_erased_stays_at_an_address_that_they_left(live: Live, removed_first: bool) -> None:
    (one, before), (other, _) = live.ehq.someone(0), live.ehq.someone(1)
    if removed_first:
        live.happens("unsubscribe", id=one)
    else:
        live.cm.act("subscribe", email="taken@example.org")
    live.happens("change_email", id=one, new_email="taken@example.org", confirmed=True)
    if removed_first:
        live.happens("subscribe", id=one)
    assert (live.state(before), live.state("taken@example.org")) == ("Deleted", "Active")
    erase(live, one)
    for email in (before, "taken@example.org"):
        there = live.subscriber(email)
        assert (there["state"], there["fields"], there["name"]) == ("Deleted", {}, "(erased)")
    assert other in {person["fields"].get("EHQ ID") for person in live.cm.subscribers().values()}
    assert live.cm.violations() == []
