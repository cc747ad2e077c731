"""The address at which Campaign Monitor posts: known to nobody else, quick, and content with anything."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from flask import Flask

from relay.store import connections, hints, participants
from relay.store.connections import Connection
from relay.store.database import Database, Unavailable
from relay.sync.parts import Parts
from relay.web import webhooks
from tests.conftest import Relay

TOKEN = "an-address-nobody-guesses"


@pytest.fixture
def path(parts: Parts, connection: Connection) -> str:
    with parts.database.write() as tx:
        connections.change(tx, connection.id, cm_hook=parts.vault.lock({"token": TOKEN}))
    webhooks._forgeries.clear()
    return f"/webhooks/campaign-monitor/{connection.id}/{TOKEN}"


def post(app: Flask, path: str, body: Any) -> Any:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return app.test_client().post(path, data=raw, content_type="application/json; charset=utf-8")


def about(connection: Connection, *events: Any) -> dict[str, Any]:
    return {"ListID": connection.cm_list_id, "Events": list(events)}


def test_a_post_about_strangers_is_taken_and_nothing_of_it_is_kept(
    app: Flask, connection: Connection, path: str
) -> None:
    event = {"Type": "Deactivate", "Date": "2026-01-05 10:30:00", "EmailAddress": "who@example.com", "State": "Deleted"}
    assert post(app, path, about(connection, event)).status_code == 200


@pytest.mark.parametrize(
    "event", [None, 7, {}, {"Type": "Update"}, {"Type": "New", "EmailAddress": "a@b.c"}, {"Type": []}], ids=repr
)
def test_an_event_that_cannot_be_read_is_passed_over(app: Flask, connection: Connection, path: str, event: Any) -> None:
    assert post(app, path, about(connection, event)).status_code == 200


def test_an_address_that_is_none_is_passed_over_and_the_others_are_heard(
    app: Flask, parts: Parts, relay: Relay, connection: Connection, path: str
) -> None:
    assert relay.reconcile(connection).state == "completed"
    event = {"Type": "Update", "EmailAddress": "who@example.com", "State": "Active"}
    wrong = [None, 7, "", " ", "a\0@example.com", ["a@b.c"]]
    with parts.database.read() as tx:
        known = next(one for one in participants.after(tx, connection.id, 0, 100) if one.held.state == "Active")
    leaves = {"Type": "Deactivate", "EmailAddress": known.held.email, "State": "Unsubscribed"}
    for name in ("EmailAddress", "OldEmailAddress"):
        events = [{**event, name: address} for address in wrong]
        assert post(app, path, about(connection, *events, leaves)).status_code == 200
    with parts.database.read() as tx:
        assert [person.id for person, _, _ in hints.given(tx, connection.id, 10)] == [known.id]


def test_a_failure_is_logged_without_the_address_that_is_the_secret(
    app: Flask, path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(webhooks.hints, "hear", lambda *_: 1 / 0)
    assert post(app, path, {}).status_code == 500
    assert "webhooks.campaign_monitor [POST]" in caplog.text
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"ListID": "x"}', b"\xff"], ids=repr)
def test_what_campaign_monitor_never_posts_is_a_400(app: Flask, path: str, body: bytes) -> None:
    answer = post(app, path, body)
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")


def test_a_wrong_token_an_unknown_connection_and_another_list_are_one_and_the_same_404(
    app: Flask, connection: Connection, path: str
) -> None:
    right = about(connection)
    answers = [
        post(app, path[:-1], right),
        post(app, path + "é", right),
        post(app, path.replace(connection.id, "elsewhere"), right),
        post(app, path.replace(connection.id, "a%00b"), right),
        post(app, path, {"ListID": "another", "Events": []}),
    ]
    assert [(a.status_code, a.mimetype) for a in answers] == [(404, "application/problem+json")] * 5


def test_a_connection_without_a_webhook_has_no_address(app: Flask, connection: Connection) -> None:
    assert post(app, f"/webhooks/campaign-monitor/{connection.id}/", about(connection)).status_code == 404
    assert post(app, f"/webhooks/campaign-monitor/{connection.id}/x", about(connection)).status_code == 404


def test_a_body_larger_than_any_post_is_a_413(app: Flask, connection: Connection, path: str) -> None:
    assert post(app, path, b" " * (webhooks.LARGEST_NOTICE + 1)).status_code == 413


def test_when_the_database_is_away_campaign_monitor_is_told_to_come_back(
    app: Flask, connection: Connection, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Database) -> Any:
        raise Unavailable("The database does not answer.")

    monkeypatch.setattr(Database, "read", away)
    answer = app.test_client().post(path, json=about(connection))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_whoever_guesses_is_told_to_wait(app: Flask, connection: Connection, path: str) -> None:
    statuses = {post(app, path + "x", about(connection)).status_code for _ in range(webhooks.FORGERIES)}
    assert statuses == {404, 429}
    assert post(app, path, about(connection)).status_code == 200, "who knows the address is always heard"
