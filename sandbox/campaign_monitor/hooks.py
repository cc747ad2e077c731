"""Campaign Monitor's own webhooks: unsigned, batched, echoing every write (contract §8)."""

from __future__ import annotations

import threading
import time
from typing import Any

import orjson
import requests

from sandbox.campaign_monitor import fields
from sandbox.campaign_monitor.account import Account, List, Subscriber, local
from sandbox.campaign_monitor.errors import CMError

EVENTS = ("Subscribe", "Deactivate", "Update")
BATCH = 1000


class Hook:
    def __init__(self, id: str, events: list[str], url: str) -> None:
        self.id, self.events, self.url, self.active = id, events, url, True
        self.waiting: list[dict[str, Any]] = []
        self.sent = self.failed = self.posting = 0

    def document(self) -> dict[str, Any]:
        status = "Active" if self.active else "Deactivated"
        return {
            "WebhookID": self.id,
            "Events": self.events,
            "Url": self.url,
            "Status": status,
            "PayloadFormat": "Json",
        }


def create(account: Account, where: List, body: dict[str, Any]) -> Hook:
    url, events = body.get("Url"), body.get("Events")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise CMError(601)
    if str(body.get("PayloadFormat")).lower() not in ("json", "xml"):
        raise CMError(602)
    if not isinstance(events, list) or not events or set(events) - set(EVENTS):
        raise CMError(603)
    hook = Hook(account.new_id("webhook")[:16], events, url)
    where.hooks[hook.id] = hook
    return hook


def event(where: List, kind: str, one: Subscriber, old: str = "") -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Type": kind,
        "Date": local(int(time.time())),
        "EmailAddress": one.email,
        "Name": one.name,
    }
    if kind == "Subscribe":
        shown["SignupIPAddress"] = "203.0.113.9"
    else:
        shown["State"] = one.state
    if kind == "Update":
        shown["OldEmailAddress"] = old or one.email
    keys = {field.name: field.key for field in where.fields}
    shown["CustomFields"] = [{"Key": keys[item["Key"]], "Value": item["Value"]} for item in fields.read(where, one)]
    return shown


def test(where: List, hook: Hook) -> None:
    """Post a sample; 610 says what came back."""
    person = Subscriber("sample@example.com", "Sample", time.time())
    body = {"ListID": where.id, "Events": [event(where, kind, person) for kind in hook.events]}
    try:
        reply = requests.post(hook.url, json=body, timeout=5)
        status, said = str(reply.status_code), reply.text[:200]
        good = reply.ok
    except requests.RequestException as error:
        status, said, good = "ConnectFailure", type(error).__name__, False
    if not good:
        raise CMError(
            610,
            result={
                "FailureStatus": "ProtocolError" if status.isdigit() else status,
                "FailureResponseMessage": said,
                "FailureResponseCode": status,
                "FailureResponse": said,
            },
        )


class Postman:
    """One thread that posts what the lists have to say, and lets the processing queue in on time."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()

    def tell(self, where: List, kind: str, person: Subscriber, old: str = "") -> None:
        for hook in where.hooks.values():
            if hook.active and kind in hook.events:
                hook.waiting.append(event(where, kind, person, old))

    def _run(self) -> None:
        with requests.Session() as session:
            while not self._stop.wait(0.1):
                self.account.settle()
                with self.account.lock:
                    due = [(one, hook) for one in self.account.lists.values() for hook in one.hooks.values()]
                    due = [(one, hook) for one, hook in due if hook.waiting]
                for where, hook in due:
                    self._post(session, where, hook)

    def _post(self, session: requests.Session, where: List, hook: Hook) -> None:
        with self.account.lock:
            batch, hook.waiting = hook.waiting[:BATCH], hook.waiting[BATCH:]
            hook.posting = len(batch)
        try:
            reply = session.post(
                hook.url,
                orjson.dumps({"ListID": where.id, "Events": batch}),
                headers={"Content-Type": "application/json; charset=utf-8"},
                timeout=10,
            )
            hook.sent += reply.ok
            hook.failed += not reply.ok
        except requests.RequestException:
            hook.failed += 1
        hook.posting = 0
