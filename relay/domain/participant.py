"""A participant as EngagementHQ describes them, and what a single message says of one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Answer = str | float | bool | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the signup form. `kind` is EHQ's word for its type, folded ("text", "radio", "checkbox",
    "date", …), or "" when EHQ did not say. `options` are the texts offered, when EHQ says them."""

    id: str
    label: str
    kind: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Patch:
    """What one message says of one participant (EHQ contract §5.3: an absent key is unknown, null is known empty).

    `values` holds only what the message carries, under these keys:
    email, login, role, created_at, last_seen_at, updated_at (str | None; times as EHQ wrote them),
    activated, blocked, subscribed, imported (bool | None), tags (tuple[str, ...]),
    groups (tuple[str, ...] of group ids, always the complete set),
    answers (dict[question id, Answer]; see `answers_complete`).
    `updated_at` is the resource's own version as epoch seconds on EHQ's clock, None when it has none.
    """

    ehq_id: str
    updated_at: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()
    group_names: Mapping[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    """Attribute keys that no alias knows: reported, never stored."""


@dataclass(frozen=True, slots=True)
class GroupNews:
    """What a group event says. `members` are participant ids that joined or left; None when the event has none."""

    id: str
    name: str | None = None
    members: tuple[str, ...] | None = None
    updated_at: float | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened at EHQ. `type` is canonical (EHQ contract §5.4). `at` is EHQ's clock, epoch seconds,
    None when the envelope has no timestamp. Exactly one of `patch` and `group` is set, or neither (test.ping,
    signup_form.changed)."""

    type: str
    at: float | None = None
    patch: Patch | None = None
    group: GroupNews | None = None
    previous_email: str | None = None
