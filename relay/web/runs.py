"""Runs: how each went, one under way as it goes, what it did to whom, and the buttons to start, stop and go on."""

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Plain

from relay.errors import NeedsPerson
from relay.store import receipts, runs
from relay.store.connections import Connection
from relay.store.receipts import Touched
from relay.store.runs import Run
from relay.sync import work
from relay.sync.people.why import why_refused
from relay.sync.runs import brake, progress
from relay.sync.runs.start import in_the_way
from relay.web.access import asked, needs, noted, parts
from relay.web.csvs import csv_lines

blueprint = Blueprint("runs", __name__)
PAGE = 50
STATES = {
    "running": ("Under way", "busy"),
    "completed": ("Complete", "good"),
    "incomplete": ("Not complete", "warning"),
    "braked": ("Stopped to ask", "warning"),
    "stopped": ("Stopped", "off"),
    "needs_person": ("Needs a person", "bad"),
}
TRIGGERS = {"clock": "Daily", "person": "By a person", "change": "After a change", "export": "From an export"}
WHAT = {
    "joined": "joined the list",
    "changed": "changed",
    "moved": "moved to a new address",
    "merged": "had a second subscriber, who was removed",
    "left": "left the list",
    "restored": "came back to the list",
    "refused": "refused by Campaign Monitor",
    "opted_out": "opted out in Campaign Monitor",
    "opted_in": "came back in Campaign Monitor by themselves",
}
"""What was done to people, in words that a number can stand before; in the order of a receipt."""


@blueprint.app_context_processor
def words() -> dict[str, Any]:
    return {
        "run_states": STATES,
        "run_triggers": TRIGGERS,
        "run_what": WHAT,
        "explained": why_refused,
        "sentence": sentence,
    }


@blueprint.get("/c/<connection>/runs")
@needs("viewer")
def page(connection: Connection) -> str:
    before = request.args.get("before", "")
    last = int(before) if before.isdecimal() and len(before) < 16 else None
    with parts().database.read() as tx:
        some = runs.page(tx, connection.id, before=last, limit=PAGE + 1)
        under_way = runs.under_way(tx, connection.id)
    older = url_for("runs.page", before=some[PAGE - 1].id) if len(some) > PAGE else ""
    return render_template(
        "runs/list.html",
        runs=some[:PAGE],
        older=older,
        first=last is not None,
        running=under_way[0] if under_way else None,
    )


@blueprint.post("/c/<connection>/runs")
@needs("operator")
def start(connection: Connection) -> Plain:
    """Run now, or with `dry` say what it would do; the one under way is joined."""
    dry = request.form.get("dry") == "yes"
    if connection.state == "setup":
        return redirect(url_for("wizard.resume"))
    if connection.state != "on" and not dry:
        flash("It is not on, so a run would end at once. Resume it first, or ask what a run would do.", "warning")
        return redirect(url_for("runs.page"))
    run, new = work.start_run(parts(), connection.id, trigger="person", dry=dry)
    if new:
        noted("asked what a run would do" if dry else "started a run", connection=connection, run=run.id)
    elif words := in_the_way(run, dry):
        flash(f"{words}: this is it.", "info")
    return redirect(url_for("runs.one", number=run.id))


@blueprint.get("/c/<connection>/runs/<int:number>")
@needs("viewer")
def one(connection: Connection, number: int) -> str:
    run = run_of(connection, number)
    with parts().database.read() as tx:
        newest = runs.latest(tx, connection.id)
        rows = receipts.receipt(tx, run.id) if not run.dry else []
    totals: dict[str, int] = {}
    for what, _, people in rows:
        totals[what] = totals.get(what, 0) + people
    return render_template(
        "runs/one.html",
        run=run,
        progress=progress.progress(run),
        totals=totals,
        rows=rows,
        can_go_on=progress.can_go_on(run, newest[0].id == run.id),
        held=waits if (waits := brake.waiting(parts(), connection)) and waits["run"] == run.id else None,
    )


@blueprint.get("/c/<connection>/runs/<int:number>/people")
@needs("viewer")
def people(connection: Connection, number: int) -> str:
    run = run_of(connection, number)
    what, cause, after = map(asked, ("what", "cause", "after"))
    last = int(after) if after and after.isdecimal() and len(after) < 16 else 0
    with parts().database.read() as tx:
        some = receipts.touched(tx, run.id, what=what, cause=cause, after=last, limit=PAGE + 1)
    more: dict[str, Any] = {name: value for name, value in (("what", what), ("cause", cause)) if value is not None}
    older = url_for("runs.people", number=run.id, after=some[PAGE - 1].change_id, **more) if len(some) > PAGE else ""
    first = url_for("runs.people", number=run.id, **more) if last else ""
    return render_template(
        "runs/people.html", run=run, people=some[:PAGE], what=what, cause=cause, older=older, first=first
    )


@blueprint.post("/c/<connection>/runs/<int:number>/refused.csv")
@needs("operator")
def refused(connection: Connection, number: int) -> Response:
    """Whom CM refused in this run, with addresses: whoever downloads it has seen them, and the audit log says so."""
    run = run_of(connection, number)
    noted("downloaded who was refused", connection=connection, run=run.id)
    heads = ("EHQ ID", "E-mail address", "Code", "What Campaign Monitor says", "What to do")
    return Response(
        csv_lines(heads, ((one.ehq_id, one.email, *_told(one)) for one in _refused(run))),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="refused-{connection.id}-{run.id}.csv"'},
    )


def _refused(run: Run) -> Iterator[Touched]:
    database, last = parts().database, 0

    def everyone() -> Iterator[Touched]:
        nonlocal last
        while True:
            with database.read() as tx:
                some = receipts.touched(tx, run.id, what="refused", after=last, limit=500)
            yield from some
            if len(some) < 500:
                return
            last = some[-1].change_id

    return everyone()


def _told(one: Touched) -> tuple[str, str, str]:
    code = str((one.detail or {}).get("code", ""))
    return code, *why_refused(code)


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


@blueprint.post("/c/<connection>/runs/<int:number>/stop")
@needs("operator")
def stop(connection: Connection, number: int) -> Plain:
    run = run_of(connection, number)
    if run.state == "running" and progress.stop(parts(), connection):
        noted("stopped a run", connection=connection, run=run.id)
        flash("Stopped. What it did stays; it can go on where it was for a day.", "success")
    else:
        flash("It had ended already.", "info")
    return redirect(url_for("runs.one", number=run.id))


@blueprint.post("/c/<connection>/runs/<int:number>/go-on")
@needs("operator")
def go_on(connection: Connection, number: int) -> Plain:
    run = run_of(connection, number)
    if connection.state not in ("on", "setup") and not run.dry:
        raise NeedsPerson("The connection is not on.", remedy="Resume it first.")
    if run.state == "running":  # clicked twice
        return redirect(url_for("runs.one", number=run.id))
    if progress.go_on(parts(), run):
        noted("let a run go on", connection=connection, run=run.id)
    else:
        flash("It cannot go on any more: another run followed, or it is too long ago. Start a new one.", "warning")
    return redirect(url_for("runs.one", number=run.id))


def run_of(connection: Connection, number: int) -> Run:
    with parts().database.read() as tx:
        run = runs.find(tx, number) if number < 2**62 else None
    if run is None or run.connection_id != connection.id:
        abort(404, "This connection has no such run.")
    return run
