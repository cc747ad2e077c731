"""Which answers travel into which field of Campaign Monitor, and the segments of groups."""

from typing import Any

from flask import Blueprint, redirect, render_template, url_for

from relay.domain.mapping import BASE_FIELDS
from relay.domain.sensitive import sensitive
from relay.errors import Invalid
from relay.store import structure
from relay.store.connections import Connection
from relay.web.access import needs, parts
from relay.web.changes import Answer, change, left_out, seen
from relay.web.choices import TYPES

blueprint = Blueprint("fields", __name__)


@blueprint.get("/c/<connection>/fields")
@needs("viewer")
def page(connection: Connection) -> Answer:
    if connection.state == "setup":
        return redirect(url_for("wizard.resume"))
    return _page(connection), 200


def _page(connection: Connection, wrong: str = "") -> str:
    with parts().database.read() as tx:
        fields, groups = structure.all_fields(tx, connection.id), structure.all_groups(tx, connection.id)
    out = _out(connection)
    questions = [_question(one, out) for one in fields if one.source.startswith("answer:")]
    named = {word for one in questions for word in (one["id"].lower(), one["label"].strip().lower())}
    gone = [word for word in connection.rules.fields_left_out if word.strip().lower() not in named]
    return render_template(
        "fields/page.html",
        questions=questions,
        unknown=gone,
        base=[(BASE_FIELDS[one.source][0], one) for one in fields if one.source in BASE_FIELDS],
        groups=[one for one in groups if not one.deleted],
        seen=seen(connection),
        problems=[("", wrong)] if wrong else [],
    )


def _out(connection: Connection) -> set[str]:
    return {word.strip().lower() for word in connection.rules.fields_left_out}


def _question(one: structure.Field, out: set[str]) -> dict[str, Any]:
    number = one.source.removeprefix("answer:")
    return {
        "id": number,
        "label": one.label,
        "name": one.name,
        "cut": one.cut,
        "skipped": one.skipped,
        "problem": one.problem,
        "asked": one.asked,
        "type": TYPES.get(one.type, TYPES["Text"])[0],
        "sensitive": sensitive(one.label),
        "on": number.lower() not in out and one.label.strip().lower() not in out,
    }


@blueprint.post("/c/<connection>/fields")
@needs("operator")
def save(connection: Connection) -> Answer:
    with parts().database.read() as tx:
        fields = structure.all_fields(tx, connection.id)
    labels = {one.source.removeprefix("answer:"): one.label for one in fields if one.source.startswith("answer:")}
    try:
        return change(connection, {"fields_left_out": left_out(connection.rules, labels)}, url_for("fields.page"))
    except Invalid as error:
        return _page(connection, str(error)), 422
