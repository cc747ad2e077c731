"""The set-up's second half: read EHQ, choose what travels and who is on the list, see what would happen, and go on."""

from zoneinfo import available_timezones

from flask import Blueprint, flash, redirect, request, url_for

from relay.domain.rules import fingerprint
from relay.domain.sensitive import sensitive
from relay.errors import Invalid, RelayError
from relay.store import deliveries, structure
from relay.store.connections import Connection
from relay.sync.connections import connect, destination, hook, setup
from relay.sync.connections.audiences import audience_of
from relay.sync.connections.setup import Draft
from relay.sync.runs.progress import progress
from relay.web.access import needs, noted, parts
from relay.web.changes import audience, count
from relay.web.examples import looks_like
from relay.web.steps import Answer, on, show, step

blueprint = Blueprint("choices", __name__)


@blueprint.get("/c/<connection>/setup/read")
@step("read")
def read(draft: Draft) -> Answer:
    if draft.read is not None:
        return on(draft.resume if draft.resume != "read" else "answers")
    if draft.run is None:  # left before it began
        setup.read(parts(), draft.connection)
        draft = setup.draft(parts(), draft.connection)
    return show("read", draft, run=draft.run, progress=progress(draft.run) if draft.run else None)


@blueprint.post("/c/<connection>/setup/read")
@step("read")
def read_again(draft: Draft) -> Answer:
    setup.read(parts(), draft.connection)
    return on("read")


@blueprint.get("/c/<connection>/setup/answers")
@step("answers")
def answers(draft: Draft) -> Answer:
    return _answers(draft)


def _answers(draft: Draft, wrong: RelayError | None = None) -> Answer:
    c = draft.connection
    with parts().database.read() as tx:
        fields, groups = structure.all_fields(tx, c.id), structure.all_groups(tx, c.id)
    counts = draft.read.counts if draft.read else {}
    out = {name.strip().lower() for name in c.rules.fields_left_out}
    questions = []
    for one in fields:
        if not one.source.startswith("answer:"):
            continue
        number = one.source.removeprefix("answer:")
        words, example = looks_like(one)
        questions.append(
            {
                "id": number,
                "label": one.label,
                "type": words,
                "example": example,
                "answered": counts.get("answered", {}).get(number, 0),
                "sensitive": sensitive(one.label),
                "on": number.lower() not in out and one.label.strip().lower() not in out,
            }
        )
    return show(
        "answers",
        draft,
        wrong,
        questions=questions,
        groups=[one.name for one in groups if not one.deleted],
        people=counts.get("ehq_read", 0),
        audience=audience_of(c.rules),
        seen=fingerprint(c.rules),
        zones=sorted(available_timezones()),
    )


@blueprint.post("/c/<connection>/setup/answers")
@step("answers")
def choose_answers(draft: Draft) -> Answer:
    c, form = draft.connection, request.form
    with parts().database.read() as tx:
        questions = [f for f in structure.all_fields(tx, c.id) if f.source.startswith("answer:")]
    kept = set(form.getlist("travels"))
    marked = form.get("leave_out") == "marked"
    left_out = [
        number
        for one in questions
        if (number := one.source.removeprefix("answer:")) not in kept or (marked and sensitive(one.label))
    ]
    try:
        setup.choose(
            parts(),
            c,
            audience=audience(),
            left_out=left_out,
            seen=form.get("seen", ""),
            time_zone=form.get("time_zone", c.rules.time_zone),
        )
    except Invalid as error:
        return _answers(draft, error)
    now = parts().connection(c.id)
    before, after = (one.rules.model_dump(mode="json") for one in (c, now))
    noted("chose what travels", connection=c, before=before, after=after)
    return on("answers" if marked else "preview")


@blueprint.get("/c/<connection>/setup/preview")
@step("preview")
def preview(draft: Draft) -> Answer:
    working = draft.run is not None and draft.run.state == "running"
    return show("preview", draft, working=working, progress=progress(draft.run) if draft.run else None)


@blueprint.post("/c/<connection>/setup/preview")
@step("preview")
def look_again(draft: Draft) -> Answer:
    setup.look_again(parts(), draft.connection)
    return on("preview")


# The webhook, and on


@blueprint.get("/c/<connection>/setup/webhook")
@step("webhook")
def webhook(draft: Draft) -> Answer:
    return _webhook(draft)


def _webhook(draft: Draft, secret: str | None = None, wrong: RelayError | None = None) -> Answer:
    c = draft.connection
    with parts().database.read() as tx:
        arrived = deliveries.search(tx, c.id, limit=20)
    tests = [one for one in arrived if one.type == "test.ping"]
    real = [one for one in arrived if one.type != "test.ping"]
    return show(
        "webhook",
        draft,
        wrong,
        "",
        address=connect.webhook_url(parts(), c.id),
        secret=secret,
        made=connect.secrets_made(parts(), c),
        test=tests[0] if tests else None,
        first=real[-1] if real else None,
        profile=c.rules.authentication.profile,
    )


@blueprint.post("/c/<connection>/setup/secret")
@step("webhook")
def make_secret(draft: Draft) -> Answer:
    """The secret is in this answer and nowhere else: the page cannot be had again."""
    secret = connect.rotate_secret(parts(), draft.connection, count("seen"))["webhook_secret"]
    if secret is None:
        flash("The secret was shown once already. Make another if it was not copied.", "warning")
        return on("webhook")
    noted("made a webhook secret", connection=draft.connection)
    return _webhook(setup.draft(parts(), parts().connection(draft.connection.id)), secret)


@blueprint.post("/c/<connection>/setup/test")
@step("webhook")
def send_test(draft: Draft) -> Answer:
    try:
        hook.send_test(parts(), draft.connection)
    except RelayError as error:
        return _webhook(draft, wrong=error)
    flash("Our own test event went out, came in by this address, and was found genuine.", "success")
    return on("webhook")


@blueprint.post("/c/<connection>/setup/on")
@needs("operator")
def turn_on(connection: Connection) -> Answer:
    try:
        run = setup.turn_on(parts(), connection)
    except RelayError as error:
        if error.code in ("250", "251", "101", "list-taken"):  # somebody else was quicker in Campaign Monitor
            draft = setup.draft(parts(), connection)
            there = destination.lists(parts(), connection)
            return show("list", draft, error, "name", lists=there, chosen=None, name=connection.cm_list_name)
        raise
    if connection.state == "setup":
        noted("switched a connection on", connection=connection)
        soon = "From now on everyone who registers is on the list within seconds."
        so_far = "is as fresh as the last upload" if connection.reads == "export" else "is compared once a day"
        later = f"The list {so_far}, until EngagementHQ's webhook calls: its address and secret are in the settings."
        flash(f"It is on. {soon if connect.secrets_made(parts(), connection) else later}", "success")
    return redirect(url_for("runs.one", number=run.id) if run else f"/c/{connection.id}/import")
