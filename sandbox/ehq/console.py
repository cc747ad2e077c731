"""What a person or a test uses beside the API: act, look, point the webhook somewhere."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as Plain

from sandbox.control import Refused, answer, body
from sandbox.ehq.actions import act
from sandbox.ehq.api import site
from sandbox.ehq.emitter import Webhook
from sandbox.ehq.resources import group as group_resource
from sandbox.ehq.signing import PROFILES
from sandbox.people import Person

routes = Blueprint("console", __name__)
BY_HAND = {"register": "Somebody registers", "unsubscribe": "Somebody unsubscribes"}


@routes.route("/sandbox/webhook", methods=["GET", "POST"])
def webhook() -> Response:
    """Where events go: `{"url", "secret", "profile", "enabled", "header", "tries"}`."""
    emitter = site().emitter
    if request.method == "POST":
        given = body()
        try:
            hook = Webhook(**{"enabled": True, **given})
        except TypeError as error:
            raise Refused(str(error)) from None
        if hook.profile not in PROFILES:
            raise Refused(f"no such profile; there are {', '.join(PROFILES)}")
        emitter.webhook = hook
    hook = emitter.webhook
    return answer({"url": hook.url, "profile": hook.profile, "enabled": hook.enabled, "tries": hook.tries})


@routes.post("/sandbox/by-hand")
def by_hand() -> Plain:
    """The forms of the page below: where events go, or something that a resident does."""
    given = request.form
    if "url" in given:
        site().emitter.webhook = Webhook(url=given["url"].strip(), secret=given["secret"].strip(), enabled=True)
    elif given.get("action") in BY_HAND:
        act(site(), {"action": given["action"], "confirmed": True})
    return redirect("/sandbox/")


@routes.post("/sandbox/act")
def take_action() -> Response:
    return answer(act(site(), body()))


@routes.post("/sandbox/resend")
def resend() -> Response:
    """`{"event": id}` or `{"last": n}`: send again what was sent before, under the same delivery id."""
    wanted, emitter = body(), site().emitter
    past = list(emitter.deliveries)
    chosen = [one for one in past if one.event == wanted.get("event")] or past[-int(wanted.get("last", 1)) :]
    for one in chosen:
        one.attempts = 0
        emitter.send(one)
    return answer({"events": [{"id": one.event, "type": one.type} for one in chosen]})


@routes.get("/sandbox/deliveries.json")
def deliveries() -> Response:
    emitter = site().emitter
    return answer({"pending": emitter.pending(), "deliveries": [one.public() for one in list(emitter.deliveries)]})


@routes.get("/sandbox/people.json")
def people() -> Response:
    """Everyone as the API would show them, or the one with `?id=` or `?email=`; groups; the form."""
    here = site()
    with here.lock:
        chosen = here.order
        if request.args:
            found = here.find(request.args.get("id"), request.args.get("email"))
            chosen = [found] if found else []
        questions = [
            {"id": str(one.id), "question": one.label, "type": one.type, "options": one.options}
            for one in here.questions
            if one.type != "removed"
        ]
        groups = [{**group_resource(one), "rule": one.rule} for one in here.groups.values()]
        return answer({"people": here.users(chosen), "groups": groups, "questions": questions})


@routes.get("/")
@routes.get("/sandbox/")
def page() -> str:
    here, asked = site(), request.args.get("q", "").strip().lower()
    with here.lock:
        everyone = here.memberships(here.order)
        sizes = dict.fromkeys(here.groups, 0)
        for groups in everyone:
            for group in groups:
                sizes[group.id] += 1
        matches = [one for one in here.order if asked in f"{one.email} {one.login} {one.id}".lower()]
        latest: list[Person] = sorted(matches, key=lambda one: -one.updated_at)[:25]
        context: dict[str, Any] = {
            "counts": {
                "people": len(here.order),
                "administrators": sum(one.role != "participant" for one in here.order),
                "blocked": sum(one.blocked for one in here.order),
                "not subscribed": sum(not one.subscribed for one in here.order),
                "not activated": sum(not one.confirmed for one in here.order),
                "deleted since the start": len(here.gone),
            },
            "groups": [(one, sizes[one.id]) for one in here.groups.values()],
            "people": here.users(latest),
            "names": {str(id): group.name for id, group in here.groups.items()},
        }
    sent = list(here.emitter.deliveries)[-25:][::-1]
    return render_template(
        "ehq.html",
        asked=asked,
        deliveries=sent,
        pending=here.emitter.pending(),
        hook=here.emitter.webhook,
        faults=here.faults.active(),
        host=here.host,
        by_hand=BY_HAND,
        **context,
    )
