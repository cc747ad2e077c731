"""One person: what EHQ says, what CM holds, what it would become, and what happened."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from relay.domain.mapping import differences
from relay.store import deliveries, found, participants, runs
from relay.store.connections import Connection
from relay.store.database import Tx
from relay.store.deliveries import Delivery
from relay.store.person import Person
from relay.sync.parts import Parts
from relay.sync.people.why import summary, why_refused
from relay.sync.picture import Picture, Verdict

SHOWN = 100
OPEN = ("role", "activated", "blocked", "joined", "ehq_id")
"""Base fields that anybody may see; everything else is a person's own."""

__all__ = ["Row", "Told", "one", "people", "why_refused"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison. `ehq`, `held` and `wanted` are texts, "" for nothing; `lost` is "cut", "skipped" or
    None. `personal`: only for whoever may see it."""

    label: str
    ehq: str
    held: str
    wanted: str
    differs: bool
    lost: str | None
    personal: bool


@dataclass(frozen=True)
class Told:
    """Everything about one person. `wanted` says whether they belong, so that the third column has something to say."""

    person: Person
    verdict: Verdict
    summary: str
    rows: list[Row]
    history: list[dict[str, Any]]
    more: bool
    """Whether there is older history than is shown."""


def people(parts: Parts, connection: Connection, email_or_id: str) -> list[dict[str, Any]]:
    """Everyone with this address or EHQ id, newest first, as JSON."""
    with parts.database.read() as tx:
        picture = Picture.load(tx, connection)
        return [as_json(told, picture) for told in _told(tx, picture, participants.one(tx, connection.id, email_or_id))]


def one(parts: Parts, connection: Connection, our_id: int) -> Told | None:
    with parts.database.read() as tx:
        person = found.one(tx, connection.id, our_id)
        return next(iter(_told(tx, Picture.load(tx, connection), [person])), None) if person else None


def _told(tx: Tx, picture: Picture, some: Sequence[Person]) -> list[Told]:
    verdicts = picture.judge(tx, some)
    told = []
    for person in some:
        verdict = verdicts[person.id]
        changes = runs.history(tx, person.id, SHOWN)
        arrived = deliveries.about(tx, picture.connection.id, person.known.ehq_id, picture.dialect.of_group, SHOWN)
        told.append(
            Told(
                person,
                verdict,
                summary(person, verdict, picture.connection),
                _rows(picture, person, verdict),
                _history(changes, arrived),
                len(changes) == SHOWN or len(arrived) == SHOWN,
            )
        )
    return told


def _rows(picture: Picture, person: Person, verdict: Verdict) -> list[Row]:
    """Address and name first, then EHQ's own words, then every field that either side has."""
    values, held, wanted = person.known.values, person.held, verdict.wanted
    differ = set(differences(wanted, held)) if wanted else set()
    rows = [
        Row(
            "Address",
            _text(values.get("email")),
            _text(held.email if held.state else None),  # without, it is where we asked CM to hold them
            _text(wanted.email if wanted else None),
            "email" in differ,
            None,
            True,
        )
    ]
    if (wanted and wanted.name) or held.name:
        name = picture.name(person.known)
        rows.append(
            Row(
                "Name",
                _text(name),
                _text(held.name),
                _text(wanted.name if wanted else None),
                "name" in differ,
                None,
                True,
            )
        )
    if "subscribed" in values:
        rows.append(Row("Subscribed", _text(values["subscribed"]), "", "", False, None, False))
    answers = values.get("answers") or {}
    for source, field in picture.fields.items():
        raw = answers.get(source[7:]) if source.startswith("answer:") else _base(picture, person, source)
        there = held.fields.get(source)
        want = wanted.fields.get(source) if wanted else None
        if source.removeprefix("answer:") in picture.left_out and not there:
            continue
        if raw in (None, "", [], ()) and not there and not want:
            continue
        lost = wanted.lost.get(source) if wanted else None
        label = field.name or field.label
        rows.append(Row(label, _text(raw), _text(there), _text(want), source in differ, lost, source not in OPEN))
    return rows


def _base(picture: Picture, person: Person, source: str) -> Any:
    values = person.known.values
    if source == "groups":
        names = picture.groups
        return [names[group].name if group in names else f"Group {group}" for group in values.get("groups") or ()]
    if source == "ehq_id":
        return person.known.ehq_id
    return _moment(values.get("created_at"), picture) if source == "joined" else values.get(source)


def _moment(text: Any, picture: Picture) -> Any:
    """In the connection's time zone, like the day that CM is given."""
    try:
        moment = datetime.fromisoformat(str(text))
        local = moment.astimezone(picture.rules.zone) if moment.tzinfo else moment
        return f"{local:%Y-%m-%d %H:%M} {local.tzname() or ''}".strip()
    except (ValueError, OverflowError):
        return text


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return "" if value is None else str(value)


def _history(changes: Sequence[Any], arrived: Sequence[Delivery]) -> list[dict[str, Any]]:
    """Newest first; of two at one moment, what was done later."""
    told = [
        {
            "id": c["id"],
            "at": c["at"],
            "what": c["what"],
            "cause": c["cause"],
            "run": c["run_id"],
            "detail": c["detail"],
        }
        for c in changes
    ] + [
        {
            "at": d.received_at,
            "what": f"delivery {d.type}",
            "delivery": d.key,
            "delivery_id": d.id,
            "state": d.state,
            "reason": d.reason,
        }
        for d in arrived
    ]
    return sorted(told, key=lambda item: (item["at"], item.get("id", 0)), reverse=True)[:SHOWN]


def as_json(told: Told, picture: Picture) -> dict[str, Any]:
    person, wanted = told.person, told.verdict.wanted
    labels = {source: field.name or field.label for source, field in picture.fields.items()}
    return {
        "id": person.id,
        "ehq_id": person.known.ehq_id,
        "summary": told.summary,
        "standing": person.standing,
        "on_list": person.held.state == "Active",
        "waiting": person.waiting_since is not None,
        "same_address": list(told.verdict.same_address),
        "ehq": dict(person.known.values),
        "campaign_monitor": {
            "email": person.held.email,
            "state": person.held.state,
            "name": person.held.name,
            "fields": {labels.get(s, s): v for s, v in person.held.fields.items()},
        },
        "should_be": None
        if wanted is None
        else {
            "email": wanted.email,
            "name": wanted.name,
            "fields": {labels.get(s, s): v for s, v in wanted.fields.items()},
            "lost": {labels.get(s, s): word for s, word in wanted.lost.items()},
        },
        "differs_in": [labels.get(s, s) for s in differences(wanted, person.held)] if wanted else [],
        "history": told.history,
    }
