"""Days in a connection's time zone, when the daily run is due, and where clocks are."""

from datetime import datetime, timedelta
from hashlib import sha256
from zoneinfo import available_timezones

from relay.domain.rules import Rules


def day(rules: Rules, at: float) -> str:
    """The connection's calendar day at `at`, epoch seconds: YYYY-MM-DD."""
    return datetime.fromtimestamp(at, rules.zone).date().isoformat()


def next_run(connection_id: str, rules: Rules, after: float) -> float:
    """The next daily run after `after`, both in epoch seconds: once in every local calendar day.

    Without a time set, a minute between 02:00 and 04:00 that differs by connection, so that not all ask at once.
    A local time that a day does not have (clocks going forward) is taken an hour later.
    """
    if rules.daily_at:
        hour, minute = map(int, rules.daily_at.split(":"))
    else:
        offset = int(sha256(connection_id.encode()).hexdigest(), 16) % 120
        hour, minute = 2 + offset // 60, offset % 60
    due = datetime.fromtimestamp(after, rules.zone).replace(hour=hour, minute=minute, second=0, microsecond=0, fold=0)
    while due.timestamp() <= after:
        due += timedelta(days=1)
    return due.timestamp()


def zone_in(text: str) -> str | None:
    """A time zone's name for words such as "(GMT+10:00) Canberra, Melbourne, Sydney", or None."""
    places = [place.strip().replace(" ", "_") for place in text.rpartition(")")[2].split(",")]
    zones = sorted(available_timezones())
    found = (zone for place in reversed(places) if place for zone in zones if zone.endswith(f"/{place}"))
    return next(found, None)
