"""EngagementHQ's webhooks, contract §5.2 to §5.5."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from sandbox.ehq.signing import headers

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
BODY = (
    b'{"id":"evt_0001","type":"participant.blocked","timestamp":"2026-02-03T04:05:06.000Z",'
    b'"site":{"host":"haveyoursay.example.gov.au"},"data":{"type":"users","id":"5040",'
    b'"attributes":{"email":"althea@example.com","blocked":true}}}'
)


@pytest.fixture
def hooked(ehq: Any, inbox: Any) -> Any:
    ehq.sandbox("webhook", {"url": inbox.url, "secret": SECRET})
    return ehq


def events(inbox: Any, count: int) -> list[dict[str, Any]]:
    return [json.loads(body) for _, body in inbox.wait(count)]


@pytest.mark.parametrize(
    ("profile", "header", "value"),
    [
        ("standard", "webhook-signature", "v1,7PXcHJu5SxZiJ0fdz/YOtT2YAIOQQrU0TOB+MAZ01XY="),
        ("hmac_body", "X-EHQ-Signature", "sha256=341f1775fce642a6703d3bde1488409f860c1b6047cc573334400747d922eff3"),
        (
            "hmac_t_v1",
            "X-EHQ-Signature",
            "t=1770091506,v1=e4ade9ed66fa122f350e7fec9b0ea46326ba94cc4cf8f2898e5af0f73b49e7a9",
        ),
        ("token", "X-EHQ-Token", SECRET),
    ],
)
def test_the_published_vector(profile: str, header: str, value: str) -> None:
    assert headers(profile, SECRET, "msg_ehq_0001", "participant.blocked", 1770091506, BODY)[header] == value


def test_a_delivery_is_signed_so_that_an_independent_library_believes_it(hooked: Any, inbox: Any) -> None:
    hooked.act("register")
    sent, body = inbox.wait(1)[0]
    Webhook(SECRET).verify(body, sent)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body + b" ", sent)


def test_a_registration_carries_everything(hooked: Any, inbox: Any) -> None:
    done = hooked.act("register", answers={"13": "Female"})
    event = events(inbox, 1)[0]
    assert set(event) == {"id", "type", "timestamp", "site", "data", "included", "previous-attributes"}
    assert {"id": event["id"], "type": event["type"]} == done["events"][0]
    pulled = hooked.sandbox(f"people.json?id={done['people'][0]['id']}")["people"][0]
    assert event["data"] == pulled  # push and pull carry the same resource
    assert "Female Only" in [group["attributes"]["name"] for group in event["included"]]


@pytest.mark.parametrize(
    ("action", "more", "expected"),
    [
        ("update", {}, "participant.updated"),
        ("answer", {"question": "12", "value": None}, "participant.updated"),
        ("activate", {}, "participant.activated"),
        ("block", {}, "participant.blocked"),
        ("unblock", {}, "participant.unblocked"),
        ("subscribe", {}, "participant.subscribed"),
        ("unsubscribe", {}, "participant.unsubscribed"),
        ("change_email", {}, "participant.updated"),
        ("role", {}, "participant.role_changed"),
        ("role", {"as": "administrator"}, "administrator.created"),
        ("delete", {}, "participant.deleted"),
        ("group_create", {"name": "Panel"}, "group.created"),
        ("group_rename", {"group": "7", "name": "Women"}, "group.renamed"),
        ("group_rule", {"group": "7", "rule": {"tag": "Renter"}}, "group.updated"),
        ("group_delete", {}, "group.deleted"),
        ("group_add", {}, "group.member_added"),
        ("group_remove", {}, "group.member_removed"),
        ("form_add_question", {"label": "Pets", "type": "checkbox", "options": ["Cat"]}, "signup_form.changed"),
        ("form_rename_question", {"question": "12", "label": "Postcode"}, "signup_form.changed"),
        ("form_remove_question", {"question": "12"}, "signup_form.changed"),
        ("ping", {}, "test.ping"),
        ("event", {"type": "hub.renamed"}, "hub.renamed"),
    ],
)
def test_every_action_tells(hooked: Any, inbox: Any, action: str, more: dict[str, Any], expected: str) -> None:
    done = hooked.act(action, **more)
    assert expected in [event["type"] for event in done["events"]]
    arrived = {event["id"] for event in events(inbox, len(done["events"]))}
    assert arrived == {event["id"] for event in done["events"]}


def test_an_address_changes_only_once_confirmed(hooked: Any, inbox: Any) -> None:
    was = hooked.act("change_email", new_email="new@example.com")["people"][0]
    person = hooked.sandbox(f"people.json?id={was['id']}")["people"][0]["attributes"]
    assert (person["email"], person["unconfirmed-email"]) == (was["email"], "new@example.com")
    hooked.act("confirm_email", id=was["id"])
    event = next(one for one in events(inbox, 2) if one["type"] == "participant.email_changed")
    assert event["data"]["attributes"]["email"] == "new@example.com"
    assert event["previous-attributes"] == {"email": was["email"]}


def test_a_deleted_person_registers_again_under_a_new_id(hooked: Any) -> None:
    gone = hooked.act("delete")["people"][0]
    back = hooked.act("reregister")["people"][0]
    assert back["email"] == gone["email"]
    assert back["id"] != gone["id"]


def test_whoever_moves_into_a_group_is_told_of(hooked: Any, inbox: Any) -> None:
    id = hooked.act("register", answers={"13": "Male"})["people"][0]["id"]
    types = [one["type"] for one in hooked.act("answer", id=id, question="Gender", value="Female")["events"]]
    assert types == ["participant.updated", "group.member_added"]
    added = next(one for one in events(inbox, 3) if one["type"] == "group.member_added")
    assert added["data"]["relationships"]["members"]["data"] == [{"type": "users", "id": id}]


def test_a_member_event_names_at_most_500(hooked: Any) -> None:
    hooked.act("register", count=600, role="participant", silent=True, tags=[])
    ids = [
        one["id"] for one in hooked.sandbox("people.json")["people"] if one["attributes"]["role-name"] != "site_admin"
    ]
    assert len(hooked.act("group_add", id=ids)["events"]) == 2


def test_silent_changes_tell_nobody(hooked: Any, inbox: Any) -> None:
    assert hooked.act("register", count=5, silent=True)["events"] == []
    time.sleep(0.1)
    assert inbox.received == []


def test_a_failed_delivery_is_tried_again_with_the_same_id_and_a_new_signature(hooked: Any, inbox: Any) -> None:
    inbox.answers = [(503, {"Retry-After": "1"}), (202, {})]
    hooked.act("register")
    (first, body), (second, again) = inbox.wait(2)
    assert body == again
    assert first["webhook-id"] == second["webhook-id"]
    assert int(second["webhook-timestamp"]) > int(first["webhook-timestamp"])
    assert first["webhook-signature"] != second["webhook-signature"]
    time.sleep(0.05)
    delivery = hooked.sandbox("deliveries.json")["deliveries"][0]
    assert (delivery["status"], delivery["attempts"]) == (202, 2)


def test_a_refused_delivery_is_not_tried_again(hooked: Any, inbox: Any) -> None:
    inbox.answers = [(401, {})]
    hooked.act("register")
    inbox.wait(1)
    time.sleep(0.4)
    assert len(inbox.received) == 1


def test_a_delivery_can_be_sent_once_more(hooked: Any, inbox: Any) -> None:
    event = hooked.act("register")["events"][0]["id"]
    inbox.wait(1)
    hooked.sandbox("resend", {"event": event})
    first, second = inbox.wait(2)
    assert first[0]["webhook-id"] == second[0]["webhook-id"]


@pytest.mark.parametrize("profile", ["hmac_body", "hmac_t_v1", "token"])
def test_the_other_profiles_name_delivery_and_event(ehq: Any, inbox: Any, profile: str) -> None:
    ehq.sandbox("webhook", {"url": inbox.url, "secret": "s3cret", "profile": profile, "header": "X-Proof"})
    ehq.act("ping")
    sent, _ = inbox.wait(1)[0]
    assert sent["x-ehq-event"] == "test.ping"
    assert sent["x-ehq-delivery"]
    assert sent["x-proof"]


def test_events_can_be_lost(hooked: Any, inbox: Any) -> None:
    hooked.faults(webhook_loss=1)
    hooked.act("register", count=3)
    assert [one["status"] for one in hooked.sandbox("deliveries.json")["deliveries"]] == ["lost"] * 3
    assert inbox.received == []


def test_events_can_come_twice(hooked: Any, inbox: Any) -> None:
    hooked.faults(webhook_duplicates=1)
    hooked.act("register")
    first, second = inbox.wait(2)
    assert first[0]["webhook-id"] == second[0]["webhook-id"]


def test_events_can_overtake_each_other(hooked: Any, inbox: Any) -> None:
    hooked.faults(webhook_reorder=0.5)
    told = [event["id"] for event in hooked.act("register", count=30)["events"]]
    arrived = [event["id"] for event in events(inbox, 30)]
    assert sorted(arrived) == sorted(told)
    assert arrived != told


def test_events_can_be_late_and_the_clock_wrong(hooked: Any, inbox: Any) -> None:
    hooked.faults(webhook_delay_s=0.3, clock_skew_s=-120)
    started = time.time()
    hooked.act("register")
    sent, _ = inbox.wait(1)[0]
    assert time.time() - started >= 0.3
    assert abs(int(sent["webhook-timestamp"]) - (started - 120)) < 5


def test_a_burst_goes_out_quickly(hooked: Any, inbox: Any) -> None:
    hooked.act("register", count=300)
    assert len({event["id"] for event in events(inbox, 300)}) == 300


def test_unknown_actions_and_people_are_refused_by_name(ehq: Any) -> None:
    for sent, part in [({"action": "sing"}, "register"), ({"action": "block", "id": "0"}, "no such person")]:
        reply = ehq.session.post(ehq.url + "/sandbox/act", json=sent, timeout=5)
        assert reply.status_code == 400
        assert part in reply.json()["error"]
