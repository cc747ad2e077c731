"""Which answers travel into which field of Campaign Monitor, and the segments of groups."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for

from relay.domain.mapping import BASE_FIELDS
from relay.domain.sensitive import sensitive
from relay.errors import Invalid
from relay.store import structure
from relay.store.connections import Connection
from relay.store.structure import Field, Group
from relay.sync.structure import groups
from relay.web.access import needs, noted, parts
from relay.web.changes import Answer, Told, change, given, left_out, look, seen
from relay.web.examples import TYPES
from relay.web.words import plural

blueprint = Blueprint("fields", __name__)
ANSWER = "answer:"


@blueprint.get("/c/<connection>/fields")
@needs("viewer")
def page(connection: Connection) -> Answer:
    if connection.state == "setup":
        return redirect(url_for("wizard.resume"))
    return _page(connection), 200


def _page(connection: Connection, wrong: str = "") -> str:
    with parts().database.read() as tx:
        fields, known = structure.all_fields(tx, connection.id), structure.all_groups(tx, connection.id)
        members = groups.members(tx, connection.id)
    out = _out(connection)
    questions = [_question(one, out, fields) for one in fields if one.source.startswith(ANSWER)]
    named = {word for one in questions for word in (one["id"].lower(), one["label"].strip().lower())}
    gone = [word for word in connection.rules.fields_left_out if word.strip().lower() not in named]
    return render_template(
        "fields/page.html",
        questions=questions,
        unknown=gone,
        base=[(BASE_FIELDS[one.source][0], one) for one in fields if one.source in BASE_FIELDS],
        groups=[_group(one, members) for one in known if not one.deleted or one.segment_id],
        missing=[one.ehq_id for one in known if groups.missing(one)],
        seen=seen(connection),
        problems=[("", wrong)] if wrong else [],
    )


def _group(one: Group, members: dict[str, int] | None) -> dict[str, Any]:
    """`people`: on the list when a run last compared everybody, None where none did."""
    people = None if members is None or one.deleted else members.get(one.ehq_id, 0)
    state, why = _state(one)
    return {"id": one.ehq_id, "name": one.name, "title": one.title, "people": people, "state": state, "why": why}


def _state(one: Group) -> tuple[tuple[str, str], str]:
    """((word, kind), why)"""
    if one.deleted:
        why = f"EngagementHQ has this group no more. {one.problem or ''}".strip()
        return ("Its segment stays", "warning") if one.problem else ("Being deleted", "busy"), why
    if one.problem:
        return ("Not repaired" if one.segment_id else "Not made", "warning"), one.problem
    if groups.missing(one):
        return ("Missing", "warning"), f"The last {one.absent_runs} complete runs found it nowhere in EngagementHQ."
    if one.segment_id is None:
        return ("Waits for the next look", "off"), ""
    return ("In step", "good"), "The last complete run found it nowhere in EngagementHQ." if one.absent_runs else ""


def _out(connection: Connection) -> set[str]:
    return {word.strip().lower() for word in connection.rules.fields_left_out}


def _question(one: Field, out: set[str], fields: Sequence[Field]) -> dict[str, Any]:
    """`former`: fields of earlier kinds of this question, (name, kind)."""
    number = one.source.removeprefix(ANSWER)
    former = [other for other in fields if other.source == structure.former_source(number, other.type)]
    return {
        "id": number,
        "label": one.label,
        "name": one.name,
        "cut": one.cut,
        "skipped": one.skipped,
        "problem": one.problem,
        "asked": one.asked,
        "earlier": one.earlier,
        "former": [(other.name, TYPES.get(other.type, TYPES["Text"])[0]) for other in former],
        "type": TYPES.get(one.type, TYPES["Text"])[0],
        "sensitive": sensitive(one.label),
        "on": not _is(number, one.label, out),
    }


@blueprint.post("/c/<connection>/fields")
@needs("operator")
def save(connection: Connection) -> Answer:
    differs, _, changed = _chosen(connection)
    looked = url_for("fields.effect", **changed)
    try:
        return change(connection, differs, url_for("fields.page"), looked)
    except Invalid as error:
        return _page(connection, str(error)), 422


@blueprint.get("/c/<connection>/fields/effect")
@needs("operator")
def effect(connection: Connection) -> Answer:
    differs, told, _ = _chosen(connection)
    try:
        return look(connection, differs, url_for("fields.save"), url_for("fields.page"), told)
    except Invalid as error:
        return _page(connection, str(error)), 422


def _chosen(connection: Connection) -> tuple[dict[str, Any], Told, dict[str, Any]]:
    """What the form says of questions: as a part of the rules, in words, and the same form with only what differs: all
    of it would not fit into an address."""
    with parts().database.read() as tx:
        fields = structure.all_fields(tx, connection.id)
    labels = {one.source.removeprefix(ANSWER): one.label for one in fields if one.source.startswith(ANSWER)}
    out = left_out(connection.rules, labels)
    before, after = _out(connection), {word.strip().lower() for word in out}
    told = [
        ("Travels no more", [label for i, label in labels.items() if _is(i, label, after) > _is(i, label, before)]),
        ("Travels again", [label for i, label in labels.items() if _is(i, label, after) < _is(i, label, before)]),
    ]
    words = [(one, labels.get(one, one)) for one in given().getlist("shown")]
    shown = [one for one, label in words if _is(one, label, after) != _is(one, label, before)]
    on = [one for one in shown if one in given().getlist("on")]
    return {"fields_left_out": out}, told, {"shown": shown, "on": on, "seen": given().get("seen", "")}


def _is(number: str, label: str, out: set[str]) -> bool:
    """Whether this question is left out."""
    return bool({number.lower(), label.strip().lower()} & out)


@blueprint.post("/c/<connection>/fields/groups")
@needs("operator")
def forget(connection: Connection) -> Answer:
    """Somebody says that groups which runs find nowhere are gone. One that was found again meanwhile stays."""
    asked = set(request.form.get("groups", "").splitlines())
    with parts().database.read() as tx:
        known = structure.all_groups(tx, connection.id)
    gone = [one.ehq_id for one in known if one.ehq_id in asked and groups.missing(one)]
    if gone:
        groups.forget(parts(), connection, gone)
        noted("said that groups are gone", connection=connection, groups=gone)
        flash(f"{plural(len(gone), 'segment')} will be deleted in Campaign Monitor within seconds.", "success")
    else:
        flash("It is not missing any more, so nothing was changed.", "info")
    return redirect(url_for("fields.page", _anchor="groups"))
