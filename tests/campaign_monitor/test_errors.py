"""What a failed answer means: its Code decides, and nothing personal gets out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.campaign_monitor.errors import CODES, DATA_AT_FAULT, ExpiredToken, Throttled, explain, failure
from relay.errors import NeedsPerson, Refused, RelayError, RetryLater


def failed(code: int, status: int = 400, message: str = "…", **headers: str) -> RelayError:
    return failure(status, json.dumps({"Code": code, "Message": message}).encode(), headers)


@pytest.mark.parametrize("code", [278, 287, 500, 429])
def test_what_passes_is_tried_later(code: int) -> None:
    assert isinstance(failed(code), RetryLater)


@pytest.mark.parametrize("code", [100, 120, 122, 102, 101, 60, 403])
def test_credentials_and_permissions_need_a_person_and_say_what_to_do(code: int) -> None:
    error = failed(code, status=401)
    assert isinstance(error, NeedsPerson)
    assert error.remedy
    assert error.code == str(code)


@pytest.mark.parametrize("code", [1, 201, 203, 204, 206, 253, 255, 271, 275, 283, 400])
def test_the_rest_is_refused_with_its_code(code: int) -> None:
    error = failed(code)
    assert isinstance(error, Refused)
    assert error.code == str(code)


def test_the_same_401_is_an_expired_token_or_somebody_elses_list() -> None:
    assert isinstance(failed(121, status=401), ExpiredToken)
    assert isinstance(failed(101, status=401), NeedsPerson)


def test_the_code_counts_more_than_the_status() -> None:
    assert isinstance(failed(203, status=500), Refused)
    assert isinstance(failed(278, status=400), RetryLater)


def test_an_import_that_could_not_be_read_can_be_told_apart_in_order_to_halve_it() -> None:
    assert failed(400).code in DATA_AT_FAULT
    assert failure(413, b"<html>", {}).code in DATA_AT_FAULT
    assert failed(253).code not in DATA_AT_FAULT


def test_one_person_written_too_often_does_not_slow_down_the_others() -> None:
    one = failed(429, 429, "Subscriber was added too many times too quickly, try again later.")
    everyone = failed(429, 429, "Rate limit exceeded")
    assert isinstance(one, Throttled)
    assert one.about_person
    assert isinstance(everyone, Throttled)
    assert not everyone.about_person


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"X-RateLimit-Reset": "348"}, 348),
        ({"Retry-After": "7", "X-RateLimit-Reset": "348"}, 7),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT", "Date": "Fri, 31 Dec 1999 23:59:29 GMT"}, 30),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, None),
        ({"X-RateLimit-Reset": "1790000000"}, 3600),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "-5"}, None),
        ({}, None),
    ],
)
def test_a_wait_asked_for_is_passed_on_in_seconds(headers: dict[str, str], seconds: float | None) -> None:
    error = failure(429, b'{"Code":429,"Message":"Rate limit exceeded"}', headers)
    assert isinstance(error, RetryLater)
    assert error.retry_after == seconds


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"", None, b'"down"', b"\xef\xbb\xbf[]", b"null"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (502, RetryLater), (504, RetryLater), (408, RetryLater), (429, Throttled), (401, NeedsPerson),
        (403, NeedsPerson), (404, NeedsPerson), (302, NeedsPerson), (400, RetryLater), (422, RetryLater),
        (413, Refused),
    ],
)  # fmt: skip
def test_without_a_readable_code_the_status_decides(body: bytes | None, status: int, kind: type[RelayError]) -> None:
    error = failure(status, body, {})
    assert isinstance(error, kind)
    assert error.code in (f"http-{status}", "429")


def test_an_unknown_code_is_refused_in_campaign_monitors_words_without_addresses() -> None:
    error = failed(987, message="Mail to ann@example.com is odd")
    assert isinstance(error, Refused)
    assert error.code == "987"
    assert "is odd" in error.message
    assert "ann" not in str(error)


def test_an_unknown_code_from_a_broken_server_is_tried_later() -> None:
    assert isinstance(failed(987, status=503), RetryLater)
    assert isinstance(failed(987, status=401), NeedsPerson)


def test_a_refused_segment_says_which_rule_was_wrong() -> None:
    clause = {"Clause": "EQUALS Nope", "Code": 2722, "Message": "Option Doesnt Exist For Field"}
    rule = {"RuleType": "[Groups]", "Code": 2703, "Message": "Invalid Segment Clauses", "ClauseResults": [clause]}
    error = failure(400, json.dumps({"Code": 277, "Message": "…", "ResultData": [rule]}).encode(), {})
    assert error.code == "277"
    assert "option that does not exist" in error.message
    assert "Nope" not in str(error)


@pytest.mark.parametrize("code", [str(n) for n in CODES] + ["987", "http-502", "network", "invalid_grant", ""])
def test_every_code_can_be_explained(code: str) -> None:
    assert explain(code)[0]


def test_what_needs_a_person_or_is_refused_has_a_remedy() -> None:
    assert [n for n, code in CODES.items() if code.kind in ("person", "refused", "bug") and not code.remedy] == []
    assert [n for n, code in CODES.items() if "`" in code.remedy] == []  # pages show it to people without a terminal


@given(st.integers(100, 599), st.binary() | st.from_regex(rb'\{"Code": ?"?[0-9a-z-]*"?, "Message": ".*"\}'))
def test_any_answer_at_all_becomes_an_error_of_ours(status: int, body: bytes) -> None:
    assert isinstance(failure(status, body, {}), RelayError)
