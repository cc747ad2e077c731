"""How pages say things: filters for templates. Times are epoch seconds, shown in the connection's time zone (UTC
outside of one) with the zone's name."""

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, g, url_for
from markupsafe import Markup, escape

HIDDEN = "•••"
ADDRESS = re.compile(r"(\S*)@(\S+)\.([a-z]{2,24})")
LONGEST_VALUE = 200


def zone() -> tzinfo:
    connection = g.get("connection") if g else None
    return connection.rules.zone if connection else UTC


def when(at: float | None, otherwise: str = "never") -> Markup:
    """24 Nov 2026, 14:28 AEDT"""
    return _time(at, "{d.day} {d:%b %Y}, {d:%H:%M} {name}", otherwise)


def when_in(at: float | None, place: tzinfo) -> Markup:
    """`when`, in a zone that is given."""
    return _time(at, "{d.day} {d:%b %Y}, {d:%H:%M} {name}", "never", place)


def exactly(at: float | None, otherwise: str = "never") -> Markup:
    """24 Nov 2026, 14:28:05 AEDT"""
    return _time(at, "{d.day} {d:%b %Y}, {d:%H:%M:%S} {name}", otherwise)


def day(at: float | None, otherwise: str = "never") -> Markup:
    """24 Nov 2026"""
    return _time(at, "{d.day} {d:%b %Y}", otherwise)


def ago(at: float | None, otherwise: str = "never") -> Markup:
    """3 minutes ago; in 4 hours; just now. Pointing at it says exactly when."""
    if at is None:
        return escape(otherwise)
    distance = time.time() - at
    text = "just now" if abs(distance) < 5 else f"{_rough(distance)} ago" if distance > 0 else f"in {_rough(-distance)}"
    moment = _local(at)
    whole = f"{moment.day} {moment:%b %Y}, {moment:%H:%M:%S} {zone_name(moment)}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(moment.isoformat(timespec="seconds"), whole, text)


def _time(at: float | None, form: str, otherwise: str, place: tzinfo | None = None) -> Markup:
    if at is None:
        return escape(otherwise)
    moment = datetime.fromtimestamp(at, place or zone())
    text = form.format(d=moment, name=zone_name(moment))
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(timespec="seconds"), text)


def _local(at: float) -> datetime:
    return datetime.fromtimestamp(at, zone())


def zone_name(moment: datetime) -> str:
    """AEDT; UTC+03 where a zone has no letters of its own."""
    name = moment.tzname() or "UTC"
    return name if name[:1].isalpha() else f"UTC{name}"


def _rough(seconds: float) -> str:
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length * (2 if unit == "day" else 1):  # hours until two days are full
            return plural(int(seconds // length), unit)
    return plural(max(1, int(seconds)), "second")


def span(seconds: float | None) -> str:
    """A duration: 0.4 s; 12 s; 3 min 5 s; 2 h 10 min; 3 days 4 h."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    if whole < 86400:
        return f"{whole // 3600} h" + (f" {whole % 3600 // 60} min" if whole % 3600 >= 60 else "")
    return plural(whole // 86400, "day") + (f" {whole % 86400 // 3600} h" if whole % 86400 >= 3600 else "")


def count(number: float | None) -> str:
    """12,345"""
    return "–" if number is None else f"{number:,}"


def plural(number: int, one: str, many: str = "") -> str:
    """1 person; 2,345 people"""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def mask_email(email: str | None) -> str:
    """j•••@e•••.au: nobody is known by it, and two who stand side by side can be told apart. Of what only stands where
    an address should, nothing is shown: what looks like its ending may be a name."""
    if not email:
        return "no address"
    found = ADDRESS.fullmatch(email)
    return f"{found[1][:1]}{HIDDEN}@{found[2][:1]}{HIDDEN}.{found[3]}" if found else HIDDEN


def mask_name(name: str | None) -> str:
    """J••• S•••"""
    return " ".join(f"{word[0]}{HIDDEN}" for word in name.split()) if name and name.strip() else "no name"


def sentence(text: str) -> str:
    """Paused the connection"""
    return text[:1].upper() + text[1:]


def changes(detail: Mapping[str, Any] | None) -> Markup:
    """Of an entry of the audit log: "role: viewer → admin", a line each."""
    detail = detail or {}
    before, after = detail.get("before") or {}, detail.get("after") or {}
    lines = [
        f"{_label(key)}: {_short(before[key])} → {_short(after.get(key))}"
        if key in before
        else f"{_label(key)}: {_short(after[key])}"
        for key in {**before, **after}
    ]
    lines += [
        f"{_label(key)}: {_short(value)}" for key, value in detail.items() if key not in ("before", "after", "user")
    ]
    items = Markup().join(Markup("<li>{}</li>").format(line) for line in lines)
    return Markup('<ul class="plain">{}</ul>').format(items) if lines else Markup()


def _label(key: str) -> str:
    return key.replace("_", " ")


def _short(value: Any) -> str:
    if value is None or value == "" or value == [] or value == {}:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        text = ", ".join(f"{_label(str(key))} {_short(one)}" for key, one in value.items())
    elif isinstance(value, list | tuple):
        text = ", ".join(map(_short, value))
    else:
        text = str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def host(address: str) -> str:
    """haveyoursay.example.gov.au, of a whole address."""
    return urlsplit(address).netloc.rpartition("@")[2] or address


def breakable(name: str) -> Markup:
    """A host's name, which breaks at its dots where it is too long for a line."""
    return escape(name).replace(".", Markup(".<wbr>"))


def mask(value: object) -> str:
    """An answer: that there is one, and no more."""
    return HIDDEN if value not in (None, "", [], {}) else ""


FILTERS = (
    when,
    when_in,
    exactly,
    day,
    ago,
    span,
    count,
    plural,
    mask_email,
    mask_name,
    mask,
    host,
    breakable,
    sentence,
    changes,
)


def prepare(app: Flask) -> None:
    for one in FILTERS:
        app.jinja_env.filters[one.__name__] = one
    marks = {
        path.name: sha256(path.read_bytes()).hexdigest()[:10] for path in Path(__file__).with_name("static").iterdir()
    }

    @app.template_global()
    def asset(name: str) -> str:
        """The address of a static file, another one for every content: browsers keep it for a day."""
        return url_for("connections.static", filename=name, v=marks[name])

    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
