"""Sets a connection up, checking each step by asking the real system, and changes it later."""

import base64
import re
import secrets as random
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from itsdangerous import BadData, URLSafeTimedSerializer

from relay.campaign_monitor import oauth
from relay.campaign_monitor.oauth import Tokens
from relay.domain.rules import Rules, read_rules
from relay.domain.schedule import next_run
from relay.ehq.dialect import dialect
from relay.errors import Invalid, NeedsPerson, Refused
from relay.store import connections, runs
from relay.store.connections import Connection
from relay.sync.parts import Parts

GRACE_S = 86400.0
"""How long a replaced webhook secret stays valid, so that EHQ can be given the new one without a gap."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What `relay connection add` was asked for."""

    name: str
    ehq_url: str
    ehq_credential: Mapping[str, str]
    cm_api_key: str | None = None
    cm_client_id: str | None = None
    list_name: str | None = None
    list_id: str | None = None


def add(parts: Parts, wish: Wish) -> dict[str, Any]:
    """{"connection", "webhook_url", "webhook_secret", "list_id", "ehq": what was found there}

    :raise RelayError: saying which of address, credential, client or list is wrong; then nothing was kept.
    """
    url = urlsplit(wish.ehq_url)
    if url.scheme not in ("http", "https") or not url.netloc or not wish.name.strip():
        raise Invalid(
            "A connection needs a name, and the address of the EHQ site.",
            remedy="For example --name Bayside --ehq-url https://haveyoursay.example.gov.au",
        )
    now = time.time()
    secret = new_secret()
    connection_id = f"{slug(wish.name)}-{random.token_hex(3)}"
    vault = parts.vault
    draft = Connection(
        id=connection_id,
        name=wish.name.strip()[:200],
        created_at=now,
        ehq_url=wish.ehq_url.rstrip("/"),
        ehq_credential=vault.lock(dict(wish.ehq_credential)),
        cm_credential=vault.lock({"api_key": wish.cm_api_key}) if wish.cm_api_key else None,
        cm_token_expires_at=None,
        cm_client_id=wish.cm_client_id,
        cm_list_id=None,
        cm_list_name=None,
        webhook_secrets=vault.lock([{"secret": secret}]),
        rules=Rules(),
        state="setup",
        problem=None,
        held_until=None,
        held_times=0,
        segments_due=False,
        remap_due=False,
        next_run_at=next_run(connection_id, Rules(), now),
    )
    found = parts.ehq(draft).check()
    if wish.cm_api_key:
        draft = choose_list(parts, draft, wish)
    else:
        draft = replace(draft, cm_list_id=wish.list_id, cm_list_name=wish.list_name)
    with parts.database.write() as tx:
        values = {name: getattr(draft, name) for name in draft.__slots__}
        connections.add(tx, **{**values, "rules": draft.rules.model_dump(mode="json")})
    return {
        "connection": connection_id,
        "webhook_url": webhook_url(parts, connection_id),
        "webhook_secret": secret,
        "list_id": draft.cm_list_id,
        "state": draft.state,
        "ehq": found,
        "authorize_url": None if wish.cm_api_key else authorize_url(parts, connection_id),
    }


def authorize_url(parts: Parts, connection_id: str) -> str:
    """Where someone with a Campaign Monitor account connects it by OAuth; the link is signed and valid for a day."""
    return f"{parts.settings.relay_base_url}/campaign-monitor/connect/{_links(parts).dumps(connection_id)}"


def read_link(parts: Parts, token: str) -> Connection:
    """The connection of an `authorize_url`. :raise Invalid: when it is forged, or older than a day."""
    try:
        return parts.connection(str(_links(parts).loads(token, max_age=int(GRACE_S))))
    except BadData:
        raise Invalid(
            "This link is not valid, or older than a day.", remedy="`relay connection authorize C` makes a new one."
        ) from None


def _links(parts: Parts) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(parts.settings.secret_key, salt="connect campaign monitor")


def consent_url(parts: Parts, redirect_uri: str, state: str) -> str:
    """Campaign Monitor's consent page."""
    settings = parts.settings
    return oauth.authorize_url(
        settings.campaign_monitor_oauth_url, settings.campaign_monitor_client_id, redirect_uri, state
    )


def finish_oauth(parts: Parts, connection_id: str, redirect_uri: str, code: str) -> Connection:
    """The connection after an operator agreed. :raise RelayError: when CM took no code, or has no such list."""
    settings = parts.settings
    tokens = oauth.exchange(
        parts.session,
        settings.campaign_monitor_oauth_url,
        settings.campaign_monitor_client_id,
        settings.campaign_monitor_client_secret,
        redirect_uri,
        code,
    )
    return connected(parts, parts.connection(connection_id), tokens)


def connected(parts: Parts, connection: Connection, tokens: Tokens) -> Connection:
    """The connection with an operator's tokens, and on its list: the one it had, or the one that was asked for."""
    locked = parts.vault.lock({name: getattr(tokens, name) for name in tokens.__slots__})
    with parts.database.write() as tx:
        connections.change(tx, connection.id, cm_credential=locked, cm_token_expires_at=tokens.expires_at)
    draft = parts.connection(connection.id)
    if connection.state != "setup":  # connected anew, perhaps as somebody else: the list stays the same
        parts.campaign_monitor(draft).list_details(draft.cm_list_id or "")
        resume(parts, draft)
        return parts.connection(draft.id)
    wish = Wish(draft.name, draft.ehq_url, {}, None, draft.cm_client_id, draft.cm_list_name, draft.cm_list_id)
    ready = choose_list(parts, draft, wish)
    with parts.database.write() as tx:
        names = ("cm_client_id", "cm_list_id", "cm_list_name", "state")
        connections.change(tx, draft.id, problem=None, **{name: getattr(ready, name) for name in names})
    parts.queue.ring(draft.id, always=True)
    return parts.connection(draft.id)


def choose_list(parts: Parts, draft: Connection, wish: Wish) -> Connection:
    """`draft` with its client, and its list created or adopted."""
    cm = parts.campaign_monitor(draft)
    clients = cm.clients()
    chosen = [c for c in clients if c.id == draft.cm_client_id] if draft.cm_client_id else clients
    if len(chosen) != 1:
        names = "; ".join(f"{c.name} ({c.id})" for c in clients) or "none"
        wrong = "is not one of this account's clients" if draft.cm_client_id else "must be chosen: there are several"
        raise NeedsPerson(
            f"The Campaign Monitor client {wrong}. There are: {names}.",
            remedy="Give its id with --cm-client-id.",
            code="client",
        )
    client = chosen[0].id
    lists = {item.id: item.name for item in cm.lists(client)}
    if wish.list_id:
        if wish.list_id not in lists:
            raise NeedsPerson(
                f"There is no list {wish.list_id!r} under this client.",
                remedy="Look its id up in Campaign Monitor.",
                code="101",
            )
        list_id, title = wish.list_id, lists[wish.list_id]
        taken = next((c for c in _all(parts) if c.cm_list_id == list_id), None)
        if taken is not None:
            raise NeedsPerson(
                f"The list {title!r} is kept by the connection {taken.id!r} already.",
                remedy="Two connections would undo each other's work: choose another list.",
                code="list-taken",
            )
    else:
        title = " ".join((wish.list_name or wish.name).split())
        same = next((i for i, name in lists.items() if name.casefold() == title.casefold()), None)
        if same is not None:
            raise NeedsPerson(
                f"A list named {title!r} exists already ({same}).",
                remedy=f"Choose another --list-name, or keep that list in step with --list-id {same}: "
                "people whom the relay did not put there are left alone.",
                code="250",
            )
        try:
            list_id = cm.create_list(client, title)
        except Refused as error:
            raise NeedsPerson(
                f"Campaign Monitor did not create the list: {error.message}", remedy=error.remedy
            ) from None
    return replace(draft, cm_client_id=client, cm_list_id=list_id, cm_list_name=title, state="on")


def configure(parts: Parts, connection: Connection, document: Mapping[str, Any]) -> Rules:
    """Replaces the rules by `document`; what it leaves out gets its default. People are compared anew by themselves."""
    rules = read_rules(document)
    dialect(rules.overrides or None)
    with parts.database.write() as tx:
        connections.change(
            tx,
            connection.id,
            rules=rules.model_dump(mode="json"),
            remap_due=True,
            next_run_at=next_run(connection.id, rules, time.time()),
        )
    return rules


def pause(parts: Parts, connection: Connection) -> None:
    """Deliveries are still taken in and leavers still leave; everyone else waits."""
    with parts.database.write() as tx:
        connections.change(tx, connection.id, state="paused")


def resume(parts: Parts, connection: Connection) -> None:
    if connection.cm_list_id is None:
        raise NeedsPerson("This connection has no Campaign Monitor list yet.", remedy="Connect it first.", code="setup")
    with parts.database.write() as tx:
        connections.change(tx, connection.id, state="on", problem=None, held_until=None, held_times=0)
    parts.queue.ring(connection.id, always=True)


def rotate_secret(parts: Parts, connection: Connection) -> dict[str, Any]:
    """A new webhook secret; those before it stay valid for a day."""
    until, secret = time.time() + GRACE_S, new_secret()
    old = [
        item for item in parts.vault.unlock(connection.webhook_secrets) if (item.get("until") or until) > time.time()
    ]
    kept = [{"secret": item["secret"], "until": min(item.get("until") or until, until)} for item in old]
    with parts.database.write() as tx:
        connections.change(tx, connection.id, webhook_secrets=parts.vault.lock([{"secret": secret}, *kept]))
    return {"connection": connection.id, "webhook_secret": secret, "old_secrets_valid_until": until}


def remove(parts: Parts, connection: Connection) -> dict[str, Any]:
    """Forgets the connection and everyone in it. The list in Campaign Monitor stays as it is."""
    with parts.database.write() as tx:
        runs.remove_connection(tx, connection.id)
    return {"connection": connection.id, "removed": True, "list_id": connection.cm_list_id}


def webhook_url(parts: Parts, connection_id: str) -> str:
    return f"{parts.settings.relay_base_url}/webhooks/ehq/{connection_id}"


def new_secret() -> str:
    return "whsec_" + base64.b64encode(random.token_bytes(32)).decode()


def slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "site"


def _all(parts: Parts) -> list[Connection]:
    with parts.database.read() as tx:
        return connections.everyone(tx)


__all__ = [
    "Wish",
    "add",
    "authorize_url",
    "configure",
    "consent_url",
    "finish_oauth",
    "pause",
    "read_link",
    "remove",
    "resume",
    "rotate_secret",
    "webhook_url",
]
