"""What stands in the way on a connection, by cause, with what to do about it."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from relay.errors import RelayError
from relay.store.connections import Connection
from relay.sync.health import problems
from relay.sync.health.causes import Problem
from relay.web.access import me, needs, noted, parts
from relay.web.words import plural

blueprint = Blueprint("problems", __name__)
BUTTONS = {
    "resume": "Resume now",
    "start a run": "Run now",
    "let them wait": "Try these again",
    "make them": "Try these again",
    "read them again": "Read these again",
}
PLURALS = {"person": "people", "delivery": "deliveries"}


@blueprint.get("/c/<connection>/problems")
@needs("viewer")
def page(connection: Connection) -> str:
    found = problems.everything(parts(), connection)
    now = [problem for problem in found if problem.state != "resolved"]
    past = [problem for problem in found if problem.state == "resolved"]
    shown = [(problem, affected(problem), where(problem), BUTTONS.get(problem.again, "")) for problem in now]
    return render_template("problems/list.html", now=shown, past=[(one, affected(one)) for one in past])


def affected(problem: Problem) -> str:
    """12 people; nothing for what is about the connection as a whole."""
    return plural(problem.affected, problem.unit, PLURALS.get(problem.unit, "")) if problem.unit else ""


def where(problem: Problem) -> tuple[str, str] | None:
    """(address, words) of the page that shows whom it is about."""
    if problem.kind == "refused":
        return url_for("people.page", which=f"refused:{problem.what}"), "Show these people"
    if problem.kind == "failed":
        return url_for("people.page", which="failed"), "Show these people"
    if problem.kind == "shared":
        return url_for("people.page", which="duplicate"), "Show these people"
    if problem.kind == "quarantined":
        return url_for("deliveries.page", state="quarantined"), "Show the deliveries"
    if problem.kind == "run":
        return url_for("runs.one", number=int(problem.what)), "Look at the run"
    if problem.kind == "connection":
        return url_for("oauth.reconnect"), "Connect Campaign Monitor again"
    if problem.kind == "notices":
        return url_for("overview.page"), "See how it is doing"
    if problem.kind in ("field", "lost"):
        return url_for("fields.page"), "Show the fields"
    if problem.kind in ("groups", "segments"):
        return url_for("fields.page", _anchor="groups"), "Show the groups"
    return url_for("settings.page", _anchor="webhook"), "The webhook's address"


@blueprint.post("/c/<connection>/problems/again")
@needs("operator")
def again(connection: Connection) -> Response:
    key = request.form.get("problem", "")
    try:
        done = problems.again(parts(), connection, key)
    except RelayError as error:
        flash(str(error), "warning")
        return redirect(url_for("problems.page"))
    noted("tried a problem's people again", connection=connection, problem=key[:100], tried=done["tried"])
    flash("It is being tried again. Look here in a moment.", "success")
    return redirect(url_for("problems.page"))


@blueprint.post("/c/<connection>/problems/acknowledge")
@needs("operator")
def acknowledge(connection: Connection) -> Response:
    key = request.form.get("problem", "")
    try:
        problems.acknowledge(parts(), connection, key, me().name)
    except RelayError as error:
        flash(str(error), "warning")
        return redirect(url_for("problems.page"))
    noted("acknowledged a problem", connection=connection, problem=key[:100])
    flash("Acknowledged. It stays here until nobody is left.", "success")
    return redirect(url_for("problems.page"))
