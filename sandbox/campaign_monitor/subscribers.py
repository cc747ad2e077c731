"""Adding, updating, importing and removing people (contract §4)."""

from __future__ import annotations

import time
from typing import Any

from sandbox.campaign_monitor import fields
from sandbox.campaign_monitor.account import Account, List, Subscriber
from sandbox.campaign_monitor.admission import Entry, check_consent, check_shape, inactive, refusal, too_quick
from sandbox.campaign_monitor.errors import MESSAGES, CMError, unreadable
from sandbox.campaign_monitor.fields import Field


def restore(account: Account, where: List, person: Subscriber, now: float) -> None:
    """Resubscribe: true. Whoever left of their own accord should never come back this way."""
    suppressed = where.spans_client and person.email.lower() in where.client.suppressed
    if person.state in ("Unsubscribed", "Bounced", "Unconfirmed") or suppressed:
        account.violation("reactivated", where, [person.email])
    elif person.by_hand:
        account.violation("restored_whom_a_user_deleted", where, [person.email])
    account.move(where, person, "Active", now)


def put(
    account: Account,
    where: List,
    entry: Entry,
    now: float,
    table: dict[str, Field],
    clearing: bool = True,
    merge: bool = False,
) -> bool:
    """Add or update one person, who is allowed in; whether they are new."""
    email = entry["EmailAddress"].strip()
    person = where.people.get(email.lower())
    new = person is None
    if person is None:
        person = where.people[email.lower()] = Subscriber(email, "", now)
        where.order += 1
        if email.lower() in where.client.suppressed and where.spans_client:
            account.violation("reactivated", where, [email])
        if where.settings["ConfirmedOptIn"]:
            person.state = "Unconfirmed"
    restored = person.state != "Active" and not new
    if restored:
        restore(account, where, person, now)
    changed = details(person, entry)
    changed |= fields.write(person, entry.get("CustomFields") or (), table, clearing, merge)
    person.written = now
    account.note(
        where,
        person,
        "added" if new else "restored" if restored else "updated",
        new or restored or changed,
        now,
    )
    if account.postman:
        account.postman.tell(where, "Subscribe" if new or restored else "Update", person)
    return new


def details(person: Subscriber, entry: Entry) -> bool:
    """Name, mobile and consent; what is missing, and an empty name, leaves the old."""
    before = (person.name, person.mobile, person.consent, person.sms)
    person.name = entry.get("Name") or person.name
    if entry.get("MobileNumber") is not None:
        person.mobile = entry["MobileNumber"]
    consent, sms = entry.get("ConsentToTrack") or "", entry.get("ConsentToSendSms") or ""
    person.consent = person.consent or "Yes" if consent.lower() == "unchanged" else consent.title()
    person.sms = person.sms if sms.lower() in ("", "unchanged") else sms.title()
    return before != (person.name, person.mobile, person.consent, person.sms)


# the calls


def add(account: Account, where: List, entry: Entry) -> str:
    """POST: checked at once, visible after the queue. Does not honour Clear."""
    check_shape(entry, "subscriber")
    check_consent(entry)
    if code := refusal(account, entry):
        raise CMError(code)
    email, now = str(entry["EmailAddress"]).strip(), time.time()
    person = where.get(email)
    queued = account.faults.get("throttle_s") and any(
        one["EmailAddress"].strip().lower() == email.lower() for _, one in where.queue
    )
    if queued or too_quick(account, person, now):
        raise CMError(429)
    if not entry.get("Resubscribe") and (code := inactive(where, email, person)):
        raise CMError(code)
    where.queue.append((now + float(account.faults.get("queue_delay_s", 0)), entry))
    account.settle()
    return email


def add_now(account: Account, where: List, entry: Entry, now: float) -> None:
    """What the processing queue does with one added person."""
    email = entry["EmailAddress"].strip()
    if not entry.get("Resubscribe") and inactive(where, email, where.get(email)):
        return  # left while waiting: "201 but never appears"
    put(account, where, entry, now, fields.lookup(where), False, bool(account.faults.get("msm_merge")))


def update(account: Account, where: List, old: str, entry: Entry) -> None:
    """PUT: never creates, reaches inactive people without bringing them back, always replaces options."""
    check_shape(entry, "subscriber")
    person = where.get(old)
    if person is None:
        raise CMError(203)
    check_consent(entry)
    now, new = time.time(), (entry.get("EmailAddress") or "").strip() or person.email
    if code := refusal(account, {**entry, "EmailAddress": new}):
        raise CMError(211 if code == 1 and new.lower() != person.email.lower() else code)
    if new.lower() != person.email.lower() and where.get(new):
        raise CMError(201)
    if too_quick(account, person, now):
        raise CMError(429)
    before, moved = person.email, new != person.email
    if moved and person.state == "Active" and where.spans_client and new.lower() in where.client.suppressed:
        account.violation("moved_onto_suppressed", where, [new])
    if moved:
        del where.people[person.email.lower()]
        where.people[new.lower()] = person
        person.email = new
        where.order += 1
    restored = bool(entry.get("Resubscribe")) and person.state != "Active"
    if restored:
        restore(account, where, person, now)
    changed = details(person, entry)
    changed |= fields.write(person, entry.get("CustomFields") or (), fields.lookup(where), True, False)
    person.written = now
    account.note(where, person, "restored" if restored else "updated", moved or restored or changed, now)
    if account.postman:
        account.postman.tell(where, "Update", person, before)


def import_people(account: Account, where: List, body: dict[str, Any]) -> dict[str, Any]:
    """POST import: everyone at once, failures one by one. Lock held by the caller."""
    entries, resubscribe = body.get("Subscribers"), bool(body.get("Resubscribe"))
    if entries is not None and not isinstance(entries, list):
        raise unreadable("subscribers")
    if not entries:
        raise CMError(212)
    if len(entries) > 1000:
        raise CMError(209)
    for entry in entries:
        check_shape(entry, "subscribers")
    for entry in entries:
        check_consent(entry)
    if {entry.get("EmailAddress") for entry in entries} & set(account.faults.get("spoils") or ()):
        raise CMError(500, 500)
    if resubscribe and len(entries) > 1:
        account.violation("bulk_resubscribe", where, [str(one.get("EmailAddress")) for one in entries])
    now, table = time.time(), fields.lookup(where)
    merge, reports = bool(account.faults.get("msm_merge")), account.faults.get("import_reports_inactive")
    every = account.faults.get("partial_every") or 0
    nth, nth_code = (every["every"], every["code"]) if isinstance(every, dict) else (int(every), 1)
    seen: set[str] = set()
    failures: list[dict[str, Any]] = []
    twice: list[str] = []
    counts = {"new": 0, "old": 0}
    throttled = bool(account.faults.get("throttle_s"))
    for place, entry in enumerate(entries, 1):
        email = (entry.get("EmailAddress") or "").strip()
        low = email.lower()
        first = low not in seen
        if first:
            seen.add(low)
        else:
            twice.append(email)
        code = refusal(account, entry) or (nth_code if nth and place % nth == 0 else 0)
        person = where.people.get(low)
        if not code and throttled and too_quick(account, person, now):
            code = 429
        if not code and not resubscribe and (left_out := inactive(where, email, person)):
            if not reports:
                counts["old"] += first  # silently: the person stays as they are
                continue
            code = left_out
        if code:
            failures.append({"EmailAddress": email, "Code": code, "Message": MESSAGES.get(code, "Error")})
        elif put(account, where, entry, now, table, True, merge):
            counts["new"] += 1
        else:
            counts["old"] += first
    result = {
        "FailureDetails": failures,
        "TotalUniqueEmailsSubmitted": len(seen),
        "TotalExistingSubscribers": counts["old"],
        "TotalNewSubscribers": counts["new"],
        "DuplicateEmailsInSubmission": twice,
    }
    if failures:
        raise CMError(210, result=result)
    return result


def unsubscribe(account: Account, where: List, email: Any, reason: str = "Unsubscribed") -> None:
    """On a list that spans its client, also on the client's other such lists and its suppression list."""
    if not isinstance(email, str):
        raise unreadable("subscriber")
    person = where.get(email)
    if person is None:
        raise CMError(203)
    opt_out(account, where, person, reason)
    if where.spans_client:
        account.suppress(where.client, person.email, reason, time.time())
        for other in account.lists.values():
            also = other.get(email)
            if other is not where and other.client is where.client and other.spans_client and also:
                opt_out(account, other, also, reason)


def opt_out(account: Account, where: List, person: Subscriber, reason: str) -> None:
    state, now = "Bounced" if reason == "Bounced" else "Unsubscribed", time.time()
    changed = person.state != state
    account.move(where, person, state, now)
    account.note(where, person, state.lower(), changed, now)
    if changed and account.postman:
        account.postman.tell(where, "Deactivate", person)


def delete(account: Account, where: List, email: str, by_hand: bool = False) -> None:
    """Active → Deleted, still readable. Any other state stays what it is."""
    person = where.get(email)
    if person is None:
        raise CMError(203)
    changed, now = person.state == "Active", time.time()
    if changed:
        person.by_hand = by_hand
        account.move(where, person, "Deleted", now)
        if account.postman:
            account.postman.tell(where, "Deactivate", person)
    account.note(where, person, "deleted", changed, now)
