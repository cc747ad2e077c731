"""Clients, lists and the suppression list (contract §5.1, §5.2, §9)."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, request

from sandbox.campaign_monitor import paging
from sandbox.campaign_monitor.account import TIME_ZONE, ZONE, Client, List, local
from sandbox.campaign_monitor.errors import CMError, unreadable
from sandbox.campaign_monitor.gate import body
from sandbox.campaign_monitor.state import empty, locked
from sandbox.control import answer

routes = Blueprint("lists", __name__, url_prefix="/api/v3.3")


@routes.get("/clients.json")
def clients() -> Response:
    with locked() as here:
        return answer([{"ClientID": one.id, "Name": one.name} for one in here.clients])


@routes.get("/clients/<client_id>.json")
def client(client_id: str) -> Response:
    """Carries a live API key, as the real one does: whoever logs or stores this whole leaks it."""
    with locked() as here:
        one = here.client(client_id)
    basic = {
        "ClientID": one.id,
        "CompanyName": one.name,
        "ContactName": "Clerk",
        "EmailAddress": "clerk@example.com",
        "Country": "Australia",
        "TimeZone": TIME_ZONE,
    }
    return answer({"ApiKey": f"live-api-key-{one.id}", "BasicDetails": basic, "BillingDetails": {"Credits": 0}})


@routes.get("/primarycontact.json")
@routes.get("/clients/<client_id>/primarycontact.json")
def primary_contact(client_id: str = "") -> Response:
    if client_id:
        with locked() as here:
            here.client(client_id)
    return answer({"EmailAddress": "clerk@example.com"})


@routes.get("/clients/<client_id>/lists.json")
def client_lists(client_id: str) -> Response:
    with locked() as here:
        one = here.client(client_id)
        return answer([{"ListID": l.id, "Name": l.title} for l in here.lists.values() if l.client is one])  # noqa: E741


@routes.get("/clients/<client_id>/segments.json")
def client_segments(client_id: str) -> Response:
    with locked() as here:
        one, shown = here.client(client_id), []
        for where in here.lists.values():
            if where.client is one:
                shown += [{"ListID": where.id, "SegmentID": s.id, "Title": s.title} for s in where.segments.values()]
        return answer(shown)


@routes.get("/clients/<client_id>/listsforemail.json")
def lists_for_email(client_id: str) -> Response:
    with locked() as here:
        one, shown = here.client(client_id), []
        here.settle()
        for where in here.lists.values():
            person = where.get(request.args.get("email", ""))
            if where.client is one and person:
                joined = local(int(person.joined))
                shown.append(
                    {
                        "ListID": where.id,
                        "ListName": where.title,
                        "SubscriberState": person.state,
                        "DateSubscriberAdded": joined,
                    }
                )
        return answer(shown)


@routes.get("/clients/<client_id>/suppressionlist.json")
def suppression_list(client_id: str) -> Response:
    with locked() as here:
        held = here.client(client_id).suppressed.values()
        by, down = paging.order(("email", "date"), "email")
        rows = sorted(held, key=lambda one: one[0].lower() if by == "email" else one[2])
        return answer(paging.page(rows, by, down, suppressed))


def suppressed(one: tuple[str, str, float]) -> dict[str, Any]:
    email, reason, since = one
    return {
        "SuppressionReason": reason,
        "EmailAddress": email,
        "Date": local(int(since)),
        "State": "Suppressed",
    }


@routes.post("/clients/<client_id>/suppress.json")
def suppress(client_id: str) -> Response:
    with locked() as here:
        one = here.client(client_id)
        for email in body("suppress").get("EmailAddresses") or []:
            here.suppress(one, str(email), "Reason Unavailable", time.time())
    return empty()


@routes.put("/clients/<client_id>/unsuppress.json")
def unsuppress(client_id: str) -> Response:
    with locked() as here:
        if here.client(client_id).suppressed.pop(request.args.get("email", "").lower(), None) is None:
            raise CMError(176)
    return empty()


# lists


def settings(where: List | None, owner: Client, sent: dict[str, Any], lists: dict[str, List]) -> dict[str, Any]:
    """The checked settings of a list to be made or changed; the title is among them."""
    title = sent.get("Title")
    if title is not None and not isinstance(title, str):
        raise unreadable("list")
    if not (title or "").strip():
        raise CMError(251)
    for other in lists.values():
        if other is not where and other.client is owner and other.title.lower() == str(title).strip().lower():
            raise CMError(250)
    if sent.get("UnsubscribeSetting", "AllClientLists") not in ("AllClientLists", "OnlyThisList", ""):
        raise CMError(261)
    kept = ("UnsubscribePage", "UnsubscribeSetting", "ConfirmedOptIn", "ConfirmationSuccessPage")
    return {"Title": str(title).strip()} | {name: sent[name] for name in kept if sent.get(name) not in (None, "")}


@routes.post("/lists/<client_id>.json")
def create_list(client_id: str) -> Response:
    with locked() as here:
        owner = here.client(client_id)
        chosen = settings(None, owner, body("list"), here.lists)
        where = List(here.new_id("list"), owner, chosen.pop("Title"))
        where.settings |= chosen
        here.lists[where.id] = where
        return answer(where.id, 201)


@routes.route("/lists/<list_id>.json", methods=["GET", "PUT", "DELETE"])
def one_list(list_id: str) -> Response:
    with locked() as here:
        where = here.list(list_id)
        if request.method == "GET":
            return answer({"ListID": where.id, "Title": where.title, **where.settings})
        if request.method == "DELETE":
            if where.in_draft:
                raise CMError(252)
            del here.lists[where.id]
            return empty()
        chosen = settings(where, where.client, body("list"), here.lists)
        where.title = chosen.pop("Title")
        where.settings |= chosen
    return empty()


@routes.get("/lists/<list_id>/stats.json")
def stats(list_id: str) -> Response:
    """24 counters, by the client's calendar; weeks begin on Sunday."""
    with locked() as here:
        where = here.list(list_id)
        today = datetime.now(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
        week = today - timedelta(days=(today.weekday() + 1) % 7)
        spans = {
            "Today": (today, None),
            "Yesterday": (today - timedelta(days=1), today),
            "ThisWeek": (week, None),
            "ThisMonth": (today.replace(day=1), None),
            "ThisYear": (today.replace(month=1, day=1), None),
        }
        counts = where.counts()
        shown = {
            "TotalActiveSubscribers": counts["Active"],
            "TotalUnsubscribes": counts["Unsubscribed"],
            "TotalDeleted": counts["Deleted"],
            "TotalBounces": counts["Bounced"],
        }
        kinds = {
            "NewActiveSubscribers": "Active",
            "Unsubscribes": "Unsubscribed",
            "Deleted": "Deleted",
            "Bounces": "Bounced",
        }
        for name, state in kinds.items():
            moments = [one.joined if state == "Active" else one.since for one in where.in_state(state, "email")]
            for span, (start, end) in spans.items():
                top = end.timestamp() if end else float("inf")
                shown[name + span] = sum(start.timestamp() <= moment < top for moment in moments)
        return answer(shown)
