"""The outside of a delivery: its events, and the key by which each is known again."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from relay.ehq import wire
from relay.ehq.dialect import Dialect, dialect, fold
from relay.ehq.resource import clean, usable_id
from relay.ehq.signature import Profile
from relay.errors import Invalid

LONGEST_KEY = 200
TOLD = ("content-type", "user-agent")


def parse(body: bytes) -> list[Any]:
    """One event, or a list of them. :raise Invalid: when it is not JSON."""
    try:
        read = wire.loads(body)
    except ValueError:
        read = ...
    if read is ...:
        raise Invalid("The body is not JSON.")
    return read if isinstance(read, list) else [read]


def dumps(event: Any) -> bytes:
    """One event of `parse` by itself, to be kept. Never fails, and `parse` reads it again."""
    return wire.dumps(event)


def delivery_key(
    header_id: str | None, event: Any, body: bytes, index: int, of: int, spoken: Dialect | None = None
) -> str:
    """webhook-id, else the envelope's id, else a hash of the event (EHQ contract §5.5).

    The events of a list share a webhook-id: each gets its place in the list behind it.
    """
    envelope_id = _envelope_id(event, spoken or dialect()) if isinstance(event, Mapping) else ""
    if header_id:
        key = header_id if of == 1 else f"{header_id}:{index}"
    else:
        key = envelope_id or "sha256:" + sha256(body if of == 1 else dumps(event)).hexdigest()
    key = key.encode("utf-8", "replace").decode().replace("\0", "")
    return key if 0 < len(key) <= LONGEST_KEY else "sha256:" + sha256(key.encode()).hexdigest()


def _envelope_id(event: Mapping[str, Any], spoken: Dialect) -> str:
    """In an event without a subject of its own, `id` is the person's, and the same in all that is said of them."""
    flat = not isinstance(spoken.from_envelope(event, "subject"), Mapping)
    folded = {fold(key): value for key, value in event.items() if isinstance(key, str)}
    names = (name for name in spoken.envelope["id"] if not (flat and name == "id"))
    return next((found for name in names if (found := usable_id(folded.get(name), longest=10_000))), "")


def told(headers: Mapping[str, str], by: Profile) -> str:
    """The headers that tell which delivery it was and who sent it, as JSON: {name: text}. Never the proof."""
    names = {by.id, by.timestamp, *TOLD} - {"", by.signature}
    return dumps({name: _shown(text[:200]) for name in sorted(names) if (text := headers.get(name))}).decode()


def event_type(event: Any, spoken: Dialect) -> str:
    """The type as it was sent, "" when there is none: for showing, before anything is understood."""
    word = spoken.from_envelope(event, "type") if isinstance(event, Mapping) else None
    return _shown(word) if isinstance(word, str) else ""


def subject_id(event: Any, spoken: Dialect) -> str:
    """The EHQ id of whom or what it is about, "" when that cannot be told."""
    subject = spoken.from_envelope(event, "subject") if isinstance(event, Mapping) else None
    if not isinstance(subject, Mapping):
        return ""
    attributes = subject.get("attributes")
    found = usable_id(subject.get("id")) or usable_id(attributes.get("id") if isinstance(attributes, Mapping) else None)
    return _shown(found)


def _shown(text: str) -> str:
    cleaned = clean(text)
    return cleaned if cleaned.isprintable() else "".join(c for c in cleaned if c.isprintable())
