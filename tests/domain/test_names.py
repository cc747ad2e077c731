"""Names in Campaign Monitor: the label, at most 100 characters, and a number on a clash (design §6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.names import free_name


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("What is your postcode?", "What is your postcode?"),
        ("  Your\n postcode\t ", "Your postcode"),
        ("Interests [all]", "Interests (all)"),
        ("Favourite 🌻", "Favourite 🌻"),
        ("\x00Gen\x1bder", "Gender"),
        ("", "Unnamed"),
        ("\n", "Unnamed"),
    ],
)
def test_a_name_is_the_label_on_one_line(label: str, name: str) -> None:
    assert free_name(label, set()) == name


def test_a_name_has_at_most_100_characters() -> None:
    assert free_name("x" * 101, set()) == "x" * 100
    assert free_name("x" * 300, set(), 250) == "x" * 250


def test_a_clash_gets_the_next_number_whatever_the_case() -> None:
    assert free_name("Role", {"role"}) == "Role (2)"
    assert free_name("ROLE", {"role", "role (2)"}) == "ROLE (3)"


def test_a_clash_of_long_names_still_has_at_most_100_characters() -> None:
    assert free_name("x" * 100, {"x" * 100}) == "x" * 96 + " (2)"


@given(st.text(max_size=150), st.sets(st.text(max_size=5)))
def test_a_name_is_never_taken_too_long_or_in_brackets(label: str, taken: set[str]) -> None:
    taken = {name.casefold() for name in taken} | {free_name(label, set()).casefold()}
    name = free_name(label, taken)
    assert name.casefold() not in taken
    assert len(name) <= 100
    assert not {"[", "]", "\n", "\0"} & {*name}
