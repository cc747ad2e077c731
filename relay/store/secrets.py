"""Secrets at rest: encrypted with the first key, readable with any (MultiFernet), so that keys can be rotated."""

from collections.abc import Sequence
from typing import Any

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from relay.errors import NeedsPerson


class Vault:
    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def lock(self, value: Any) -> str:
        return self._fernet.encrypt(orjson.dumps(value)).decode()

    def unlock(self, text: str) -> Any:
        return orjson.loads(self.unlock_bytes(text.encode()))

    def lock_bytes(self, plain: bytes) -> bytes:
        return self._fernet.encrypt(plain)

    def unlock_bytes(self, locked: bytes) -> bytes:
        try:
            return self._fernet.decrypt(locked)
        except InvalidToken:
            raise NeedsPerson(
                "A stored secret cannot be read with any of RELAY_ENCRYPTION_KEYS.",
                remedy="Put the key back with which it was stored: the keys' first one encrypts, all of them read.",
                code="encryption-key",
            ) from None

    def rotate(self, text: str) -> str:
        return self._fernet.rotate(text.encode()).decode()
