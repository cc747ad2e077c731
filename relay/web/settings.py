"""Settings of a connection: who, when, how carefully; the webhook, credentials, a pause, and the end."""

import time
from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import available_timezones

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from relay.errors import Invalid, RelayError
from relay.store import connections
from relay.store.connections import Connection
from relay.sync.connections import connect, credentials, probe
from relay.sync.connections.audiences import audience_of
from relay.web.access import needs, noted, parts
from relay.web.changes import Answer, audience, change, count, given, look, number, seen

blueprint = Blueprint("settings", __name__)
LONGEST_NAME = 200


@blueprint.get("/c/<connection>/settings")
@needs("viewer")
def page(connection: Connection) -> Answer:
    if connection.state == "setup":
        return redirect(url_for("wizard.resume"))
    return _page(connection), 200


def _page(connection: Connection, wrong: str = "") -> str:
    now = time.time()
    secrets = parts().vault.unlock(connection.webhook_secrets)
    ends = [one["until"] for one in secrets if one.get("until") and one["until"] > now]
    return render_template(
        "settings/page.html",
        rules=connection.rules,
        audience=audience_of(connection.rules),
        seen=seen(connection),
        zones=[(zone, zone) for zone in sorted(available_timezones())],
        webhook_url=connect.webhook_url(parts(), connection.id),
        old_until=max(ends, default=None),
        made=connect.secrets_made(parts(), connection),
        found_out=probe.told(connection),
        probed_at=(connection.switches or {}).get("probed_at"),
        plan=probe.PLAN,
        problems=[("", wrong)] if wrong else [],
    )


def _audience() -> dict[str, Any]:
    chosen = audience()
    return {"audience": chosen.model_dump(mode="json")} if chosen else {}


def _brake(connection: Connection) -> dict[str, Any]:
    limits = {"people": number("people", "How many people"), "percent": number("percent", "How many percent")}
    return {"brake": {**connection.rules.brake.model_dump(mode="json"), **limits}}


SECTIONS: Mapping[str, Callable[[Connection], dict[str, Any]]] = {
    "audience": lambda _: _audience(),
    "opt-outs": lambda _: {"opt_outs": request.form.get("opt_outs", "")},
    "schedule": lambda _: {
        "time_zone": given().get("time_zone", ""),
        "daily_at": given().get("daily_at", "").strip() or None,
    },
    "brake": _brake,
    "tracking": lambda _: {"consent_to_track": request.form.get("consent_to_track", "")},
}
"""Each form's part of the rules."""
SHOWN_FIRST = {
    "audience": ("audience", "roles", "activated_only", "seen"),
    "schedule": ("time_zone", "daily_at", "seen"),
}
"""Of forms that may change who is on the list or what is said of them: what stands in the address of the page that
shows how."""


@blueprint.post("/c/<connection>/settings/<section>")
@needs("operator")
def save(connection: Connection, section: str) -> Answer:
    if section not in SECTIONS:
        abort(404)
    chosen: dict[str, Any] = {name: request.form.getlist(name) for name in SHOWN_FIRST.get(section, ())}
    looked = url_for("settings.effect", section=section, **chosen)
    try:
        return change(connection, SECTIONS[section](connection), url_for("settings.page", _anchor=section), looked)
    except Invalid as error:
        return _page(connection, str(error)), 422


@blueprint.get("/c/<connection>/settings/<section>")
@needs("operator")
def effect(connection: Connection, section: str) -> Answer:
    if section not in SHOWN_FIRST:
        abort(404)
    save, back = url_for("settings.save", section=section), url_for("settings.page", _anchor=section)
    try:
        return look(connection, SECTIONS[section](connection), save, back)
    except Invalid as error:
        return _page(connection, str(error)), 422


@blueprint.post("/c/<connection>/settings/name")
@needs("operator")
def rename(connection: Connection) -> Answer:
    name = " ".join(request.form.get("name", "").split())
    if not name.isprintable() or not 0 < len(name) <= LONGEST_NAME:
        return _page(connection, f"A name has between 1 and {LONGEST_NAME} characters that can be seen."), 422
    if name != connection.name:
        with parts().database.write() as tx:
            connections.change(tx, connection.id, name=name)
        noted("renamed the connection", connection=connection, before={"name": connection.name}, after={"name": name})
    flash("Saved. The list in Campaign Monitor keeps its name.", "success")
    return redirect(url_for("settings.page"))


@blueprint.post("/c/<connection>/settings/pause")
@needs("operator")
def pause(connection: Connection) -> Response:
    try:
        if connection.state != "paused":
            connect.pause(parts(), connection)
            noted("paused the connection", connection=connection)
        flash("Paused. Deliveries are taken in, and whoever leaves still leaves; everyone else waits.", "success")
    except RelayError as error:
        flash(str(error), "warning")
    return redirect(url_for("settings.page"))


@blueprint.post("/c/<connection>/settings/resume")
@needs("operator")
def resume(connection: Connection) -> Response:
    try:
        if connection.state != "on":
            credentials.resume(parts(), connection)
            noted("resumed the connection", connection=connection)
        flash("It goes on.", "success")
    except RelayError as error:
        flash(str(error), "warning")
    return redirect(url_for("settings.page"))


@blueprint.post("/c/<connection>/settings/secret")
@needs("operator")
def secret(connection: Connection) -> str | Response:
    made = connect.rotate_secret(parts(), connection, count("made"))
    if made["webhook_secret"] is None:
        flash("A secret was made meanwhile, and shown once. Make another if it was not copied.", "warning")
        return redirect(url_for("settings.page", _anchor="webhook"))
    noted("made a webhook secret", connection=connection)
    url = connect.webhook_url(parts(), connection.id)
    return render_template(
        "settings/secret.html", secret=made["webhook_secret"], until=made["old_secrets_valid_until"], webhook_url=url
    )


@blueprint.post("/c/<connection>/settings/probe")
@needs("operator")
def try_campaign_monitor(connection: Connection) -> Answer:
    try:
        found = probe.probe(parts(), connection)
    except RelayError as error:
        return _page(connection, f"Campaign Monitor was not tried. {error}"), 422
    noted("tried Campaign Monitor on a list made for it", connection=connection, after=found["switches"])
    if found["unanswered"]:
        flash(f"Not everything was found out: {' '.join(found['unanswered'].values())}", "warning")
    if not found["list_deleted"]:
        flash(f"The list “{found['list']}” could not be deleted. The next trial deletes it.", "warning")
    return redirect(url_for("settings.page", _anchor="campaign-monitor"))


@blueprint.post("/c/<connection>/settings/ehq")
@needs("operator")
def ehq(connection: Connection) -> Answer:
    key, login, password = (request.form.get(name, "").strip() for name in ("key", "login", "password"))
    given = {"token": key} if key else {"login": login, "password": password} if login and password else None
    try:
        if given is None:
            raise Invalid("Give a key, or a log-in and its password.")
        credentials.reconnect(parts(), connection, given, None, request.form.get("address", ""))
    except RelayError as error:
        return _page(connection, f"{error.message} Nothing was changed."), 422
    noted("gave new credentials", connection=connection, how="EHQ key" if key else "EHQ log-in")
    flash("EngagementHQ accepts it. It is used from now on.", "success")
    return redirect(url_for("settings.page"))


@blueprint.post("/c/<connection>/settings/disconnect")
@needs("admin")
def disconnect(connection: Connection) -> Answer:
    if " ".join(request.form.get("name", "").split()).casefold() != connection.name.casefold():
        return _page(
            connection, "To disconnect, type the connection's name as it is written. Nothing was changed."
        ), 422
    connect.remove(parts(), connection)
    noted("removed the connection", before={"name": connection.name, "list": connection.cm_list_name})
    flash(f"{connection.name} is disconnected. Its list stays in Campaign Monitor as it is.", "success")
    return redirect(url_for("connections.page"))
