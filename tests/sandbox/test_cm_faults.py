"""Campaign Monitor on a bad day, and its own webhooks. Contract §2, §3, §8."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import requests


def test_the_same_status_for_every_call_but_only_where_wanted(cm: Any) -> None:
    cm.faults(status=503, only_paths="import")
    assert cm.load("a@example.com").status_code == 503
    assert cm.get(f"/lists/{cm.list}.json")
    cm.faults(only_paths=None)
    assert cm.call("GET", f"/lists/{cm.list}.json").status_code == 503


def test_the_same_code_for_every_call(cm: Any) -> None:
    cm.faults(code={"value": 278, "times": 1})
    assert cm.code("GET", "/clients.json") == 278
    assert cm.get("/clients.json")


def test_a_page_of_html_instead_of_json(cm: Any) -> None:
    cm.faults(html_500=True)
    reply = cm.call("GET", "/clients.json")
    assert (reply.status_code, reply.headers["Content-Type"][:9]) == (500, "text/html")


def test_a_byte_order_mark(cm: Any) -> None:
    cm.faults(bom=True)
    assert cm.call("GET", "/clients.json").content.startswith(b"\xef\xbb\xbf[")


def test_slowness(cm: Any) -> None:
    cm.faults(latency_ms=80)
    assert cm.call("GET", "/clients.json").elapsed.total_seconds() >= 0.08


def test_the_connection_drops_before_anything_happened(cm: Any) -> None:
    cm.faults(drop_connection={"value": True, "times": 1})
    with pytest.raises(requests.ConnectionError):
        cm.load("a@example.com")
    assert cm.sandbox("lists.json")["lists"][0]["counts"]["Active"] == 0
    assert cm.load("a@example.com").status_code == 201


def test_the_connection_drops_though_the_call_was_obeyed(cm: Any) -> None:
    cm.faults(drop_connection={"value": "after", "times": 1})
    with pytest.raises(requests.ConnectionError):
        cm.load("a@example.com")
    assert cm.sandbox("lists.json")["lists"][0]["counts"]["Active"] == 1


def test_an_answer_too_late_for_the_client_but_the_call_was_obeyed(cm: Any, entry: Any) -> None:
    cm.faults(timeout_s={"value": 0.4, "times": 1})
    with pytest.raises(requests.ReadTimeout):
        cm.session.post(
            f"{cm.root}/subscribers/{cm.list}/import.json",
            json={"Subscribers": [entry("a@example.com")]},
            timeout=0.2,
        )
    assert cm.sandbox("lists.json")["lists"][0]["counts"]["Active"] == 1


def test_every_list_is_gone(cm: Any) -> None:
    cm.faults(list_deleted=True)
    assert cm.code("GET", f"/lists/{cm.list}.json") == 101


# webhooks


def hook(cm: Any, url: str, *events: str) -> str:
    sent = {"Events": list(events) or ["Subscribe", "Deactivate", "Update"], "Url": url, "PayloadFormat": "json"}
    return str(cm.ok("POST", f"/lists/{cm.list}/webhooks.json", sent))


def received(inbox: Any, count: int) -> list[dict[str, Any]]:
    """Events, however many to a batch."""
    end = time.monotonic() + 5
    events: list[dict[str, Any]] = []
    while len(events) < count and time.monotonic() < end:
        time.sleep(0.02)
        events = [event for _, body in list(inbox.received) for event in json.loads(body)["Events"]]
    return events


def test_our_own_writes_are_echoed(cm: Any, inbox: Any, entry: Any) -> None:
    cm.field("Town")
    hook(cm, inbox.url)
    cm.load(entry("a@example.com", ("[Town]", "Kew"), Name="Ann"))
    cm.put("a@example.com", EmailAddress="b@example.com")
    cm.act("unsubscribe", email="b@example.com")
    subscribe, update, deactivate = received(inbox, 3)
    assert (subscribe["Type"], subscribe["EmailAddress"]) == ("Subscribe", "a@example.com")
    assert subscribe["CustomFields"] == [{"Key": "[Town]", "Value": "Kew"}]
    assert (update["Type"], update["OldEmailAddress"], update["EmailAddress"]) == (
        "Update",
        "a@example.com",
        "b@example.com",
    )
    assert (deactivate["Type"], deactivate["State"]) == ("Deactivate", "Unsubscribed")
    assert json.loads(inbox.received[0][1])["ListID"] == cm.list


def test_at_most_a_thousand_events_to_a_batch(cm: Any, inbox: Any) -> None:
    hook(cm, inbox.url, "Subscribe")
    for start in (0, 1000):
        cm.load(*(f"p{n}@example.com" for n in range(start, start + 700)))
    assert len(received(inbox, 1400)) == 1400
    assert all(len(json.loads(body)["Events"]) <= 1000 for _, body in inbox.received)


def test_webhooks_are_checked_listed_switched_tested_and_deleted(cm: Any, inbox: Any) -> None:
    path = f"/lists/{cm.list}/webhooks"
    good = {"Events": ["Update"], "Url": inbox.url, "PayloadFormat": "json"}
    assert cm.code("POST", path + ".json", good | {"Url": "ftp://x"}) == 601
    assert cm.code("POST", path + ".json", good | {"PayloadFormat": "yaml"}) == 602
    assert cm.code("POST", path + ".json", good | {"Events": ["Opened"]}) == 603
    id = hook(cm, inbox.url, "Update")
    cm.ok("PUT", f"{path}/{id}/deactivate.json")
    assert cm.get(path + ".json")[0]["Status"] == "Deactivated"
    cm.ok("PUT", f"{path}/{id}/activate.json")
    cm.ok("GET", f"{path}/{id}/test.json")
    inbox.answers = [(500, {})]
    reply = cm.call("GET", f"{path}/{id}/test.json")
    assert reply.json()["Code"] == 610
    assert reply.json()["ResultData"]["FailureResponseCode"] == "500"
    cm.ok("DELETE", f"{path}/{id}.json")
    assert cm.get(path + ".json") == []
