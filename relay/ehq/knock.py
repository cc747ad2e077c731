"""A test event of our own making, sent to the relay's door as EHQ would send it."""

import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

import orjson
import requests

from relay.ehq.signature import Profile, sign
from relay.errors import NeedsPerson, RetryLater

TIMEOUTS = (5.0, 12.0)
FRESH_S = 2.1
"""A door believes the secrets it knows for two seconds."""


def knock(session: requests.Session, url: str, profile: Profile, secret: str) -> None:
    """Sends a signed `test.ping` to `url`; returns when it was stored.

    :raise RetryLater: nobody answers at `url` · NeedsPerson: somebody answers something else.
    """
    status = _send(session, url, profile, secret)
    if status == 401:  # the secret may be younger than what the door knows
        time.sleep(FRESH_S)
        status = _send(session, url, profile, secret)
    if status in (200, 202):
        return
    if status == 503:
        raise RetryLater("The relay could not store the test event just now.", remedy="Try again.", code="test-503")
    raise NeedsPerson(
        f"The address answers, but not as the relay's own door would (HTTP {status}).",
        remedy="Ask whoever looks after the relay: RELAY_BASE_URL must be its address, as EngagementHQ would call it.",
        code="test-elsewhere",
    )


def _send(session: requests.Session, url: str, profile: Profile, secret: str) -> int:
    now = time.time()
    event = {"type": "test.ping", "timestamp": datetime.fromtimestamp(now, UTC).isoformat(), "data": {}}
    body = orjson.dumps(event)
    headers: Mapping[str, str] = sign(profile, secret, body, f"test_{uuid.uuid4().hex}", int(now))
    try:
        reply = session.post(
            url,
            data=body,
            headers={"Content-Type": "application/json", **headers},
            timeout=TIMEOUTS,
            allow_redirects=False,
            auth=lambda prepared: prepared,
        )
        return reply.status_code
    except (requests.RequestException, UnicodeError, OSError):
        pass
    raise RetryLater(
        "Nobody answers at this address.",
        remedy="Ask whoever looks after the relay: RELAY_BASE_URL must be an address of it that the internet, and so "
        "EngagementHQ, can reach.",
        code="test-unreached",
    )
