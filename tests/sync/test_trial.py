"""Rules tried on something captured: who it would make, what is left unused, whether a proof holds."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest

from relay.ehq.signature import profile, sign
from relay.errors import Invalid, RelayError
from relay.store.connections import Connection
from relay.sync.connections import connect, trial
from tests.conftest import Relay, SimulatedEhq

EVENT: dict[str, Any] = {
    "id": "evt_1",
    "type": "signup.done",
    "timestamp": "2026-02-03T04:05:06Z",
    "tenant": "bayside",
    "data": {
        "type": "users",
        "id": 5040,
        "attributes": {
            "contact-mail": "althea@example.com",
            "role-name": "participant",
            "favourite-colour": "green",
            "last-seen-at": None,
            "signup-answers": [{"question-id": "12", "question": "Postcode", "value": "2000", "page": 1}],
        },
        "relationships": {"groups": {"data": [{"type": "groups", "id": "7"}]}, "avatar": {}},
    },
    "included": [{"type": "groups", "id": "7", "attributes": {"name": "Female Only"}}],
}
DOCUMENT = {"events": {"participant.registered": ["signup.done"]}, "attributes": {"email": ["contact_mail"]}}


@pytest.fixture
def on_trial(relay: Relay, ehq: SimulatedEhq) -> Any:
    connection = relay.connect(ehq)

    def attempt(what: Any, document: Any = None) -> dict[str, Any]:
        (result,) = trial.body(relay.parts, connection, orjson.dumps(what), document)["results"]
        return dict(result)

    attempt.connection = connection  # type: ignore[attr-defined]
    return attempt


def test_without_the_document_it_says_what_is_not_understood(on_trial: Any) -> None:
    said = on_trial(EVENT)
    assert "The event type 'signup.done' is unknown" in said["problem"]
    assert said["person"] is None


def test_with_it_the_person_the_subscriber_and_every_unused_key_are_shown(on_trial: Any, relay: Relay) -> None:
    said = on_trial(EVENT, DOCUMENT)
    assert (said["type"], said["problem"], said["off_list"]) == ("participant.registered", None, None)
    assert said["person"] == {
        "ehq_id": "5040", "email": "althea@example.com", "subscribed": True, "blocked": False, "role": "participant",
        "groups": ["Female Only"], "answers": {"Postcode": "2000"},
    }  # fmt: skip
    assert said["subscriber"]["email"] == "althea@example.com"
    assert said["subscriber"]["fields"]["Postcode"] == "2000"
    assert said["subscriber"]["fields"]["Groups"] == ("Female Only [7]",)
    assert said["unused"] == [
        "tenant", "data.attributes.favourite-colour", "data.attributes.signup-answers[].page",
        "data.relationships.avatar",
    ]  # fmt: skip
    assert relay.status(on_trial.connection)["participants"] == 0, "nothing is stored"


def test_who_would_stay_off_the_list_is_told_why(on_trial: Any) -> None:
    person = {"id": "1", "attributes": {"email": "a@example.com", "subscribed": False}}
    said = on_trial({"data": [person]})
    assert (said["type"], said["subscriber"], said["off_list"]) == ("a person of the API", None, "Unsubscribed in EHQ.")
    narrow = {"audience": {"roles": ["site_admin"]}}
    person["attributes"] |= {"subscribed": True, "role": "participant"}  # type: ignore[operator]
    assert "outside the audience" in on_trial(person, narrow)["off_list"]


def test_a_group_s_event_is_read_too(on_trial: Any) -> None:
    said = on_trial(
        {"type": "group.renamed", "data": {"type": "groups", "id": 7, "attributes": {"name": "Women", "x": 1}}}
    )
    assert said["group"] == {"id": "7", "name": "Women", "members": None}
    assert said["unused"] == ["data.attributes.x"]


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"attributes": {"mail": ["x"]}}, "there is no 'mail'"),
        ({"daily_at": "noon"}, "daily_at"),
        (["x"], "JSON object"),
    ],
)
def test_a_wrong_document_is_refused_by_name(on_trial: Any, document: Any, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        on_trial(EVENT, document)


def test_what_is_not_json_or_nothing_at_all_is_no_failure_of_ours(on_trial: Any, relay: Relay) -> None:
    with pytest.raises(Invalid, match="not JSON"):
        trial.body(relay.parts, on_trial.connection, b"{")
    for what in (None, 5, "x", {}, [[]], {"type": "users"}, {"data": [5]}, {"type": []}):
        found = trial.body(relay.parts, on_trial.connection, orjson.dumps(what))
        assert all(one["problem"] for one in found["results"])
    with pytest.raises(RelayError, match="no delivery"):
        trial.delivery(relay.parts, on_trial.connection, "nothing")


# Is it genuine?


def captured(
    relay: Relay, by: str = "standard", secret: str = "", at: float = 0.0, body: str = '{"type":"ping"}'
) -> str:
    headers = sign(profile(by), secret or relay.secret, body.encode(), "msg_1", int(at or time.time()))
    return "\r\n".join(f"{name.title()}: {value}" for name, value in headers.items()) + f"\r\n\r\n{body}"


def judge(relay: Relay, connection: Connection, text: str, document: Any = None) -> dict[str, Any]:
    said = trial.signature(relay.parts, relay.parts.connection(connection.id), text, document)
    assert relay.secret not in str(said)
    return said


def test_a_proof_is_judged_without_showing_what_it_should_have_been(relay: Relay, connection: Connection) -> None:
    assert judge(relay, connection, captured(relay))["genuine"]
    assert judge(relay, connection, captured(relay) + "\n")["genuine"], "a line break of the clipboard does no harm"
    old = judge(relay, connection, captured(relay, at=time.time() - 7200))
    assert not old["genuine"]
    assert " s old" in old["says"]
    assert "But for its age it is right: the current secret fits" in old["advice"]
    other = judge(relay, connection, captured(relay, "hmac_body"))
    assert "set authentication.profile" in other["advice"]
    assert "hmac_body" in other["advice"]
    assert judge(relay, connection, captured(relay, "hmac_body"), {"authentication": {"profile": "hmac_body"}})[
        "genuine"
    ]
    changed = judge(relay, connection, captured(relay).replace("ping", "pong"))
    assert "the very bytes" in changed["advice"]
    wrong = judge(relay, connection, "X-My-Signature: abc\n\n{}")
    assert wrong["says"] == "The header webhook-signature is missing."
    assert "X-My-Signature" in wrong["advice"]
    with pytest.raises(Invalid, match="no headers"):
        judge(relay, connection, '{"type": "ping"}')


def test_an_earlier_secret_is_called_so(relay: Relay, connection: Connection) -> None:
    text = captured(relay)
    connect.rotate_secret(relay.parts, connection)
    assert "an earlier secret, still valid" in judge(relay, connection, text)["says"]
