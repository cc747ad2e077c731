"""OAuth 2.0 as Campaign Monitor speaks it: `type`, scopes with commas (contract §1.2, §1.3)."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as Plain

from sandbox.campaign_monitor.account import Account
from sandbox.campaign_monitor.state import account
from sandbox.control import answer

routes = Blueprint("oauth", __name__)
SECRETS = {"sandbox": "sandbox"}  # other client ids are taken as they come, with any secret
SCOPES = {
    "ViewReports",
    "ManageLists",
    "CreateCampaigns",
    "ImportSubscribers",
    "SendCampaigns",
    "ViewSubscribersInReports",
    "ManageTemplates",
    "AdministerPersons",
    "AdministerAccount",
    "ViewTransactional",
    "SendTransactional",
    "Automation",
}


@dataclass(slots=True)
class Grant:
    """A code, an access token or a refresh token. `alive` turns false when it is used up or replaced."""

    kind: str
    client_id: str
    redirect_uri: str
    expires: float
    issued: float = field(default_factory=time.time)
    alive: bool = True


def issue(here: Account, kind: str, client_id: str, redirect_uri: str, seconds: float) -> str:
    # Real tokens hold + / =, so that whoever forgets to encode them finds out here.
    text = f"{kind[0].upper()}{secrets.token_urlsafe(24)}+/{secrets.token_hex(2)}=="
    if kind == "code":
        text = secrets.token_hex(16)
    here.tokens[text] = Grant(kind, client_id, redirect_uri, time.time() + seconds)
    return text


def revoked(here: Account, grant: Grant) -> bool:
    struck = here.faults.get("token_revoked")
    return bool(struck) and (struck == "always" or grant.issued <= here.faults.since("token_revoked"))


def bearer_code(here: Account, token: str) -> int:
    """0 when the access token holds, else the code that says why not (contract §1.4)."""
    grant = here.tokens.get(token)
    if grant is None or grant.kind != "access":
        return 120
    if revoked(here, grant):
        return 122
    struck = here.faults.get("token_expired")
    expired = struck == "always" or (struck and grant.issued <= here.faults.since("token_expired"))
    return 121 if expired or not grant.alive or grant.expires < time.time() else 0


# the consent page


@routes.get("/oauth")
def consent() -> Plain | str | tuple[str, int]:
    wanted, here = request.args, account()
    target = wanted.get("redirect_uri", "")
    if urlsplit(target).scheme not in ("http", "https") or not urlsplit(target).netloc:
        return render_template("consent.html", error="invalid_redirect_uri"), 400
    if not wanted.get("client_id"):
        return back("error", "unknown_client", "The client is not known")
    if wanted.get("type") != "web_server":
        return back("error", "invalid_request", "type must be web_server")
    scopes = wanted.get("scope", "").split(",")
    if set(scopes) - SCOPES:
        return back("error", "unknown_scope", "One or more scopes are unknown")
    by_itself = here.faults.get("oauth_auto") or wanted.get("auto")
    if by_itself:
        return decide(by_itself == "allow")
    return render_template("consent.html", client_id=wanted["client_id"], scopes=scopes, asked=wanted.to_dict())


@routes.post("/oauth")
def decided() -> Plain:
    return decide("allow" in request.form)


def decide(allowed: bool) -> Plain:
    if not allowed:
        return back("error", "access_denied", "The user denied the request")
    wanted = request.values
    return back("code", issue(account(), "code", wanted["client_id"], wanted["redirect_uri"], 600))


def back(name: str, value: str, description: str = "") -> Plain:
    """To the redirect address, with what it is told and the state it came with."""
    told = {name: value}
    if description:
        told["error_description"] = description
    if request.values.get("state") is not None:
        told["state"] = request.values["state"]
    target = request.values["redirect_uri"]
    return redirect(f"{target}{'&' if '?' in target else '?'}{urlencode(told)}")


# tokens


@routes.post("/oauth/token")
def token() -> Response:
    given, here = request.form, account()
    with here.lock:
        if given.get("grant_type") == "authorization_code":
            return exchange(here, given)
        if given.get("grant_type") == "refresh_token":
            return refresh(here, given)
    return failure(here, "unsupported_grant_type", "grant_type is not supported")


def exchange(here: Account, given: Any) -> Response:
    client_id = given.get("client_id", "")
    if not client_id or SECRETS.get(client_id, given.get("client_secret")) != given.get("client_secret"):
        return failure(here, "invalid_client", "Client id or secret is wrong")
    grant: Grant | None = here.tokens.get(given.get("code", ""))
    if (
        grant is None
        or grant.kind != "code"
        or not grant.alive
        or grant.expires < time.time()
        or (grant.client_id, grant.redirect_uri) != (client_id, given.get("redirect_uri"))
    ):
        return failure(here, "invalid_grant", "Specified code was invalid or expired")
    grant.alive = False
    return pair(here, client_id)


def refresh(here: Account, given: Any) -> Response:
    text = given.get("refresh_token", "")
    grant = here.tokens.get(text)
    if not grant or grant.kind != "refresh" or not grant.alive or revoked(here, grant):
        return failure(here, "invalid_grant", "Specified refresh_token was invalid or expired")
    if not here.faults.get("rotate_refresh"):
        return pair(here, grant.client_id, text)
    for other in here.tokens.values():  # the old pair dies with the rotation
        if other.client_id == grant.client_id and other.issued == grant.issued:
            other.alive = False
    grant.alive = False
    return pair(here, grant.client_id)


def pair(here: Account, client_id: str, kept: str = "") -> Response:
    lifetime = int(here.faults.get("token_lifetime_s", 1_209_600))
    access = issue(here, "access", client_id, "", lifetime)
    fresh = kept or issue(here, "refresh", client_id, "", 10**9)
    if not kept:
        here.tokens[fresh].issued = here.tokens[access].issued  # how the two are known to belong together
    return answer({"access_token": access, "expires_in": lifetime, "refresh_token": fresh})


def failure(here: Account, error: str, description: str) -> Response:
    status = int(here.faults.get("oauth_error_status", 400))
    return answer({"error": error, "error_description": description}, status)
