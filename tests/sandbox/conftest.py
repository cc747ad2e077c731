"""The two simulators over real HTTP, and clients that speak to them as the contracts say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from flask import Flask, request

from sandbox.campaign_monitor import create_app as create_campaign_monitor
from sandbox.ehq import create_app as create_ehq
from sandbox.server import Server


class Remote:
    """A simulator with a session that keeps its connection alive."""

    def __init__(self, url: str, root: str) -> None:
        self.url, self.root = url, url + root
        self.session = requests.Session()

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        return self.session.request(method, self.root + path, timeout=10, **more)

    def get(self, path: str, **query: Any) -> Any:
        reply = self.call("GET", path, params=query)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def sandbox(self, path: str, sent: Any = None, method: str | None = None) -> Any:
        reply = self.session.request(
            method or ("GET" if sent is None else "POST"), f"{self.url}/sandbox/{path}", json=sent, timeout=10
        )
        assert reply.status_code == 200, reply.text
        return reply.json()

    def faults(self, **values: Any) -> None:
        self.sandbox("faults", values)

    def act(self, action: str, **more: Any) -> Any:
        return self.sandbox("act", {"action": action, **more})


class CampaignMonitor(Remote):
    """A client with one list, `self.list`."""

    def __init__(self, url: str) -> None:
        super().__init__(url, "/api/v3.3")
        self.session.auth = ("sandbox", "x")
        self.client = self.get("/clients.json")[0]["ClientID"]
        self.list = self.ok("POST", f"/lists/{self.client}.json", {"Title": "Participants"})

    def ok(self, method: str, path: str, sent: Any = None, **query: Any) -> Any:
        reply = self.call(method, path, json=sent, params=query)
        assert reply.ok, reply.text
        return reply.json() if reply.content else None

    def code(self, method: str, path: str, sent: Any = None, **query: Any) -> int:
        """The Code of an answer that has to be an error."""
        reply = self.call(method, path, json=sent, params=query)
        assert not reply.ok, reply.text
        return int(reply.json()["Code"])

    def field(self, name: str, kind: str = "Text", *options: str) -> str:
        sent = {"FieldName": name, "DataType": kind, "Options": list(options)}
        return str(self.ok("POST", f"/lists/{self.list}/customfields.json", sent))

    def segment(self, title: str, kind: str, clause: str) -> str:
        groups = [{"Rules": [{"RuleType": kind, "Clause": clause}]}]
        return str(self.ok("POST", f"/segments/{self.list}.json", {"Title": title, "RuleGroups": groups}))

    def load(self, *people: Any, resubscribe: bool = False) -> requests.Response:
        """Import people, given as entries or as addresses."""
        entries = [person(one) if isinstance(one, str) else one for one in people]
        sent = {"Subscribers": entries, "Resubscribe": resubscribe}
        return self.call("POST", f"/subscribers/{self.list}/import.json", json=sent)

    def put(self, old: str, **changes: Any) -> requests.Response:
        return self.call("PUT", f"/subscribers/{self.list}.json", params={"email": old}, json=person(**changes))

    def read(self, email: str) -> Any:
        return self.get(f"/subscribers/{self.list}.json", email=email, includetrackingpreference="true")

    def values(self, email: str) -> list[tuple[str, str]]:
        return [(item["Key"], item["Value"]) for item in self.read(email)["CustomFields"]]


def person(email: str | None = None, *items: tuple[str, str] | tuple[str, str, bool], **more: Any) -> dict[str, Any]:
    """An entry of an import: `person("a@example.com", ("[Suburb]", "Carlton"), ("[Age]", "", True))`."""
    values = [dict(zip(("Key", "Value", "Clear"), item, strict=False)) for item in items]
    entry: dict[str, Any] = {"ConsentToTrack": "Unchanged", "CustomFields": values, **more}
    return entry | ({"EmailAddress": email} if email else {})


@pytest.fixture
def entry() -> Callable[..., dict[str, Any]]:
    return person


@pytest.fixture
def cm() -> Iterator[CampaignMonitor]:
    with Server(create_campaign_monitor(queue_delay_s=0)) as server:
        yield CampaignMonitor(server.url)


@pytest.fixture
def ehq() -> Iterator[Remote]:
    with Server(create_ehq(250)) as server:
        remote = Remote(server.url, "/api/v2")
        remote.session.headers["X-API-Token"] = "sandbox"
        yield remote


class Inbox:
    """A receiver of webhooks. `answers` is what it says, in order; after that, 202."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.url = ""

    def wait(self, count: int, seconds: float = 5) -> list[tuple[dict[str, str], bytes]]:
        end = time.monotonic() + seconds
        while len(self.received) < count and time.monotonic() < end:
            time.sleep(0.01)
        assert len(self.received) >= count, f"{len(self.received)} of {count} came"
        return self.received


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    app, box = Flask("inbox"), Inbox()

    @app.post("/hook")
    def hook() -> Any:
        box.received.append(({name.lower(): value for name, value in request.headers.items()}, request.get_data()))
        status, headers = box.answers.pop(0) if box.answers else (202, {})
        return "", status, headers

    with Server(app) as server:
        box.url = server.url + "/hook"
        yield box
