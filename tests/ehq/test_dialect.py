"""How a site spells things, and what a connection says differently."""

from typing import Any

import pytest

from relay.ehq.dialect import dialect, fold
from relay.errors import Invalid


@pytest.mark.parametrize(
    "key", ["role-name", "role_name", "roleName", "Role Name", " ROLE NAME ", "role.name", "role:name"]
)
def test_spellings_fold_together(key: str) -> None:
    assert fold(key) == "role_name"


def test_the_words_of_the_contract_are_known() -> None:
    spoken = dialect()
    assert [spoken.role(word) for word in ("participant", "Project admin", "hubAdmin", "SITE_ADMIN")] == [
        "participant",
        "project_admin",
        "hub_admin",
        "site_admin",
    ]
    assert spoken.role("editor") == spoken.role(None) == spoken.role(["x"]) == "unknown"
    assert spoken.event("USER/CREATED") == "participant.registered"
    assert spoken.event("nonsense") is spoken.event(5) is None


def test_overrides_are_added_and_go_first() -> None:
    spoken = dialect({"attributes": {"email": ["contact-mail"]}, "parameters": {"users_per_page": 50}})
    assert spoken.attributes.read({"email": "b", "contactMail": "a"}) == ({"email": "a"}, [])
    assert spoken.attributes.read({"email": "b"})[0] == {"email": "b"}
    assert spoken.parameters["users_per_page"] == 50
    assert spoken.parameters["page"] == "page"


def test_of_several_aliases_the_first_listed_counts_wherever_it_stands() -> None:
    assert dialect().attributes.read({"email_address": "b", "email": "a"})[0] == {"email": "a"}


def test_an_alias_is_taken_from_whom_the_defaults_gave_it_to() -> None:
    spoken = dialect({"attributes": {"role": ["status"]}, "events": {"participant.updated": ["user.created"]}})
    assert spoken.attributes.read({"status": "participant"})[0] == {"role": "participant"}
    assert spoken.event("user.created") == "participant.updated"


def test_roles_status_and_ignored_can_be_added_to() -> None:
    spoken = dialect(
        {"roles": {"hub_admin": ["moderator"]}, "status": {"Dormant": {"activated": False}}, "ignored": ["x"]}
    )
    assert spoken.role("Moderator") == "hub_admin"
    assert spoken.status["dormant"] == {"activated": False}
    assert {"x", "login_count"} <= spoken.ignored


def test_one_connection_s_words_are_not_another_s() -> None:
    dialect({"roles": {"hub_admin": ["moderator"]}, "attributes": {"email": ["mail"]}})
    assert dialect().role("moderator") == "unknown"
    assert dialect().attributes.read({"mail": "a"}) == ({}, ["mail"])


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"attribute": {}}, "attribute"),
        ({"attributes": []}, "overrides.attributes must be of the kind of its default, an object"),
        ({"attributes": {"mail": ["x"]}}, "there is no 'mail'"),
        (
            {"attributes": {"email": "x"}},
            "overrides.attributes.email must be of the kind of its default, a list of texts",
        ),
        ({"attributes": {"email": [5]}}, "overrides.attributes.email must be a list of texts"),
        ({"ignored": [None]}, "overrides.ignored must be a list of texts"),
        ({"parameters": {"users_per_page": "50"}}, "overrides.parameters.users_per_page"),
        ({"parameters": {"users_per_page": 0}}, "overrides.parameters.users_per_page is too small"),
        ({"paths": {"users": "@elsewhere.example/users"}}, "overrides.paths.users must begin with one slash"),
        ({"paths": {"api": "//elsewhere.example"}}, "overrides.paths.api must begin with one slash"),
        ({"status": {"active": {"activated": "yes"}}}, "overrides.status.active may say"),
        ({"headers": {"standard": {}}}, "set authentication.headers"),
        ({"ignored": [{1, 2}]}, "not JSON"),
    ],
)
def test_a_wrong_key_is_named(overrides: dict[str, Any], named: str) -> None:
    with pytest.raises(Invalid, match=r"^overrides") as caught:
        dialect(overrides)
    assert named in str(caught.value)
