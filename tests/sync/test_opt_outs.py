"""Whoever left by Campaign Monitor's own word is never written back, whatever EHQ says and however it is said."""

from __future__ import annotations

import pytest

from relay.store import deliveries
from tests.conftest import Live

LEFT = {"unsubscribe": "Unsubscribed", "bounce": "Bounced", "complain": "Unsubscribed", "delete": "Deleted"}


@pytest.mark.parametrize("reports", [True, False], ids=["imports report them", "imports hide them"])
@pytest.mark.parametrize(("how", "state"), LEFT.items())
def test_an_opt_out_stands_against_changes_runs_and_replays(live: Live, how: str, state: str, reports: bool) -> None:
    live.cm.faults(import_reports_inactive=reports)
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=12, value="3001")
    live.cm.act(how, email=email)
    live.happens("answer", id=one, question=12, value="3002")
    assert live.state(email) == state
    live.happens("unsubscribe", id=one)
    live.happens("subscribe", id=one)
    live.happens("block", id=one)
    live.happens("unblock", id=one)
    assert live.state(email) == state
    assert live.run().state == "completed"
    with live.relay.parts.database.write() as tx:
        found = deliveries.search(tx, live.connection.id)
        assert deliveries.take_again(tx, [item.id for item in found]) == len(found)
    live.arrives()
    assert live.run().state == "completed"
    assert live.state(email) == state
    assert live.cm.violations() == []
    assert "stands" in live.relay.person(live.connection, one)["summary"]


def test_an_opt_out_is_counted_and_a_further_run_writes_nothing(live: Live) -> None:
    _, email = live.ehq.someone()
    live.cm.act("unsubscribe", email=email)
    assert live.run().counts["opted_out"] == 1
    assert live.relay.status(live.connection)["opted_out"] == 1
    live.cm.forget_calls()
    live.run()
    assert live.cm.calls()["writes"] == 0


@pytest.mark.parametrize("reports", [True, False])
def test_someone_suppressed_for_the_client_is_never_added_nor_tried_again(live: Live, reports: bool) -> None:
    live.cm.faults(import_reports_inactive=reports)
    live.relay.connect(live.ehq, name="Other list")
    live.cm.act("subscribe", list="Other list", email="out@example.com")
    live.cm.act("unsubscribe", list="Other list", email="out@example.com")
    live.ehq.register(email="out@example.com")
    live.arrives()
    assert live.run().state == "completed"
    assert live.state("out@example.com") is None
    assert live.relay.status(live.connection)["opted_out"] == 1
    live.cm.forget_calls()
    assert live.run().state == "completed"
    assert live.cm.calls()["writes"] == 0


def test_a_dry_run_counts_who_is_suppressed_for_the_client_and_remembers_nothing_of_it(live: Live) -> None:
    live.relay.connect(live.ehq, name="Other list")
    live.cm.act("subscribe", list="Other list", email="out@example.com")
    live.cm.act("unsubscribe", list="Other list", email="out@example.com")
    live.ehq.register(email="out@example.com", silent=True)
    live.ehq.register(email="in@example.com", silent=True)
    run = live.run(dry=True)
    assert (run.counts["joins"], run.counts["opted_out"], run.counts["unchanged"]) == (1, 1, len(live.cm.active()))
    assert not run.counts["opt_outs_unread"]
    assert live.relay.status(live.connection)["opted_out"] == 0


def test_whoever_we_removed_and_who_then_opts_out_is_not_brought_back(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("unsubscribe", id=one)
    live.cm.act("unsubscribe", email=email)
    live.happens("subscribe", id=one)
    assert live.state(email) == "Unsubscribed"
    assert live.cm.violations() == []


def test_a_removal_by_hand_after_our_own_removal_and_return_stands(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("block", id=one)
    live.happens("unblock", id=one)
    live.cm.act("delete", email=email)
    live.run()
    live.happens("answer", id=one, question=12, value="3009")
    assert live.state(email) == "Deleted"


def test_a_return_by_the_persons_own_wish_is_taken_up_by_the_next_run(live: Live) -> None:
    one, email = live.ehq.someone()
    live.cm.act("unsubscribe", email=email)
    live.run()
    live.happens("answer", id=one, question=12, value="3033")
    live.cm.act("subscribe", email=email)
    live.run()
    assert live.subscriber(email)["fields"]["What is your postcode?"] == "3033"
    live.happens("unsubscribe", id=one)
    assert live.state(email) == "Deleted"


def test_an_opt_out_while_the_person_waits_stands(live: Live) -> None:
    one, email = live.ehq.someone()
    live.ehq.act("answer", id=one, question=12, value="3044")
    live.ehq.delivered()
    live.cm.act("unsubscribe", email=email)
    live.arrives()
    assert live.state(email) == "Unsubscribed"


def test_leaving_ehq_after_opting_out_leaves_the_opt_out_as_it_is(live: Live) -> None:
    one, email = live.ehq.someone()
    live.cm.act("bounce", email=email)
    live.happens("delete", id=one)
    assert live.state(email) == "Bounced"


def test_a_newcomer_with_an_address_that_opted_out_is_not_added(live: Live) -> None:
    one, email = live.ehq.someone()
    live.cm.act("unsubscribe", email=email)
    live.happens("delete", id=one)
    live.ehq.register(email=email)
    live.arrives()
    live.run()
    assert live.state(email) == "Unsubscribed"
    assert live.cm.violations() == []
