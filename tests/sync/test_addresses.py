"""A person is their EHQ id: an address that changes moves the subscriber, and never makes a second one."""

from __future__ import annotations

import pytest

from relay.store import participants
from relay.sync.people import asked
from tests.conftest import Live

POSTCODE, INTERESTS = "What is your postcode?", "I am interested in"


def moves(live: Live, who: str, new: str, **more: object) -> None:
    live.ehq.act("change_email", id=who, new_email=new, confirmed=True, **more)


def test_a_changed_address_moves_the_subscriber(live: Live) -> None:
    one, old = live.ehq.someone()
    live.happens("change_email", id=one, new_email="moved@example.com", confirmed=True)
    assert live.state(old) is None, "the subscriber itself moved, with its history"
    assert live.subscriber("moved@example.com")["fields"]["EHQ ID"] == one
    live.agrees()


def test_an_address_that_waits_for_its_confirmation_moves_nobody(live: Live) -> None:
    one, old = live.ehq.someone()
    live.happens("change_email", id=one, new_email="later@example.com")
    assert (live.state(old), live.state("later@example.com")) == ("Active", None)
    live.happens("confirm_email", id=one)
    assert (live.state(old), live.state("later@example.com")) == (None, "Active")


def test_a_change_of_upper_and_lower_case_is_no_change(live: Live) -> None:
    one, old = live.ehq.someone()
    live.cm.forget_calls()
    # The simulator knows addresses by their lower case: move away silently, then back in capitals.
    moves(live, one, "elsewhere@example.com", silent=True)
    live.happens("change_email", id=one, new_email=old.upper(), confirmed=True)
    assert live.state(old) == "Active"
    assert live.cm.calls()["writes"] == 0


def test_moving_to_an_address_that_is_on_the_list_already_leaves_one_subscriber(live: Live) -> None:
    one, old = live.ehq.someone()
    live.cm.act("subscribe", email="second@example.com")
    live.happens("change_email", id=one, new_email="second@example.com", confirmed=True)
    assert live.state(old) == "Deleted"
    assert live.subscriber("second@example.com")["fields"]["EHQ ID"] == one
    live.agrees()


def test_moving_to_an_address_that_opted_out_does_not_revive_it(live: Live) -> None:
    one, old = live.ehq.someone()
    live.cm.act("subscribe", email="out@example.com")
    live.cm.act("unsubscribe", email="out@example.com")
    live.happens("change_email", id=one, new_email="out@example.com", confirmed=True)
    assert live.run().state == "completed"
    assert live.state("out@example.com") == "Unsubscribed"
    assert live.state(old) != "Active", "nobody is written to under an address that they gave up"
    assert live.cm.violations() == []


@pytest.mark.parametrize("reports", [True, False])
def test_an_opt_out_survives_a_change_of_address(live: Live, reports: bool) -> None:
    live.cm.faults(import_reports_inactive=reports)
    one, old = live.ehq.someone()
    live.cm.act("unsubscribe", email=old)
    live.happens("change_email", id=one, new_email="fresh@example.com", confirmed=True)
    assert live.run().state == "completed"
    assert live.state("fresh@example.com") != "Active"
    assert live.cm.violations() == []


def test_two_people_swap_their_addresses_and_each_subscriber_is_whose_it_is_now(live: Live) -> None:
    (one, a), (two, b) = live.ehq.someone(0), live.ehq.someone(1)
    live.happens("answer", id=one, question=14, value=["Roads"])
    live.happens("answer", id=two, question=14, value=["Sport"])
    live.happens("answer", id=one, question=12, value=None)
    moves(live, one, "between@example.com", silent=True)
    moves(live, two, a, silent=True)
    moves(live, one, b, silent=True)
    live.ehq.act("update", id=[one, two])
    live.arrives()
    there = live.cm.subscribers()
    assert there[b]["fields"]["EHQ ID"] == one
    assert there[a]["fields"]["EHQ ID"] == two
    assert there[b]["fields"][INTERESTS] == ["Roads"]
    assert there[a]["fields"][INTERESTS] == ["Sport"]
    assert not there[b]["fields"].get(POSTCODE), "nothing of the other's stays behind"
    live.agrees()


def test_swapped_addresses_keep_nothing_of_the_other_where_campaign_monitor_merges(live: Live) -> None:
    live.cm.faults(msm_merge=True)
    test_two_people_swap_their_addresses_and_each_subscriber_is_whose_it_is_now(live)


def test_an_address_freed_and_taken_by_another_belongs_to_the_other(live: Live) -> None:
    one, old = live.ehq.someone()
    live.happens("answer", id=one, question=14, value=["Roads"])
    moves(live, one, "new-home@example.com")
    two, _ = live.ehq.register(email=old, answers={"12": "3000", "14": ["Sport"], "17": None})
    live.arrives()
    there = live.cm.subscribers()
    assert there["new-home@example.com"]["fields"]["EHQ ID"] == one
    assert there[old]["fields"]["EHQ ID"] == two
    assert there[old]["fields"][INTERESTS] == ["Sport"]
    live.agrees()
    live.cm.forget_calls()
    assert live.run().state == "completed"
    assert live.cm.calls()["writes"] == 0, "live changes left nothing to repair"


def test_an_address_freed_and_taken_later_is_taken_too(live: Live) -> None:
    one, old = live.ehq.someone()
    moves(live, one, "new-home@example.com")
    live.arrives()
    two, _ = live.ehq.register(email=old)
    live.arrives()
    assert live.subscriber(old)["fields"]["EHQ ID"] == two
    live.agrees()


@pytest.mark.parametrize("reports", [True, False])
def test_whoever_is_deleted_and_registers_again_is_on_the_list_again(live: Live, reports: bool) -> None:
    live.cm.faults(import_reports_inactive=reports)
    one, email = live.ehq.someone()
    live.happens("delete", id=one)
    assert live.state(email) == "Deleted"
    two, _ = live.ehq.register(email=email)
    live.arrives()
    assert live.state(email) == "Active"
    assert live.subscriber(email)["fields"]["EHQ ID"] == two
    live.agrees()


def test_deleted_and_registered_again_at_once_ends_the_same(live: Live) -> None:
    one, email = live.ehq.someone()
    live.ehq.act("delete", id=one)
    two, _ = live.ehq.register(email=email)
    live.arrives()
    assert live.subscriber(email)["fields"]["EHQ ID"] == two
    live.agrees()


def test_registered_again_before_the_deletion_is_heard_of_ends_the_same(live: Live) -> None:
    one, email = live.ehq.someone()
    live.ehq.act("delete", id=one, silent=True)
    two, _ = live.ehq.register(email=email)
    live.arrives()
    assert live.subscriber(email)["fields"]["EHQ ID"] == two
    assert [live.run().state, live.run().state] == ["completed", "completed"]
    assert live.subscriber(email)["fields"]["EHQ ID"] == two
    live.agrees()


def test_of_two_people_with_one_address_the_newest_registration_holds_it(live: Live) -> None:
    one, email = live.ehq.someone()
    two, _ = live.ehq.register(answers={"12": "3001", "14": ["Sport"]})
    live.arrives()
    # EHQ keeps addresses apart; two spellings of a delayed move give us one address twice.
    moves(live, one, "aside@example.com", silent=True)
    live.happens("change_email", id=two, new_email=email, confirmed=True)
    assert live.subscriber(email)["fields"]["EHQ ID"] == two
    assert "newer" in live.relay.person(live.connection, one)["summary"].lower()


def test_when_the_newer_of_two_leaves_the_older_holds_the_address_again(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=14, value=["Roads"])
    two, _ = live.ehq.register(answers={"12": "3001", "14": ["Sport"], "17": "about"})
    moves(live, one, "aside@example.com", silent=True)
    live.happens("change_email", id=two, new_email=email, confirmed=True)
    live.happens("delete", id=two)
    there = live.subscriber(email)
    assert (there["state"], there["fields"]["EHQ ID"]) == ("Active", one)
    assert there["fields"][INTERESTS] == ["Roads"]


def test_someone_removed_who_comes_back_elsewhere_and_is_then_removed_by_hand_stays_removed(live: Live) -> None:
    one, _old = live.ehq.someone()
    live.happens("unsubscribe", id=one)
    moves(live, one, "back@example.com", silent=True)
    live.happens("subscribe", id=one)
    assert live.state("back@example.com") == "Active"
    live.cm.act("delete", email="back@example.com")
    assert live.run().state == "completed"
    live.happens("answer", id=one, question=12, value="3222")
    assert live.state("back@example.com") == "Deleted"


def test_addresses_handed_on_in_a_chain_leave_no_subscriber_behind(live: Live) -> None:
    people = [live.ehq.someone(n) for n in range(3)]
    (one, _a), (two, b), (three, c) = people
    moves(live, three, "end@example.com")
    moves(live, two, c)
    moves(live, one, b)
    live.arrives()
    there = live.cm.subscribers()
    assert (there[b]["fields"]["EHQ ID"], there[c]["fields"]["EHQ ID"]) == (one, two)
    assert there["end@example.com"]["fields"]["EHQ ID"] == three
    live.agrees()


def test_an_address_taken_over_from_someone_who_left_keeps_nothing_of_theirs(live: Live) -> None:
    (one, _a), (two, b) = live.ehq.someone(0), live.ehq.someone(1)
    live.happens("answer", id=one, question=12, value=None)
    live.happens("answer", id=two, question=14, value=["Sport"])
    live.happens("answer", id=one, question=14, value=["Roads"])
    live.ehq.act("delete", id=two)
    moves(live, one, b)
    live.arrives()
    there = live.subscriber(b)
    assert (there["state"], there["fields"]["EHQ ID"], there["fields"][INTERESTS]) == ("Active", one, ["Roads"])
    assert not there["fields"].get(POSTCODE)
    live.agrees()


def test_nobody_is_moved_onto_an_address_that_opted_out_of_another_list_of_the_client(live: Live) -> None:
    live.relay.connect(live.ehq, name="Other list")
    live.cm.act("subscribe", list="Other list", email="away@example.com")
    live.cm.act("unsubscribe", list="Other list", email="away@example.com")
    one, old = live.ehq.someone()
    live.happens("change_email", id=one, new_email="away@example.com", confirmed=True)
    assert (live.state(old), live.state("away@example.com")) == ("Deleted", None)
    assert live.cm.violations() == []
    assert "stands" in live.relay.person(live.connection, one)["summary"]


def test_an_address_freed_and_taken_by_somebody_who_opted_out_leaves_the_list(live: Live) -> None:
    (one, address), (other, old) = live.ehq.someone(0), live.ehq.someone(1)
    live.cm.act("bounce", list="Bayside", email=old)
    live.run()
    moves(live, one, "moved@example.com", silent=True)
    moves(live, other, address, silent=True)
    assert live.run().state == "completed"
    assert live.state("moved@example.com") == "Active"
    assert live.state(address) is None, "an opt-out belongs to the person, at whatever address"
    assert live.cm.violations() == []


@pytest.mark.parametrize("state", ["unsubscribe", "bounce", "delete"])
@pytest.mark.parametrize("silent", [False, True], ids=["told of", "found by a run"])
def test_whoever_moves_to_an_address_that_left_is_mailed_at_neither(live: Live, state: str, silent: bool) -> None:
    one, old = live.ehq.someone()
    live.cm.act("subscribe", email="past@example.com")
    live.cm.act(state, email="past@example.com")
    before = live.state("past@example.com")
    moves(live, one, "past@example.com", silent=silent)
    live.arrives()
    assert live.run().state == "completed"
    assert (live.state(old), live.state("past@example.com")) == ("Deleted", before)
    live.happens("unsubscribe", id=one)
    assert live.cm.violations() == []


def test_an_address_taken_over_by_someone_who_opted_out_is_mailed_no_more(live: Live) -> None:
    (one, a), (two, b) = live.ehq.someone(0), live.ehq.someone(1)
    live.cm.act("unsubscribe", email=b)
    live.run()
    moves(live, one, "between@example.com", silent=True)
    moves(live, two, a, silent=True)
    moves(live, one, b, silent=True)
    live.ehq.act("update", id=[one, two])
    live.arrives()
    assert live.run().state == "completed"
    assert (live.state(a), live.state(b)) == ("Deleted", "Unsubscribed"), (
        "the one opted out, the other took that address"
    )
    assert live.cm.violations() == []


def test_an_address_is_left_to_nobody_whose_opt_out_was_not_heard_of_yet(live: Live) -> None:
    (one, old), (other, theirs) = live.ehq.someone(0), live.ehq.someone(1)
    live.cm.act("unsubscribe", email=theirs)  # and Campaign Monitor's notice is on its way
    live.ehq.act("change_email", id=one, new_email="anew@example.com", confirmed=True)
    live.happens("change_email", id=other, new_email=old, confirmed=True)
    assert [live.state(email) for email in ("anew@example.com", old, theirs)] == ["Active", None, "Unsubscribed"]
    assert live.run().state == "completed"
    assert [live.state(email) for email in ("anew@example.com", old, theirs)] == ["Active", None, "Unsubscribed"]
    assert live.cm.violations() == []


def test_someone_who_leaves_an_address_to_someone_who_opted_out_is_removed_there(live: Live) -> None:
    (one, a), (two, b) = live.ehq.someone(0), live.ehq.someone(1)
    live.cm.act("bounce", email=b)
    live.run()
    live.ehq.act("delete", id=one)
    moves(live, two, a)
    live.arrives()
    assert (live.state(a), live.state(b)) == ("Deleted", "Bounced")


def test_an_address_that_changes_before_its_first_write_was_recorded_leaves_nobody_behind(live: Live) -> None:
    one, first = live.ehq.register()
    live.ehq.delivered()
    live.cm.faults(only_paths="import", drop_connection={"value": "after", "times": 1})
    live.relay.parts.queue.ring(live.connection.id, always=True)
    live.relay.work()
    assert live.state(first) == "Active", "Campaign Monitor took it, and we do not know"
    moves(live, one, "second@example.com")
    live.arrives()
    assert live.state("second@example.com") == "Active"
    assert live.state(first) != "Active"
    live.agrees()


def test_a_refused_address_that_is_corrected_joins(live: Live) -> None:
    one, _ = live.ehq.register(email="x@")
    live.arrives()
    moves(live, one, "corrected@example.com")
    live.arrives()
    assert live.state("corrected@example.com") == "Active"


def test_who_opted_out_stays_out_at_a_new_address_also_when_another_has_the_old_one_by_then(live: Live) -> None:
    (one, address), (other, _) = live.ehq.someone(0), live.ehq.someone(1)
    live.cm.act("unsubscribe", list="Bayside", email=address)  # and CM's notice of it is lost
    moves(live, one, "moved@example.com")
    moves(live, other, address.upper())
    live.arrives()
    assert live.run().state == "completed"
    assert live.state("moved@example.com") is None
    assert live.state(address) == "Unsubscribed"
    assert live.cm.violations() == []


def test_an_address_that_we_left_behind_in_campaign_monitor_may_be_taken_by_another(live: Live) -> None:
    (one, address), (other, old) = live.ehq.someone(0), live.ehq.someone(1)
    live.cm.act("subscribe", email="past@example.com")
    live.cm.act("unsubscribe", email="past@example.com")
    moves(live, one, "past@example.com")
    live.arrives()
    assert live.state(address) == "Deleted", "it was us: the new address opted out"
    moves(live, other, address.upper())
    live.arrives()
    assert live.run().state == "completed"
    assert (live.state(address), live.state(old)) == ("Active", "Deleted")
    assert live.subscriber(address)["fields"]["EHQ ID"] == other
    assert live.cm.violations() == []


def test_whoever_moved_to_addresses_that_others_had_comes_back_to_the_first(live: Live) -> None:
    one, first = live.ehq.someone()
    for email in ("second@example.com", "third@example.com"):
        live.cm.act("subscribe", email=email, list="Bayside")
    for email in ("second@example.com", "third@example.com", first):
        live.happens("change_email", id=one, new_email=email, confirmed=True)
        assert live.state(email) == "Active"
    live.run()
    assert {live.state("second@example.com"), live.state("third@example.com")} == {"Deleted"}
    live.agrees()


def test_whoever_takes_an_address_over_and_leaves_before_campaign_monitor_takes_them_is_off_the_list(
    live: Live,
) -> None:
    (one, old), (other, theirs) = live.ehq.someone(), live.ehq.someone(1)
    live.ehq.act("change_email", id=one, new_email="elsewhere@example.com", confirmed=True)
    live.ehq.act("change_email", id=other, new_email=old, confirmed=True)
    live.cm.faults(refuse={old: 429})
    live.ehq.delivered()
    live.relay.parts.queue.ring(live.connection.id, always=True)
    live.relay.work()
    live.happens("unsubscribe", id=other)
    assert (live.state("elsewhere@example.com"), live.state(theirs)) == ("Active", "Deleted")
    assert live.state(old) is None, "the subscriber who was there moved"
    live.agrees()


def test_whoever_came_to_an_address_at_which_another_opted_out_is_written_to_elsewhere(live: Live) -> None:
    (one, address), (other, _) = live.ehq.someone(0), live.ehq.someone(1)
    live.cm.act("unsubscribe", email=address)
    moves(live, one, "moved@example.com", silent=True)
    moves(live, other, address, silent=True)
    assert live.run().state == "completed"
    assert live.state(address) == "Unsubscribed"
    assert "Somebody else opted out" in live.relay.person(live.connection, other)["summary"]
    with live.relay.parts.database.read() as tx:
        (known,) = participants.by_ids(tx, live.connection.id, [other]).values()
    asked.sync_now(live.relay.parts, live.connection, [known.id])
    live.relay.settle(live.connection)
    assert "Somebody else opted out" in live.relay.person(live.connection, other)["summary"]
    live.cm.forget_calls()
    assert live.run().state == "completed"
    assert live.cm.calls()["writes"] == 0
    live.happens("change_email", id=other, new_email="elsewhere@example.com", confirmed=True)
    assert live.state("elsewhere@example.com") == "Active"
    assert live.state("moved@example.com") is None
    assert live.cm.violations() == []


def test_whoever_came_to_it_joins_there_when_the_other_subscribes_again(live: Live) -> None:
    (one, address), (other, _) = live.ehq.someone(0), live.ehq.someone(1)
    live.cm.act("unsubscribe", email=address)
    moves(live, one, "moved@example.com", silent=True)
    moves(live, other, address, silent=True)
    live.run()
    live.cm.act("subscribe", email=address)
    live.run()
    live.run()
    assert (live.state("moved@example.com"), live.state(address)) == ("Active", "Active")
    assert live.subscriber(address)["fields"]["EHQ ID"] == other
    assert live.cm.violations() == []


def test_an_address_from_which_somebody_was_removed_who_is_back_at_another_may_be_taken(live: Live) -> None:
    (one, address), (other, _) = live.ehq.someone(0), live.ehq.someone(1)
    live.happens("unsubscribe", id=one)
    moves(live, one, "back@example.com")
    live.happens("subscribe", id=one)
    assert live.state("back@example.com") == "Active"
    live.happens("change_email", id=other, new_email=address, confirmed=True)
    assert live.state(address) == "Active"
    assert live.subscriber(address)["fields"]["EHQ ID"] == other
    live.agrees()
    assert live.cm.violations() == []


def test_whoever_is_refused_at_a_new_address_is_not_on_the_list_at_one_that_another_has_by_now(live: Live) -> None:
    (one, out), (two, a), (three, _) = live.ehq.someone(0), live.ehq.someone(1), live.ehq.someone(2)
    live.cm.act("bounce", email=out)
    live.run()
    moves(live, one, "aside@example.com", silent=True)
    moves(live, two, out, silent=True)
    moves(live, three, a, silent=True)
    assert live.run().state == "completed"
    assert live.subscriber(a)["fields"]["EHQ ID"] == three
    assert "Not on the list" in live.relay.person(live.connection, two)["summary"]
    live.cm.forget_calls()
    assert live.run().state == "completed"
    assert live.cm.calls()["writes"] == 0
