"""Deliveries on pages: filtered, masked, revealed with a note, taken in again after their effect was shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from relay.store import audit, chosen, connections, participants
from relay.store import deliveries as stored
from relay.store.chosen import Filter
from relay.sync.intake.masked import masked
from relay.web import deliveries
from tests.conftest import Relay, Visitor
from tests.web.conftest import Sender, registered

Visit = Callable[[str], Visitor]


@pytest.fixture
def arrived(live_sender: Sender, relay: Relay) -> Sender:
    """Two people registered, and something of a type nobody knows."""
    for number in ("901", "902"):
        assert live_sender.send(registered(number)).status_code == 202
    assert live_sender.send({**registered("903"), "type": "welcome.party"}).status_code == 202
    relay.settle(live_sender.connection)
    return live_sender


def at(sender: Sender, more: str = "") -> str:
    return f"/c/{sender.connection.id}/deliveries{more}"


def number_of(sender: Sender, **wanted: Any) -> int:
    with sender.parts.database.read() as tx:
        return chosen.page(tx, sender.connection.id, Filter(**wanted)).deliveries[0].id


def test_they_are_listed_and_filtered_by_what_the_address_says(arrived: Sender, visit: Visit) -> None:
    vera = visit("viewer")
    assert vera.get(at(arrived)).text.count(">Person 90") == 3
    for query, people in (
        ({"person": "901"}, ["901"]),
        ({"state": "quarantined"}, ["903"]),
        ({"type": "participant.registered"}, ["901", "902"]),
        ({"since": "2001-01-01", "state": "applied"}, ["901", "902"]),
    ):
        shown = vera.get(at(arrived), query_string=query).text
        assert [p for p in ("901", "902", "903") if f">Person {p}" in shown] == people, query
    assert "Nothing matches" in vera.get(at(arrived), query_string={"until": "2001-01-01"}).text
    assert "is no date" in vera.get(at(arrived), query_string={"since": "yesterday"}).text


def test_a_type_is_found_whatever_ehq_calls_it_and_a_person_without_the_group_of_the_same_id(
    arrived: Sender, visit: Visit
) -> None:
    for word, number in (("user.created", "904"), ("UserRegistered", "905"), ("participant.updated", "906")):
        assert arrived.send({**registered(number), "type": word}).status_code == 202
    group = {"type": "segments", "id": "901", "attributes": {"name": "Dog owners"}}
    assert arrived.send({**registered("901"), "type": "segment.created", "data": group}).status_code == 202
    vera = visit("viewer")
    shown = vera.get(at(arrived), query_string={"type": "participant.registered"}).text
    assert [n for n in range(901, 907) if f">Person {n}" in shown] == [901, 902, 904, 905]
    assert ">Group 901" in vera.get(at(arrived)).text
    shown = vera.get(at(arrived), query_string={"person": "901"}).text
    assert (shown.count(">Person 901"), shown.count(">Group 901")) == (1, 0)
    effect = visit("operator").get(at(arrived, "/replay?type=participant.registered")).text
    assert "4 deliveries" in effect


def test_a_body_is_masked_until_an_operator_reveals_it_which_is_noted(arrived: Sender, visit: Visit) -> None:
    number = number_of(arrived, subject="901")
    email = registered("901")["data"]["attributes"]["email"]
    olga = visit("operator")
    for visitor in (visit("viewer"), olga, visit("admin")):
        assert email not in visitor.get(at(arrived, f"/{number}")).text
    assert visit("viewer").post(at(arrived, f"/{number}/reveal")).status_code == 403
    olga.post(at(arrived, f"/{number}/reveal"))
    assert email in olga.get(at(arrived, f"/{number}")).text
    with arrived.parts.database.read() as tx:
        (entry,) = audit.search(tx)
        (person,) = participants.one(tx, arrived.connection.id, "901")
    assert (entry.what, entry.participant_id) == ("looked at a person's data", person.id)


def test_a_delivery_stays_revealed_for_ten_minutes(
    arrived: Sender, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    olga, number = visit("operator"), number_of(arrived, subject="901")
    email = registered("901")["data"]["attributes"]["email"]
    monkeypatch.setattr(deliveries, "REVEALED_S", 0.0)
    olga.post(at(arrived, f"/{number}/reveal"))
    assert email not in olga.get(at(arrived, f"/{number}")).text


def test_looking_at_a_group_s_delivery_is_not_noted_as_looking_at_who_has_its_id(
    arrived: Sender, visit: Visit, relay: Relay
) -> None:
    data = {"type": "groups", "id": "901", "attributes": {"name": "Dog owners"}}
    assert arrived.send({**registered("901"), "type": "group.created", "data": data}).status_code == 202
    number = number_of(arrived, types=("group.created",), subject="901")
    visit("operator").post(at(arrived, f"/{number}/reveal"))
    with arrived.parts.database.read() as tx:
        (entry,) = audit.search(tx)
    assert (entry.participant_id, entry.detail) == (None, {"delivery": number})


def test_a_mask_keeps_the_shape_and_nothing_of_a_person() -> None:
    body = {
        "id": "evt_1",
        "type": "participant.updated",
        "data": {"id": 7, "attributes": {"email": "a@b.org", "blocked": False, "signup_answers": {"Role": "nurse"}}},
    }
    assert masked(body) == {
        "id": "evt_1",
        "type": "participant.updated",
        "data": {"id": 7, "attributes": {"email": "•••", "blocked": False, "signup_answers": {"Role": "•••"}}},
    }
    assert masked({"type": "a@b.org", "answers": [{"question_id": 3, "type": "x", "value": "y"}]}) == {
        "type": "•••",
        "answers": [{"question_id": 3, "type": "•••", "value": "•••"}],
    }


def test_a_quarantine_is_taken_in_once_its_reason_is_mended_and_its_effect_is_said_before(
    arrived: Sender, visit: Visit, relay: Relay
) -> None:
    olga = visit("operator")
    shown = olga.get(at(arrived, "/replay?state=quarantined")).text
    assert "The event type &#39;welcome.party&#39; is unknown." in shown
    with arrived.parts.database.write() as tx:
        rules = arrived.parts.connection(arrived.connection.id).rules.model_dump(mode="json")
        rules["overrides"] = {"events": {"participant.registered": ["welcome.party"]}}
        connections.change(tx, arrived.connection.id, rules=rules)
    shown = olga.get(at(arrived, "/replay?state=quarantined")).text
    assert "would join the list" in shown
    with arrived.parts.database.read() as tx:
        assert participants.one(tx, arrived.connection.id, "903") == []
    number = str(number_of(arrived, state="quarantined"))
    answer = olga.post(at(arrived, "/replay"), {"state": "quarantined", "oldest": number, "newest": number})
    assert "1 delivery is left to be taken in again" in olga.get(at(arrived)).text
    assert answer.headers["Location"] == at(arrived)
    relay.work()
    assert relay.person(arrived.connection, "903")["on_list"]
    with arrived.parts.database.read() as tx:
        assert audit.search(tx)[0].what == "replayed deliveries"


@pytest.mark.parametrize(
    "asked",
    [
        {"state": "any"},
        {"type": "participant.\x1b"},
        {"person": "901\x1b"},
        {"reason": "\x1b"},
        {"reason": "x" * 5000},
        {"since": "yesterday"},
        {"delivery": "msg_1"},
    ],
    ids=lambda asked: next(iter(asked)),
)
def test_what_cannot_be_read_matches_nothing_and_never_everything(
    arrived: Sender, visit: Visit, asked: dict[str, str]
) -> None:
    olga = visit("operator")
    if "delivery" not in asked:
        assert "Nothing matches" in olga.get(at(arrived), query_string=asked).text
    assert "Nothing matches" in olga.get(at(arrived, "/replay"), query_string=asked).text
    said = _followed(olga, at(arrived, "/replay"), {**asked, "oldest": "1", "newest": "9"})
    assert "None was left to take in again" in said


def test_a_long_reason_means_the_same_in_the_list_the_preview_and_the_replay(arrived: Sender, visit: Visit) -> None:
    olga, reason = visit("operator"), f"The event type {'x' * 240!r} is unknown."
    with arrived.parts.database.write() as tx:
        number = chosen.page(tx, arrived.connection.id, Filter(state="quarantined")).deliveries[0].id
        stored.quarantined(tx, number, reason)
    for end in ("", "/replay"):
        assert "Nothing matches" not in olga.get(at(arrived, end), query_string={"reason": reason}).text
    form = {"reason": reason, "oldest": "1", "newest": "9"}
    assert "1 delivery is being" in _followed(olga, at(arrived, "/replay"), form)


def test_one_delivery_is_taken_in_again_by_our_number(arrived: Sender, visit: Visit) -> None:
    olga, number = visit("operator"), number_of(arrived, subject="901")
    link = at(arrived, f"/replay?delivery={number}")
    assert link in olga.get(at(arrived, f"/{number}")).text
    assert "Take 1 delivery in again" in olga.get(link).text


def test_what_arrives_after_the_preview_is_not_replayed_with_it(arrived: Sender, visit: Visit) -> None:
    olga = visit("operator")
    number = str(number_of(arrived, subject="901"))
    assert "1 delivery is being" in _followed(
        olga, at(arrived, "/replay"), {"state": "applied", "oldest": number, "newest": number}
    )
    assert olga.post(at(arrived, "/replay"), {"state": "applied"}).status_code == 400
    assert visit("viewer").post(at(arrived, "/replay"), {"oldest": "1", "newest": "9"}).status_code == 403


def _followed(visitor: Visitor, path: str, form: dict[str, Any]) -> str:
    return visitor.post(path, form, follow_redirects=True).text
