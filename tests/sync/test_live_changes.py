"""What happens to a person in EHQ happens to their subscriber in CM, by webhooks alone."""

from __future__ import annotations

import pytest

from relay.sync.upsert import visits, write
from tests.conftest import Live


def test_whoever_registers_joins_the_list(live: Live) -> None:
    _, email = live.ehq.register()
    live.arrives()
    assert live.state(email) == "Active"
    live.agrees()


def test_a_changed_answer_travels(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=12, value="0800")
    assert live.subscriber(email)["fields"]["What is your postcode?"] == "0800"


def test_an_emptied_answer_is_emptied_in_campaign_monitor(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=12, value=None)
    assert not live.subscriber(email)["fields"].get("What is your postcode?")


def test_an_emptied_choice_of_several_is_emptied_in_campaign_monitor(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=14, value=["Roads", "Rates"])
    assert sorted(live.subscriber(email)["fields"]["I am interested in"]) == ["Rates", "Roads"]
    live.happens("answer", id=one, question=14, value=[])
    assert not live.subscriber(email)["fields"].get("I am interested in")


@pytest.mark.parametrize("merges", [False, True], ids=["values replace", "values merge"])
def test_a_choice_taken_back_goes_whether_campaign_monitor_replaces_or_merges(live: Live, merges: bool) -> None:
    live.cm.faults(msm_merge=merges)
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=14, value=["Roads", "Rates"])
    live.happens("answer", id=one, question=14, value=["Sport"])
    assert live.subscriber(email)["fields"]["I am interested in"] == ["Sport"]


def test_a_changed_name_travels(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("answer", id=one, question=10, value="Zoë")
    assert live.subscriber(email)["name"].startswith("Zoë ")


def test_tags_come_and_go(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("tag", id=one, tags=["Volunteer", "Renter"])
    assert sorted(live.subscriber(email)["fields"]["Tags"]) == ["Renter", "Volunteer"]
    live.happens("tag", id=one, remove=["Renter"])
    assert live.subscriber(email)["fields"]["Tags"] == ["Volunteer"]
    live.happens("tag", id=one, tags=[])
    assert not live.subscriber(email)["fields"].get("Tags")


def test_groups_are_joined_and_left(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("group_add", group=30, id=one)
    assert "Youth advisory panel [30]" in live.subscriber(email)["fields"]["Groups"]
    members = live.cm.segments()["Youth advisory panel"]
    live.happens("group_remove", group=30, id=one)
    assert "Youth advisory panel [30]" not in live.subscriber(email)["fields"].get("Groups", [])
    assert live.cm.segments()["Youth advisory panel"] == members - 1


def test_someone_made_an_administrator_stays_with_the_new_role(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("role", id=one, role="project_admin", **{"as": "administrator"})
    assert live.subscriber(email)["fields"]["Role"] == "project_admin"
    live.happens("role", id=one, role="participant", **{"as": "administrator"})
    assert live.subscriber(email)["fields"]["Role"] == "participant"
    assert live.state(email) == "Active"


def test_an_account_activated_later_says_so(live: Live) -> None:
    one, email = live.ehq.register(confirmed=False)
    live.arrives()
    assert live.subscriber(email)["fields"]["Activated"] == "No"
    live.happens("activate", id=one)
    assert live.subscriber(email)["fields"]["Activated"] == "Yes"


@pytest.mark.parametrize(("away", "back"), [("block", "unblock"), ("unsubscribe", "subscribe")])
def test_whoever_leaves_in_ehq_is_deleted_and_active_again_when_they_come_back(
    live: Live, away: str, back: str
) -> None:
    one, email = live.ehq.someone()
    live.happens(away, id=one)
    assert live.state(email) == "Deleted"
    live.happens(back, id=one)
    assert live.state(email) == "Active"
    live.agrees()


def test_leaving_and_coming_back_works_any_number_of_times(live: Live) -> None:
    one, email = live.ehq.someone()
    for _ in range(2):
        live.happens("unsubscribe", id=one)
        assert live.state(email) == "Deleted"
        live.happens("subscribe", id=one)
        assert live.state(email) == "Active"


def test_answers_given_while_away_are_there_on_coming_back(live: Live) -> None:
    one, email = live.ehq.someone()
    live.happens("unsubscribe", id=one)
    live.happens("answer", id=one, question=12, value="3999")
    live.happens("answer", id=one, question=14, value=None)
    live.happens("subscribe", id=one)
    fields = live.subscriber(email)["fields"]
    assert fields["What is your postcode?"] == "3999"
    assert not fields.get("I am interested in")


def test_out_and_in_again_before_anybody_looked_writes_nothing(live: Live) -> None:
    one, email = live.ehq.someone()
    live.cm.forget_calls()
    live.ehq.act("unsubscribe", id=one)
    live.ehq.act("subscribe", id=one)
    live.ehq.delivered()
    live.relay.settle(live.connection)
    assert live.cm.calls()["writes"] == 0
    assert live.state(email) == "Active"


def test_a_repeated_delivery_writes_nothing(live: Live) -> None:
    one, _ = live.ehq.someone()
    live.happens("answer", id=one, question=12, value="3111")
    live.cm.forget_calls()
    live.ehq.sandbox("resend", {"last": 5})
    live.arrives()
    assert live.cm.calls()["writes"] == 0


def test_events_lost_to_disorder_and_repetition_end_right(live: Live) -> None:
    live.ehq.faults(webhook_duplicates=0.5, webhook_reorder=0.5)
    people = [live.ehq.someone(n) for n in range(6)]
    for one, _ in people:
        live.ehq.act("unsubscribe", id=one)
        live.ehq.act("subscribe", id=one)
        live.ehq.act("answer", id=one, question=12, value="3123")
    for one, _ in people[:3]:
        live.ehq.act("block", id=one)
    live.arrives()
    live.agrees()
    assert live.subscriber(people[5][1])["fields"]["What is your postcode?"] == "3123"


def test_a_paused_connection_lets_people_leave_and_nothing_else(live: Live) -> None:
    from relay.sync.connections import connect, credentials

    (gone, gone_email), (_, stays) = live.ehq.someone(0), live.ehq.someone(1)
    connect.pause(live.relay.parts, live.connection)
    live.ehq.act("unsubscribe", id=gone)
    _, new = live.ehq.register()
    live.ehq.delivered()
    live.relay.parts.queue.ring(live.connection.id, always=True)
    live.relay.work()
    assert live.state(gone_email) == "Deleted"
    assert live.state(new) is None
    assert live.state(stays) == "Active"
    credentials.resume(live.relay.parts, live.connection)
    live.arrives()
    assert live.state(new) == "Active"


def test_of_several_who_come_back_at_once_campaign_monitor_is_never_sent_two_imports_at_a_time(live: Live) -> None:
    people = [live.ehq.someone(n) for n in range(4)]
    live.happens("unsubscribe", id=[one for one, _ in people])
    assert {live.state(email) for _, email in people} == {"Deleted"}
    live.cm.faults(import_s_per_1000=200)
    live.happens("subscribe", id=[one for one, _ in people])
    live.agrees()


@pytest.mark.parametrize("another", [False, True], ids=["nobody else rings", "another connection rings"])
def test_a_visit_goes_on_past_its_time_unless_others_wait_for_their_turn(
    live: Live, another: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visits, "VISIT_S", 0.0)
    monkeypatch.setattr(write, "AT_ONCE", 5)
    live.ehq.act("register", count=20)
    live.ehq.delivered()
    parts, here = live.relay.parts, live.connection.id
    parts.queue.redis.flushdb()
    parts.queue.ring(here)
    parts.queue.looking(here)
    parts.queue.ring(here)
    if another:
        parts.queue.ring("another")
    visits.visit(parts, here)
    assert live.relay.status(live.connection)["waiting"] == (15 if another else 0)
