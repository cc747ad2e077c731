"""The webhook door: is it genuine, store it, ring. Nothing here looks at what a delivery means."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from relay.ehq import envelope
from relay.ehq.dialect import Dialect, dialect
from relay.ehq.signature import NotGenuine, Profile, profile, verify
from relay.errors import RelayError
from relay.store import connections
from relay.store.arrivals import Arrivals
from relay.store.database import Unavailable
from relay.sync.parts import Parts

FRESH_S = 2.0
"""How long a connection's secrets are believed: a rotated one stops working everywhere after this."""
MOST_TOGETHER = 500
PATIENCE_S = 10.0
log = structlog.get_logger()
APART_S = 0.02
"""Between two rings of one process: an idle worker hears the first at once."""


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
        self.together = Together(parts)
        self.bell = Bell(parts)

    def receive(self, connection_id: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Stores what arrived, durably, and answers whether any of it is new.

        :raise UnknownConnection: · NotGenuine · Invalid (not JSON) · Unavailable (it could not be stored).
        """
        now = time.time()
        door = self.door(connection_id, now)
        header_id = verify(door.profile, door.secrets, headers, body, now)
        events = envelope.parse(body)
        told = envelope.told(headers, door.profile)
        rows = [
            {
                "connection_id": connection_id,
                "key": envelope.delivery_key(header_id, event, body, index, len(events), door.dialect),
                "type": envelope.event_type(event, door.dialect)[:100],
                "subject": envelope.subject_id(event, door.dialect)[:100],
                "received_at": now,
                "headers": told,
                "body": self.parts.vault.seal(envelope.dumps(event)),
                "state": "waiting",
            }
            for index, event in enumerate(events)
        ]
        new = self.together.store(rows) if rows else set()
        if new:
            self.bell.ring(connection_id)
        return bool(new)

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


class Bell:
    """Rings for connections of which something new was stored, beside the requests: a sender waits for the database,
    never for the queue. A connection is rung for at most once in a while; what arrives meanwhile is rung for after it.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.due: set[str] = set()
        self.ringing = False
        self.lock = threading.Lock()

    def ring(self, connection_id: str) -> None:
        with self.lock:
            self.due.add(connection_id)
            if not self.ringing:
                self.ringing = True
                threading.Thread(target=self._run, name="bell", daemon=True).start()

    def _run(self) -> None:
        """Until nothing is due."""
        while due := self._due():
            try:
                for connection_id in due:
                    self.parts.queue.ring(connection_id)
                self.parts.meters.flush()
            except Exception:  # the clock rings for these; the next ones are to be rung for here
                log.exception("bell failed")
            time.sleep(APART_S)

    def _due(self) -> set[str]:
        with self.lock:
            due, self.due = self.due, set()
            self.ringing = bool(due)
            return due


@dataclass(slots=True)
class Waiting:
    """One request's deliveries, and what became of them."""

    rows: list[dict[str, Any]]
    new: set[tuple[str, str]] = field(default_factory=set)
    failure: BaseException | None = None
    done: bool = False


class Together:
    """Requests that arrive together share one commit: whoever comes first stores for all who wait behind them.

    No thread of its own does it, since handing each delivery to one and back costs more than the commit.
    """

    def __init__(self, parts: Parts) -> None:
        self.arrivals = Arrivals(parts.database)
        self.inbox: deque[Waiting] = deque()
        self.lock = threading.Lock()

    def store(self, rows: list[dict[str, Any]]) -> set[tuple[str, str]]:
        """Which (connection, key) pairs are new; returns after the commit.

        :raise Unavailable: when it could not be stored.
        """
        mine = Waiting(rows)
        self.inbox.append(mine)
        if not self.lock.acquire(timeout=PATIENCE_S):
            raise Unavailable("The database takes too long.", remedy="EHQ sends it again by itself.")
        try:
            while not mine.done:
                self._store_all()
        finally:
            self.lock.release()
        if mine.failure:
            raise mine.failure
        return mine.new

    def _store_all(self) -> None:
        together: list[Waiting] = []
        while self.inbox and len(together) < MOST_TOGETHER:
            together.append(self.inbox.popleft())
        self._store_these(together)

    def _store_these(self, together: list[Waiting]) -> None:
        failure: BaseException | None = None
        new: set[tuple[str, str]] = set()
        try:
            # One statement takes a key once only.
            unique = {(row["connection_id"], row["key"]): row for one in together for row in one.rows}
            new = self._commit(list(unique.values()))
        except Unavailable as error:
            failure = error
        except BaseException as error:  # whoever waits must hear of it, whatever it is
            if len(together) > 1:  # it is about one of them: each by itself
                for one in together:
                    self._store_these([one])
                return
            failure = error
        for one in together:
            one.new = {key for row in one.rows if (key := (row["connection_id"], row["key"])) in new}
            one.failure, one.done = failure, True

    def _commit(self, rows: list[dict[str, Any]]) -> set[tuple[str, str]]:
        try:
            return self.arrivals.store(rows)
        except Unavailable:  # perhaps only this connection is old: what is stored twice is known by its key
            return self.arrivals.store(rows)


__all__ = ["NotGenuine", "Receiver", "UnknownConnection"]
