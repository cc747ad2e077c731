"""One participant, however spelled: what is said, what is empty, and what is not known (EHQ contract §5.3, §5.6)."""

from typing import Any

import pytest

from relay.domain.participant import Patch, Question
from relay.ehq.dialect import dialect
from relay.ehq.resource import (
    Unreadable,
    boolean,
    clean,
    included_groups,
    parse_time,
    read_group,
    read_user,
    texts,
    usable_id,
)

SPOKEN = dialect()
ATTRIBUTES = {
    "login": "althea.p",
    "email": " Althea@Example.com ",
    "unconfirmed-email": None,
    "role-name": "participant",
    "confirmed": False,
    "blocked": False,
    "subscribed": True,
    "imported": False,
    "created-at": "2026-02-03T04:05:06.500Z",
    "updated-at": "2026-02-03T04:05:06.500Z",
    "participant-tag-list": ["Pet owner"],
    "signup-answers": [
        {"question-id": "12", "question": "What is your postcode?", "type": "text", "value": "2000"},
        {"question-id": "14", "question": "Interests", "type": "checkbox", "value": ["Parks, gardens", "Roads"]},
    ],
}
VALUES = {
    "login": "althea.p",
    "email": "Althea@Example.com",
    "role": "participant",
    "activated": False,
    "blocked": False,
    "subscribed": True,
    "imported": False,
    "created_at": "2026-02-03T04:05:06.500Z",
    "tags": ("Pet owner",),
    "answers": {"12": "2000", "14": ("Parks, gardens", "Roads")},
    "groups": ("7",),
}
RELATED = {"groups": {"data": [{"type": "groups", "id": "7"}]}}


def camel(key: str) -> str:
    first, *rest = key.split("-")
    return first + "".join(part.title() for part in rest)


def spelled(value: Any, spell: Any) -> Any:
    if isinstance(value, list):
        return [spelled(item, spell) for item in value]
    if isinstance(value, dict):
        return {spell(key): spelled(item, spell) for key, item in value.items()}
    return value


def user(*, group_names: dict[str, str] | None = None, relationships: Any = None, **attributes: Any) -> Patch:
    resource: dict[str, Any] = {"type": "users", "id": "5", "attributes": attributes}
    if relationships is not None:
        resource["relationships"] = relationships
    return read_user(resource, group_names or {}, SPOKEN)


def values(**attributes: Any) -> dict[str, Any]:
    return dict(user(**attributes).values)


@pytest.mark.parametrize("spell", [str, lambda k: k.replace("-", "_"), camel, lambda k: k.replace("-", " ").title()])
@pytest.mark.parametrize(
    ("resource_type", "id"), [("users", "5040"), ("User", 5040), ("participant", " 5040 "), (None, 5040)]
)
def test_every_spelling_says_the_same(spell: Any, resource_type: Any, id: Any) -> None:
    resource = spelled({"type": resource_type, "id": id, "attributes": ATTRIBUTES, "relationships": RELATED}, spell)
    patch = read_user(resource, {"7": "Female Only"}, SPOKEN)
    assert (patch.ehq_id, patch.updated_at, patch.unused) == ("5040", 1770091506.5, ())
    assert patch.values == VALUES
    assert patch.group_names == {"7": "Female Only"}
    assert patch.questions[0] == Question("12", "What is your postcode?", "text")


def test_a_flat_resource_will_do() -> None:
    patch = read_user({"id": 5040, "type": "Admin", **ATTRIBUTES, "relationships": RELATED}, {}, SPOKEN)
    assert (patch.ehq_id, patch.values) == ("5040", VALUES)


def test_keys_that_nobody_knows_are_named() -> None:
    assert read_user({"id": 5, "attributes": {"shoe-size": 5, "login-count": 3}}, {}, SPOKEN).unused == ("shoe_size",)


# What is absent, empty and unreadable.


def test_an_absent_key_is_unknown() -> None:
    assert values() == {}


def test_null_is_known_to_be_empty() -> None:
    absent = {"email", "login", "role", "tags", "signup_answers", "groups", "created_at"}
    empty: dict[str, Any] = {
        "email": None,
        "login": None,
        "role": None,
        "tags": (),
        "answers": {},
        "groups": (),
        "created_at": None,
    }
    assert values(**dict.fromkeys(absent)) == empty
    assert values(tags=[], answers=[], groups=[]) == {"tags": (), "answers": {}, "groups": ()}


@pytest.mark.parametrize("odd", [{"x": 1}, [1], True])
def test_what_cannot_be_read_is_as_if_absent(odd: Any) -> None:
    names = ("email", "login", "role", "created_at")
    assert values(**dict.fromkeys(names, odd)) == {}
    assert values(tags={"x": 1}, answers="all of them", groups="7", status=odd) == {}


@pytest.mark.parametrize("flag", ["subscribed", "blocked", "imported"])
def test_flags(flag: str) -> None:
    for word, meaning in (("TRUE", True), ("no", False), (1, True), ("0", False), (False, False)):
        assert values(**{flag: word}) == {flag: meaning}
    unreadable: tuple[Any, ...] = (None, "maybe", 2, [], 1.0)
    for unclear in unreadable:
        assert values(**{flag: unclear}) == {}


# §5.6: state and role.


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"confirmed": True}, {"activated": True}),
        ({"unconfirmed": True}, {"activated": False}),
        ({"confirmed": None, "unconfirmed": False}, {"activated": True}),
        ({"confirmed": True, "unconfirmed": True}, {"activated": True}),
        ({"status": "Active"}, {"activated": True}),
        ({"user-status": "Pending activation"}, {"activated": False}),
        ({"status": "Project admin"}, {"activated": True}),
        ({"status": "Blocked"}, {"blocked": True}),
        ({"status": "Blocked", "blocked": False}, {"blocked": False}),
        ({"status": "Dormant"}, {}),
        ({"status": "Active", "confirmed": False}, {"activated": False}),
        ({"role_name": "hub_admin"}, {"role": "hub_admin"}),
        ({"role_name": "Blocked", "role_before_blocking": "hub_admin"}, {"role": "hub_admin", "blocked": True}),
        ({"role_name": "blocked", "role_before_blocking": None}, {"blocked": True}),
        ({"tag_list": "Pet owner|Renter, Volunteer"}, {"tags": ("Pet owner", "Renter", "Volunteer")}),
        ({"tags": [{"name": "Renter"}, "Renter", 5, None]}, {"tags": ("Renter", "5")}),
    ],
)
def test_state_role_and_tags(attributes: dict[str, Any], expected: dict[str, Any]) -> None:
    assert values(**attributes) == expected


# Ids and types.


@pytest.mark.parametrize("no_id", [None, True, 1.0, "", " ", [], {}, "x" * 101, "\ud800"])
def test_what_is_no_id(no_id: Any) -> None:
    assert usable_id(no_id) == ""
    with pytest.raises(Unreadable, match="no id"):
        read_user({"id": no_id, "attributes": {}}, {}, SPOKEN)


def test_one_and_the_text_one_are_one_id() -> None:
    assert usable_id(1) == usable_id(" 1 ") == "1"
    assert read_user({"attributes": {"id": 1}}, {}, SPOKEN).ehq_id == "1"


@pytest.mark.parametrize("resource_type", ["groups", "Group", "SEGMENTS", "participant-group"])
def test_a_group_is_no_person(resource_type: str) -> None:
    with pytest.raises(Unreadable, match="is a group"):
        read_user({"type": resource_type, "id": 1}, {}, SPOKEN)
    assert read_group({"type": resource_type, "id": 1}).id == "1"


@pytest.mark.parametrize("resource_type", ["users", "User", "participants", "administrator", "GroupMember"])
def test_a_person_is_no_group(resource_type: str) -> None:
    with pytest.raises(Unreadable, match="is a participant"):
        read_group({"type": resource_type, "id": 1})
    assert read_user({"type": resource_type, "id": 1}, {}, SPOKEN).ehq_id == "1"


@pytest.mark.parametrize("thing", [None, [], "5", 5])
def test_what_is_no_object(thing: Any) -> None:
    with pytest.raises(Unreadable):
        read_user(thing, {}, SPOKEN)
    with pytest.raises(Unreadable):
        read_group(thing)


# Groups: always the complete set, or none at all.


@pytest.mark.parametrize("data", [None, []])
def test_no_groups_is_something_known(data: Any) -> None:
    assert user(relationships={"groups": {"data": data}}).values == {"groups": ()}
    assert user(relationships={"Segments": data}).values == {"groups": ()}


@pytest.mark.parametrize(
    "data",
    [
        {"type": "groups", "id": "7"},
        "7",
        7,
        True,
        [{"id": "7"}, {}],
        ["7", None],
        [1.5],
        [True],
        [["7"]],
        [""],
        [{"type": "users", "id": "7"}],
    ],
)
def test_groups_that_cannot_all_be_read_are_unknown(data: Any) -> None:
    assert user(relationships={"groups": {"data": data}}).values == {}
    assert user(groups=data).values == {}


def test_a_relationship_of_links_only_says_nothing() -> None:
    assert user(relationships={"groups": {"links": {}}}).values == {}
    assert user(relationships={"groups": {"links": {}}}, segment_ids=[7]).values == {"groups": ("7",)}
    assert user(relationships=["x"]).values == {}


def test_groups_may_stand_among_the_attributes_and_bring_their_names() -> None:
    patch = user(groups=[7, "7", {"id": 8, "name": "Panel"}, {"id": 9, "attributes": {"Name": "Youth"}}, 10])
    assert patch.values["groups"] == ("7", "8", "9", "10")
    assert patch.group_names == {"7": "", "8": "Panel", "9": "Youth", "10": ""}


def test_names_beside_a_page() -> None:
    group = {"type": "Group", "id": 7, "attributes": {"name": " Youth\0 "}}
    assert included_groups([group, {"type": "users", "id": 8}, None, {"type": "groups"}]) == {"7": "Youth"}
    assert included_groups({"x": 1}) == included_groups(None) == {}


def test_members_of_a_group() -> None:
    def members(listed: Any) -> Any:
        return read_group({"id": 7, "relationships": {"members": listed}}).members

    assert members({"data": [{"id": 1}, {"id": "1"}, "2", {"id": True}, None]}) == ("1", "2")
    assert members([]) == ()
    assert members({"data": [None, 1.5]}) is members({"data": None}) is members("x") is None
    assert read_group({"id": 7, "attributes": {"members": [1], "title": "T", "updated-at": 5}}).members == ("1",)


# Answers.


def test_answers_as_an_object() -> None:
    patch = user(answers={" Postcode ": "2000", "Gender": None, "": "x"})
    assert patch.values == {"answers": {"Postcode": "2000", "Gender": None}}
    assert patch.questions == (Question("Postcode", "Postcode"), Question("Gender", "Gender"))


def test_an_answer_is_what_was_said() -> None:
    said = [None, True, 5, 2.5, float("nan"), " a\0b\nc ", ["x", "", 3, {"label": "L"}], {"value": "v"}, {"z": 1}]
    read = values(answers=[{"id": i, "value": value} for i, value in enumerate(said)])["answers"]
    assert list(read.values()) == [None, True, 5, 2.5, None, "ab\nc", ("x", "3", "L"), "v", ""]


def test_a_question_is_known_by_its_id_else_by_its_label() -> None:
    patch = user(
        answers=[{"id": 1.5, "label": "L" * 300, "answer": "x", "options": ["a", {"name": "b"}]}, 5, {"value": 1}]
    )
    assert patch.values == {"answers": {"L" * 100: "x"}}
    assert patch.questions == (Question("L" * 100, "L" * 300, "", ("a", "b")),)


@pytest.mark.parametrize("listed", [5, "x", True, [5], [{}], [{"value": 1}], [{"id": 1}]])
def test_answers_that_cannot_be_read_are_unknown(listed: Any) -> None:
    assert values(answers=listed) == {}


# Small things.


def test_text_is_trimmed_and_harmless() -> None:
    assert clean(" a\x00\x1b\ud800b\t\n ") == "ab"
    assert clean(None) == clean([1]) == clean({}) == ""
    assert texts(5) == ()


def test_an_address_too_long_stays_too_long() -> None:
    assert len(values(email="x" * 500)["email"]) == 255


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-02-03T04:05:06.500Z", 1770091506.5),
        ("2026-02-03T15:05:06.500+11:00", 1770091506.5),
        ("2026-02-03 04:05:06.500", 1770091506.5),
        (1770091506500, 1770091506.5),
        (1770091506.5, 1770091506.5),
        ("9999-12-31", None),
        ("0001-01-01", None),
        (10**400, None),
        ("yesterday", None),
        (True, None),
        ([], None),
    ],
)
def test_times(text: Any, moment: float | None) -> None:
    assert parse_time(text) == moment


def test_booleans() -> None:
    assert list(map(boolean, ("Yes", "f", 0, None, 1.0, []))) == [True, False, False, None, None, None]
