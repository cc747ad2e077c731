"""Is this delivery genuine? Four ways of proving it (EHQ contract §5.2), over the raw bytes and in constant time."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from relay.ehq.dialect import defaults
from relay.errors import RelayError


class NotGenuine(RelayError):
    """Missing, wrong or stale proof. The message says which, and never what was expected."""


@dataclass(frozen=True, slots=True)
class Profile:
    """`id`, `signature` (or the token) and `timestamp` are header names; "" where the profile has none."""

    name: str
    id: str
    signature: str
    timestamp: str = ""
    tolerance_s: int = 300


def profile(name: str, headers: Mapping[str, str] | None = None, tolerance_s: int = 300) -> Profile:
    names = {**defaults()["headers"][name], **(headers or {})}
    return Profile(name, names["id"], names["signature"], names.get("timestamp", ""), tolerance_s)


def verify(profile: Profile, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: float) -> str | None:
    """The delivery's id from the headers, None when the profile sent none. `now` is epoch seconds.

    :raise NotGenuine: saying which of missing, unreadable, stale and wrong it is.
    """
    secrets = [secret for secret in secrets if decoded(secret)]
    proof = headers.get(profile.signature)
    delivery_id = headers.get(profile.id) if profile.id else None
    if not proof:
        raise NotGenuine(f"The header {profile.signature} is missing.")
    if profile.name == "token":
        _match([form for secret in secrets for form in (secret.encode(), _bytes(secret))], [_bytes(proof)], "token")
        return delivery_id
    if profile.name == "hmac_body":
        _match(
            [_hex(secret, body) for secret in secrets],
            [_bytes(proof.strip().lower().removeprefix("sha256="))],
            "signature",
        )
        return delivery_id
    if profile.name == "hmac_t_v1":
        parts = [part.strip().partition("=")[::2] for part in proof.split(",")]
        timestamp = next((value for key, value in parts if key == "t"), "")
        _fresh(timestamp, now, profile.tolerance_s)
        signed = b".".join((_bytes(timestamp), body))
        given = [_bytes(value) for key, value in parts if key == "v1"]
        _match([_hex(secret, signed) for secret in secrets], given, "signature")
        return delivery_id
    timestamp = headers.get(profile.timestamp, "")
    for name, value in ((profile.id, delivery_id), (profile.timestamp, timestamp)):
        if not value:
            raise NotGenuine(f"The header {name} is missing.")
    _fresh(timestamp, now, profile.tolerance_s)
    signed = b".".join((_bytes(delivery_id or ""), _bytes(timestamp), body))
    given = [_bytes(part[3:]) for part in proof.split() if part.startswith("v1,")]
    expected = [base64.b64encode(hmac.digest(decoded(secret), signed, hashlib.sha256)) for secret in secrets]
    _match(expected, given, "signature")
    return delivery_id


def sign(profile: Profile, secret: str, body: bytes, delivery_id: str, timestamp: int) -> dict[str, str]:
    """The headers of a delivery of our own making: the test event of a set-up."""
    headers = {profile.id: delivery_id} if profile.id else {}
    if profile.name == "token":
        return {**headers, profile.signature: secret}
    if profile.name == "hmac_body":
        return {**headers, profile.signature: f"sha256={_hex(secret, body).decode()}"}
    if profile.name == "hmac_t_v1":
        proof = _hex(secret, f"{timestamp}.".encode() + body).decode()
        return {**headers, profile.signature: f"t={timestamp},v1={proof}"}
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    proof = base64.b64encode(hmac.digest(decoded(secret), signed, hashlib.sha256)).decode()
    return {**headers, profile.timestamp: str(timestamp), profile.signature: f"v1,{proof}"}


@lru_cache(maxsize=1024)
def decoded(secret: str) -> bytes:
    """The key in a secret: what follows `whsec_` is base64, anything else is taken as it is."""
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        key = secret.removeprefix("whsec_")
        return base64.b64decode(key + "=" * (-len(key) % 4), validate=True)
    except binascii.Error:
        return secret.encode()


def _hex(secret: str, signed: bytes) -> bytes:
    return hmac.digest(decoded(secret), signed, hashlib.sha256).hex().encode()


def _bytes(text: str) -> bytes:
    """The bytes of a header as they were sent: WSGI shows them as Latin-1. Whatever it holds, this must not fail."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _fresh(timestamp: str, now: float, tolerance_s: int) -> None:
    if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 12:
        raise NotGenuine("The timestamp is not a number of seconds since 1970.")
    off = now - int(timestamp)
    if abs(off) > tolerance_s:
        word = "old" if off > 0 else "in the future"
        raise NotGenuine(f"The timestamp is {abs(off):.0f} s {word}; {tolerance_s} s are allowed. Is a clock wrong?")


def _match(expected: Sequence[bytes], given: Sequence[bytes], what: str) -> None:
    found = False
    for mine in expected:
        for theirs in given[:10]:
            found |= hmac.compare_digest(mine, theirs)
    if not found:
        raise NotGenuine(f"The {what} is wrong. Does EHQ have this connection's current secret?")
