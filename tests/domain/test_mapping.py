"""A participant as the subscriber they should be: one mapper for webhooks and pages."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from relay.domain.mapping import BASE_FIELDS, Held, Target, Wanted, differences, mapper, wanted
from relay.domain.merge import Known

SYDNEY = ZoneInfo("Australia/Sydney")
BASE = [Target(source, *name_and_type) for source, name_and_type in BASE_FIELDS.items()]
FORM = [
    Target("answer:12", "What is your postcode?", "Text"),
    Target("answer:13", "Gender", "MultiSelectOne"),
    Target("answer:14", "I am interested in", "MultiSelectMany", ("Parks, gardens", "Roads")),
    Target("answer:15", "Date of birth", "Date"),
]
GROUPS = {"7": "Female Only [7]", "8": "Walkers [8]"}
ALTHEA: dict[str, Any] = {
    "email": "Althea@example.com",
    "login": "althea.p",
    "role": "participant",
    "activated": False,
    "blocked": False,
    "subscribed": True,
    "created_at": "2026-02-03T14:05:06.500Z",
    "tags": ["Pet owner", "Cyclist"],
    "groups": ["7", "99"],
    "answers": {"12": "2000", "13": "Female", "14": ["Roads", "Parks, gardens"], "15": "1980-04-19"},
}


def mapped(*questions: Target, **values: Any) -> Wanted:
    return wanted(Known("5040", {**ALTHEA, **values}), mapper([*BASE, *FORM, *questions], GROUPS, SYDNEY))


def test_every_answer_travels_typed() -> None:
    assert mapped().fields == {
        "role": "participant",
        "activated": "No",
        "blocked": "No",
        "joined": "2026-02-04",
        "tags": ("Cyclist", "Pet owner"),
        "groups": ("Female Only [7]",),
        "ehq_id": "5040",
        "answer:12": "2000",
        "answer:13": "Female",
        "answer:14": ("Parks, gardens", "Roads"),
        "answer:15": "1980-04-19",
    }
    assert mapped().lost == {}


def test_the_address_keeps_ehq_s_case() -> None:
    assert mapped().email == "Althea@example.com"


@pytest.mark.parametrize(
    ("created", "day"),
    [
        ("2026-02-03T12:59:59Z", "2026-02-03"),
        ("2026-02-03T13:00:00Z", "2026-02-04"),
        ("2026-02-03T23:30:00", "2026-02-03"),
        ("2026-02-03", "2026-02-03"),
    ],
)
def test_they_joined_on_the_local_day(created: str, day: str) -> None:
    assert mapped(created_at=created).fields["joined"] == day


@pytest.mark.parametrize("created", [None, ""])
def test_an_unknown_day_of_joining_is_left_out(created: Any) -> None:
    assert "joined" not in mapped(created_at=created).fields


def test_a_day_of_joining_that_is_none_is_skipped_and_said() -> None:
    assert mapped(created_at="last summer").lost == {"joined": "skipped"}


def test_what_is_lost_is_said_by_field() -> None:
    now = mapped(answers={"12": "x" * 10_000, "13": "Female", "15": "1800-01-01"})
    assert now.lost == {"answer:12": "cut", "answer:15": "skipped"}
    assert now.fields["answer:12"] == "x" * 250
    assert "answer:15" not in now.fields


def test_an_emptied_answer_is_a_difference_to_what_is_held() -> None:
    before = mapped()
    now = mapped(answers={**ALTHEA["answers"], "12": ""})
    assert differences(now, Held("althea@example.com", "Active", None, before.fields)) == ["answer:12"]


def test_a_person_of_whom_only_the_address_is_known_has_only_that_and_an_id() -> None:
    now = wanted(Known("5040", {"email": "a@example.com"}), mapper([*BASE, *FORM], GROUPS, SYDNEY))
    assert now == Wanted("a@example.com", None, {"ehq_id": "5040"})


FIRST, LAST = Target("answer:1", " First Name ", "Text"), Target("answer:2", "Surname", "Text")
FULL = Target("answer:3", "Your name", "Text")


@pytest.mark.parametrize(
    ("questions", "answers", "name"),
    [
        ([], {}, None),
        ([FIRST, LAST], {"1": "Althea", "2": "Park"}, "Althea Park"),
        ([FIRST, LAST], {"1": " Althea\n", "2": None}, "Althea"),
        ([FIRST, LAST], {}, None),
        ([FULL], {"3": "Althea  Park"}, "Althea Park"),
        ([FIRST, FULL], {"3": "Althea Park"}, "Althea Park"),
        ([FULL], {"3": "x" * 300}, "x" * 250),
    ],
)
def test_the_name_comes_from_the_form_if_it_asks_for_one(
    questions: list[Target], answers: dict[str, Any], name: str | None
) -> None:
    assert mapped(*questions, answers=answers).name == name


def test_the_log_in_name_never_travels() -> None:
    assert "althea.p" not in repr(mapped())


def held(**more: Any) -> Held:
    now = mapped()
    return Held(**{"email": "althea@example.com", "state": "Active", "name": "A", "fields": now.fields, **more})


def test_who_is_held_as_wanted_does_not_differ() -> None:
    assert differences(mapped(), held()) == []


def test_each_difference_is_named() -> None:
    assert differences(mapped(), held(email="old@example.com")) == ["email"]
    assert differences(mapped(), held(fields={**mapped().fields, "role": "site_admin"})) == ["role"]
    assert differences(mapped(FIRST, answers={**ALTHEA["answers"], "1": "B"}), held()) == ["answer:1", "name"]


def test_a_name_is_no_difference_when_the_form_asks_for_none() -> None:
    assert differences(mapped(), held(name="Chosen by hand")) == []


def test_a_fingerprint_is_of_what_would_be_sent() -> None:
    assert mapped().fingerprint() == mapped(email="ALTHEA@example.com", login="other").fingerprint()
    assert mapped().fingerprint() != mapped(email="b@example.com").fingerprint()
    assert mapped().fingerprint() != mapped(tags=[]).fingerprint()
