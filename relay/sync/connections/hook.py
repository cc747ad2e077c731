"""EHQ's webhook while a connection is set up: a test event through our own door."""

from relay.ehq.knock import knock
from relay.ehq.signature import profile
from relay.errors import NeedsPerson
from relay.store.connections import Connection
from relay.sync.connections import connect
from relay.sync.parts import Parts


def send_test(parts: Parts, connection: Connection) -> None:
    """A signed test event through the relay's own door, by the address that EHQ is given. :raise RelayError: why not"""
    stored = parts.vault.unlock(connection.webhook_secrets)
    if not stored:
        raise NeedsPerson("There is no secret yet.", remedy="Make it first.", code="no-secret")
    how = connection.rules.authentication
    signed = profile(how.profile, how.headers, how.tolerance_s)
    knock(parts.session, connect.webhook_url(parts, connection.id), signed, stored[0]["secret"])
