"""Registrations as EHQ would send them: 2 KB of JSON each, of people who are invented, all different, all welcome."""

import base64
import hashlib
import hmac
import time
from typing import Any

import orjson

from sandbox.ehq.resources import iso, user
from sandbox.people import QUESTIONS, Inventor

SIZE = 2048
FIRST = 50_000_000
"""EHQ ids far from those of the simulator's own people."""


def registration(number: int) -> tuple[str, bytes]:
    """The address of person `number` of the benchmark, and the body of the webhook about them."""
    now = int(time.time() * 1000)
    person = Inventor(number).person(FIRST + number, now)
    person.subscribed, person.blocked, person.updated_at = True, False, now
    envelope: dict[str, Any] = {
        "id": f"evt_bench_{number}",
        "type": "participant.registered",
        "timestamp": iso(now),
        "site": {"id": "1", "host": "bench.example"},
        "data": user(person, list(QUESTIONS), ()),
        "included": [],
        "previous-attributes": {},
    }
    attributes = envelope["data"]["attributes"]
    attributes["profile"] = ""  # a key the relay does not know: it has to be read, and is kept out
    attributes["profile"] = "x" * (SIZE - len(orjson.dumps(envelope)))
    return person.email, orjson.dumps(envelope)


def request(host: str, path: str, secret: str, number: int) -> tuple[str, bytes]:
    """The address, and the whole request, signed (Standard Webhooks)."""
    email, body = registration(number)
    identity, at = f"msg_bench_{number}", str(int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = hmac.digest(key, f"{identity}.{at}.".encode() + body, hashlib.sha256)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"webhook-id: {identity}\r\nwebhook-timestamp: {at}\r\n"
        f"webhook-signature: v1,{base64.b64encode(signature).decode()}\r\n\r\n"
    )
    return email, head.encode() + body
