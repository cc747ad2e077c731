"""When the daily run is due: once in every local day, in the connection's own time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.rules import Rules
from relay.domain.schedule import next_run, zone_in

ZONES = [
    "UTC",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Europe/London",
    "America/New_York",
    "America/St_Johns",
    "Pacific/Chatham",
    "Asia/Kathmandu",
]
AFTER = st.integers(1_577_836_800, 2_000_000_000).map(float)  # 2020 to 2033
CLOCKS = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))


def due(after: str, zone: str, daily_at: str | None = "02:30", connection: str = "bayside") -> str:
    """The next run after a UTC time, as a UTC time."""
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC).timestamp()
    found = next_run(connection, Rules(time_zone=zone, daily_at=daily_at), moment)
    return datetime.fromtimestamp(found, UTC).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("after", "zone", "expected"),
    [
        ("2026-11-23 02:29", "UTC", "2026-11-23 02:30"),
        ("2026-11-23 02:30", "UTC", "2026-11-24 02:30"),
        ("2026-11-23 09:00", "Australia/Sydney", "2026-11-23 15:30"),
        ("2026-06-23 09:00", "Australia/Sydney", "2026-06-23 16:30"),
        ("2026-06-23 09:00", "Europe/London", "2026-06-24 01:30"),
        ("2026-06-23 09:00", "Asia/Kathmandu", "2026-06-23 20:45"),
    ],
)
def test_the_time_is_local(after: str, zone: str, expected: str) -> None:
    assert due(after, zone) == expected


def test_a_time_that_the_day_does_not_have_is_taken_an_hour_later() -> None:
    """In Sydney 2026-10-04 goes from 02:00 to 03:00 at once."""
    assert due("2026-10-03 10:00", "Australia/Sydney") == "2026-10-03 16:30"  # 03:30 there
    assert due("2026-10-03 16:30", "Australia/Sydney") == "2026-10-04 15:30"


def test_a_time_that_the_day_has_twice_is_taken_once() -> None:
    """In Sydney 2026-04-05 has the hour from 02:00 to 03:00 twice."""
    assert due("2026-04-04 10:00", "Australia/Sydney") == "2026-04-04 15:30"
    assert due("2026-04-04 15:30", "Australia/Sydney") == "2026-04-05 16:30"


def test_without_a_time_it_is_between_two_and_four_and_differs_by_connection() -> None:
    times = {due("2026-11-23 00:00", "UTC", None, f"site-{n}")[11:] for n in range(200)}
    assert min(times) >= "02:00"
    assert max(times) < "04:00"
    assert len(times) > 60
    assert due("2026-11-23 00:00", "UTC", None, "bayside") == due("2026-11-23 01:00", "UTC", None, "bayside")


@given(AFTER, st.sampled_from(ZONES), CLOCKS | st.none())
def test_the_next_run_is_always_later_and_within_25_hours(after: float, zone: str, daily_at: str | None) -> None:
    assert after < next_run("bayside", Rules(time_zone=zone, daily_at=daily_at), after) <= after + 25 * 3600


@given(AFTER, st.sampled_from(ZONES), CLOCKS)
def test_every_local_day_has_one_run(after: float, zone: str, daily_at: str) -> None:
    rules = Rules(time_zone=zone, daily_at=daily_at)
    first = next_run("bayside", rules, after)
    days = [datetime.fromtimestamp(t, ZoneInfo(zone)).date() for t in (first, next_run("bayside", rules, first))]
    assert days[1] - days[0] == timedelta(days=1)


@pytest.mark.parametrize(
    ("words", "zone"),
    [
        ("(GMT+10:00) Canberra, Melbourne, Sydney", "Australia/Sydney"),
        ("(GMT-05:00) Eastern Time, New York", "America/New_York"),
        ("(GMT) Coordinated Universal Time", None),
        ("", None),
    ],
)
def test_the_clients_words_for_its_time_zone_name_one(words: str, zone: str | None) -> None:
    assert zone_in(words) == zone
