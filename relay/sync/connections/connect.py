"""Sets a connection up, checking each step by asking the real system, and changes it later."""

import base64
import re
import secrets as random
import time
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any

from relay.domain.rules import Rules, fingerprint, read_rules, spelling
from relay.domain.schedule import next_run
from relay.ehq.calls import site_address
from relay.ehq.dialect import dialect
from relay.errors import Invalid, NeedsPerson, RelayError, RetryLater
from relay.store import connections, removals, runs
from relay.store.connections import Connection
from relay.store.leases import claim
from relay.sync.connections import credentials, hooks
from relay.sync.connections.lists import Wish, choose_list
from relay.sync.exports.exports import last_read
from relay.sync.parts import Parts

GRACE_S = 86400.0
"""How long a replaced webhook secret stays valid, so that EHQ can be given the new one without a gap."""
AGAIN_S = 120.0
"""A secret asked for twice within this time is one secret: somebody clicked twice."""


def add(parts: Parts, wish: Wish) -> dict[str, Any]:
    """{"connection", "webhook_url", "webhook_secret", "list_id", "ehq": what was found there}

    :raise RelayError: saying which of address, credential, client or list is wrong; then nothing was kept.
    """
    secret = new_secret()
    secrets = [{"secret": secret}]
    draft = drafted(parts, wish.name, wish.ehq_url, wish.ehq_credential, secrets, wish.reads, wish.rules)
    draft = replace(
        draft,
        cm_credential=parts.vault.lock({"api_key": wish.cm_api_key}) if wish.cm_api_key else None,
        cm_client_id=wish.cm_client_id,
    )
    found = last_read(draft) if draft.reads == "export" else parts.ehq(draft).check()
    if wish.cm_api_key:
        draft = choose_list(parts, draft, wish)
    else:
        draft = replace(draft, cm_list_id=wish.list_id, cm_list_name=wish.list_name)
    with parts.database.write() as tx:
        connections.add(tx, **row(draft))
    return {
        "connection": draft.id,
        "webhook_url": webhook_url(parts, draft.id),
        "webhook_secret": secret,
        "list_id": draft.cm_list_id,
        "state": draft.state,
        "ehq": found,
        "authorize_url": None if wish.cm_api_key else credentials.authorize_url(parts, draft.id),
    }


def drafted(
    parts: Parts,
    name: str,
    ehq_url: str,
    ehq_credential: Mapping[str, str],
    secrets: Sequence[Mapping[str, Any]],
    reads: str = "api",
    rules: Rules = Rules(),  # noqa: B008  (frozen)
) -> Connection:
    """A connection to be, in state "setup", not stored yet. One that reads exports needs no address.

    :raise Invalid: without a name or an address.
    """
    name, ehq_url = " ".join(name.split()), ehq_url.strip()
    if not name or not name.isprintable() or not (ehq_url or reads == "export"):
        raise Invalid(
            "A connection needs a name, and the address of the EHQ site.",
            remedy="Write the address as in a browser, for example https://haveyoursay.example.gov.au",
            code="address",
        )
    ehq_url = site_address(ehq_url) if ehq_url else ""
    now = time.time()
    connection_id = f"{slug(name)}-{random.token_hex(3)}"
    return Connection(
        id=connection_id,
        name=name[:200],
        created_at=now,
        ehq_url=ehq_url,
        ehq_credential=parts.vault.lock(dict(ehq_credential)),
        cm_credential=None,
        cm_token_expires_at=None,
        cm_client_id=None,
        cm_list_id=None,
        cm_list_name=None,
        webhook_secrets=parts.vault.lock(list(secrets)),
        rules=rules,
        state="setup",
        problem=None,
        held_until=None,
        held_times=0,
        segments_due=False,
        remap_due=False,
        next_run_at=next_run(connection_id, rules, now),
        reads=reads,
    )


def row(draft: Connection) -> dict[str, Any]:
    """As it is stored."""
    values = {name: getattr(draft, name) for name in draft.__slots__}
    return {**values, "rules": draft.rules.model_dump(mode="json")}


class Stale(RelayError):
    """Two people changed the same settings; the second changed nothing."""


def checked(document: Mapping[str, Any]) -> Rules:
    """:raise Invalid: naming what is wrong, in the overrides too."""
    rules = read_rules(document)
    dialect(rules.overrides or None)
    return rules


def configure(
    parts: Parts, connection: Connection, document: Mapping[str, Any], known: str | None = None, *, compare: bool = True
) -> Rules:
    """Replaces the rules by `document`; what it leaves out gets its default. People are compared anew by themselves,
    unless a run that does so follows in any case.

    :raise Stale: when they are no longer those whose fingerprint is `known`; then nothing was changed.
    """
    rules = checked(document)
    with parts.database.write() as tx:
        now = connections.find(tx, connection.id, lock=True)
        if known is not None and (now is None or fingerprint(now.rules) != known):
            raise Stale(
                "Somebody else changed these settings in the meantime.",
                remedy="Nothing was changed by you. Look at them as they are now, and decide again.",
            )
        changed: dict[str, Any] = {"rules": rules.model_dump(mode="json"), "remap_due": compare or connection.remap_due}
        if now is not None and (now.rules.daily_at, now.rules.zone) != (rules.daily_at, rules.zone):
            changed["next_run_at"] = next_run(connection.id, rules, time.time())
        connections.change(tx, connection.id, **changed)
    return rules


def confirm_overrides(parts: Parts, connection: Connection) -> None:
    """A person says that they read EHQ rightly: the next read takes in whatever opt-outs they make."""
    with parts.database.write() as tx:
        connections.change(tx, connection.id, read_overrides=spelling(connection.rules))


def pause(parts: Parts, connection: Connection) -> None:
    """Deliveries are still taken in and leavers still leave; everyone else waits.

    :raise NeedsPerson: while it is being set up, or waits for a person already: nothing is written then, and what it
        waits for must go on being seen.
    """
    with parts.database.write() as tx:
        now = connections.find(tx, connection.id, lock=True)
        if now is None or now.state == "setup":
            raise NeedsPerson("This connection is not set up yet.", remedy="There is nothing to pause.", code="setup")
        if now.state == "needs_person":
            told = now.problem or {}
            raise NeedsPerson(
                f"It was not paused: it waits for a person already. {told.get('message', '')}".strip(),
                remedy=told.get("remedy", ""),
                code="needs_person",
            )
        connections.change(tx, connection.id, state="paused")


def rotate_secret(parts: Parts, connection: Connection, seen: int | None = None) -> dict[str, Any]:
    """A new webhook secret; those before it stay valid for a day. `seen` is how many had been made when the person
    clicked (`secrets_made`): who clicks twice gets the same one, and who comes later none, since it was shown once."""
    at, secret = time.time(), new_secret()
    told = {"connection": connection.id, "webhook_secret": secret, "old_secrets_valid_until": at + GRACE_S}
    with parts.database.write() as tx:
        now = connections.find(tx, connection.id, lock=True) or connection  # two who click at once lose no secret
        stored, made = parts.vault.unlock(now.webhook_secrets), secrets_made(parts, now)
        if seen not in (None, made):
            twice = stored and made == seen + 1 and stored[0].get("made_at", 0.0) > at - AGAIN_S
            return {**told, "webhook_secret": stored[0]["secret"] if twice else None}
        old = [item for item in stored if (item.get("until") or at + 1) > at]
        kept = [{"secret": item["secret"], "until": min(item.get("until") or inf, at + GRACE_S)} for item in old]
        new = {"secret": secret, "made": made + 1, "made_at": at}
        connections.change(tx, connection.id, webhook_secrets=parts.vault.lock([new, *kept]))
    return told


def secrets_made(parts: Parts, connection: Connection) -> int:
    """How many have been, with the one of now."""
    stored = parts.vault.unlock(connection.webhook_secrets)
    return int(stored[0].get("made", 1)) if stored else 0


def remove(parts: Parts, connection: Connection) -> dict[str, Any]:
    """Forgets the connection and everyone in it, but for whom we removed from its list: should it be connected again,
    they may come back. The list in Campaign Monitor stays as it is, but for its webhook."""
    webhook = hooks.remove(parts, connection)
    with parts.database.write() as tx:
        if connection.cm_list_id:
            removals.keep(tx, connection.id, connection.cm_list_id, parts.vault.mark)
        runs.remove_connection(tx, connection.id)
    return {
        "connection": connection.id,
        "removed": True,
        "list_id": connection.cm_list_id,
        "campaign_monitor_webhook": webhook,
    }


def abandon(parts: Parts, connection: Connection) -> None:
    """Removes a draft. :raise RetryLater: while somebody switches it on. · NeedsPerson: when it is none any more."""
    with claim(parts.database, f"setup:{connection.id}") as lease:
        if lease is None:
            raise RetryLater("This is being switched on just now.", remedy="Look again in a moment.", code="busy")
        now = parts.connection(connection.id)
        if now.state != "setup":
            raise NeedsPerson("This was switched on meanwhile.", remedy="Disconnect it in its settings.", code="on")
        remove(parts, now)


def webhook_url(parts: Parts, connection_id: str) -> str:
    return f"{parts.settings.relay_base_url}/webhooks/ehq/{connection_id}"


def new_secret() -> str:
    return "whsec_" + base64.b64encode(random.token_bytes(32)).decode()


def slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "site"
