"""What to do about one person, from nothing but the two states (design §1: compare, never remember messages)."""

from dataclasses import dataclass
from typing import Literal

from relay.domain.mapping import Held, Wanted, differences

Step = Literal["nothing", "leave", "put", "move", "restore"]

OPTED_OUT = {
    "Unsubscribed": "Unsubscribed in Campaign Monitor.",
    "Bounced": "Campaign Monitor found that this address bounces.",
    "Deleted": "Someone removed this person in Campaign Monitor.",
    "Suppressed": "The address is on Campaign Monitor's suppression list.",
    "Unconfirmed": "This person has not confirmed the subscription in Campaign Monitor yet.",
}
"""CM states in which nobody is ever written to again by us, and what to tell people."""


@dataclass(frozen=True, slots=True)
class Record:
    """Our own record of what we did: `put` that we asked CM to hold them, `removed` that we removed them while they
    were Active, `refused_for` the fingerprint of what CM refused."""

    put: bool = False
    removed: bool = False
    refused_for: str | None = None


def opted_out(held: Held, record: Record) -> str | None:
    """Why CM's word stands against writing to them (design rule 3), or None. Only our own removal can be undone."""
    if held.state == "Deleted" and record.removed:
        return None
    return OPTED_OUT.get(held.state or "")


def decide(wanted: Wanted | None, held: Held, record: Record) -> Step:
    """The step that makes the two sides agree. `wanted` is None when the person does not belong on the list."""
    if opted_out(held, record):
        return "nothing"
    if wanted is None:
        # Someone whom we never put there is left alone (design rule 6); "not known" is read before it is believed.
        return "leave" if record.put and held.email and held.state in ("Active", None) else "nothing"
    if record.refused_for and record.refused_for == wanted.fingerprint():
        return "nothing"
    if held.state == "Deleted":
        return "restore"
    if held.state is None:
        # Asked for once under another address, with an answer that we never had: CM may hold them there.
        return "move" if held.email and held.email != wanted.email.lower() else "put"
    if not differences(wanted, held):
        return "nothing"
    return "move" if wanted.email.lower() != held.email else "put"
