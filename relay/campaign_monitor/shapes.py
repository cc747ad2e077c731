"""What calls take and give. Whatever could name or describe a person stays out of every repr."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

STATES = ("Active", "Unconfirmed", "Unsubscribed", "Bounced", "Deleted")
"""Everything a subscriber can be, as `Subscriber.state` says it and `page` takes it."""

Rules = tuple[tuple[tuple[str, str], ...], ...]
"""Groups of (rule type, clause): all groups must hold, and of each group one rule. As `normal` makes them."""


@dataclass(frozen=True, slots=True)
class Client:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ListName:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ListDetails:
    id: str
    title: str
    unsubscribe_setting: str
    confirmed_opt_in: bool


@dataclass(frozen=True, slots=True)
class Field:
    """`key` with its brackets, as written back to Campaign Monitor; never derived, always read. `type` is Text, Number,
    Date, MultiSelectOne, MultiSelectMany, Country or USState."""

    name: str
    key: str
    type: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SegmentName:
    id: str
    title: str


@dataclass(frozen=True, slots=True)
class Segment:
    """`active` lags: it is counted again up to an hour after a change (segments page of the reference)."""

    id: str
    title: str
    active: int
    rules: Rules
    groups: Rules = field(default=(), compare=False)
    """The rules as CM wrote them, for putting them back."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """`email` as Campaign Monitor spells it. `fields` by folded name (`fold_key`); empty values are absent. `date`:
    since when the state holds, "YYYY-MM-DD HH:MM:SS" in the client's time zone. `consent_to_track` may be ""."""

    email: str = field(repr=False)
    name: str = field(repr=False)
    state: str
    fields: Mapping[str, tuple[str, ...]] = field(repr=False)
    date: str = ""
    consent_to_track: str = ""


@dataclass(frozen=True, slots=True)
class Suppressed:
    """`email` in lower case. `reason`: Unsubscribed, Bounced or Reason Unavailable."""

    email: str = field(repr=False)
    reason: str


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of people. `page` counts from 1; `pages` of an empty list may be 0 or 1."""

    people: list[T] = field(repr=False)
    page: int
    pages: int
    total: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One person to write. `name` None leaves the name as it is. `values` are (key, value); a MultiSelectMany repeats
    its key and needs its full set. `clears` are (key, option to take away, or "" to empty the field)."""

    email: str = field(repr=False)
    name: str | None = field(default=None, repr=False)
    values: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    clears: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    consent: str = "Unchanged"


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of an import, in people. `failures`: lower-cased address → (code, Campaign Monitor's words). Who is
    not in it was taken, or silently left as they were because they opted out: only reading them tells."""

    submitted: int
    existing: int
    new: int
    failures: Mapping[str, tuple[int, str]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Webhook:
    id: str
    url: str
    events: tuple[str, ...]
    active: bool


def fold_key(name_or_key: str) -> str:
    """The form in which a field's name, key and key as read are one: lower case, no brackets, no spaces. Campaign
    Monitor writes "[FavouriteColour]" in one answer and "Favourite Colour" in the next."""
    return re.sub(r"[\[\]\s]", "", name_or_key).lower()


def one_rule(rule_type: str, clause: str) -> Rules:
    """The rules of a segment made with this one rule, as `Segment.rules` has them."""
    return normal([[(rule_type, clause)]])


def normal(groups: Iterable[Iterable[tuple[str, str]]]) -> Rules:
    """Rules in a form in which two that mean the same are equal: fields folded, blanks single, order of no account."""
    return tuple(
        sorted(
            {tuple(sorted({(fold_key(kind), " ".join(clause.split())) for kind, clause in group})) for group in groups}
        )
    )
