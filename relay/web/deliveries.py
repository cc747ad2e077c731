"""Deliveries: what arrived, what it said, what became of it; and taking it in again, with the effect shown first."""

import time
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import orjson
from flask import Blueprint, abort, flash, redirect, render_template, request, session, url_for

from relay.ehq.dialect import dialect
from relay.store import chosen, participants
from relay.store import deliveries as arrivals
from relay.store.chosen import NOTHING, Filter
from relay.store.connections import Connection
from relay.store.deliveries import Delivery
from relay.store.person import Person
from relay.sync.intake import replay as replays
from relay.sync.intake.masked import masked
from relay.web.access import me, needs, noted, parts
from relay.web.people import LOOKED, REVEALED_S

blueprint = Blueprint("deliveries", __name__, url_prefix="/c/<connection>/deliveries")
SHOWN = 50
STATES = {
    "waiting": ("Not taken in yet", "busy"),
    "applied": ("Taken in", "good"),
    "quarantined": ("Quarantine", "warning"),
}
ASKED = ("state", "type", "since", "until", "person", "reason", "delivery")
LONGEST = 2000
"""Of a value of a filter, in characters."""
Answer = Any


@blueprint.get("")
@needs("viewer")
def page(connection: Connection) -> Answer:
    asked = _asked(request.args) | {"delivery": ""}
    wanted = _filter(connection, asked)
    with parts().database.read() as tx:
        listed = chosen.page(tx, connection.id, wanted, _cursor(request.args.get("before", "")), SHOWN)
        reasons = chosen.reasons(tx, connection.id)
        left = arrivals.replayed(tx, connection.id)
    filters: dict[str, Any] = {name: value for name, value in asked.items() if value}
    return render_template(
        "deliveries/list.html",
        deliveries=listed.deliveries,
        states=STATES,
        of_group=dialect(connection.rules.overrides or None).of_group,
        reasons=reasons,
        left=left,
        asked=asked,
        filters=filters,
        looked_back_to=listed.looked_back_to,
        older=url_for("deliveries.page", **filters, before="{}-{}".format(*listed.before)) if listed.before else "",
        first=url_for("deliveries.page", **filters) if request.args.get("before") else "",
    )


@blueprint.get("/<int:number>")
@needs("viewer")
def one(connection: Connection, number: int) -> Answer:
    delivery = _load(connection, number)
    body = orjson.loads(parts().vault.unseal(delivery.body)) if delivery.body else None
    open_ = _revealed(number)
    headers = getattr(delivery, "headers", None)
    return render_template(
        "deliveries/one.html",
        one=delivery,
        state=STATES[delivery.state],
        person=_about(connection, delivery),
        group=dialect(connection.rules.overrides or None).of_group(delivery.type),
        headers=orjson.loads(headers) if isinstance(headers, str) else headers or {},
        body=orjson.dumps(body if open_ else masked(body), option=orjson.OPT_INDENT_2).decode()
        if delivery.body
        else "",
        open=open_,
    )


@blueprint.post("/<int:number>/reveal")
@needs("operator")
def reveal(connection: Connection, number: int) -> Answer:
    known = _about(connection, _load(connection, number))
    noted(LOOKED, connection=connection, participant=known.id if known else None, delivery=number)
    session["revealed_delivery"] = [number, time.time() + REVEALED_S]
    return redirect(url_for("deliveries.one", number=number))


def _revealed(number: int) -> bool:
    shown, until = session.get("revealed_delivery", (None, 0))
    return bool(me().may("operator") and shown == number and until > time.time())


def _about(connection: Connection, delivery: Delivery) -> Person | None:
    """The person whom it tells of, if we know them: a group's id may be somebody's too."""
    if not delivery.subject or dialect(connection.rules.overrides or None).of_group(delivery.type):
        return None
    with parts().database.read() as tx:
        return participants.by_ids(tx, connection.id, [delivery.subject]).get(delivery.subject)


@blueprint.get("/replay")
@needs("operator")
def preview(connection: Connection) -> Answer:
    asked = _asked(request.args)
    filters: dict[str, Any] = {name: value for name, value in asked.items() if value}
    effect = replays.preview(parts(), connection, _filter(connection, asked))
    return render_template(
        "deliveries/replay.html",
        effect=effect,
        words=replays.WORDS,
        group_words=replays.GROUP_WORDS,
        most=replays.PREVIEWED,
        filters=filters,
        back=url_for("deliveries.page", **{k: v for k, v in filters.items() if k != "delivery"}),
    )


@blueprint.post("/replay")
@needs("operator")
def replay(connection: Connection) -> Answer:
    asked = _asked(request.form)
    oldest, newest = request.form.get("oldest", ""), request.form.get("newest", "")
    if not (_number(oldest) and _number(newest)):
        abort(400, "It is not said which deliveries are meant. Please begin again with the list.")
    taken = replays.replay(parts(), connection, _filter(connection, asked), int(oldest), int(newest))
    filters: dict[str, Any] = {name: value for name, value in asked.items() if value}
    noted("replayed deliveries", connection=connection, deliveries=taken, chosen=_unnamed(filters))
    said = "1 delivery is" if taken == 1 else f"{taken:,} deliveries are"
    flash(
        f"{said} being taken in again." if taken else "None was left to take in again.", "success" if taken else "info"
    )
    return redirect(url_for("deliveries.page"))


def _asked(given: Mapping[str, str]) -> dict[str, str]:
    """The list, the preview and the replay read it alike, or one would mean other deliveries than another showed."""
    return {name: given.get(name, "").strip() for name in ASKED}


def _unnamed(filters: dict[str, str]) -> dict[str, str]:
    """Without an address that was looked for: the audit log holds nobody's data."""
    return {name: value for name, value in filters.items() if name != "person"}


def _filter(connection: Connection, asked: dict[str, str]) -> Filter:
    """What cannot be read matches nothing: left out, it would match everything."""
    if not all(value.isprintable() and len(value) <= LONGEST for value in asked.values()):
        return NOTHING
    if asked["state"] not in ("", *STATES) or not _number(asked["delivery"] or "0"):
        return NOTHING
    times: dict[str, float | None] = {"since": None, "until": None}
    for name, days in (("since", 0), ("until", 1)):
        if not asked[name]:
            continue
        try:
            day = date.fromisoformat(asked[name]) + timedelta(days=days)
            times[name] = datetime(day.year, day.month, day.day, tzinfo=connection.rules.zone).timestamp()
        except (ValueError, OverflowError):
            flash(f"{asked[name][:40]!r} is no date, so nothing matches. Write it as 2026-11-24.", "warning")
            return NOTHING
    subject = _subject(connection, asked["person"]) if asked["person"] else None
    return Filter(
        state=asked["state"] or None,
        types=_types(connection, asked["type"], subject) if asked["type"] or subject else None,
        since=times["since"],
        until=times["until"],
        subject=subject,
        number=int(asked["delivery"]) if asked["delivery"] else None,
        reason=asked["reason"] or None,
    )


def _types(connection: Connection, word: str, subject: str | None) -> tuple[str, ...]:
    """Whatever EHQ calls it, and in any spelling: the types that mean the same as `word`, if one is given. Those of a
    group are not about a person (`subject`) of the same id."""
    spoken = dialect(connection.rules.overrides or None)
    with parts().database.read() as tx:
        words = chosen.words(tx, connection.id, subject)
    meant = [one for one in words if not word or one == word or (spoken.event(one) or one) == spoken.event(word)]
    return tuple(one for one in meant if subject is None or not spoken.of_group(one))


def _subject(connection: Connection, who: str) -> str:
    """The EHQ id that is meant: itself, or whoever has this address."""
    if "@" not in who:
        return who
    with parts().database.read() as tx:
        people = participants.one(tx, connection.id, who)
    return people[0].known.ehq_id if people else who


def _cursor(text: str) -> tuple[float, int] | None:
    at, _, number = text.rpartition("-")
    try:
        return (float(at), int(number)) if _number(number) else None
    except ValueError:
        return None


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _load(connection: Connection, number: int) -> Delivery:
    with parts().database.read() as tx:
        delivery = chosen.one(tx, connection.id, number)
    if delivery is None:
        abort(404, "There is no such delivery in this connection. Deliveries are kept for 30 days.")
    return delivery
