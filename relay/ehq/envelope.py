"""The outside of a delivery: its events, and the key by which each is known again."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson

from relay.ehq.dialect import Dialect
from relay.errors import Invalid

LONGEST_KEY = 200


def parse(body: bytes) -> list[Any]:
    """One event, or a list of them. :raise Invalid: when it is not JSON."""
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Invalid("The body is not JSON.") from None
    return read if isinstance(read, list) else [read]


def delivery_key(header_id: str | None, event: Any, body: bytes, index: int, of: int) -> str:
    """webhook-id, else the envelope's id, else a hash of the event (EHQ contract §5.5).

    The events of a list share a webhook-id: each gets its place in the list behind it.
    """
    envelope_id = event.get("id") or event.get("event_id") if isinstance(event, Mapping) else None
    if header_id:
        key = header_id if of == 1 else f"{header_id}:{index}"
    elif isinstance(envelope_id, str | int) and envelope_id:
        key = str(envelope_id)
    else:
        key = "sha256:" + sha256(body if of == 1 else orjson.dumps(event)).hexdigest()
    key = key.encode("utf-8", "replace").decode().replace("\0", "")
    return key if 0 < len(key) <= LONGEST_KEY else "sha256:" + sha256(key.encode()).hexdigest()


def event_type(event: Any, spoken: Dialect) -> str:
    """The type as it was sent, "" when there is none: for showing, before anything is understood."""
    word = spoken.from_envelope(event, "type") if isinstance(event, Mapping) else None
    return _shown(word)


def subject_id(event: Any, spoken: Dialect) -> str:
    """The EHQ id of whom or what it is about, "" when that cannot be told."""
    subject = spoken.from_envelope(event, "subject") if isinstance(event, Mapping) else None
    return _shown(subject.get("id")) if isinstance(subject, Mapping) else ""


def _shown(value: Any) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool):
        return ""
    return "".join(c for c in str(value).encode("utf-8", "replace").decode() if c.isprintable())
