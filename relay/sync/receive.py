"""The webhook door: is it genuine, store it, ring. Nothing here looks at what a delivery means."""

import queue
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from relay.ehq import envelope
from relay.ehq.dialect import Dialect, dialect
from relay.ehq.signature import NotGenuine, Profile, profile, verify
from relay.errors import RelayError
from relay.store import connections, deliveries
from relay.store.database import Lasting, Unavailable
from relay.sync.parts import Parts

FRESH_S = 2.0
"""How long a connection's secrets are believed: a rotated one stops working everywhere after this."""
MOST_TOGETHER = 500
PATIENCE_S = 10.0


class UnknownConnection(RelayError):
    """No connection of that name; a removed one answers the same."""


@dataclass(frozen=True, slots=True)
class Door:
    """What is needed to tell whether a delivery to one connection is genuine."""

    connection_id: str
    profile: Profile
    secrets: tuple[str, ...]
    dialect: Dialect
    until: float


class Receiver:
    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.doors: dict[str, Door | None] = {}
        self.writer = Writer(parts)

    def receive(self, connection_id: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Stores what arrived, durably, and answers whether any of it is new.

        :raise UnknownConnection: · NotGenuine · Invalid (not JSON) · Unavailable (it could not be stored).
        """
        now = time.time()
        door = self.door(connection_id, now)
        header_id = verify(door.profile, door.secrets, headers, body, now)
        events = envelope.parse(body)
        rows = [
            {
                "connection_id": connection_id,
                "key": envelope.delivery_key(header_id, event, body, index, len(events), door.dialect),
                "type": envelope.event_type(event, door.dialect)[:100],
                "subject": envelope.subject_id(event, door.dialect)[:100],
                "received_at": now,
                "body": self.parts.vault.lock_bytes(envelope.dumps(event)),
                "state": "waiting",
            }
            for index, event in enumerate(events)
        ]
        return self.writer.store(rows) if rows else False

    def door(self, connection_id: str, now: float) -> Door:
        known = self.doors.get(connection_id)
        if known is None or known.until < now:
            known = self._open(connection_id, now)
            if known is None:
                raise UnknownConnection("There is no such connection.", code="unknown-connection")
            self.doors[connection_id] = known
        return known

    def _open(self, connection_id: str, now: float) -> Door | None:
        with self.parts.database.read() as tx:
            connection = connections.find(tx, connection_id)
        if connection is None:
            self.doors.pop(connection_id, None)
            return None
        authentication = connection.rules.authentication
        secrets = self.parts.vault.unlock(connection.webhook_secrets)
        live = tuple(item["secret"] for item in secrets if not item.get("until") or item["until"] > now)
        return Door(
            connection_id,
            profile(authentication.profile, authentication.headers, authentication.tolerance_s),
            live,
            dialect(connection.rules.overrides or None),
            now + FRESH_S,
        )


class Writer:
    """One thread that stores what several requests bring: those that arrive together share one commit and one ring."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.inbox: queue.SimpleQueue[tuple[list[dict[str, Any]], Future[bool]]] = queue.SimpleQueue()
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.lasting = Lasting(parts.database)

    def store(self, rows: list[dict[str, Any]]) -> bool:
        """Whether any row is new; returns after the commit. :raise Unavailable: when it could not be stored."""
        done: Future[bool] = Future()
        self.inbox.put((rows, done))
        if self.thread is None:
            self._start()
        try:
            return done.result(timeout=PATIENCE_S)
        except TimeoutError:
            raise Unavailable("The database takes too long.", remedy="EHQ sends it again by itself.") from None

    def _start(self) -> None:
        # Not in __init__: gunicorn forks after the app is made, and threads do not survive that.
        with self.lock:
            if self.thread is None:
                self.thread = threading.Thread(target=self._run, name="store deliveries", daemon=True)
                self.thread.start()

    def _run(self) -> None:
        while True:
            together = [self.inbox.get()]
            while len(together) < MOST_TOGETHER and not self.inbox.empty():
                together.append(self.inbox.get())
            rows = [row for some, _ in together for row in some]
            try:
                try:
                    new = self._commit(rows)
                except Unavailable:  # perhaps only this connection is old: what is stored twice is known by its key
                    new = self._commit(rows)
            except BaseException as error:  # whoever waits must hear of it, whatever it is
                for _, done in together:
                    done.set_exception(error)
                continue
            for some, done in together:
                done.set_result(any((row["connection_id"], row["key"]) in new for row in some))
            for connection_id in {connection_id for connection_id, _ in new}:
                self.parts.queue.ring(connection_id)
            self.parts.meters.flush()

    def _commit(self, rows: list[dict[str, Any]]) -> set[tuple[str, str]]:
        # One statement takes a key once only.
        unique = list({(row["connection_id"], row["key"]): row for row in rows}.values())
        new: set[tuple[str, str]] = set()
        with self.lasting.write() as tx:
            for start in range(0, len(unique), MOST_TOGETHER):
                new |= deliveries.store(tx, unique[start : start + MOST_TOGETHER])
        return new


__all__ = ["NotGenuine", "Receiver", "UnknownConnection"]
