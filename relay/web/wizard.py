"""Connecting EHQ to Campaign Monitor, a page a step: the two systems, and the list. What is filled in says where the
set-up stands: any operator may go on with it, from any browser."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for

from relay.domain.rules import Rules
from relay.errors import Invalid, RelayError
from relay.store.connections import Connection
from relay.sync.connections import connect, destination, setup
from relay.sync.connections.setup import Draft
from relay.sync.health.standing import look
from relay.web.access import me, needs, noted, parts
from relay.web.oauth import has_app
from relay.web.overrides import EXAMPLE, pretty_document, read_document
from relay.web.steps import TITLES, Answer, on, show, step

blueprint = Blueprint("wizard", __name__)


# EngagementHQ


@blueprint.get("/connect")
@needs("operator")
def new() -> Answer:
    return show("ehq", None, given={"how": "key"}, example=EXAMPLE)


@blueprint.post("/connect")
@needs("operator")
def create() -> Answer:
    form = request.form
    try:
        rules = _rules(Rules())
        made, found, new = setup.begin(
            parts(), form.get("name", ""), form.get("address", ""), _credential(), _reads(), rules
        )
    except RelayError as error:
        return show("ehq", None, error, _at_fault(error), given=form, example=EXAMPLE)
    g.connection = made
    noted("began to set up a connection" if new else "began a set-up again", connection=made, after=_named(made))
    flash(found if new else f"{found} Its set-up had been begun already: this is it.", "success")
    return on("campaign-monitor")


@blueprint.get("/c/<connection>/setup")
@step("ehq", "viewer")
def resume(draft: Draft) -> Answer:
    """Whoever may only look sees how far it is, and who can go on."""
    if me().may("operator"):
        return on(draft.resume)
    return render_template("wizard/looking.html", next=TITLES[draft.step], look=look(parts(), draft.connection))


@blueprint.get("/c/<connection>/setup/ehq")
@step("ehq")
def ehq(draft: Draft) -> Answer:
    c = draft.connection
    how = "login" if "login" in parts().vault.unlock(c.ehq_credential) else "key"
    how = "export" if c.reads == "export" else how
    spells = c.rules.overrides or c.rules.authentication != Rules().authentication
    given = {"name": c.name, "address": c.ehq_url, "how": how, "document": pretty_document(c.rules) if spells else ""}
    return show("ehq", draft, given=given, example=EXAMPLE)


@blueprint.post("/c/<connection>/setup/ehq")
@step("ehq")
def change_ehq(draft: Draft) -> Answer:
    form, c = request.form, draft.connection
    given = any(form.get(name) for name in ("key", "login", "password"))
    try:
        credential = _credential() if given or _reads() == "export" else None
        name, address = form.get("name", ""), form.get("address", "")
        found = setup.change_ehq(parts(), c, name, address, credential, _reads(), _rules(c.rules))
    except RelayError as error:
        return show("ehq", draft, error, _at_fault(error), given=form, example=EXAMPLE)
    noted(
        "changed a connection's EngagementHQ",
        connection=c,
        before=_named(c),
        after=_named(parts().connection(c.id)),
    )
    flash(found, "success")
    return on(setup.draft(parts(), parts().connection(c.id)).resume)


def _named(c: Connection) -> dict[str, Any]:
    """What the audit log says of a site."""
    return {"name": c.name, "address": c.ehq_url, "overrides": dict(c.rules.overrides)}


def _rules(there: Rules) -> Rules:
    """With what the site does differently, as on the page of overrides. :raise Invalid: with the code "document"."""
    try:
        return read_document(there)[1] if "document" in request.form else there
    except Invalid as error:
        raise Invalid(error.message, remedy=error.remedy, code="document") from None


def _reads() -> str:
    return "export" if request.form.get("how") == "export" else "api"


def _credential() -> Mapping[str, str]:
    form = request.form
    if form.get("how") == "export":
        return {}
    if form.get("how") == "login":
        if form.get("login", "").strip() and form.get("password"):
            return {"login": form["login"].strip(), "password": form["password"]}
        raise Invalid("A log-in and its password are needed.", remedy="Type both.", code="no-login")
    if form.get("key", "").strip():
        return {"token": form["key"].strip()}
    raise Invalid("An API key is needed.", remedy="Paste it, or choose to log in instead.", code="no-key")


def _at_fault(error: RelayError) -> str:
    if error.code == "document":
        return "document"
    if error.code in ("no-key", "no-login", "ehq-login", "ehq-401", "ehq-403"):
        return "login" if request.form.get("how") == "login" else "key"
    return "name" if error.code == "address" and not request.form.get("name", "").strip() else "address"


# Campaign Monitor


@blueprint.get("/c/<connection>/setup/campaign-monitor")
@step("campaign-monitor")
def campaign_monitor(draft: Draft) -> Answer:
    if draft.connection.cm_credential and "opened" in request.args:  # allowed in the window this page opened
        return on(draft.resume)
    return show("campaign-monitor", draft, has_app=has_app(parts()))


@blueprint.post("/c/<connection>/setup/campaign-monitor")
@step("campaign-monitor")
def give_key(draft: Draft) -> Answer:
    try:
        destination.give_key(parts(), draft.connection, request.form.get("key", ""))
    except RelayError as error:
        return show("campaign-monitor", draft, error, "key", has_app=has_app(parts()))
    noted("connected Campaign Monitor", connection=draft.connection, how="API key")
    flash("Campaign Monitor answers.", "success")
    return on(setup.draft(parts(), parts().connection(draft.connection.id)).resume)


@blueprint.get("/c/<connection>/setup/client")
@step("client")
def client(draft: Draft) -> Answer:
    return show("client", draft, clients=destination.clients(parts(), draft.connection))


@blueprint.post("/c/<connection>/setup/client")
@step("client")
def choose_client(draft: Draft) -> Answer:
    try:
        destination.choose_client(parts(), draft.connection, request.form.get("client", "none"))
    except RelayError as error:
        return show("client", draft, error, "client", clients=destination.clients(parts(), draft.connection))
    return on("list")


@blueprint.get("/c/<connection>/setup/list")
@step("list")
def which_list(draft: Draft) -> Answer:
    """With `?list=` the warning before an existing list is kept in step."""
    there, chosen, wrong = destination.lists(parts(), draft.connection), None, None
    if list_id := request.args.get("list"):
        try:
            chosen = destination.look_at_list(parts(), draft.connection, list_id)
        except RelayError as error:
            wrong = error
    name = draft.connection.cm_list_name if not draft.connection.cm_list_id else ""
    return show(
        "list", draft, wrong, "list", lists=there, chosen=chosen, name=name or f"{draft.connection.name} residents"
    )


@blueprint.post("/c/<connection>/setup/list")
@step("list")
def choose_list(draft: Draft) -> Answer:
    c, form = draft.connection, request.form
    try:
        if form.get("adopt"):
            destination.adopt_list(parts(), c, form["adopt"])
        else:
            destination.new_list(parts(), c, form.get("name", ""))
    except RelayError as error:
        there = destination.lists(parts(), c)
        return show("list", draft, error, "name", lists=there, chosen=None, name=form.get("name", "")[:200])
    now = parts().connection(c.id)
    noted("chose a connection's list", connection=c, after={"list": now.cm_list_name, "existing": bool(now.cm_list_id)})
    if setup.draft(parts(), now).step == "read":
        setup.read(parts(), now)
    return on(setup.draft(parts(), now).resume)


@blueprint.post("/c/<connection>/setup/abandon")
@step("ehq")
def abandon(draft: Draft) -> Answer:
    connect.abandon(parts(), draft.connection)
    noted("gave up setting up a connection", connection=draft.connection, before={"name": draft.connection.name})
    flash(f"The set-up of {draft.connection.name} is removed. Nothing was made in Campaign Monitor.", "success")
    return redirect(url_for("connections.page"))
