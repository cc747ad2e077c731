"""The HTTP API for what a list is made of: custom fields, segments, webhooks (contract §6 to §8)."""

from __future__ import annotations

from flask import Blueprint, Response, request

from sandbox.campaign_monitor import fields, hooks, paging, segments
from sandbox.campaign_monitor.account import List, sort_key
from sandbox.campaign_monitor.errors import CMError
from sandbox.campaign_monitor.gate import body
from sandbox.campaign_monitor.state import empty, locked
from sandbox.control import answer

routes = Blueprint("structure", __name__, url_prefix="/api/v3.3")


# custom fields


@routes.route("/lists/<list_id>/customfields.json", methods=["GET", "POST"])
def custom_fields(list_id: str) -> Response:
    with locked() as here:
        where = here.list(list_id)
        if request.method == "POST":
            return answer(fields.create(here, where, body("customField")).key, 201)
        return answer([field.document() for field in where.fields])


@routes.put("/lists/<list_id>/customfields/<path:key>/options.json")
def field_options(list_id: str, key: str) -> Response:
    with locked() as here:
        where = here.list(list_id)
        fields.set_options(here, where, fields.by_key(where, key), body("customField"))
    return empty()


@routes.route("/lists/<list_id>/customfields/<path:key>.json", methods=["PUT", "DELETE"])
def custom_field(list_id: str, key: str) -> Response:
    with locked() as here:
        where = here.list(list_id)
        field = fields.by_key(where, key)
        if request.method == "PUT":
            return answer(fields.rename(where, field, body("customField")))
        fields.delete(where, field)
    return empty()


# segments


@routes.post("/segments/<list_id>.json")
def create_segment(list_id: str) -> Response:
    with locked() as here:
        where = here.list(list_id)
        segments.busy(here)
        return answer(segments.create(here, where, body("segment")).id, 201)


@routes.get("/lists/<list_id>/segments.json")
def list_segments(list_id: str) -> Response:
    with locked() as here:
        where = here.list(list_id)
        return answer(
            [{"ListID": where.id, "SegmentID": one.id, "Title": one.title} for one in where.segments.values()]
        )


@routes.route("/segments/<segment_id>.json", methods=["GET", "PUT", "DELETE"])
def segment(segment_id: str) -> Response:
    with locked() as here:
        found = segments.find(here, segment_id)
        segments.busy(here)
        if request.method == "GET":
            return answer(found.document())
        if found.system:
            raise CMError(284)
        if request.method == "DELETE":
            if found.in_draft:
                raise CMError(272)
            del found.list.segments[found.id]
            return empty()
        sent = body("segment")
        title = segments.check_title(found.list, sent.get("Title"), but=found)
        if "RuleGroups" in sent:
            found.groups = segments.rules_of(found.list, sent["RuleGroups"] or [])
        found.title = title
    return empty()


@routes.route("/segments/<segment_id>/rules.json", methods=["POST", "DELETE"])
def segment_rules(segment_id: str) -> Response:
    """POST appends one rule group, DELETE clears them all."""
    with locked() as here:
        found = segments.find(here, segment_id)
        segments.busy(here)
        if request.method == "POST":
            found.groups = [*found.groups, *segments.rules_of(found.list, [body("segment")])]
        else:
            found.groups = []
    return empty()


@routes.get("/segments/<segment_id>/active.json")
def segment_people(segment_id: str) -> Response:
    with locked() as here:
        found = segments.find(here, segment_id)
        segments.busy(here)
        by, down = paging.order(("email", "name", "date"), "email")
        rows = found.members() if by == "email" else sorted(found.members(), key=sort_key(by))
        return answer(paging.people(found.list, rows, by, down))


# CM's own webhooks


@routes.route("/lists/<list_id>/webhooks.json", methods=["GET", "POST"])
def webhooks(list_id: str) -> Response:
    with locked() as here:
        where = here.list(list_id)
        if request.method == "POST":
            return answer(hooks.create(here, where, body("webhook")).id, 201)
        return answer([hook.document() for hook in where.hooks.values()])


def find_hook(where: List, id: str) -> hooks.Hook:
    if id not in where.hooks:
        raise CMError(604)
    return where.hooks[id]


@routes.delete("/lists/<list_id>/webhooks/<hook_id>.json")
def delete_webhook(list_id: str, hook_id: str) -> Response:
    with locked() as here:
        where = here.list(list_id)
        del where.hooks[find_hook(where, hook_id).id]
    return empty()


@routes.get("/lists/<list_id>/webhooks/<hook_id>/test.json")
def test_webhook(list_id: str, hook_id: str) -> Response:
    with locked() as here:
        where = here.list(list_id)
        hook = find_hook(where, hook_id)
    hooks.test(where, hook)  # outside the lock: the receiver may well call back
    return empty()


@routes.put("/lists/<list_id>/webhooks/<hook_id>/<any(activate,deactivate):what>.json")
def switch_webhook(list_id: str, hook_id: str, what: str) -> Response:
    with locked() as here:
        find_hook(here.list(list_id), hook_id).active = what == "activate"
    return empty()
