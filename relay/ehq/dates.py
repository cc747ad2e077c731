"""Dates as programs and spreadsheets write them into a CSV file."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone, tzinfo

_NUMBERS = re.compile(r"(\d{1,4})[/.\-](\d{1,2})[/.\-](\d{1,4})")
_NAMED = re.compile(
    r"(?:(\d{1,2})(?:st|nd|rd|th)?[\s\-]+)?([a-z]{3,9})\.?[\s\-]+(?:(\d{1,2})(?:st|nd|rd|th)?,?[\s\-]+)?(\d{4}|\d{2})\b,?"
)
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*([ap])?\.?m?\.?")
_OFFSET = re.compile(r"(?:(z|utc|gmt)|([+\-])(\d{2}):?(\d{2}))$")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def day_comes_first(dates: Iterable[str]) -> bool:
    """Whether 3/4/2026 means April: unless more of these dates are only possible the other way round."""
    day, month = 0, 0
    for text in dates:
        if (found := _NUMBERS.match(text.strip())) and len(found[1]) < 3:
            day += int(found[1]) > 12
            month += int(found[2]) > 12
    return month <= day


def read_date(text: str, day_first: bool, zone: tzinfo) -> str | None:
    """`text` in ISO 8601: a day when it has no time, else a time with its offset, which is `zone`'s when it has none.

    None for anything that is no date.
    """
    text = " ".join(text.lower().replace("t", " ", 1).split()) if re.match(r"\d{4}-\d\d-\d\dt", text.lower()) else text
    text = " ".join(text.lower().split())
    try:
        if (found := _NUMBERS.match(text)) is not None:
            first, second, third = (int(part) for part in found.groups())
            if len(found[1]) == 4:
                year, month, day = first, second, third
            else:
                day, month = (first, second) if day_first else (second, first)
                year = third
        elif (found := _NAMED.match(text)) is not None and found[2][:3] in _MONTHS and (found[1] or found[3]):
            day, month, year = int(found[1] or found[3]), _MONTHS.index(found[2][:3]) + 1, int(found[4])
        else:
            return None
        year += 2000 if year < 100 else 0
        moment = datetime(year, month, day)  # noqa: DTZ001
        return _with_time(moment, text[found.end() :].strip(" ,"), zone)
    except (ValueError, OverflowError):
        return None


def _with_time(moment: datetime, rest: str, zone: tzinfo) -> str | None:
    if not rest:
        return moment.date().isoformat()
    if (found := _TIME.match(rest)) is None:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if found[4]:
        hour = hour % 12 + (12 if found[4] == "p" else 0)
    moment = moment.replace(hour=hour, minute=minute, second=second)
    if (offset := _OFFSET.search(rest)) is None:
        return moment.replace(tzinfo=zone).isoformat()
    span = timedelta(hours=int(offset[3]), minutes=int(offset[4])) if offset[2] else timedelta()
    return moment.replace(tzinfo=timezone(-span if offset[2] == "-" else span)).isoformat()
