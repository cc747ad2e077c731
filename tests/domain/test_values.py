"""EHQ's answers as Campaign Monitor's typed values; what would be lost is cut or skipped, and said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.values import held, only, same, type_of, typed

TYPES = ["Text", "Number", "Date", "MultiSelectOne", "MultiSelectMany"]
ANSWERS = st.one_of(
    st.none(),
    st.text(max_size=400),
    st.floats(),
    st.integers(),
    st.booleans(),
    st.lists(st.text(max_size=300), max_size=5).map(tuple),
)


@pytest.mark.parametrize(
    ("word", "type_"),
    [
        ("text", "Text"),
        ("postcode", "Text"),
        ("", "Text"),
        ("radio", "MultiSelectOne"),
        ("consent", "MultiSelectOne"),
        ("checkbox", "MultiSelectMany"),
        ("date", "Date"),
        ("year", "Number"),
    ],
)
def test_the_kind_of_a_question_decides_the_type(word: str, type_: str) -> None:
    assert type_of(word) == type_


def test_a_list_of_an_unsaid_kind_is_several_choices() -> None:
    assert type_of("", ("Parks", "Roads")) == "MultiSelectMany"
    assert type_of("text", ("Parks", "Roads")) == "Text"


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("nothing", [None, "", ()])
def test_nothing_is_nothing_in_every_type(nothing: Any, type_: str) -> None:
    value, lost = typed(nothing, type_)
    assert not value
    assert lost is None


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("2000", "2000"),
        ("  0800 ", "0800"),
        (True, "Yes"),
        (False, "No"),
        (("Parks", "Roads"), "Parks, Roads"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("Zoë 🌻", "Zoë 🌻"),
    ],
)
def test_text_is_kept_as_it_was_written(answer: Any, text: str) -> None:
    assert typed(answer, "Text") == (text, None)


def test_text_ends_at_250_characters_and_says_so() -> None:
    assert typed("x" * 250, "Text") == ("x" * 250, None)
    assert typed("x" * 251, "Text") == ("x" * 250, "cut")
    assert typed("x" * 10_000, "Text") == ("x" * 250, "cut")


@pytest.mark.parametrize(
    ("answer", "day"),
    [
        ("1980-04-19", "1980-04-19"),
        ("1980-04-19T23:00:00Z", "1980-04-19"),
        ("19/04/1980", "1980-04-19"),
        ("1900-01-01", "1900-01-01"),
        ("2076-06-06", "2076-06-06"),
        ("2024-02-29", "2024-02-29"),
    ],
)
def test_a_date_is_year_month_day(answer: str, day: str) -> None:
    assert typed(answer, "Date") == (day, None)


@pytest.mark.parametrize(
    "answer", ["1800-04-19", "1899-12-31", "2076-06-07", "2023-02-29", "04/19/1980", "long ago", "19.4.1980", True]
)
def test_a_date_that_campaign_monitor_would_lose_is_skipped(answer: Any) -> None:
    assert typed(answer, "Date") == ("", "skipped")


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("7", "7"),
        (7, "7"),
        (7.5, "7.5"),
        ("7.50", "7.5"),
        ("7.0", "7"),
        ("1 000", "1000"),
        ("1e3", "1000"),
        ("-3", "-3"),
        ("0", "0"),
        (0, "0"),
        ("007", "7"),
        ("100", "100"),
    ],
)
def test_a_number_is_plain_digits(answer: Any, number: str) -> None:
    assert typed(answer, "Number") == (number, None)


@pytest.mark.parametrize("answer", ["seven", "1,000", "NaN", "Infinity", "1e400", float("inf"), "7 or 8"])
def test_what_is_no_number_is_skipped(answer: Any) -> None:
    assert typed(answer, "Number") == ("", "skipped")


def test_one_choice_is_one_line() -> None:
    assert typed(" Prefer not\nto say ", "MultiSelectOne") == ("Prefer not to say", None)


def test_of_several_choices_where_one_may_be_the_first_is_taken_and_said() -> None:
    assert typed(("Female", "Other"), "MultiSelectOne") == ("Female", "skipped")
    assert typed(("Female",), "MultiSelectOne") == ("Female", None)


def test_many_choices_are_sorted_and_each_once() -> None:
    assert typed(("Roads", "Parks, gardens", "Roads", ""), "MultiSelectMany") == (("Parks, gardens", "Roads"), None)


def test_a_choice_ends_at_250_characters_and_says_so() -> None:
    assert typed(("x" * 251, "Roads"), "MultiSelectMany") == (("Roads", "x" * 250), "cut")


def test_joined_choices_are_parted_by_the_options_that_are_known_longest_first() -> None:
    options = ("Parks", "Parks, gardens", "Roads")
    assert typed("Parks, gardens, Roads", "MultiSelectMany", options) == (("Parks, gardens", "Roads"), None)
    assert typed("Roads,Parks", "MultiSelectMany", options) == (("Parks", "Roads"), None)


def test_joined_choices_are_never_parted_at_a_comma_alone() -> None:
    assert typed("Parks, gardens", "MultiSelectMany") == (("Parks, gardens",), None)
    assert typed("Trees, shrubs, Roads", "MultiSelectMany", ("Roads",)) == (("Roads", "Trees, shrubs"), None)


@pytest.mark.parametrize(
    ("texts", "type_", "value"),
    [
        ([], "Text", ""),
        (["2000"], "Text", "2000"),
        (["0000-00-00"], "Date", ""),
        (["1980-04-19 00:00:00"], "Date", "1980-04-19"),
        (["1980/04/19"], "Date", "1980-04-19"),
        (["7.0000"], "Number", "7"),
        (["Roads", "", "Parks"], "MultiSelectMany", ("Parks", "Roads")),
    ],
)
def test_what_campaign_monitor_answers_is_compared_in_the_form_that_was_sent(
    texts: list[str], type_: str, value: Any
) -> None:
    assert held(texts, type_) == value


def test_white_space_is_campaign_monitor_s_to_choose() -> None:
    assert same("one\ntwo", "one two ")
    assert not same("one two", "onetwo")
    assert same(None, "")
    assert same((), None)


@given(ANSWERS, st.sampled_from(TYPES))
def test_no_answer_ever_fails_or_grows_over_250_characters(answer: Any, type_: str) -> None:
    value, lost = typed(answer, type_)
    assert lost in (None, "cut", "skipped")
    for text in value if isinstance(value, tuple) else [value]:
        assert len(text) <= 250


@given(ANSWERS, st.sampled_from(TYPES))
def test_a_value_that_campaign_monitor_answers_unchanged_is_never_a_difference(answer: Any, type_: str) -> None:
    value, _ = typed(answer, type_)
    assert same(held(value if isinstance(value, tuple) else [value], type_), value)


@given(st.lists(st.sampled_from(["Parks", "Parks, gardens", "Roads", "Pools, beaches"]), unique=True, max_size=4))
def test_joining_known_choices_loses_none_that_does_not_hide_in_another(chosen: list[str]) -> None:
    options = ["Parks", "Parks, gardens", "Roads", "Pools, beaches"]
    assert typed(", ".join(chosen), "MultiSelectMany", options) == (tuple(sorted(chosen)), None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.sampled_from([*TYPES, "Country", ""]), st.lists(st.text(max_size=8), max_size=4))
def test_no_json_value_stops_the_relay(value: Any, data_type: str, options: list[str]) -> None:
    made, lost = typed(value, data_type, options)
    assert isinstance(made, tuple) == (data_type == "MultiSelectMany")
    assert all(len(text) <= 250 for text in (made if isinstance(made, tuple) else (made,)))
    assert lost in (None, "cut", "skipped")


@pytest.mark.parametrize("data_type", TYPES)
@pytest.mark.parametrize(
    "value",
    [
        "2026-02-30",
        "0000-00-00",
        "9" * 5000,
        "1e999999",
        "NaN",
        pytest.param(10**5000, id="a huge number"),
        "\ud800",
        [[[]]],
        {},
    ],
)
def test_odd_values_stop_nobody(value: Any, data_type: str) -> None:
    typed(value, data_type)


def test_choices_between_known_options_stay_apart() -> None:
    assert typed("Owls, Roads, Cats, dogs", "MultiSelectMany", ["Roads"])[0] == ("Cats, dogs", "Owls", "Roads")


@given(st.text(max_size=20), st.sets(st.text(min_size=1, max_size=5)))
def test_what_campaign_monitor_does_not_take_is_skipped_and_said(text: str, takes: set[str]) -> None:
    kept, lost = only(text, takes, None)
    assert (kept, lost) == ((text, None) if text in takes else ("", "skipped"))
