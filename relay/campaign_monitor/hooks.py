"""What Campaign Monitor posts when something happens on a list: unsigned, up to 1,000 events at once, our own writes
among them (https://www.campaignmonitor.com/api/v3-3/webhooks/)."""

from dataclasses import dataclass, field
from typing import Any

from relay.campaign_monitor import wire
from relay.campaign_monitor.shapes import Subscriber
from relay.errors import Invalid

EVENTS = ("Subscribe", "Deactivate", "Update")


@dataclass(frozen=True, slots=True)
class Told:
    """One event: the subscriber as it left them, and the address, in lower case, under which they were before."""

    now: Subscriber
    before: str = field(repr=False)


def read(body: bytes) -> tuple[str, list[Told]]:
    """(ListID, events), those that are none passed over. :raise Invalid: when the body is none of CM's."""
    try:
        posted = wire.decode(body)
        return str(posted["ListID"]), [told for event in posted["Events"] if (told := _read(event))]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Invalid("This is not what Campaign Monitor posts.") from None


def _read(event: Any) -> Told | None:
    try:
        if event["Type"] not in EVENTS:
            return None
        # Only a subscription has no state: it is what makes somebody active.
        state = event.get("State") or ("Active" if event["Type"] == "Subscribe" else "")
        address = _address(event["EmailAddress"])
        before = _address(event.get("OldEmailAddress") or address)
        (now,) = wire.subscribers([{**event, "EmailAddress": address, "State": str(state)}])
        return Told(now, before.lower())
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _address(given: Any) -> str:
    """:raise ValueError: for what is no text, or holds what no address does, such as NUL, which PostgreSQL refuses."""
    if not isinstance(given, str) or not given.strip() or not given.strip().isprintable():
        raise ValueError
    return given.strip()
