"""Whether one person may be written: the shape of what is sent, consent, address, state (contract §4)."""

from __future__ import annotations

import re
from typing import Any

from sandbox.campaign_monitor.account import Account, List, Subscriber
from sandbox.campaign_monitor.errors import NOT_ADDED, CMError, unreadable

ADDRESS = re.compile(r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@([A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}$")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
MOBILE = re.compile(r"^\+[1-9]\d{6,14}$")
CONSENT = ("yes", "no", "unchanged")
Entry = dict[str, Any]


def check_shape(entry: Any, field: str) -> None:
    """What the real API cannot deserialise: wrong types, and characters no XML document may hold."""
    if not isinstance(entry, dict):
        raise unreadable(field)
    for name in ("EmailAddress", "Name", "ConsentToTrack", "ConsentToSendSms", "MobileNumber"):
        value = entry.get(name)
        if value is not None and (type(value) is not str or CONTROL.search(value)):
            raise unreadable(field)
    items = entry.get("CustomFields")
    if items is None:
        return
    if type(items) is not list:
        raise unreadable(field)
    for item in items:
        if type(item) is not dict or type(item.get("Key")) is not str:
            raise unreadable(field)
        if isinstance(item.get("Value"), (list, dict)):
            raise unreadable(field)


def check_consent(entry: Entry) -> None:
    given = entry.get("ConsentToTrack")
    if not given:
        raise CMError(214)
    if given.lower() not in CONSENT:
        raise CMError(215)


def refusal(account: Account, entry: Entry) -> int:
    """The code that keeps this person out whatever the list holds, or 0."""
    email, mobile = (entry.get("EmailAddress") or "").strip(), entry.get("MobileNumber")
    refused = account.faults.get("refuse") or {}
    if email in refused:
        return int(refused[email]) if isinstance(refused, dict) else 1
    wrong, bad_mobile = not ADDRESS.match(email), bool(mobile) and not MOBILE.match(str(mobile))
    return (221 if bad_mobile else 1) if wrong else 220 if bad_mobile else 0


def inactive(where: List, email: str, person: Subscriber | None) -> int:
    """204 to 208 when `Resubscribe: false` leaves this address out, else 0."""
    if person and person.state in ("Unsubscribed", "Bounced"):
        return NOT_ADDED[person.state]
    if where.spans_client and email.lower() in where.client.suppressed:
        return 204
    return NOT_ADDED.get(person.state, 0) if person else 0


def too_quick(account: Account, person: Subscriber | None, now: float) -> bool:
    window = account.faults.get("throttle_s")
    return bool(window) and person is not None and now - person.written < float(window)
