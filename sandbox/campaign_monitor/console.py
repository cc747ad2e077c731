"""What a person or a test uses beside the API: look at everything, act as somebody else would."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, render_template, request

from sandbox.campaign_monitor.account import List
from sandbox.campaign_monitor.actions import act
from sandbox.campaign_monitor.errors import CMError
from sandbox.campaign_monitor.state import account
from sandbox.control import Refused, answer, body

routes = Blueprint("console", __name__)


def outline(where: List) -> dict[str, Any]:
    return {"id": where.id, "name": where.title, "client": where.client.id, "counts": where.counts()}


def whole(where: List) -> dict[str, Any]:
    """Everything on one list: `fields` is {FieldName: value, or values of a MultiSelectMany}."""
    names = {field.number: field.name for field in where.fields}
    people = [
        {
            "email": one.email,
            "name": one.name,
            "state": one.state,
            "fields": {names[number]: value for number, value in one.fields.items() if number in names},
            "changed_at": one.changed,
            "suppressed": one.email.lower() in where.client.suppressed,
        }
        for one in where.people.values()
    ]
    return {
        **outline(where),
        "settings": where.settings,
        "subscribers": people,
        "fields": [field.document() for field in where.fields],
        "segments": [one.document() for one in where.segments.values()],
        "webhooks": [
            {
                **hook.document(),
                "sent": hook.sent,
                "failed": hook.failed,
                "pending": len(hook.waiting) + hook.posting,
            }
            for hook in where.hooks.values()
        ],
    }


@routes.get("/sandbox/lists.json")
def lists() -> Response:
    here = account()
    with here.lock:
        here.settle()
        return answer({"lists": [outline(where) for where in here.lists.values()]})


@routes.get("/sandbox/lists/<list_id>.json")
def one_list(list_id: str) -> Response:
    """By id or title, deleted-list fault or not."""
    here = account()
    with here.lock:
        here.settle()
        for where in here.lists.values():
            if list_id in (where.id, where.title):
                return answer(whole(where))
    return answer({"error": "no such list"}, 404)


@routes.get("/sandbox/arrivals.json")
def arrivals() -> Response:
    """The journal after `?since=SEQ`, at most `?limit=` lines; `last` is the next `since`."""
    here = account()
    here.settle()
    numbers = [request.args.get(name, default) for name, default in (("since", "0"), ("limit", "200000"))]
    if not all(one.isdigit() for one in numbers):
        raise Refused("since and limit are numbers")
    last, rows = here.arrivals(int(numbers[0]), int(numbers[1]))
    return answer({"last": last, "arrivals": rows})


@routes.get("/sandbox/violations.json")
def violations() -> Response:
    """What a careful client never does: one flag for each kind, and the cases."""
    cases = list(account().violations)
    kinds = ("concurrent_imports", "bulk_resubscribe", "reactivated", "moved_onto_suppressed")
    flags = {kind: any(case["kind"] == kind for case in cases) for kind in kinds}
    return answer({"any": bool(cases), **flags, "violations": cases})


@routes.delete("/sandbox/violations.json")
def forget_violations() -> Response:
    account().violations.clear()
    return violations()


@routes.post("/sandbox/act")
def take_action() -> Response:
    try:
        return answer(act(account(), body()))
    except CMError as error:
        raise Refused(f"{error.code}: {error.message}") from None


@routes.get("/")
@routes.get("/sandbox/")
def page() -> str:
    here, asked = account(), request.args.get("q", "").strip().lower()
    with here.lock:
        here.settle()
        shown = []
        for where in here.lists.values():
            found = [p for p in where.people.values() if asked and asked in f"{p.email} {p.name}".lower()][:25]
            names = {field.number: field.name for field in where.fields}
            people = [(p, {names[n]: v for n, v in p.fields.items() if n in names}) for p in found]
            segments = [(s.title, s.id, s.groups, len(s.members())) for s in where.segments.values()]
            shown.append((where, where.counts(), segments, people))
        suppressed = sum(len(client.suppressed) for client in here.clients)
        latest = list(here.journal)[-25:][::-1]
    return render_template(
        "campaign_monitor.html",
        asked=asked,
        lists=shown,
        latest=latest,
        names={where.id: where.title for where, *_ in shown},
        clients=here.clients,
        suppressed=suppressed,
        violations=len(here.violations),
        faults=here.faults.active(),
    )
