"""The four ways a sender proves who it is (contract §5.2), written from the text and its test vector."""

from __future__ import annotations

import base64
import hashlib
import hmac

PROFILES = ("standard", "hmac_body", "hmac_t_v1", "token")


def key_of(secret: str) -> bytes:
    """The key's bytes: `whsec_` stands before base64, anything else is the key itself."""
    if secret.startswith("whsec_"):
        return base64.b64decode(secret.removeprefix("whsec_"))
    return secret.encode()


def headers(
    profile: str, secret: str, delivery: str, event: str, at: int, body: bytes, name: str | None = None
) -> dict[str, str]:
    """The headers that go with `body`, sent at `at` (Unix seconds) as delivery `delivery`.

    `name` is another name for the header that carries the signature or the token.
    """
    key = key_of(secret)

    def mac(data: bytes) -> hmac.HMAC:
        return hmac.new(key, data, hashlib.sha256)

    if profile == "standard":
        signed = base64.b64encode(mac(f"{delivery}.{at}.".encode() + body).digest()).decode()
        return {
            "webhook-id": delivery,
            "webhook-timestamp": str(at),
            name or "webhook-signature": f"v1,{signed}",
        }
    named = {"X-EHQ-Delivery": delivery, "X-EHQ-Event": event}
    if profile == "hmac_body":
        return {**named, name or "X-EHQ-Signature": f"sha256={mac(body).hexdigest()}"}
    if profile == "hmac_t_v1":
        return {**named, name or "X-EHQ-Signature": f"t={at},v1={mac(f'{at}.'.encode() + body).hexdigest()}"}
    if profile == "token":
        return {**named, name or "X-EHQ-Token": secret}
    raise ValueError(f"no such profile: {profile}; there are {', '.join(PROFILES)}")
