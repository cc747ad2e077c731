"""Campaign Monitor by OAuth: its consent page, and back; each of the ways it ends has its page.

It begins with a signed link of the command line's, in a set-up, or where a connection is connected anew.
"""

import secrets

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from relay.errors import RelayError
from relay.store.connections import Connection
from relay.sync.connections import credentials, destination
from relay.sync.parts import Parts
from relay.web import access
from relay.web.access import needs, noted, public

blueprint = Blueprint("oauth", __name__)
NO_APP = "This relay has no Campaign Monitor app yet."
NO_PERMISSION = ("60", "101", "102")
Answer = Response | tuple[str, int]


def has_app(parts: Parts) -> bool:
    return bool(parts.settings.campaign_monitor_client_id)


@blueprint.get("/campaign-monitor/connect/<token>")
@public
def start(token: str) -> Answer:
    parts: Parts = current_app.extensions["relay"]
    try:
        connection = credentials.read_link(parts, token)
    except RelayError as error:
        return page("refused", error.message, error.remedy, 404)
    return ask(parts, connection, url_for("oauth.start", token=token), link=True)


@blueprint.post("/c/<connection>/campaign-monitor/authorize")
@needs("operator")
def authorize(connection: Connection) -> Answer:
    again = "wizard.campaign_monitor" if connection.state == "setup" else "oauth.reconnect"
    return ask(access.parts(), connection, url_for(again), link=False)


def ask(parts: Parts, connection: Connection, again: str, *, link: bool) -> Answer:
    """To the consent page, with a state that only this browser can bring back."""
    if not has_app(parts):
        remedy = (
            "Connect by an API key instead. Or ask whoever looks after the relay to register it with Campaign Monitor "
            "and set CAMPAIGN_MONITOR_CLIENT_ID and CAMPAIGN_MONITOR_CLIENT_SECRET."
        )
        return page("refused", NO_APP, remedy, 500, again)
    state = secrets.token_urlsafe(24)
    session["campaign_monitor"] = {"state": state, "connection": connection.id, "again": again, "link": link}
    return redirect(credentials.consent_url(parts, callback_url(parts), state))


@blueprint.get("/campaign-monitor/callback")
@public
def callback() -> Answer:
    """Cancelled, wrong state, refused, no permission, and success: nothing is changed but by the last."""
    parts: Parts = current_app.extensions["relay"]
    asked = session.pop("campaign_monitor", None)
    given = request.args.get("state", "")
    if not asked or not secrets.compare_digest(asked["state"].encode(), given.encode("utf-8", "replace")):
        told = "It may be an old one, or one that was asked for in another browser. Nothing was changed."
        return page("wrong", "This answer does not belong to a question of yours", told, 400)
    again = asked["again"]
    user = access.who()
    if not asked["link"] and not (user and user.may("operator")):
        return page(
            "wrong", "You are not logged in any more", "Nothing was changed. Log in and connect again.", 403, again
        )
    if request.args.get("error") == "access_denied":
        told = "Campaign Monitor says that access was not allowed. Nothing was changed."
        return page("cancelled", "You did not allow it, so nothing was connected", told, 200, again)
    if "code" not in request.args:
        told = "Its app must be registered with exactly this relay's address. Nothing was changed."
        return page("refused", "Campaign Monitor did not agree", told, 400, again)
    try:
        connection = parts.connection(asked["connection"])
        g.connection = connection
        drafting = connection.state == "setup" and not asked["link"]
        done = credentials.finish_oauth(parts, connection.id, callback_url(parts), request.args["code"], draft=drafting)
        if drafting:
            destination.settle_client(parts, done)
    except RelayError as error:
        if error.code in NO_PERMISSION:
            return page(
                "permission", "This Campaign Monitor log-in may not do this", _missing(error, asked), 403, again
            )
        return page("refused", error.message, error.remedy, 409, again)
    noted("connected Campaign Monitor", connection=connection, how="OAuth, by link" if asked["link"] else "OAuth")
    if asked["link"]:
        told = f"{done.name} keeps the list {done.cm_list_name!r}. You can close this page."
        return page("success", f"Connected: {done.name} keeps the list {done.cm_list_name!r}.", told, 200)
    there = url_for("wizard.resume", connection=done.id) if drafting else url_for("oauth.reconnect", connection=done.id)
    return page("success", "Campaign Monitor is connected", "You can close this window, or go on here.", 200, there)


def _missing(error: RelayError, asked: dict[str, str]) -> str:
    if error.code == "101":
        return (
            "It cannot see the list that this connection keeps. Use a log-in of the same client. Nothing was changed."
        )
    return f"{error.message} It must be allowed to manage lists and to import subscribers. Nothing was changed."


@blueprint.get("/c/<connection>/campaign-monitor")
@needs("operator")
def reconnect(connection: Connection) -> Answer | str:
    if connection.state == "setup":
        return redirect(url_for("wizard.campaign_monitor"))
    return _reconnect(connection)


def _reconnect(connection: Connection, wrong: RelayError | None = None) -> Answer:
    parts = access.parts()
    how = "not yet"
    if connection.cm_credential:
        how = "by an API key" if "api_key" in parts.vault.unlock(connection.cm_credential) else "by a log-in"
    problems = [("key", f"{wrong.message} Nothing was changed.")] if wrong else []
    link = credentials.authorize_url(parts, connection.id) if has_app(parts) else ""
    values = {"how": how, "has_app": has_app(parts), "problems": problems, "link": link}
    return render_template("oauth/reconnect.html", **values), 422 if wrong else 200


@blueprint.post("/c/<connection>/campaign-monitor")
@needs("operator")
def give_key(connection: Connection) -> Answer:
    if connection.state == "setup":  # there the key makes no list, and switches nothing on
        return redirect(url_for("wizard.campaign_monitor"))
    try:
        credentials.reconnect(access.parts(), connection, None, request.form.get("key", "").strip() or "-")
    except RelayError as error:
        return _reconnect(connection, error)
    noted("connected Campaign Monitor", connection=connection, how="API key")
    flash("Campaign Monitor is connected with the new key. The list stays the same, and nothing was lost.", "success")
    return redirect(url_for("oauth.reconnect"))


def callback_url(parts: Parts) -> str:
    return f"{parts.settings.relay_base_url}/campaign-monitor/callback"


def page(kind: str, message: str, told: str, status: int, there: str = "") -> tuple[str, int]:
    """`there`: where to try again, or to go on after a success."""
    return render_template("oauth/result.html", kind=kind, message=message, told=told, onward=there), status
