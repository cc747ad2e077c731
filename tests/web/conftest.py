"""The webhook door as EHQ sees it: a client that signs, and the relay's application behind it."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from relay.ehq.signature import profile, sign
from relay.store import connections, deliveries
from relay.store.connections import Connection
from relay.store.deliveries import Delivery
from relay.sync.connections.connect import new_secret
from relay.sync.parts import Parts
from relay.web import webhooks
from tests.conftest import Relay

NUMBERS = itertools.count(1)


@dataclass
class Sender:
    """EHQ, as far as the door can see: whom it writes to, with which secret and profile, and when it signs."""

    client: FlaskClient
    parts: Parts
    connection: Connection
    secret: str
    profile: str = "standard"
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"/webhooks/ehq/{self.connection.id}"

    def signed(
        self, body: bytes, key: str | None = None, *, late: int = 0, secret: str | None = None
    ) -> dict[str, str]:
        key = key or f"msg_{next(NUMBERS)}"
        moment = int(time.time()) - late
        return sign(profile(self.profile), secret or self.secret, body, key, moment)

    def send(self, event: Any, key: str | None = None, **more: Any) -> TestResponse:
        """A genuine delivery of `event` (bytes are sent as they are)."""
        body = event if isinstance(event, bytes) else orjson.dumps(event)
        return self.post(body, self.signed(body, key, **more))

    def post(self, body: bytes, headers: dict[str, str], **more: Any) -> TestResponse:
        return self.client.post(self.path, data=body, headers=headers, **{"content_type": "application/json", **more})

    def stored(self) -> list[Delivery]:
        with self.parts.database.read() as tx:
            found = deliveries.search(tx, self.connection.id, limit=1000)
        return sorted(found, key=lambda delivery: delivery.id)


def registered(ehq_id: str = "5040", **attributes: Any) -> dict[str, Any]:
    """Althea registers."""
    return {
        "type": "participant.registered",
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "data": {
            "type": "users",
            "id": ehq_id,
            "attributes": {"email": f"althea{ehq_id}@example.com", "role-name": "participant", **attributes},
        },
    }


def problem(answer: TestResponse, status: int) -> str:
    """The detail of a problem document (RFC 9457)."""
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    document = answer.get_json(force=True)
    assert document["status"] == status
    assert document["type"] == "about:blank"
    assert document["title"]
    return str(document["detail"])


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    webhooks._forgeries.clear()  # counted for the life of a process; each test is a new one
    return app.test_client()


@pytest.fixture
def sender(client: FlaskClient, parts: Parts) -> Sender:
    """Only the door: a connection that has no systems behind it yet."""
    secret = new_secret()
    with parts.database.write() as tx:
        connections.add(
            tx,
            id="bayside",
            name="Bayside",
            created_at=time.time(),
            ehq_url="http://127.0.0.1:1",
            ehq_credential=parts.vault.lock({"token": "sandbox"}),
            webhook_secrets=parts.vault.lock([{"secret": secret}]),
            state="setup",
        )
    return Sender(client, parts, parts.connection("bayside"), secret)


@pytest.fixture
def live_sender(client: FlaskClient, parts: Parts, relay: Relay, connection: Connection) -> Sender:
    """The door, and behind it both systems and a worker."""
    return Sender(client, parts, connection, relay.secret)
