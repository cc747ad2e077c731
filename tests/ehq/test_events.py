"""What a delivery says happened (EHQ contract §5.3, §5.4)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.participant import Event
from relay.ehq.dialect import defaults, dialect
from relay.ehq.events import Unreadable, read_event

SPOKEN = dialect()
TYPES: dict[str, list[str]] = defaults()["events"]
PERSON = {"type": "users", "id": "5040", "attributes": {"email": "ann@example.com"}}
GROUP = {
    "type": "groups",
    "id": "7",
    "attributes": {"name": "Youth"},
    "relationships": {"members": {"data": [{"type": "users", "id": 5040}]}},
}
AT = 1770091506.789


def event(canonical: str, data: Any = PERSON, **more: Any) -> Event:
    return read_event({"type": canonical, "timestamp": "2026-02-03T04:05:06.789Z", "data": data, **more}, SPOKEN)


def said(canonical: str, **attributes: Any) -> dict[str, Any]:
    patch = event(canonical, {"id": 1, "attributes": {"email": "ann@example.com", **attributes}}).patch
    assert patch is not None
    return dict(patch.values)


@pytest.mark.parametrize(
    ("word", "canonical"), [(w, canonical) for canonical, aliases in TYPES.items() for w in (canonical, *aliases)]
)
def test_every_type_and_alias(word: str, canonical: str) -> None:
    data = GROUP if canonical.startswith("group.") else PERSON
    for spelled in (word, word.upper(), word.replace(".", "_"), word.replace(".", ":"), word.replace("_", "-")):
        read = event(spelled, data)
        assert (read.type, read.at) == (canonical, AT)
        assert (read.patch is not None) == canonical.startswith(("participant.", "administrator."))
        assert (read.group is not None) == canonical.startswith("group.")


@pytest.mark.parametrize(
    ("canonical", "sets"),
    [
        ("participant.activated", {"activated": True}),
        ("participant.blocked", {"blocked": True}),
        ("participant.unblocked", {"blocked": False}),
        ("participant.subscribed", {"subscribed": True}),
        ("participant.unsubscribed", {"subscribed": False}),
        ("participant.deleted", {"deleted": True}),
        ("participant.updated", {}),
    ],
)
def test_the_type_itself_says_something(canonical: str, sets: dict[str, Any]) -> None:
    assert said(canonical) == {"email": "ann@example.com", **sets}


def test_the_type_wins_over_its_resource() -> None:
    assert said("participant.unsubscribed", subscribed=True)["subscribed"] is False


@pytest.mark.parametrize("canonical", ["participant.registered", "administrator.created"])
def test_registering_puts_a_person_on_the_mailing_list_unless_anything_is_said_of_it(canonical: str) -> None:
    assert said(canonical)["subscribed"] is True
    assert said(canonical)["blocked"] is False
    assert said(canonical, subscribed=False)["subscribed"] is False
    unreadable: tuple[Any, ...] = (None, "", "perhaps", 7, {}, [])
    for unclear in unreadable:
        assert "subscribed" not in said(canonical, newsletterSubscribed=unclear)
        assert "blocked" not in said(canonical, blocked=unclear)
    assert said(canonical, status="Blocked")["blocked"] is True


def test_an_administrator_removed_is_a_participant_again() -> None:
    assert said("administrator.removed")["role"] == "participant"
    assert said("administrator.removed", role="hub_admin")["role"] == "hub_admin"


def test_a_changed_address_comes_with_the_old_one() -> None:
    for name in ("previous-attributes", "previous_attributes", "changes"):
        assert event("participant.email_changed", **{name: {"Email": " Old@Example.com "}}).previous_email == (
            "Old@Example.com"
        )
    assert event("participant.email_changed", previous=["x"]).previous_email is None


@pytest.mark.parametrize("canonical", ["participant.registered", "participant.email_changed"])
def test_some_events_need_an_address(canonical: str) -> None:
    with pytest.raises(Unreadable, match="needs an e-mail address"):
        event(canonical, {"id": "1"})


def test_names_of_groups_come_along() -> None:
    data = {**PERSON, "relationships": {"groups": {"data": [{"type": "groups", "id": 7}, {"id": "8"}]}}}
    patch = event("participant.updated", data, included=[{"type": "Group", "id": "7", "attributes": {"name": "Youth"}}])
    assert patch.patch is not None
    assert patch.patch.values["groups"] == ("7", "8")
    assert patch.patch.group_names == {"7": "Youth", "8": ""}


def test_a_group_event() -> None:
    news = event("group.member_added", GROUP).group
    assert news is not None
    assert (news.id, news.name, news.members) == ("7", "Youth", ("5040",))
    with pytest.raises(Unreadable, match="list of members"):
        event("group.member_removed", {"id": 7})
    with pytest.raises(Unreadable, match="group's name"):
        event("group.renamed", {"id": 7})


def test_who_did_it_is_not_what_it_is_about() -> None:
    news = read_event({"type": "group.deleted", "user": {"id": 5}, "group": {"id": 7}}, SPOKEN).group
    assert news is not None
    assert news.id == "7"
    with pytest.raises(Unreadable):
        read_event({"type": "user.deleted", "group": {"id": 7}}, SPOKEN)


def test_people_and_groups_are_not_confused() -> None:
    with pytest.raises(Unreadable, match="is a group"):
        event("participant.deleted", GROUP)
    with pytest.raises(Unreadable, match="is a participant"):
        event("group.deleted", PERSON)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("x", "not a JSON object"),
        ({"data": PERSON}, "no event type"),
        ({"type": "user.exploded", "data": PERSON}, "'user.exploded' is unknown"),
        ({"type": "user.updated"}, "needs an object under `data`"),
        ({"type": "user.updated", "data": [PERSON]}, "needs an object under `data`"),
        ({"type": "user.updated", "data": {"attributes": {"email": "ann@example.com"}}}, "no id"),
    ],
)
def test_what_cannot_be_read_says_why_and_names_nobody(raw: Any, why: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_event(raw, SPOKEN)
    assert why in str(caught.value)
    assert "ann@" not in str(caught.value)


def test_a_time_that_is_no_time_is_unknown() -> None:
    no_times: tuple[Any, ...] = (None, "soon", True, "9999-12-31T00:00:00Z", -5, {}, 1e300)
    for time in no_times:
        assert read_event({"type": "test.ping", "timestamp": time}, SPOKEN).at is None
    assert read_event({"type": "test.ping", "occurred_at": 1770091506789}, SPOKEN).at == AT


TEXT = st.text(st.characters(exclude_categories=())) | st.sampled_from(["users", "groups", "blocked", "7", "true"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(TEXT | st.sampled_from(["id", "name"]), inner, max_size=4)
    ),
    max_leaves=8,
)
ATTRIBUTES = sorted({alias for aliases in defaults()["attributes"].values() for alias in aliases})
RESOURCE = st.fixed_dictionaries(
    {"id": JSON | st.just("5")},
    optional={
        "type": JSON,
        "attributes": JSON | st.dictionaries(st.sampled_from(ATTRIBUTES), JSON),
        "relationships": st.fixed_dictionaries(
            {}, optional={n: JSON | st.fixed_dictionaries({"data": JSON}) for n in ("groups", "members")}
        ),
    },
)
EVENT = st.fixed_dictionaries(
    {"type": st.sampled_from([*TYPES, "?"]), "data": RESOURCE | JSON},
    optional={"timestamp": JSON, "included": st.lists(RESOURCE) | JSON, "previous": JSON},
)


@given(EVENT | JSON)
def test_any_json_is_an_event_or_unreadable(raw: Any) -> None:
    try:
        assert isinstance(read_event(raw, SPOKEN), Event)
    except Unreadable as error:
        str(error).encode()
