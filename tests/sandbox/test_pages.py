"""The pages for people: readable without scripts, by anyone."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests


def check(text: str) -> None:
    assert '<html lang="en">' in text
    assert "<script" not in text
    assert text.count("<h1>") == 1
    assert all("scope=" in head for head in re.findall(r"<th\b[^>]*>", text))
    assert text.count("<table>") == text.count("<caption>")


@pytest.mark.parametrize("path", ["/", "/sandbox/"])
def test_the_page_of_engagementhq(ehq: Any, path: str) -> None:
    email = ehq.act("register", login="<b>bold</b>")["people"][0]["email"]
    text = requests.get(ehq.url + path, params={"q": email}, timeout=5).text
    check(text)
    assert email in text
    assert "<b>bold" not in text
    assert "Female Only" in text


def test_the_page_of_campaign_monitor(cm: Any, entry: Any) -> None:
    cm.field("Town")
    cm.segment("Town people", "[Town]", "PROVIDED")
    cm.load(entry("a@example.com", ("[Town]", "<i>Kew</i>"), Name="Ann"))
    text = requests.get(cm.url, params={"q": "a@example"}, timeout=5).text
    check(text)
    assert "Town people" in text
    assert "&lt;i&gt;Kew" in text
    assert "live-api-key" not in text


def test_the_webhook_is_set_and_people_act_by_hand(ehq: Any) -> None:
    form = {"url": "http://127.0.0.1:1/x", "secret": "whsec_c2VjcmV0"}
    assert requests.post(f"{ehq.url}/sandbox/by-hand", form, timeout=5).ok
    text = requests.post(f"{ehq.url}/sandbox/by-hand", {"action": "register"}, timeout=5).text
    check(text)
    assert "standard to http://127.0.0.1:1/x" in text
    assert "participant.registered" in text
    assert "whsec_" not in text
