"""The outside of a delivery: JSON of every sort, and the key by which it is known again (EHQ contract §5.5)."""

import json
import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.ehq import envelope
from relay.ehq.dialect import dialect
from relay.errors import Invalid

EVENT = {"id": "evt_1", "type": "participant.updated", "data": {"id": "5040"}}
FLAT = {"id": 5040, "type": "participant.updated", "email": "ann@example.com"}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=())), inner),
)


def key(event: Any, header_id: str | None = None, index: int = 0, of: int = 1, **more: Any) -> str:
    return envelope.delivery_key(header_id, event, envelope.dumps(event), index, of, **more)


def test_one_event_or_a_list() -> None:
    assert envelope.parse(b'{"type":"test.ping"}') == [{"type": "test.ping"}]
    assert envelope.parse(b'\xef\xbb\xbf[{"a":1},{"a":2}]') == [{"a": 1}, {"a": 2}]
    assert envelope.parse(b"[]") == []


@pytest.mark.parametrize(
    "body", [b"", b"ping", b'{"a":', b"\xff", b"[" * 200_000, b'["\\ud800",' + b"1" * 5000 + b"]", b'{"a":1}x']
)
def test_what_is_not_json_is_invalid_and_not_shown(body: bytes) -> None:
    with pytest.raises(Invalid, match=r"^The body is not JSON\.$") as caught:
        envelope.parse(body)
    assert caught.value.__context__ is None


def test_half_characters_and_numbers_beyond_all_bounds_are_made_harmless() -> None:
    (event,) = envelope.parse(b'{"a\\udc00":"x\\ud800","n":[NaN,Infinity,-Infinity,1e999],"big":' + b"9" * 30 + b"}")
    assert event == {"a\ufffd\ufffd\ufffd": "x\ufffd\ufffd\ufffd", "n": [None] * 4, "big": "9" * 30}
    assert envelope.parse(b'"\\ud83d\\ude00 \\ud800"')[0].startswith("\U0001f600 ")


@pytest.mark.parametrize("depth", [300, 900])
def test_deep_nesting_is_kept_as_far_as_it_matters(depth: int) -> None:
    (event,) = envelope.parse(b'{"data":{"id":1},"x":' + b"[" * depth + b"]" * depth + b"}")
    assert orjson.loads(envelope.dumps(event))["data"] == {"id": 1}
    assert key(event).startswith("sha256:")


@given(ANY_JSON)
def test_any_event_can_be_kept_and_read_again(event: Any) -> None:
    kept = envelope.dumps([event])
    assert envelope.dumps(envelope.parse(kept)) == kept


@given(ANY_JSON)
def test_any_json_is_read_as_something_that_can_be_stored(value: Any) -> None:
    for event in envelope.parse(json.dumps(value).encode()):
        orjson.dumps(event)
        assert key(event).encode()
        envelope.event_type(event, dialect()).encode()
        envelope.subject_id(event, dialect()).encode()


def test_dumps_never_fails() -> None:
    assert envelope.dumps({1: {2}, "nan": math.nan, "big": 10**30, "bigger": 10**5000, "t": (1,)}) == (
        b'{"1":null,"nan":null,"big":"1' + b"0" * 30 + b'","bigger":null,"t":[1]}'
    )


def test_the_header_s_id_comes_first_then_the_event_s_then_a_hash() -> None:
    assert key(EVENT, "msg_1") == "msg_1"
    assert key(EVENT) == "evt_1"
    assert key({"event_id": 7, "data": {}}) == "7"
    assert key({"data": {"id": "5040"}}).startswith("sha256:")
    assert key({"data": {"id": "5040"}}) == key({"data": {"id": "5040"}}) != key({"data": {"id": "5041"}})


def test_the_events_of_a_list_share_the_header_s_id() -> None:
    assert [key(EVENT, "msg_1", index, 2) for index in (0, 1)] == ["msg_1:0", "msg_1:1"]
    assert key(EVENT, None, 1, 2) == "evt_1"


def test_a_flat_event_s_id_is_the_person_s_and_no_key() -> None:
    assert key(FLAT).startswith("sha256:")
    assert key(FLAT) != key({**FLAT, "email": "bob@example.com"})
    assert key({**FLAT, "event_id": "evt_9"}) == "evt_9"


def test_the_connection_s_own_words_count() -> None:
    spoken = dialect({"envelope": {"id": ["ref"], "subject": ["person"]}})
    assert key({"ref": "r1", "id": "evt_1", "person": {"id": 1}}, spoken=spoken) == "r1"
    assert key({"id": "evt_1", "person": {"id": 1}}, spoken=spoken) == "evt_1"


@pytest.mark.parametrize("no_id", [True, 1.5, None, "", " ", [], {}])
def test_what_is_no_id_is_no_key(no_id: Any) -> None:
    assert key({**EVENT, "id": no_id}).startswith("sha256:")


def test_a_key_is_short_and_can_be_stored() -> None:
    assert key(EVENT, "x" * 201).startswith("sha256:")
    assert key(EVENT, "a\0b\udc80") == "ab?"


def test_type_and_subject_are_shown_as_sent() -> None:
    spoken = dialect()
    assert envelope.event_type({"event": "Strange\nThing"}, spoken) == "StrangeThing"
    assert envelope.event_type({"event": 5}, spoken) == envelope.event_type([], spoken) == ""
    assert envelope.subject_id(EVENT, spoken) == "5040"
    assert envelope.subject_id({"user": {"attributes": {"id": 7}}}, spoken) == "7"
    assert envelope.subject_id({"data": {"id": True}}, spoken) == envelope.subject_id("x", spoken) == ""
