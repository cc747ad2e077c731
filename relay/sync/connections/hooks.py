"""The webhook that CM posts to when somebody leaves, changes or returns there: made, looked after, removed."""

import hmac
import ipaddress
import secrets as random
import time
from typing import Any
from urllib.parse import urlsplit

import structlog

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.hooks import EVENTS
from relay.errors import NeedsPerson, RelayError, RetryLater
from relay.store import connections
from relay.store.connections import Connection
from relay.store.leases import Lease
from relay.sync.intake.receive import UnknownConnection
from relay.sync.parts import Parts

PATH = "/webhooks/campaign-monitor"
log = structlog.get_logger()


def genuine(parts: Parts, connection_id: str, token: str) -> Connection:
    """The connection that CM notifies at this address, which nobody else knows. :raise UnknownConnection:"""
    with parts.database.read() as tx:
        connection = connections.find(tx, connection_id)
    known = parts.vault.unlock(connection.cm_hook)["token"] if connection and connection.cm_hook else ""
    if not hmac.compare_digest(token.encode(), known.encode()) or not known or connection is None:
        raise UnknownConnection("There is no such address.", code="unknown-connection")
    return connection


def keep(parts: Parts, connection: Connection, lease: Lease) -> Connection:
    """The list's webhook is there, active, and arrives here; what is wrong is told on the connection and stops nothing.

    Without it opt-outs are noticed by the next write about a person, or the next run.
    """
    problem: dict[str, Any] | None = None
    try:
        _keep(parts, connection, parts.campaign_monitor(connection), lease)
    except RelayError as error:
        passing = isinstance(error, RetryLater)
        problem = {"message": error.message, "remedy": error.remedy, "code": error.code, "passing": passing}
        before = connection.cm_hook_problem or {}
        problem["since"] = before["since"] if before.get("code") == error.code else time.time()
        log.warning("no notice from CM", connection=connection.id, code=error.code, message=error.message)
    with parts.database.write() as tx:
        connections.change(tx, connection.id, cm_hook_problem=problem)
    return parts.connection(connection.id)


def _keep(parts: Parts, connection: Connection, cm: CampaignMonitor, lease: Lease) -> None:
    list_id = connection.cm_list_id or ""
    base = parts.settings.relay_base_url
    if _inside(base) and not _inside(parts.settings.campaign_monitor_api_url):
        raise NeedsPerson(
            f"Campaign Monitor cannot reach the relay at {base}, so it cannot tell of opt-outs at once.",
            remedy="Ask whoever looks after the relay to set RELAY_BASE_URL to the address under which the internet "
            "reaches it.",
            code="hook-address",
        )
    stored = parts.vault.unlock(connection.cm_hook) if connection.cm_hook else {"token": random.token_urlsafe(32)}
    url = f"{base}{PATH}/{connection.id}/{stored['token']}"
    mine, others = None, []
    for hook in cm.webhooks(list_id):
        if hook.url == url and mine is None and set(hook.events) == set(EVENTS):
            mine = hook
        elif hook.id == stored.get("id") or f"{PATH}/{connection.id}/" in hook.url:
            others.append(hook)  # of an earlier address, an earlier token, or made twice
    sound = mine is not None and mine.active and not connection.cm_hook_problem
    if mine is None:
        if connection.cm_hook is None:  # on record before CM may post to it
            with parts.database.write() as tx:
                connections.change(tx, connection.id, cm_hook=parts.vault.lock(stored))
        lease.check()
        hook_id = cm.create_webhook(list_id, url, EVENTS)
    else:
        hook_id = mine.id
        if not mine.active:
            lease.check()
            cm.activate_webhook(list_id, hook_id)
    if stored.get("id") != hook_id:
        with parts.database.write() as tx:
            connections.change(tx, connection.id, cm_hook=parts.vault.lock({**stored, "id": hook_id}))
    for hook in others:
        lease.check()
        cm.delete_webhook(list_id, hook.id)
    if not sound:
        cm.test_webhook(list_id, hook_id)


def remove(parts: Parts, connection: Connection) -> str:
    """CM is told to notify us no more, if it can be told; what came of it, in words."""
    if connection.cm_hook is None or connection.cm_list_id is None:
        return "there was none"
    stored = parts.vault.unlock(connection.cm_hook)
    try:
        cm = parts.campaign_monitor(connection)
        for hook in cm.webhooks(connection.cm_list_id):
            if hook.id == stored.get("id") or hook.url.endswith(f"/{stored['token']}"):
                cm.delete_webhook(connection.cm_list_id, hook.id)
    except RelayError as error:
        log.warning("webhook left in CM", connection=connection.id, code=error.code)
        return f"not removed: {error.message} Remove it in Campaign Monitor, or leave it: it is answered no more."
    return "removed"


def _inside(url: str) -> bool:
    """Whether an address is of this machine or of a private network."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
