"""Sends events to the webhook, at least once and mostly in order (contract §5.5)."""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

import requests

from sandbox.ehq.signing import headers
from sandbox.faults import Faults

WORKERS = 8
TRIES = 8  # with doubling waits from 0.2 s: about 25 s of the receiver being away


@dataclass(slots=True)
class Webhook:
    url: str = ""
    secret: str = ""
    profile: str = "standard"
    enabled: bool = False
    header: str | None = None  # another name for the header with the signature or token
    tries: int = TRIES


@dataclass(slots=True)
class Delivery:
    """One event on its way. `status` is the last answer, "lost" or "no answer"; None: still waiting."""

    id: str
    event: str
    type: str
    subject: str
    at: float
    body: bytes
    status: int | str | None = None
    attempts: int = 0
    answered_at: float | None = None

    def public(self) -> dict[str, Any]:
        shown = asdict(self)
        shown.pop("body")
        return shown


class Emitter:
    """A few threads and one queue ordered by when each delivery is due."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.webhook = Webhook()
        self.deliveries: deque[Delivery] = deque(maxlen=20_000)
        self._due: list[tuple[float, int, Delivery]] = []
        self._order, self._random = count(), random.Random(7)
        self._wake = threading.Condition()
        self._busy = 0
        self._threads: list[threading.Thread] = []
        self._closed = False

    def send(self, delivery: Delivery) -> None:
        """Queue a delivery, after whatever the faults do to it."""
        if not self.webhook.enabled:
            return
        with self._wake:
            self.deliveries.append(delivery)
            if self._strikes("webhook_loss"):
                delivery.status = "lost"
                return
            due = time.time() + float(self.faults.get("webhook_delay_s", 0))
            if self._strikes("webhook_reorder"):
                due += self._random.uniform(0.05, 0.5)
            for _ in range(1 + self._strikes("webhook_duplicates")):
                heapq.heappush(self._due, (due, next(self._order), delivery))
            while len(self._threads) < WORKERS:
                thread = threading.Thread(target=self._run, daemon=True)
                self._threads.append(thread)
                thread.start()
            self._wake.notify()

    def pending(self) -> int:
        with self._wake:
            return len(self._due) + self._busy

    def close(self) -> None:
        with self._wake:
            self._closed = True
            self._wake.notify_all()

    def _strikes(self, fault: str) -> bool:
        return self._random.random() < float(self.faults.get(fault, 0))

    def _run(self) -> None:
        with requests.Session() as session:
            while True:
                with self._wake:
                    while not self._closed and (not self._due or self._due[0][0] > time.time()):
                        self._wake.wait(self._due[0][0] - time.time() if self._due else None)
                    if self._closed:
                        return
                    delivery = heapq.heappop(self._due)[2]
                    self._busy += 1
                again = None
                try:
                    again = self._post(session, delivery)
                finally:
                    with self._wake:
                        self._busy -= 1
                        if again is not None:
                            heapq.heappush(self._due, (time.time() + again, next(self._order), delivery))
                        self._wake.notify()

    def _post(self, session: requests.Session, delivery: Delivery) -> float | None:
        """Try once; the seconds to wait before the next try, or None when it is over."""
        hook = self.webhook
        at = int(time.time() + float(self.faults.get("clock_skew_s", 0)))
        proof = headers(hook.profile, hook.secret, delivery.id, delivery.type, at, delivery.body, hook.header)
        delivery.attempts += 1
        wait = min(0.2 * 2 ** (delivery.attempts - 1), 10.0)
        try:
            reply = session.post(
                hook.url,
                delivery.body,
                headers={"Content-Type": "application/json", **proof},
                timeout=15,
                allow_redirects=False,
            )
            delivery.status = reply.status_code
            asked = reply.headers.get("Retry-After", "")
            if asked.isdigit():
                wait = min(float(asked), 60.0)
        except requests.RequestException:
            delivery.status = "no answer"
        delivery.answered_at = time.time()
        failed = delivery.status in ("no answer", 429) or str(delivery.status).startswith("5")
        return wait if failed and delivery.attempts < hook.tries and hook.enabled else None
