"""A participant as the subscriber they should be: the one mapper, for webhooks and pages alike."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

import orjson

from relay.domain.merge import Known
from relay.domain.values import Value, only, same, typed

BASE_FIELDS = {
    "role": ("Role", "MultiSelectOne"),
    "activated": ("Activated", "MultiSelectOne"),
    "blocked": ("Blocked", "MultiSelectOne"),
    "joined": ("Joined", "Date"),
    "tags": ("Tags", "MultiSelectMany"),
    "groups": ("Groups", "MultiSelectMany"),
    "ehq_id": ("EHQ ID", "Text"),
}
"""source → (name, type) of the fields that every list has beside the answers; they win a clash of names."""
GIVEN_NAME, FAMILY_NAME = {"first name", "given name", "firstname"}, {"last name", "surname", "family name", "lastname"}
FULL_NAME = {"name", "full name", "your name"}


@dataclass(frozen=True, slots=True)
class Target:
    """One custom field that answers travel to. `source` is "answer:<question id>" or a key of BASE_FIELDS."""

    source: str
    label: str
    type: str
    options: tuple[str, ...] = ()
    takes: frozenset[str] | None = None
    """All that CM takes, where it takes no new options, or not the field at all; None: anything."""


@dataclass(frozen=True, slots=True)
class Mapper:
    """What a connection's fields and groups make of a participant. `groups` is group id → option text."""

    targets: Sequence[Target]
    groups: Mapping[str, str]
    zone: tzinfo = UTC
    name_sources: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """The subscriber that a participant should be. `fields` holds only what is not empty, by source.

    `email` keeps EHQ's case; `name` is None when the form asks for none. `lost` is source → "cut" | "skipped".
    """

    email: str
    name: str | None
    fields: Mapping[str, Value]
    lost: Mapping[str, str] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """The same for the same content: tells whether a refusal is about what we would send now."""
        content = [self.email.lower(), self.name, sorted(self.fields.items())]
        return hashlib.sha256(orjson.dumps(content)).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Held:
    """What Campaign Monitor was last known to hold. `email` is lower case, None when not on the list as far as known.

    `state` is CM's word (Active, Unsubscribed, …), or None for not known.
    """

    email: str | None = None
    state: str | None = None
    name: str | None = None
    fields: Mapping[str, Value] = field(default_factory=dict)


def mapper(targets: Sequence[Target], groups: Mapping[str, str], zone: tzinfo) -> Mapper:
    """Adds to the fields and groups which questions hold a person's name (the form has no built-in one)."""
    by_label = {
        target.label.strip().lower(): target.source for target in targets if target.source.startswith("answer:")
    }

    def first(labels: set[str]) -> str | None:
        return next((source for label, source in by_label.items() if label in labels), None)

    given, family, full = first(GIVEN_NAME), first(FAMILY_NAME), first(FULL_NAME)
    pair = tuple(filter(None, (given, family)))
    return Mapper(targets, groups, zone, tuple(filter(None, (pair, (full,) if full else ()))))


def wanted(known: Known, mapper: Mapper) -> Wanted:
    """The subscriber for a participant who belongs on the list (see `rules.why_not`)."""
    values = known.values
    answers = values.get("answers") or {}
    fields: dict[str, Value] = {}
    lost: dict[str, str] = {}
    for target in mapper.targets:
        raw = _raw(target.source, known, answers, mapper)
        if raw is None:
            continue
        value, loss = typed(raw, target.type, target.options)
        if value and target.takes is not None:
            value, loss = only(value, target.takes, loss)
        if value:
            fields[target.source] = value
        if loss:
            lost[target.source] = loss
    return Wanted(str(values["email"]), name_of(known, mapper), fields, lost)


def name_of(known: Known, mapper: Mapper) -> str | None:
    """The person's name, as far as the form asks for one; None when it does not."""
    return _name(known.values.get("answers") or {}, mapper)


def differences(wanted: Wanted, held: Held) -> list[str]:
    """The sources whose values differ, with "email" and "name" among them."""
    sources = [s for s in {**wanted.fields, **held.fields} if not same(wanted.fields.get(s), held.fields.get(s))]
    if wanted.name is not None and " ".join(wanted.name.split()) != " ".join((held.name or "").split()):
        sources.append("name")
    if wanted.email.lower() != held.email:
        sources.append("email")
    return sources


def alike(one: Held, other: Held) -> bool:
    """Whether a read says what we knew. Of those who left, only the state is of interest, and only that is kept."""
    if one.email != other.email or one.state != other.state:
        return False
    return one.state != "Active" or (one.name or "", one.fields) == (other.name or "", other.fields)


def _raw(source: str, known: Known, answers: Mapping[str, Any], mapper: Mapper) -> Any:
    values = known.values
    if source.startswith("answer:"):
        return answers.get(source[7:])
    if source == "groups":
        return [mapper.groups[group] for group in values.get("groups") or () if group in mapper.groups]
    if source == "joined":
        return _day(values.get("created_at"), mapper.zone)
    return known.ehq_id if source == "ehq_id" else values.get(source)


def _day(text: Any, zone: tzinfo) -> str | None:
    """The day they joined, in the connection's time zone; a time without a zone is taken as already local."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
        return (moment.astimezone(zone) if moment.tzinfo else moment).date().isoformat()
    except (ValueError, OverflowError):  # no date, or one at the ends of time
        return str(text)


def _name(answers: Mapping[str, Any], mapper: Mapper) -> str | None:
    """None where there is nothing to call them: an empty name leaves the old one in CM (contract §4.2)."""
    for sources in mapper.name_sources:
        parts = [str(answers.get(source[7:]) or "").strip() for source in sources]
        if any(parts):
            return " ".join(" ".join(filter(None, parts)).split())[:250]
    return None
