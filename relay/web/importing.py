"""Reading EHQ from the export that its administrators can make: upload, look what it would do, apply."""

import time
from datetime import datetime
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from relay.domain.sensitive import sensitive
from relay.errors import RelayError
from relay.store import exports as stored
from relay.store import participants, runs, structure
from relay.store.connections import Connection
from relay.store.exports import Export
from relay.sync.connections import connect
from relay.sync.connections.audiences import audience_of
from relay.sync.exports import exports
from relay.sync.exports.uploads import Kind, Manifest, Upload
from relay.sync.runs import progress
from relay.web.access import needs, noted, parts, takes
from relay.web.changes import audience, left_out, seen

blueprint = Blueprint("importing", __name__)
LARGEST = 200 * 1024 * 1024
MOST_GROUPS = 30
Problems = list[tuple[str, str]]


@blueprint.get("/c/<connection>/import")
@needs("operator")
def page(connection: Connection) -> str:
    return _form(connection, [])


def _form(connection: Connection, problems: Problems) -> str:
    with parts().database.read() as tx:
        waiting = stored.waiting(tx, connection.id)
        names = [group.name for group in structure.all_groups(tx, connection.id) if not group.deleted]
        before = [run for run in runs.latest(tx, connection.id, 50, dry=False) if run.trigger == "export"][:5]
    asked = request.args.get("groups", "")
    rows = min(int(asked), MOST_GROUPS) if asked.isdecimal() and len(asked) < 4 else 3
    return render_template(
        "importing/upload.html",
        waiting=waiting,
        names=sorted(names),
        before=before,
        rows=rows,
        most=MOST_GROUPS,
        now=datetime.now(connection.rules.zone).strftime("%Y-%m-%dT%H:%M"),
        last_read=exports.last_read(connection),
        problems=problems,
        given=request.form,
    )


@blueprint.post("/c/<connection>/import")
@needs("operator")
@takes(LARGEST)
def upload(connection: Connection) -> Response | tuple[str, int]:
    problems: Problems = []
    people, made_at = _number(problems), _made_at(connection, problems)
    uploads = _uploads(problems)
    if not uploads and not problems:
        problems.append(("files", "Choose the files that EngagementHQ sent."))
    if problems:
        return _form(connection, problems), 422
    try:
        export = exports.stage(parts(), connection, uploads, Manifest(people), made_at)
    except RelayError as error:
        return _form(connection, [("files", str(error))]), 422
    files, found = len(export.summary["files"]), export.summary["people"]
    noted("uploaded an export", connection=connection, files=files, people=found, complete=export.summary["complete"])
    _start(connection, export, dry=True)
    return redirect(url_for("importing.one", number=export.id))


@blueprint.get("/c/<connection>/import/<int:number>")
@needs("operator")
def one(connection: Connection, number: int) -> str:
    export = _export(connection, number)
    with parts().database.read() as tx:
        run = runs.find(tx, export.run_id) if export.run_id else None
    questions = exports.undecided(parts(), connection, export)
    out = {word.strip().lower() for word in connection.rules.fields_left_out}
    answered = run.counts.get("answered", {}) if run else {}
    return render_template(
        "importing/one.html",
        export=export,
        run=run,
        progress=progress.progress(run) if run else None,
        questions=[
            {"label": q, "sensitive": sensitive(q), "on": q.strip().lower() not in out, "answered": answered.get(q)}
            for q in questions
        ],
        first=connection.unasked,
        audience=audience_of(connection.rules),
        seen=seen(connection),
        until=export.uploaded_at + stored.KEPT_S,
    )


@blueprint.post("/c/<connection>/import/<int:number>/look")
@needs("operator")
def look(connection: Connection, number: int) -> Response:
    export = _export(connection, number)
    if _choose(connection, export):
        _start(connection, export, dry=True)
    return redirect(url_for("importing.one", number=number))


def _choose(connection: Connection, export: Export) -> bool:
    """Saves which of the new questions travel, and at first who is on the list; False, and said why, when it cannot."""
    if "seen" not in request.form:
        return True
    new = {label: label for label in exports.undecided(parts(), connection, export)}
    out = left_out(connection.rules, new)
    if request.form.get("leave_out") == "marked":
        out += [label for label in new if sensitive(label) and label not in out]
    before = connection.rules.model_dump(mode="json")
    after = {**before, "fields_left_out": out}
    try:
        if connection.unasked and (chosen := audience()):
            after["audience"] = chosen.model_dump(mode="json")
        if after == before:
            return True
        with parts().database.read() as tx:
            anybody = bool(participants.after(tx, connection.id, 0, 1))
        connect.configure(parts(), connection, after, request.form["seen"], compare=anybody)
    except RelayError as error:
        flash(str(error), "warning")
        return False
    noted("chose what travels", connection=connection, before=before, after=after)
    return True


@blueprint.post("/c/<connection>/import/<int:number>/apply")
@needs("operator")
def apply(connection: Connection, number: int) -> Response:
    export = _export(connection, number)
    if connection.state != "on":
        flash("The connection is not on, so nothing can be written. Resume it, or finish its set-up, first.", "warning")
        return redirect(url_for("importing.one", number=number))
    run, new = _start(connection, export, dry=False) if _choose(connection, export) else (None, False)
    if run is None:
        return redirect(url_for("importing.one", number=number))
    if new:
        noted("applied an export", connection=connection, run=run)
    return redirect(url_for("runs.one", number=run))


@blueprint.post("/c/<connection>/import/<int:number>/discard")
@needs("operator")
def discard(connection: Connection, number: int) -> Response:
    if exports.discard(parts(), connection, number):
        noted("threw an export away", connection=connection)
        flash("The export was thrown away. Nothing of it is kept.", "success")
    return redirect(url_for("importing.page"))


def _start(connection: Connection, export: Export, dry: bool) -> tuple[int | None, bool]:
    """The run's number, and whether it is new: one that reads this export already is joined. None, and said why, when
    it cannot start."""
    try:
        return exports.start(parts(), connection, export, dry=dry).id, True
    except RelayError as error:
        with parts().database.read() as tx:
            here = [run for run in runs.under_way(tx, connection.id) if run.id == export.run_id and run.dry == dry]
        if here:
            return here[0].id, False
        flash(str(error), "warning")
        return None, False


def _export(connection: Connection, number: int) -> Export:
    with parts().database.read() as tx:
        found = stored.find(tx, connection.id, number) if number < 2**62 else None
    if found is None:
        abort(404, "This export is not kept any more. Upload it again if you still need it.")
    return found


def _uploads(problems: Problems) -> list[Upload]:
    given: list[tuple[Kind, str, FileStorage]] = [("participants", "", one) for one in request.files.getlist("files")]
    given += [("team", "", one) for one in request.files.getlist("team")]
    for row in range(1, MOST_GROUPS + 1):
        name = " ".join(request.form.get(f"group-{row}", "").split())
        files = [one for one in request.files.getlist(f"group-file-{row}") if one.filename]
        if bool(name) != bool(files):
            missing = ("file", f"group-file-{row}") if name else ("name", f"group-{row}")
            problems.append((missing[1], f"Group {row} has no {missing[0]}."))
        given += [("group", name, one) for one in files if name]
    return [Upload(one.filename or "", one.stream, kind, group) for kind, group, one in given if one.filename]  # type: ignore[arg-type]


def _number(problems: Problems) -> int | None:
    text = request.form.get("people", "").replace(",", "").replace(" ", "").replace(".", "")
    if not text:
        return None
    if text.isascii() and text.isdecimal() and len(text) < 9:
        return int(text)
    problems.append(("people", "How many participants EngagementHQ shows must be a number, or be left empty."))
    return None


def _made_at(connection: Connection, problems: Problems) -> float | None:
    text: Any = request.form.get("made_at", "")
    if not text:
        return None
    try:
        # To the minute, as browsers give it; the end of it, or an upload right after the last one would be older.
        made_at = datetime.fromisoformat(text).replace(tzinfo=connection.rules.zone).timestamp() + 59.0
    except (ValueError, OverflowError):
        problems.append(("made_at", "When the export was made must be a date and a time."))
        return None
    return min(made_at, time.time())
