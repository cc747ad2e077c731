"""What the rows of a participant export say of people (EHQ contract §3.5, §5.6)."""

from __future__ import annotations

import io
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from relay.ehq.dates import day_comes_first, read_date
from relay.ehq.dialect import dialect
from relay.ehq.export import Row, fingerprint, is_address_column, near, patch, rows, same_registration
from relay.ehq.sheets import sheets, table

SYDNEY = ZoneInfo("Australia/Sydney")


def people(text: str, overrides: Any = None, **more: Any) -> list[Row | int]:
    spoken = dialect(overrides)
    (sheet,) = sheets("people.csv", io.BytesIO(text.encode()))
    return list(rows(table(sheet, lambda name: is_address_column(spoken, name)), spoken, SYDNEY, **more))


def one(text: str, **more: Any) -> Row:
    (row,) = people(text, **more)
    assert isinstance(row, Row)
    return row


def test_a_row_says_what_the_contract_says_it_says() -> None:
    row = one(
        "Screen Name,Email,Joined,User Status,Subscribed,Imported,Participant Tags,Gender,Suburb\n"
        "althea.p, Althea@Example.com ,03/02/2026 15:04,Active,TRUE,FALSE,Pet owner|Renter,Female,\n"
    )
    assert row.values == {
        "email": "Althea@Example.com", "login": "althea.p", "created_at": "2026-02-03T15:04:00+11:00",
        "activated": True, "blocked": False, "role": "participant", "subscribed": True, "imported": False,
        "tags": ["Pet owner", "Renter"],
    }  # fmt: skip
    assert row.answers == {"Gender": "Female", "Suburb": ""}


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("Active", {"activated": True, "blocked": False, "role": "participant"}),
        ("pending activation", {"activated": False, "blocked": False, "role": "participant"}),
        ("Blocked", {"blocked": True}),
        ("Project admin", {"activated": True, "role": "project_admin"}),
        ("Dormant", {}),
        ("", {}),
    ],
)
def test_one_status_is_three_things(status: str, says: dict[str, Any]) -> None:
    words: set[str] = set()
    row = one(f"Email,User Status\na@example.com,{status}\n", words=words)
    assert {k: v for k, v in row.values.items() if k != "email"} == says
    assert words == ({"User Status"} if status == "Dormant" else set())


def test_names_of_columns_fold_and_an_override_adds_one() -> None:
    assert one("EMAIL,screen_name,user status\na@example.com,b,Blocked").values["blocked"] is True
    row = one("Adresse,Email\nmine@example.com,x", overrides={"columns": {"email": ["Adresse"]}})
    assert row.email == "mine@example.com"


def test_a_question_may_be_called_like_anything_else() -> None:
    row = one("Email,State,Role,Email,Gender,Gender\na@example.com,VIC,Parent,other@example.com,F,G\n")
    assert row.email == "a@example.com"
    assert "role" not in row.values
    assert row.answers == {
        "State": "VIC",
        "Role": "Parent",
        "Email": "other@example.com",
        "Gender": "F",
        "Gender (2)": "G",
    }


def test_the_team_s_file_has_roles() -> None:
    row = one("Login,Email,Role\nAlthea P,a@example.com,Site Admin\n", team=True)
    assert (row.login, row.values["role"], row.answers) == ("Althea P", "site_admin", None)


def test_whoever_has_no_address_or_too_many_fields_is_told_by_line() -> None:
    assert people("Email,Name\nnobody,x\n\na@example.com,A,too,many\nb@example.com,B,,\n")[:2] == [2, 4]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-02-03", "2026-02-03"),
        ("2026-02-03T04:05:06.789Z", "2026-02-03T04:05:06+00:00"),
        ("2026-02-03 04:05:06 UTC", "2026-02-03T04:05:06+00:00"),
        ("2026-02-03 04:05:06 -0330", "2026-02-03T04:05:06-03:30"),
        ("03/02/2026 4:05 PM", "2026-02-03T16:05:00+11:00"),
        ("3.2.26", "2026-02-03"),
        ("3rd February 2026, 14:05", "2026-02-03T14:05:00+11:00"),
        ("Feb 3, 2026 12:00 am", "2026-02-03T00:00:00+11:00"),
        ("31/02/2026", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates_as_programs_write_them(text: str, read: str | None) -> None:
    assert read_date(text, True, SYDNEY) == read


def test_whether_the_day_comes_first_is_told_by_the_dates_themselves() -> None:
    assert day_comes_first(["01/02/2026", "13/02/2026"])
    assert not day_comes_first(["01/02/2026", "02/13/2026"])
    assert day_comes_first(["01/02/2026"])
    american = one("Email,Joined\na@example.com,02/03/2026\n") and people(
        "Email,Joined\na@x.y,02/03/2026\nb@x.y,02/28/2026"
    )
    assert [row.joined for row in american if isinstance(row, Row)] == ["2026-02-03", "2026-02-28"]


def test_a_registration_is_known_again_across_zones_and_forms() -> None:
    known = {"login": "althea", "created_at": "2026-02-03T20:00:00.000Z"}
    assert same_registration("althea", "2026-02-04", known)
    assert same_registration("althea", "2026-02-04T07:00:00+11:00", known)
    assert not same_registration("althea", "2026-02-09", known)
    assert not same_registration("althea", None, known)
    assert not same_registration("", "2026-02-04", {"login": "", "created_at": "2026-02-04"})
    assert near("2026-02-04", "long ago") is None


def test_a_patch_uses_the_ids_of_questions_that_are_known_and_types_that_were_told() -> None:
    spoken = dialect(
        {"questions": {"I am interested in": {"kind": "checkbox", "options": ["Parks, gardens", "Roads"]}}}
    )
    row = one('Email,Gender,I am interested in\na@example.com,,"Parks, gardens, Roads"')
    said = patch(row, "7", {"gender": "13"}, spoken, ["csv-1"])
    assert said.values["answers"] == {"13": None, "I am interested in": "Parks, gardens, Roads"}
    assert said.values["groups"] == ("csv-1",)
    assert [(q.id, q.kind, q.options) for q in said.questions] == [
        ("13", "", ()), ("I am interested in", "checkbox", ("Parks, gardens", "Roads")),
    ]  # fmt: skip
    assert "answers" not in patch(one("Email\na@example.com"), "7", {}, spoken, None).values


def test_the_same_people_in_another_order_are_the_same_export() -> None:
    text = "Email,Name\na@example.com,A\nb@example.com,B"
    turned = "Email,Name\nb@example.com,B\na@example.com,A"
    other = "Email,Name\nb@example.com,B\na@example.com,C"
    sums = [sum(fingerprint(row) for row in people(t) if isinstance(row, Row)) for t in (text, turned, other)]
    assert sums[0] == sums[1] != sums[2]
