"""Secrets at rest: encrypted with the first key, readable with any, so that keys can be rotated."""

import base64
import hmac
import os
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from relay.errors import NeedsPerson

SEALED, NONCE = b"\x01", 12
"""What a sealed body begins with; a Fernet token begins with `g`."""


class Vault:
    """Texts by Fernet. Bodies of deliveries by AES-256-GCM under a key derived from the same one: a tenth of the time,
    which is the door's (docs/adr/0014)."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self._ciphers = [AESGCM(_derived(key)) for key in keys]
        self._keys = [sha256(b"mark" + key.encode()).digest() for key in keys]

    def lock(self, value: Any) -> str:
        return self._fernet.encrypt(orjson.dumps(value)).decode()

    def unlock(self, text: str) -> Any:
        try:
            return orjson.loads(self._fernet.decrypt(text))
        except InvalidToken:
            raise _unreadable() from None

    def seal(self, plain: bytes) -> bytes:
        nonce = os.urandom(NONCE)
        return SEALED + nonce + self._ciphers[0].encrypt(nonce, plain, None)

    def unseal(self, sealed: bytes) -> bytes:
        nonce, text = sealed[1 : NONCE + 1], sealed[NONCE + 1 :]
        for cipher in self._ciphers if sealed.startswith(SEALED) else ():
            try:
                return cipher.decrypt(nonce, text, None)
            except (InvalidTag, ValueError):
                continue
        try:
            return self._fernet.decrypt(sealed)  # stored before bodies were sealed
        except InvalidToken:
            raise _unreadable() from None

    def mark(self, address: str) -> str:
        """By what an address is known again that is not kept: a keyed hash, by the first key."""
        return self.marks(address)[0]

    def marks(self, address: str) -> list[str]:
        """The same by each key: what was marked before a rotation is still known."""
        return [hmac.new(key, address.lower().encode(), sha256).hexdigest() for key in self._keys]

    def rotate(self, text: str) -> str:
        return self._fernet.rotate(text.encode()).decode()


def _derived(key: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"relay: bodies of deliveries").derive(base64.urlsafe_b64decode(key))


def _unreadable() -> NeedsPerson:
    return NeedsPerson(
        "A stored secret cannot be read with any of RELAY_ENCRYPTION_KEYS.",
        remedy="Ask whoever looks after the relay to put the key back with which it was stored: the first key "
        "encrypts, all of them read.",
        code="encryption-key",
    )
