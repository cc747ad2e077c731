"""The small rules between JSON and shapes."""

import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.campaign_monitor.shapes import Entry, Subscriber, fold_key, one_rule
from relay.campaign_monitor.wire import clean, decode, entry, segment, subscribers


def test_a_field_is_the_same_by_name_key_and_key_as_read() -> None:
    assert fold_key("Favourite Colour") == fold_key("[FavouriteColour]") == fold_key("favouritecolour")


def test_a_byte_order_mark_is_no_trouble() -> None:
    assert decode(b'\xef\xbb\xbf{"SystemDate":"2026-01-05 10:28:00"}') == {"SystemDate": "2026-01-05 10:28:00"}


def test_bare_strings_and_nothing_are_answers() -> None:
    assert decode(b'"a1b2"') == "a1b2"
    assert decode(b" \r\n") is None


def test_what_cannot_be_read_is_not_carried_along() -> None:
    with pytest.raises(ValueError) as caught:
        decode(b"<p>ann@example.com</p>")
    assert caught.value.__context__ is None
    assert "ann" not in str(caught.value)


@given(st.text(st.characters(codec=None)))
def test_every_text_can_be_sent_once_cleaned(text: str) -> None:
    assert orjson.loads(orjson.dumps(clean(text))) == clean(text)


def test_cleaning_takes_only_what_nobody_sees() -> None:
    assert clean("Zoë\x00 O’Brien\ud800\ttab\nline 👋") == "Zoë O’Brien\ttab\nline 👋"


def test_an_entry_says_values_first_then_what_to_clear() -> None:
    one = Entry(
        "a@example.com", None, (("[Groups]", "Youth"), ("[Groups]", "Panel")), (("[Groups]", "Old"), ("[age]", ""))
    )
    assert entry(one) == {
        "EmailAddress": "a@example.com",
        "CustomFields": [
            {"Key": "[Groups]", "Value": "Youth"},
            {"Key": "[Groups]", "Value": "Panel"},
            {"Key": "[Groups]", "Value": "Old", "Clear": True},
            {"Key": "[age]", "Value": "", "Clear": True},
        ],
        "ConsentToTrack": "Unchanged",
    }


def test_a_name_is_left_out_or_emptied_as_told() -> None:
    assert "Name" not in entry(Entry("a@example.com", None))
    assert entry(Entry("a@example.com", ""))["Name"] == ""


def test_shapes_do_not_show_whom_they_are_about() -> None:
    shown = repr(Entry("ann@example.com", "Ann", (("[suburb]", "Carlton"),))) + repr(
        Subscriber("ann@example.com", "Ann", "Active", {"suburb": ("Carlton",)})
    )
    assert not any(word in shown for word in ("ann@", "Ann", "Carlton"))


def rules(*groups: list[tuple[str, str]]) -> dict[str, Any]:
    made = [{"Rules": [{"RuleType": kind, "Clause": clause} for kind, clause in group]} for group in groups]
    return {"SegmentID": "s", "ListID": "l", "Title": "Youth", "ActiveSubscribers": 12, "RuleGroups": made}


def test_a_segment_as_made_equals_its_one_rule_however_campaign_monitor_writes_it() -> None:
    assert segment(rules([("Groups", "EQUALS  Youth [7]")])).rules == one_rule("[Groups]", "EQUALS Youth [7]")


def test_a_segment_that_lost_or_gained_rules_does_not() -> None:
    mine = one_rule("[Groups]", "EQUALS Youth")
    assert segment(rules()).rules == ()
    assert segment(rules([("[Groups]", "EQUALS Youth")], [("[age]", "EQUALS 7")])).rules != mine
    assert segment(rules([("[Groups]", "EQUALS Youth"), ("[age]", "EQUALS 7")])).rules != mine


def test_a_thousand_subscribers_are_read_in_far_less_than_a_call_takes() -> None:
    fields = [{"Key": f"Question {n}", "Value": f"answer {n}"} for n in range(25)]
    row = {"EmailAddress": "a@example.com", "Name": "Ann", "State": "Active", "Date": "", "CustomFields": fields}
    body = orjson.dumps([row] * 1000)
    started = time.perf_counter()
    assert len(subscribers(decode(body))) == 1000
    assert time.perf_counter() - started < 0.5
