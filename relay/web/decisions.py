"""What a person decides about a run: let go whom the brake holds, or keep them; put back whom it removed."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from relay.errors import RelayError
from relay.store.connections import Connection
from relay.sync.runs import brake, undo
from relay.web.access import needs, noted, parts
from relay.web.runs import run_of
from relay.web.words import plural

blueprint = Blueprint("decisions", __name__)


@blueprint.post("/c/<connection>/runs/<int:number>/brake")
@needs("operator")
def decide(connection: Connection, number: int) -> Response:
    run = run_of(connection, number)
    approved = request.form.get("decision") == "approve"
    try:
        done = (brake.approve if approved else brake.reject)(parts(), connection, run.id)
    except RelayError as error:  # somebody else was quicker, and decided otherwise
        flash(str(error), "warning")
        return redirect(url_for("runs.one", number=run.id))
    people = done["let_go"] if approved else done["kept"]
    what = "let people go whom the brake held" if approved else "kept people whom the brake held"
    noted(what, connection=connection, run=run.id, people=people)
    ends = "leave the list now" if approved else "stay on the list"
    flash(f"{plural(people, 'person', 'people')} {ends}.", "success")
    return redirect(url_for("runs.one", number=run.id))


@blueprint.get("/c/<connection>/runs/<int:number>/undo")
@needs("operator")
def look(connection: Connection, number: int) -> str:
    """Who would come back, and who cannot."""
    run = run_of(connection, number)
    return render_template("runs/undo.html", run=run, effect=undo.undo(parts(), connection, run.id, dry=True))


@blueprint.post("/c/<connection>/runs/<int:number>/undo")
@needs("operator")
def put_back(connection: Connection, number: int) -> Response:
    run = run_of(connection, number)
    done = undo.undo(parts(), connection, run.id)
    noted("put back whom a run removed", connection=connection, run=run.id, people=done["waiting"])
    flash(f"{plural(done['waiting'], 'person is', 'people are')} being put back on the list.", "success")
    return redirect(url_for("decisions.look", number=run.id))
