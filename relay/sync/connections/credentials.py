"""A connection's credentials: Campaign Monitor by OAuth or by key, EHQ by key or log-in; given once, and given anew."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer

from relay.campaign_monitor import oauth
from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.oauth import Given, Tokens
from relay.ehq.calls import site_address
from relay.errors import Invalid, NeedsPerson, RelayError, RetryLater
from relay.store import connections, deliveries
from relay.store.connections import Connection
from relay.sync.connections.lists import Wish, choose_list, taken
from relay.sync.parts import Parts
from relay.sync.runs import progress

LINK_S = 86400


def authorize_url(parts: Parts, connection_id: str) -> str:
    """Where someone with a Campaign Monitor account connects it by OAuth; the link is signed and valid for a day."""
    return f"{parts.settings.relay_base_url}/campaign-monitor/connect/{_links(parts).dumps(connection_id)}"


def read_link(parts: Parts, token: str) -> Connection:
    """The connection of an `authorize_url`. :raise Invalid: when it is forged, or older than a day."""
    try:
        return parts.connection(str(_links(parts).loads(token, max_age=LINK_S)))
    except BadData:
        raise Invalid(
            "This link is not valid, or older than a day.",
            remedy="Ask for a new one, or log in here and use the settings.",
        ) from None


def _links(parts: Parts) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(parts.settings.secret_key, salt="connect campaign monitor")


def consent_url(parts: Parts, redirect_uri: str, state: str) -> str:
    """Campaign Monitor's consent page."""
    settings = parts.settings
    return oauth.authorize_url(
        settings.campaign_monitor_oauth_url, settings.campaign_monitor_client_id, redirect_uri, state
    )


def finish_oauth(parts: Parts, connection_id: str, redirect_uri: str, code: str, *, draft: bool = False) -> Connection:
    """The connection after an operator agreed. `draft`: someone sets it up step by step and has not chosen its list.

    :raise RelayError: when CM took no code, gives no access, or has no such list; then nothing was changed, but that a
        connection without a list keeps the access it was given.
    """
    settings = parts.settings
    given = Given(
        oauth.exchange(
            parts.session,
            settings.campaign_monitor_oauth_url,
            settings.campaign_monitor_client_id,
            settings.campaign_monitor_client_secret,
            redirect_uri,
            code,
        )
    )
    connection = parts.connection(connection_id)
    cm = parts.campaign_monitor(connection, given)
    if connection.state != "setup":  # connected anew, perhaps as somebody else: the list stays the same
        cm.list_details(connection.cm_list_id or "")
    else:
        cm.clients()
    _keep_tokens(parts, connection, given.tokens, account(cm))
    if connection.state in ("on", "needs_person"):  # whom a person paused, a person resumes
        resume(parts, connection)
    elif connection.state == "setup" and not draft:
        _take_list(parts, parts.connection(connection.id))
    return parts.connection(connection.id)


def _keep_tokens(parts: Parts, connection: Connection, tokens: Tokens, whose: str | None) -> None:
    locked = parts.vault.lock({name: getattr(tokens, name) for name in tokens.__slots__})
    new = {"cm_credential": locked, "cm_token_expires_at": tokens.expires_at, "cm_account": whose}
    with parts.database.write() as tx:
        connections.change(tx, connection.id, **new)


def account(cm: CampaignMonitor) -> str | None:
    """The address of whoever the account belongs to; empty where this access may not see it, None when nobody knows."""
    try:
        return cm.primary_contact()
    except RetryLater:
        return None
    except RelayError:
        return ""


def _take_list(parts: Parts, draft: Connection) -> None:
    """The list that was asked for when the connection was added; from then on it is on."""
    wish = Wish(draft.name, draft.ehq_url, {}, None, draft.cm_client_id, draft.cm_list_name, draft.cm_list_id)
    ready = choose_list(parts, draft, wish)
    with parts.database.write() as tx:
        connections.change(tx, draft.id, problem=None, **taken(ready))
    parts.queue.ring(draft.id, always=True)


def resume(parts: Parts, connection: Connection) -> None:
    """Whoever waits is written again, and the run that was under way goes on.

    :raise NeedsPerson: while it is being set up: what the set-up ends with switches it on, and nothing else."""
    with parts.database.write() as tx:
        now = connections.find(tx, connection.id, lock=True)
        if now is None or now.state == "setup" or now.cm_list_id is None:
            raise NeedsPerson("This connection is not set up yet.", remedy="Finish its set-up first.", code="setup")
        connections.change(tx, connection.id, state="on", problem=None, held_until=None, held_times=0)
    parts.queue.ring(connection.id, always=True)
    progress.take_up(parts, connection.id)


def reconnect(
    parts: Parts, connection: Connection, ehq: Mapping[str, str] | None, cm_api_key: str | None, ehq_url: str = ""
) -> dict[str, Any]:
    """New credentials for the same site and the same list; each is tried before the old one is given up.

    `ehq_url` is for a connection that only read exports until now.

    :raise RelayError: saying which does not work; then nothing was changed.
    """
    new: dict[str, Any] = {}
    if ehq:
        new["ehq_credential"] = parts.vault.lock(dict(ehq))
    if ehq and connection.reads == "export":  # from now on it reads the site itself; uploads go on being taken
        new |= {"reads": "api", "ehq_url": site_address(ehq_url or connection.ehq_url)}
    if cm_api_key:
        new |= {"cm_credential": parts.vault.lock({"api_key": cm_api_key}), "cm_token_expires_at": None}
    if not new:
        raise Invalid("Nothing was given.", remedy="Give a key, or a log-in and its password.", code="nothing")
    trial = replace(connection, **new)
    if ehq:
        parts.ehq(trial).check()
    if cm_api_key:
        new["cm_account"] = account(parts.campaign_monitor(trial))
    if cm_api_key and connection.cm_list_id and connection.state != "setup":
        parts.campaign_monitor(trial).list_details(connection.cm_list_id)
    elif cm_api_key:
        wish = Wish(trial.name, trial.ehq_url, {}, cm_api_key, trial.cm_client_id, trial.cm_list_name, trial.cm_list_id)
        ready = choose_list(parts, trial, wish)
        new |= taken(ready)
    with parts.database.write() as tx:
        connections.change(tx, connection.id, **new)
    fresh = parts.connection(connection.id)
    if fresh.state == "needs_person":
        resume(parts, fresh)
    elif fresh.state == "on":
        progress.take_up(parts, fresh.id)
    return {"connection": connection.id, "state": parts.connection(connection.id).state}


def rotate_keys(parts: Parts, tell: Callable[[int, int], None] = lambda done, total: None) -> dict[str, int]:
    """Everything stored under an older encryption key, encrypted with the first one; then the old can be dropped.
    `tell` hears how many bodies are done, of how many."""
    names = ("ehq_credential", "cm_credential", "webhook_secrets", "cm_hook")
    with parts.database.write() as tx:
        everyone = connections.everyone(tx)
        for connection in everyone:
            held = {name: value for name in names if (value := getattr(connection, name))}
            connections.change(tx, connection.id, **{n: parts.vault.rotate(v) for n, v in held.items()})
        total = deliveries.bodies(tx)
    bodies, last = 0, 0
    while True:
        tell(bodies, total)
        with parts.database.write() as tx:
            some = deliveries.with_body(tx, last, 500)
            for delivery_id, body in some:
                deliveries.keep_body(tx, delivery_id, parts.vault.seal(parts.vault.unseal(body)))
        if not some:
            return {"connections": len(everyone), "deliveries": bodies}
        bodies, last = bodies + len(some), some[-1][0]
