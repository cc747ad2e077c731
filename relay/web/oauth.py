"""Campaign Monitor by OAuth: a signed link, the consent page there, and back; each of the ways it ends has its page."""

import secrets

from flask import Blueprint, current_app, redirect, render_template, request, session
from werkzeug.wrappers import Response

from relay.errors import RelayError
from relay.sync import credentials
from relay.sync.parts import Parts
from relay.web.access import public

blueprint = Blueprint("oauth", __name__, url_prefix="/campaign-monitor")
NO_APP = "This relay has no Campaign Monitor app yet."


@blueprint.get("/connect/<token>")
@public
def start(token: str) -> Response | tuple[str, int]:
    parts: Parts = current_app.extensions["relay"]
    if not parts.settings.campaign_monitor_client_id:
        return page(
            NO_APP, "Set CAMPAIGN_MONITOR_CLIENT_ID and CAMPAIGN_MONITOR_CLIENT_SECRET, or use an API key.", 500
        )
    try:
        connection = credentials.read_link(parts, token)
    except RelayError as error:
        return page(error.message, error.remedy, 404)
    # Bound to this browser: the answer must come back to the one who asked.
    state = secrets.token_urlsafe(24)
    session["campaign_monitor"] = {"state": state, "connection": connection.id, "token": token}
    return redirect(credentials.consent_url(parts, callback_url(parts), state))


@blueprint.get("/callback")
@public
def callback() -> tuple[str, int]:
    """Cancelled, wrong state, refused, and success: nothing is changed but by the last."""
    parts: Parts = current_app.extensions["relay"]
    asked = session.pop("campaign_monitor", None)
    given = request.args.get("state", "")
    if not asked or not secrets.compare_digest(asked["state"].encode(), given.encode("utf-8", "replace")):
        return page("This answer does not belong to a question of yours.", "Open the link again, in this browser.", 400)
    again = f"/campaign-monitor/connect/{asked['token']}"
    if request.args.get("error") == "access_denied":
        return page(
            "You did not allow it, so nothing was connected.", "Open the link again if you want to.", 200, again
        )
    if "code" not in request.args:
        return page(
            "Campaign Monitor did not agree.", "Look whether its app is registered with this address.", 400, again
        )
    try:
        done = credentials.finish_oauth(parts, asked["connection"], callback_url(parts), request.args["code"])
    except RelayError as error:
        return page(error.message, error.remedy, 409, again)
    return page(f"Connected: {done.name} keeps the list {done.cm_list_name!r}.", "You can close this page.", 200)


def callback_url(parts: Parts) -> str:
    return f"{parts.settings.relay_base_url}/campaign-monitor/callback"


def page(message: str, remedy: str, status: int, again: str = "") -> tuple[str, int]:
    return render_template("message.html", message=message, remedy=remedy, again=again), status
