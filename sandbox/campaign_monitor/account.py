"""What a Campaign Monitor account holds: clients, their lists, the people on them."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sandbox.campaign_monitor.errors import CMError
from sandbox.campaign_monitor.settings import DEFAULTS, FAULTS
from sandbox.control import Calls
from sandbox.faults import Faults

if TYPE_CHECKING:
    from sandbox.campaign_monitor.fields import Field
    from sandbox.campaign_monitor.hooks import Hook, Postman
    from sandbox.campaign_monitor.segments import Segment

TIME_ZONE = "(GMT+10:00) Canberra, Melbourne, Sydney"
STATES = ("Active", "Unconfirmed", "Unsubscribed", "Bounced", "Deleted")
try:
    ZONE: tzinfo = ZoneInfo("Australia/Sydney")
except ZoneInfoNotFoundError:  # a machine without time zone data
    ZONE = timezone(timedelta(hours=10))


@lru_cache(100_000)
def local(second: int) -> str:
    """Epoch seconds as the API shows them: naive, in the client's zone (contract §3)."""
    return datetime.fromtimestamp(second, ZONE).strftime("%Y-%m-%d %H:%M:%S")


def hex_id(*parts: object) -> str:
    return hashlib.md5(" ".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()


class Subscriber:
    """`fields` holds, by `Field.number`, a string, or a list of strings for a MultiSelectMany."""

    __slots__ = (
        "by_hand",
        "changed",
        "consent",
        "email",
        "fields",
        "joined",
        "mobile",
        "name",
        "since",
        "sms",
        "state",
        "written",
    )

    def __init__(self, email: str, name: str, now: float) -> None:
        self.email, self.name, self.state = email, name, "Active"
        self.fields: dict[int, str | list[str]] = {}
        self.since = self.joined = self.changed = now  # in this state · on the list · anything
        self.written = 0.0  # last write by the API, for the throttle
        self.consent, self.sms, self.mobile = "", "", ""
        self.by_hand = False  # a person deleted them, not the API


class List:
    """One subscriber list. `version` counts changes, `order` those that move someone in a listing."""

    def __init__(self, id: str, client: Client, title: str) -> None:
        self.id, self.client, self.title = id, client, title
        self.settings: dict[str, Any] = {
            "UnsubscribePage": "",
            "UnsubscribeSetting": "AllClientLists",
            "ConfirmedOptIn": False,
            "ConfirmationSuccessPage": "",
        }
        self.people: dict[str, Subscriber] = {}
        self.fields: list[Field] = []
        self.segments: dict[str, Segment] = {}
        self.hooks: dict[str, Hook] = {}
        self.queue: deque[tuple[float, dict[str, Any]]] = deque()  # added one by one, not visible yet
        self.in_draft = False
        self.importing = 0
        self.version = self.order = 0
        self._sorted: dict[tuple[str, str], tuple[int, list[Subscriber]]] = {}

    @property
    def spans_client(self) -> bool:
        """Whether an opt-out here counts for the whole client, suppression list included."""
        return bool(self.settings["UnsubscribeSetting"] == "AllClientLists")

    def get(self, email: str) -> Subscriber | None:
        return self.people.get(email.strip().lower())

    def in_state(self, state: str, by: str) -> list[Subscriber]:
        """Everyone in a state, sorted; sorted again only after somebody moved."""
        held = self._sorted.get((state, by))
        if held is None or held[0] != self.order:
            chosen = [one for one in self.people.values() if one.state == state]
            chosen.sort(key=sort_key(by))
            held = self._sorted[state, by] = (self.order, chosen)
        return held[1]

    def counts(self) -> dict[str, int]:
        counts = dict.fromkeys(STATES, 0)
        for one in self.people.values():
            counts[one.state] += 1
        return counts


def sort_key(by: str) -> Any:
    keys = {
        "email": lambda one: one.email.lower(),
        "name": lambda one: (one.name.lower(), one.email.lower()),
        "date": lambda one: (one.since, one.email.lower()),
    }
    return keys[by]


class Client:
    def __init__(self, number: int) -> None:
        self.id = hex_id("client", number)
        self.name = "Council (sandbox)" if number == 1 else f"Council {number} (sandbox)"
        self.suppressed: dict[str, tuple[str, str, float]] = {}  # lower address → (address, reason, since)


class Account:
    """Take `lock` for anything that reads twice or writes."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.faults, self.calls = Faults(FAULTS, DEFAULTS), Calls()
        self.lists: dict[str, List] = {}
        self.journal: deque[tuple[int, float, str, str, str, bool]] = deque(maxlen=200_000)
        self.violations: list[dict[str, Any]] = []
        self.writes: list[dict[str, Any]] | None = None
        """With a list here, every write about people that was obeyed: see `gate.remember`."""
        self.tokens: dict[str, Any] = {}
        self._clients: list[Client] = []
        self._ids = self._seq = 0
        self.postman: Postman | None = None

    def close(self) -> None:
        if self.postman:
            self.postman.close()

    def new_id(self, kind: str) -> str:
        self._ids += 1
        return hex_id(kind, self._ids)

    @property
    def clients(self) -> list[Client]:
        """As many as the `clients` setting says; those already made stay as they are."""
        wanted = int(self.faults.get("clients", 1))
        while len(self._clients) < wanted:
            self._clients.append(Client(len(self._clients) + 1))
        return self._clients[:wanted]

    def client(self, id: str) -> Client:
        for client in self.clients:
            if client.id == id:
                return client
        raise CMError(102, 401)

    def list(self, id: str) -> List:
        found = self.lists.get(id)
        if found is None or self.faults.get("list_deleted") or found.client not in self.clients:
            raise CMError(101, 401)
        self.settle()
        return found

    def settle(self) -> None:
        """Let those in whom the processing queue has kept long enough (contract §4.1)."""
        from sandbox.campaign_monitor.subscribers import add_now

        with self.lock:
            for one in self.lists.values():
                while one.queue and one.queue[0][0] <= time.time():
                    due, entry = one.queue.popleft()
                    add_now(self, one, entry, due)

    # what happened

    def note(self, where: List, person: Subscriber, what: str, changed: bool, now: float) -> None:
        """One line of the journal: added, updated, deleted, unsubscribed, bounced, restored."""
        self._seq += 1
        self.journal.append((self._seq, now, person.email, what, where.id, changed))
        if changed:
            person.changed = now
            where.version += 1

    def arrivals(self, since: int, limit: int) -> tuple[int, Sequence[dict[str, Any]]]:
        with self.lock:
            first = self.journal[0][0] if self.journal else 1
            start = max(0, since + 1 - first)
            rows = [*islice(self.journal, start, start + limit)]
        names = ("seq", "at", "email", "what", "list", "changed")
        return (rows[-1][0] if rows else since), [dict(zip(names, row, strict=True)) for row in rows]

    def violation(self, kind: str, where: List, emails: Iterable[str] = ()) -> None:
        """Something a careful client of this API never does."""
        self.violations.append({"kind": kind, "at": time.time(), "list": where.id, "emails": list(emails)[:20]})

    def move(self, where: List, person: Subscriber, state: str, now: float) -> None:
        if person.state != state:
            person.state, person.since = state, now
            where.order += 1

    def suppress(self, client: Client, email: str, reason: str, now: float) -> None:
        client.suppressed.setdefault(email.lower(), (email, reason, now))
