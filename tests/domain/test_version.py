"""Which word is the latest: webhooks by EHQ's clock, pages against webhooks by ours (design rule 4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.version import Heard, Page, order, page_beats_page, webhook_beats_page

NOON = 1_770_000_000.0
MINUTE = 60.0
SOME_TIME = st.integers(0, 9).map(lambda n: NOON + n)
TIMES = st.none() | SOME_TIME
HEARD = st.builds(Heard, SOME_TIME, TIMES, TIMES)


def test_a_webhook_s_version_is_the_later_of_its_two_ehq_times() -> None:
    assert Heard(received=NOON + 9, at=NOON + 1, updated=NOON + 2).version == NOON + 2
    assert Heard(received=NOON + 9, at=NOON + 3, updated=NOON + 2).version == NOON + 3
    assert Heard(received=NOON + 9, at=None, updated=NOON + 2).version == NOON + 2


def test_without_any_ehq_time_the_time_of_receipt_counts() -> None:
    assert Heard(received=NOON).version == NOON


def test_a_time_of_the_future_is_none() -> None:
    said = Heard(received=NOON, at=NOON + 400 * 86400, updated=NOON + 16 * MINUTE)
    assert said == Heard(received=NOON)
    assert Page(NOON, NOON + 400 * 86400) == Page(NOON)
    assert Heard(NOON, at=NOON + 14 * MINUTE).version == NOON + 14 * MINUTE, "EHQ's clock may be ahead of ours"


def test_the_later_version_is_the_later_webhook_whenever_it_arrived() -> None:
    block = Heard(received=NOON, at=NOON - 5)
    late_update = Heard(received=NOON + 5, at=NOON - 10)
    assert order(late_update, block) < 0 < order(block, late_update)


def test_equal_versions_are_a_tie() -> None:
    assert order(Heard(NOON, at=NOON), Heard(NOON + 7, at=NOON)) == 0


def test_a_page_beats_what_was_received_before_it_was_asked_for() -> None:
    assert not webhook_beats_page(Heard(received=NOON, at=NOON + MINUTE), Page(asked=NOON + 1))


def test_a_webhook_received_after_a_page_was_asked_for_beats_it() -> None:
    assert webhook_beats_page(Heard(received=NOON + 1, at=NOON + 1), Page(asked=NOON))


def test_an_older_updated_at_loses_although_the_page_was_asked_for_later() -> None:
    webhook = Heard(received=NOON, updated=NOON - 10)
    assert webhook_beats_page(webhook, Page(asked=NOON + 1, updated=NOON - 20))
    assert not webhook_beats_page(webhook, Page(asked=NOON + 1, updated=NOON - 10))


def test_a_delayed_webhook_loses_to_a_page_that_ehq_s_clock_calls_newer() -> None:
    assert not webhook_beats_page(Heard(received=NOON + 1, at=NOON - 20), Page(asked=NOON, updated=NOON - 10))


@pytest.mark.parametrize(("minutes_behind", "wins"), [(0, True), (14, True), (16, False)])
def test_ehq_s_clock_may_be_a_quarter_of_an_hour_behind_ours(minutes_behind: int, wins: bool) -> None:
    webhook = Heard(received=NOON + 1, at=NOON + 1 - minutes_behind * MINUTE)
    assert webhook_beats_page(webhook, Page(asked=NOON)) is wins


def test_of_two_pages_the_one_asked_for_later_counts_unless_its_updated_at_is_older() -> None:
    assert page_beats_page(Page(NOON + 1), Page(NOON))
    assert not page_beats_page(Page(NOON), Page(NOON + 1))
    assert not page_beats_page(Page(NOON + 1, updated=NOON - 9), Page(NOON, updated=NOON - 8))
    assert page_beats_page(Page(NOON + 1, updated=NOON - 8), Page(NOON, updated=NOON - 8))


@given(HEARD, HEARD, HEARD)
def test_webhooks_have_one_order(one: Heard, two: Heard, three: Heard) -> None:
    assert order(one, two) == -order(two, one)
    if order(one, two) >= 0 and order(two, three) >= 0:
        assert order(one, three) >= 0


@given(HEARD)
def test_what_is_stored_of_a_webhook_is_read_again(heard: Heard) -> None:
    assert Heard.from_json(heard.to_json()) == heard
