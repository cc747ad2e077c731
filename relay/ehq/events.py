"""What a delivery says happened (EHQ contract §5.3, §5.4)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from relay.domain.participant import Event
from relay.ehq.dialect import Dialect, fold
from relay.ehq.resource import Unreadable, clean, included_groups, mentions, parse_time, read_group, read_user

SETS: Mapping[str, Mapping[str, Any]] = {
    "participant.activated": {"activated": True},
    "participant.blocked": {"blocked": True},
    "participant.unblocked": {"blocked": False},
    "participant.subscribed": {"subscribed": True},
    "participant.unsubscribed": {"subscribed": False},
    "participant.deleted": {"deleted": True},
}
"""What an event of this type means whether or not its resource says so."""
STARTS: Mapping[str, Mapping[str, Any]] = {
    "participant.registered": {"subscribed": True, "blocked": False},
    "administrator.created": {"subscribed": True, "blocked": False},
    "administrator.removed": {"role": "participant"},
}
"""What holds when the resource does not mention it: registering puts a person on the mailing list. A null there is no
consent."""
OTHERS = {True: ("participant", "user"), False: ("group",)}
"""Is it an event of a group? Then these are not what it is about, but who did it, or the like."""


def read_event(event: Any, spoken: Dialect) -> Event:
    """:raise Unreadable: for a type we do not know or a body of another shape; the message names nobody."""
    if not isinstance(event, Mapping):
        raise Unreadable("The event is not a JSON object.")
    word = spoken.from_envelope(event, "type")
    kind = spoken.event(word)
    if kind is None:
        shown = clean(word)[:60] if isinstance(word, str) else ""
        raise Unreadable(
            f"The event type {shown!r} is unknown." if shown else "It has no event type.",
            remedy="Say under Overrides what it means (overrides.events), then take it in again.",
        )
    at = parse_time(spoken.from_envelope(event, "timestamp"))
    if kind in ("test.ping", "signup_form.changed"):
        return Event(kind, at)
    of_group = spoken.of_group(word)
    subject = spoken.from_envelope(event, "subject", without=OTHERS[of_group])
    if not isinstance(subject, Mapping):
        raise Unreadable(f"A {kind} event needs an object under `data`.")
    if of_group:
        return _group(kind, at, subject)
    patch = read_user(subject, included_groups(spoken.from_envelope(event, "included")), spoken)
    starts = {name: value for name, value in STARTS.get(kind, {}).items() if not mentions(subject, name, spoken)}
    patch = replace(patch, values={**starts, **patch.values, **SETS.get(kind, {})})
    if kind in ("participant.registered", "participant.email_changed") and not patch.values.get("email"):
        raise Unreadable(f"A {kind} event needs an e-mail address.")
    return Event(kind, at, patch=patch, previous_email=_previous_email(spoken.from_envelope(event, "previous")))


def _group(kind: str, at: float | None, subject: Mapping[str, Any]) -> Event:
    group = read_group(subject)
    if kind in ("group.member_added", "group.member_removed") and group.members is None:
        raise Unreadable(f"A {kind} event needs a list of members.")
    if kind == "group.renamed" and not group.name:
        raise Unreadable("A group.renamed event needs the group's name.")
    return Event(kind, at, group=group)


def _previous_email(previous: Any) -> str | None:
    if not isinstance(previous, Mapping):
        return None
    found = next((value for key, value in previous.items() if fold(str(key)) == "email"), None)
    return clean(found) or None


__all__ = ["Unreadable", "read_event"]
