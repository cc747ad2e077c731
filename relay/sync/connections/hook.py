"""EHQ's webhook while a connection is set up: its secret, shown once, and a test event through our own door."""

import time

from relay.ehq.knock import knock
from relay.ehq.signature import profile
from relay.errors import NeedsPerson
from relay.store import connections
from relay.store.connections import Connection
from relay.sync.connections import connect
from relay.sync.parts import Parts

AGAIN_S = 120.0
"""A secret asked for twice within this time is one secret: somebody clicked twice."""


def make_secret(parts: Parts, connection: Connection, seen: int) -> str | None:
    """A new secret in place of those there were. `seen` is how many had been made when the person clicked; None: the
    secret was shown already, to whoever was quicker."""
    now = time.time()
    with parts.database.write() as tx:
        fresh = connections.find(tx, connection.id, lock=True)
        stored = parts.vault.unlock(fresh.webhook_secrets) if fresh else []
        made = len(stored) and stored[0].get("made", 1)
        if made != seen:
            recent = stored and stored[0].get("made_at", 0.0) > now - AGAIN_S and made == seen + 1
            return str(stored[0]["secret"]) if recent else None
        secret = connect.new_secret()
        entry = {"secret": secret, "made": seen + 1, "made_at": now}
        connections.change(tx, connection.id, webhook_secrets=parts.vault.lock([entry]))
    return secret


def secrets_made(parts: Parts, connection: Connection) -> int:
    stored = parts.vault.unlock(connection.webhook_secrets)
    return int(stored[0].get("made", 1)) if stored else 0


def send_test(parts: Parts, connection: Connection) -> None:
    """A signed test event through the relay's own door, by the address that EHQ is given. :raise RelayError: why not"""
    stored = parts.vault.unlock(connection.webhook_secrets)
    if not stored:
        raise NeedsPerson("There is no secret yet.", remedy="Make it first.", code="no-secret")
    how = connection.rules.authentication
    signed = profile(how.profile, how.headers, how.tolerance_s)
    knock(parts.session, connect.webhook_url(parts, connection.id), signed, stored[0]["secret"])
