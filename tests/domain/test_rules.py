"""Who is on the list, and one document of rules that says what is wrong with it (design §5 rule 1)."""

from __future__ import annotations

from typing import Any

import pytest

from relay.domain.merge import Known
from relay.domain.rules import Brake, Rules, read_rules, told_to_leave, why_not
from relay.errors import Invalid

ALTHEA: dict[str, Any] = {
    "email": "althea@example.com",
    "subscribed": True,
    "blocked": False,
    "activated": False,
    "role": "participant",
}
PARTICIPANTS = {"audience": {"roles": ["participant"]}}
ACTIVATED = {"audience": {"activated_only": True}}
AUDIENCE = [
    # what differs from Althea, role, rules, why she is not on the list
    ({}, "participant", {}, None),
    ({"activated": True}, "participant", {}, None),
    ({}, "project_admin", {}, None),
    ({}, "hub_admin", {}, None),
    ({}, "site_admin", {}, None),
    ({}, "unknown", {}, None),
    ({"blocked": None}, "participant", {}, None),
    ({"deleted": True}, "participant", {}, "EHQ deleted this account."),
    ({"email": None}, "participant", {}, "EHQ has not told us an address yet."),
    ({"email": ""}, "participant", {}, "EHQ has not told us an address yet."),
    ({"subscribed": False}, "participant", {}, "Unsubscribed in EHQ."),
    ({"blocked": True}, "participant", {}, "Blocked in EHQ."),
    ({"subscribed": False, "blocked": True}, "site_admin", {}, "Unsubscribed in EHQ."),
    ({"subscribed": None}, "participant", {}, "EHQ has not said yet whether this person is subscribed."),
    ({}, "participant", PARTICIPANTS, None),
    ({}, "hub_admin", PARTICIPANTS, "Their role (hub admin) is outside the audience of this connection."),
    ({}, "unknown", PARTICIPANTS, "Their role (unknown) is outside the audience of this connection."),
    ({"activated": True}, "participant", ACTIVATED, None),
    ({}, "participant", ACTIVATED, "Not activated, and this connection takes activated accounts only."),
    (
        {"activated": None},
        "participant",
        ACTIVATED,
        "Not activated, and this connection takes activated accounts only.",
    ),
]


@pytest.mark.parametrize(("differs", "role", "rules", "reason"), AUDIENCE)
def test_who_is_on_the_list(differs: dict[str, Any], role: str, rules: dict[str, Any], reason: str | None) -> None:
    assert why_not(Known("5040", {**ALTHEA, **differs}), read_rules(rules), role) == reason


def test_whom_nothing_is_known_of_is_not_on_the_list() -> None:
    assert why_not(Known("5040"), Rules(), "unknown") == "EHQ has not told us an address yet."


def test_an_empty_document_is_the_default() -> None:
    rules = read_rules({})
    assert rules.audience.roles == ("participant", "project_admin", "hub_admin", "site_admin", "unknown")
    assert not rules.audience.activated_only
    assert (rules.opt_outs, rules.time_zone, rules.daily_at) == ("remove", "UTC", None)
    assert (rules.authentication.profile, rules.authentication.tolerance_s) == ("standard", 300)
    assert rules.consent_to_track == "Unchanged"


def test_a_document_reads_back_as_it_was_written() -> None:
    rules = read_rules(
        {
            "audience": {"roles": ["participant", "site_admin"], "activated_only": True},
            "opt_outs": "unsubscribe",
            "fields_left_out": ["Gender"],
            "time_zone": "Australia/Sydney",
            "daily_at": "03:30",
            "authentication": {"profile": "hmac_body", "headers": {"signature": "X-Hub-Signature-256"}},
            "brake": {"people": 50, "percent": 2.5},
            "overrides": {"events": {"participant.registered": ["welcome"]}},
        }
    )
    assert read_rules(rules.model_dump(mode="json")) == rules


def refused(document: dict[str, Any]) -> str:
    with pytest.raises(Invalid) as caught:
        read_rules(document)
    assert "Nothing was changed." in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"audiences": {}}, "audiences"),
        ({"audience": {"roles": ["mayor"]}}, "audience.roles.0"),
        ({"audience": {"activated": True}}, "audience.activated"),
        ({"opt_outs": "forget"}, "opt_outs"),
        ({"time_zone": "Sydney"}, "time_zone"),
        ({"daily_at": "24:00"}, "daily_at"),
        ({"daily_at": "3:30"}, "daily_at"),
        ({"authentication": {"profile": "none"}}, "authentication.profile"),
        ({"authentication": {"tolerance_s": 3601}}, "authentication.tolerance_s"),
        ({"brake": {"percent": 101}}, "brake.percent"),
        ({"brake": {"people": -1}}, "brake.people"),
        ({"consent_to_track": "Maybe"}, "consent_to_track"),
        ({"fields_left_out": "Gender"}, "fields_left_out"),
        ({"overrides": []}, "overrides"),
    ],
)
def test_a_wrong_key_is_named(document: dict[str, Any], named: str) -> None:
    assert f"{named}: " in refused(document)


def test_all_wrong_keys_are_named_at_once() -> None:
    said = refused({"opt_outs": "forget", "time_zone": "Sydney", "brakes": {}, "daily_at": "noon"})
    for name in ("opt_outs: ", "time_zone: ", "brakes: ", "daily_at: "):
        assert name in said


@pytest.mark.parametrize(("on_list", "limit"), [(0, 20), (100, 20), (400, 20), (420, 21), (10_000, 500)])
def test_the_brake_is_the_larger_of_twenty_people_and_five_percent(on_list: int, limit: int) -> None:
    assert Brake().limit(on_list) == limit


@pytest.mark.parametrize("word", [{"erased": True}, {"deleted": True}, {"subscribed": False}, {"blocked": True}])
def test_an_explicit_word_is_never_the_brakes_to_hold(word: dict[str, Any]) -> None:
    assert told_to_leave(Known("1", {**ALTHEA, **word}))


@pytest.mark.parametrize("word", [{}, {"subscribed": None}, {"email": None}, {"role": "hub_admin"}])
def test_what_is_not_said_is_no_explicit_word(word: dict[str, Any]) -> None:
    assert told_to_leave(Known("1", {**ALTHEA, **word})) is None
