"""Is it alive, is it ready, and what has it done: for machines, and without anyone's data."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from relay.queue import Queue
from relay.store import connections
from relay.store.connections import Connection
from relay.store.database import Database
from relay.sync.parts import Parts
from relay.web import create_app
from relay.web.health import LATE_S
from tests.conftest import Live, Relay
from tests.web.conftest import Sender, registered
from tests.web.test_webhooks import closed_port, without_database


def test_healthz_says_that_this_process_lives_whatever_is_away(parts: Parts) -> None:
    with create_app(without_database(parts)).test_client() as client:
        answer = client.get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "alive"})


def test_readyz_is_ready_when_nobody_waits_too_long(client: FlaskClient, connection: Connection) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.get_json() == {
        "status": "ready",
        "checks": {
            "migrations": "ok",
            "database": "ok",
            "queue": "ok",
            "oldest_waiting_s": 0.0,
            "connections": {connection.id: "on"},
        },
    }


def test_readyz_is_ready_before_anything_is_connected(client: FlaskClient) -> None:
    assert client.get("/readyz").get_json()["status"] == "ready"


@pytest.mark.parametrize("state", [{"state": "needs_person"}, {"problem": {"message": "CM is down.", "remedy": ""}}])
def test_campaign_monitor_being_down_is_degraded_and_not_unready(
    client: FlaskClient, parts: Parts, connection: Connection, state: dict[str, object]
) -> None:
    with parts.database.write() as tx:
        connections.change(tx, connection.id, **state)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "degraded")


def test_an_ehq_that_lets_nobody_in_is_degraded(client: FlaskClient, live: Live) -> None:
    live.ehq.faults(status=403)
    assert live.run().state == "needs_person"
    assert client.get("/readyz").get_json()["status"] == "degraded"
    live.ehq.faults(status=None)
    live.run()
    assert client.get("/readyz").get_json()["status"] == "ready"


def test_readyz_is_unready_when_somebody_waits_for_us_too_long(live_sender: Sender, time_machine: Any) -> None:
    client = live_sender.client
    live_sender.send(registered())
    assert client.get("/readyz").status_code == 200
    time_machine.move_to(time.time() + LATE_S + 1)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()["status"]) == (503, "unready")
    assert answer.get_json()["checks"]["oldest_waiting_s"] > LATE_S


def test_whoever_waits_for_a_first_run_does_not_make_the_relay_unready(
    live_sender: Sender, parts: Parts, time_machine: Any
) -> None:
    with parts.database.write() as tx:
        connections.change(tx, live_sender.connection.id, list_unread=True)
    live_sender.send(registered())
    time_machine.move_to(time.time() + LATE_S + 1)
    assert live_sender.client.get("/readyz").status_code == 200


def test_readyz_is_unready_without_a_database(parts: Parts) -> None:
    with create_app(without_database(parts)).test_client() as client:
        answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()["status"]) == (503, "unready")
    assert "does not answer" in answer.get_json()["checks"]["database"]


def test_readyz_is_unready_without_a_queue(parts: Parts) -> None:
    with create_app(replace(parts, queue=Queue(f"redis://127.0.0.1:{closed_port()}"))).test_client() as client:
        answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()["checks"]["queue"]) == (503, "away")


def test_readyz_is_unready_before_the_migrations_and_says_what_to_do(parts: Parts, tmp_path: object) -> None:
    empty = Database(f"sqlite:///{tmp_path}/empty.sqlite3")
    with create_app(replace(parts, database=empty)).test_client() as client:
        answer = client.get("/readyz")
    assert (answer.status_code, answer.get_json()["status"]) == (503, "unready")
    assert "relay migrate" in str(answer.get_json()["checks"])


def test_metrics_count_and_name_nobody(live: Live, client: FlaskClient, relay: Relay) -> None:
    _, email = live.ehq.register()
    live.arrives()
    text = client.get("/metrics").text
    people = live.ehq.people()
    assert f'relay_participants{{connection="{live.connection.id}"}} {float(len(people))}' in text
    assert f'relay_waiting{{connection="{live.connection.id}"}} 0.0' in text
    assert 'relay_deliveries_total{answer="stored"}' in text
    assert "relay_cm_calls_total{" in text
    assert email not in text
    assert "@" not in text
    for person in people.values():
        assert person["email"] not in text
        assert f'"{person["login"]}"' not in text
        for answer in person["signup-answers"] or ():
            assert f'"{answer["value"]}"' not in text
