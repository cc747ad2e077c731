"""The door for EHQ's webhooks: every answer of EHQ contract §5.1, and every kind of bad input."""

from __future__ import annotations

import base64
import io
import random
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from gunicorn.http.body import Body, ChunkedReader
from gunicorn.http.unreader import IterUnreader
from werkzeug.test import TestResponse

from relay.queue import Queue
from relay.store.arrivals import Arrivals
from relay.store.database import Database
from relay.sync.connections import connect
from relay.sync.intake.receive import APART_S, FRESH_S
from relay.sync.parts import Parts
from relay.web import create_app
from sandbox.server import Server
from tests.conftest import Relay, SimulatedCampaignMonitor, SimulatedEhq
from tests.web.conftest import Sender, problem, registered

KIB = 1024
PING = {"type": "test.ping"}


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def padded(size: int) -> bytes:
    """A ping of exactly `size` bytes."""
    empty = orjson.dumps({**PING, "padding": ""})
    return orjson.dumps({**PING, "padding": "x" * (size - len(empty))})


# 202 and 200


def test_a_genuine_delivery_is_stored_and_answered_202(sender: Sender) -> None:
    answer = sender.send(registered(), "msg_1")
    assert answer.status_code == 202
    assert answer.get_json() == {"status": "stored"}
    (delivery,) = sender.stored()
    assert (delivery.key, delivery.type, delivery.subject) == ("msg_1", "participant.registered", "5040")
    assert delivery.state == "waiting"


def test_what_is_stored_is_encrypted(sender: Sender) -> None:
    sender.send(registered())
    (delivery,) = sender.stored()
    assert delivery.body is not None
    assert b"althea" not in bytes(delivery.body)


def test_a_repeated_delivery_is_answered_200_and_stored_once(sender: Sender) -> None:
    assert sender.send(registered(), "msg_1").status_code == 202
    again = sender.send(registered(), "msg_1", late=100)
    assert again.status_code == 200
    assert again.get_json() == {"status": "seen before"}
    assert len(sender.stored()) == 1


def test_the_same_event_under_another_delivery_id_is_another_delivery(sender: Sender) -> None:
    event = registered()
    assert [sender.send(event, key).status_code for key in ("msg_1", "msg_2")] == [202, 202]


def test_a_delivery_rings_a_worker_once(sender: Sender, parts: Parts) -> None:
    for _ in range(5):
        sender.send(registered())

    def rings() -> list[Any]:
        return [job.args for job in parts.queue.queues["live"].jobs if job.args == [sender.connection.id]]

    give_up = time.monotonic() + 5
    while not rings() and time.monotonic() < give_up:
        time.sleep(0.01)  # the ring follows the answer
    time.sleep(3 * APART_S)  # and would be followed by another
    assert len(rings()) == 1


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "application/vnd.api+json"]
)
def test_both_types_of_json_are_taken(sender: Sender, content_type: str) -> None:
    body = orjson.dumps(registered())
    assert sender.post(body, sender.signed(body), content_type=content_type).status_code == 202


def test_a_list_of_500_events_is_500_deliveries(sender: Sender) -> None:
    events = [registered(str(number)) for number in range(500)]
    assert sender.send(events, "msg_1").status_code == 202
    stored = sender.stored()
    assert [delivery.subject for delivery in stored] == [str(number) for number in range(500)]
    assert (stored[0].key, stored[499].key) == ("msg_1:0", "msg_1:499")
    assert sender.send(events, "msg_1").status_code == 200


def test_an_empty_list_says_nothing_and_is_no_mistake(sender: Sender) -> None:
    assert sender.send([]).status_code == 200
    assert sender.stored() == []


NOT_UNDERSTOOD: list[Any] = [
    {"type": "participant.promoted", "data": {"id": "5040"}},
    {"type": "participant.registered", "data": ["5040"]},
    {"type": "participant.registered", "data": {"id": "5040", "attributes": {}}},
    {"type": "group.member_added", "data": {"id": "7"}},
    {"type": 7},
    {"data": {}},
    {},
    "registered",
    7,
    None,
    [{"type": "participant.promoted"}, {"type": "participant.demoted"}],
]


def test_what_is_genuine_and_not_understood_is_stored_202_and_quarantined(live_sender: Sender, relay: Relay) -> None:
    assert {live_sender.send(event).status_code for event in NOT_UNDERSTOOD} == {202}
    assert {delivery.state for delivery in live_sender.stored()} == {"waiting"}
    relay.settle(live_sender.connection)
    stored = live_sender.stored()
    assert len(stored) == len(NOT_UNDERSTOOD) + 1
    for delivery in stored:
        assert delivery.state == "quarantined"
        assert delivery.reason
        assert "report it" not in delivery.reason


# 400, 404, 405, 413, 415


@pytest.mark.parametrize(
    "body", [b"", b"not json", b'{"type":', b"\xff\xfe", b"<xml/>", b"type=participant.registered"]
)
def test_what_is_not_json_is_answered_400(sender: Sender, body: bytes) -> None:
    assert problem(sender.send(body), 400) == "The body is not JSON."
    assert sender.stored() == []


def test_an_unknown_connection_is_answered_404(sender: Sender) -> None:
    body = orjson.dumps(PING)
    answer = sender.client.post(
        "/webhooks/ehq/nowhere", data=body, headers=sender.signed(body), content_type="application/json"
    )
    assert problem(answer, 404) == "There is no such connection."


def test_a_removed_connection_cannot_be_told_from_an_unknown_one(sender: Sender) -> None:
    connect.remove(sender.parts, sender.connection)
    assert problem(sender.send(PING), 404) == "There is no such connection."


@pytest.mark.parametrize("name", ["%00", "a%00b", "%FF", "x" * 5000, "🌻", "' OR 1=1", "a%2Fb", ""])
def test_whatever_the_connection_s_name_is_the_answer_is_404(sender: Sender, name: str) -> None:
    body = orjson.dumps(PING)
    answer = sender.client.post(
        f"/webhooks/ehq/{name}", data=body, headers=sender.signed(body), content_type="application/json"
    )
    assert problem(answer, 404)


@pytest.mark.parametrize(
    "path", ["/webhooks", "/webhooks/", "/webhooks/ehq", "/webhooks/zapier/x", "/webhooks/ehq/a/b"]
)
def test_the_framework_s_own_404_below_webhooks_is_a_problem_document(client: FlaskClient, path: str) -> None:
    assert problem(client.post(path), 404)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_another_method_is_answered_405_with_what_is_allowed(sender: Sender, method: str) -> None:
    answer = sender.client.open(sender.path, method=method)
    assert problem(answer, 405)
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"]
)
def test_another_type_of_content_is_answered_415(sender: Sender, content_type: str) -> None:
    body = orjson.dumps(PING)
    assert "application/json" in problem(sender.post(body, sender.signed(body), content_type=content_type), 415)


def test_256_kib_are_taken(sender: Sender) -> None:
    assert sender.send(padded(256 * KIB)).status_code == 202


def test_one_byte_more_is_answered_413(sender: Sender) -> None:
    assert "256 KiB" in problem(sender.send(padded(256 * KIB + 1)), 413)


def test_257_kib_are_refused_by_their_announced_length_before_they_are_read(sender: Sender) -> None:
    class Unread(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise AssertionError("the body was read")

        readinto = read  # type: ignore[assignment]

    answer = streamed(sender, Unread(), {}, CONTENT_LENGTH=str(257 * KIB))
    assert "256 KiB" in problem(answer, 413)


def test_257_kib_in_chunks_are_refused(sender: Sender) -> None:
    body = padded(257 * KIB)
    assert "256 KiB" in problem(chunked(sender, io.BytesIO(body), sender.signed(body)), 413)


def test_a_body_in_chunks_is_taken(sender: Sender) -> None:
    body = padded(10 * KIB)
    assert chunked(sender, io.BytesIO(body), sender.signed(body)).status_code == 202


def test_of_an_endless_body_no_more_is_read_than_may_be_sent(sender: Sender) -> None:
    class Endless:
        given = 0

        def read(self, size: int = -1) -> bytes:
            assert size >= 0, "everything was asked for"
            self.given += size
            assert self.given < 2**20, "1 MiB was read"
            return b" " * size

    assert "256 KiB" in problem(chunked(sender, Endless(), {}), 413)


@pytest.mark.parametrize("body", [b"ZZZ\r\n", b"3\r\nabcde", b"3;\x00\r\nabc\r\n0\r\n\r\n"])
def test_chunks_that_are_none_are_answered_400(sender: Sender, caplog: pytest.LogCaptureFixture, body: bytes) -> None:
    assert "chunks" in problem(chunked(sender, misread(body), {}), 400)
    assert "Traceback" not in caplog.text


def test_a_page_sent_in_chunks_that_are_none_says_so(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    more = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    answer = client.post(
        "/login",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        environ_overrides={"wsgi.input": misread(b"ZZZ\r\n"), **more},
    )
    assert answer.status_code == 400
    assert "We could not read that" in answer.text
    assert "Traceback" not in caplog.text


def misread(body: bytes) -> Body:
    """As gunicorn gives it to the application."""
    return Body(ChunkedReader(None, IterUnreader([body])))


def chunked(sender: Sender, stream: Any, headers: dict[str, str]) -> TestResponse:
    """A body without an announced length, as gunicorn hands it on."""
    more = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    return streamed(sender, stream, headers, **more)


def streamed(sender: Sender, stream: Any, headers: dict[str, str], **environ: Any) -> TestResponse:
    return sender.client.post(
        sender.path,
        headers={**headers, "Content-Type": "application/json"},
        environ_overrides={"wsgi.input": stream, **environ},
    )


# 401 and 429


def test_an_unsigned_delivery_is_answered_401(sender: Sender) -> None:
    assert problem(sender.post(orjson.dumps(PING), {}), 401) == "The header webhook-signature is missing."
    assert sender.stored() == []


def test_a_stale_delivery_is_answered_401_and_told_about_clocks(sender: Sender) -> None:
    assert "Is a clock wrong?" in problem(sender.send(PING, late=310), 401)
    assert "in the future" in problem(sender.send(PING, late=-310), 401)


def test_a_delivery_changed_under_way_is_answered_401(sender: Sender) -> None:
    headers = sender.signed(orjson.dumps(registered()))
    assert "signature is wrong" in problem(sender.post(orjson.dumps(registered("5041")), headers), 401)


def test_what_is_unsigned_is_not_looked_into(sender: Sender) -> None:
    assert problem(sender.post(b"not json", {}), 401)


def test_a_replaced_secret_is_good_for_a_day(sender: Sender) -> None:
    fresh = connect.rotate_secret(sender.parts, sender.connection)["webhook_secret"]
    assert sender.send(PING).status_code == 202
    assert sender.send(PING, secret=fresh).status_code == 202


def test_a_retired_secret_opens_nothing(sender: Sender, time_machine: Any) -> None:
    fresh = connect.rotate_secret(sender.parts, sender.connection)["webhook_secret"]
    time_machine.move_to(time.time() + 86400 + FRESH_S)
    assert "current secret" in problem(sender.send(PING), 401)
    assert sender.send(PING, secret=fresh).status_code == 202


def test_a_secret_retired_meanwhile_stops_working_within_two_seconds(sender: Sender, time_machine: Any) -> None:
    assert sender.send(PING).status_code == 202
    connect.rotate_secret(sender.parts, sender.connection)
    time_machine.move_to(time.time() + 86400 + FRESH_S)
    assert problem(sender.send(PING), 401)


def test_forgeries_are_throttled_and_genuine_deliveries_never(sender: Sender) -> None:
    answers = [sender.post(b"{}", {}).status_code for _ in range(65)]
    assert set(answers[:59]) == {401}
    assert set(answers[60:]) == {429}
    too_many = sender.post(b"{}", {})
    assert problem(too_many, 429)
    assert too_many.headers["Retry-After"] == "60"
    assert sender.send(PING).status_code == 202


def test_one_who_forges_does_not_slow_another(sender: Sender) -> None:
    def forge(address: str) -> int:
        return sender.post(b"{}", {}, environ_base={"REMOTE_ADDR": address}).status_code

    assert [forge("198.51.100.1") for _ in range(65)][-1] == 429
    assert forge("198.51.100.2") == 401


@pytest.mark.parametrize("name", ["standard", "hmac_body", "hmac_t_v1", "token"])
def test_each_profile_brings_a_person_from_ehq_to_campaign_monitor(
    app: Flask, relay: Relay, parts: Parts, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor, name: str
) -> None:
    connection = relay.connect(ehq)
    connect.configure(parts, connection, {"authentication": {"profile": name}})
    with Server(app) as server:
        ehq.send_to(f"{server.url}/webhooks/ehq/{connection.id}", relay.secret, name)
        _, email = ehq.register()
        ehq.delivered()
        relay.settle(connection)
    assert email.lower() in cm.active()


@pytest.mark.parametrize("name", ["standard", "hmac_body", "hmac_t_v1", "token"])
def test_each_profile_refuses_another_s_secret(sender: Sender, name: str) -> None:
    connect.configure(sender.parts, sender.connection, {"authentication": {"profile": name}})
    sender.profile = name
    other = "whsec_" + base64.b64encode(b"somebody else's secret").decode()
    assert problem(sender.send(PING, secret=other), 401)
    assert sender.send(PING).status_code == 202


# Odd contents


def answered(value: Any, **more: Any) -> dict[str, Any]:
    return {"signup-answers": [{"question-id": "1", "question": "Why?", "value": value, **more}]}


ODD = {
    "emoji": answered("👩‍🌾 because", question="Why? 🌻"),
    "control characters": answered("a\x00b\x1bc", question="Wh\x07y?"),
    "a 10,000-character answer": answered("x" * 10_000),
    "a date in 1800": answered("1800-01-01", **{"question-id": "2", "type": "date"}),
    "unknown attributes": {"shoe-size": {"left": 41}, "favourite": ["a", {"b": None}]},
}


def test_odd_contents_stop_nobody(live_sender: Sender, relay: Relay, cm: SimulatedCampaignMonitor) -> None:
    for number, attributes in enumerate(ODD.values()):
        assert live_sender.send(registered(f"900{number}", **attributes)).status_code == 202
    relay.settle(live_sender.connection)
    assert cm.active() == {f"althea900{number}@example.com" for number in range(len(ODD))}
    assert cm.violations() == []


def test_an_impossible_address_stops_nobody_else(
    live_sender: Sender, relay: Relay, cm: SimulatedCampaignMonitor
) -> None:
    for number, address in enumerate(["not an address", "x" * 288 + "@example.com", "a@b@c", "zoë\x00@example.com"]):
        assert live_sender.send(registered(f"800{number}", email=address)).status_code == 202
    assert live_sender.send(registered("9000")).status_code == 202
    relay.settle(live_sender.connection)
    assert "althea9000@example.com" in cm.active()
    refused = relay.status(live_sender.connection)["refused"]
    assert sum(refused.values()) >= 3


UNUSUAL = {
    "a list of one": b'[{"type":"participant.registered","data":{"id":"1","attributes":{"email":"a@example.com"}}}]',
    "a byte order mark": b'\xef\xbb\xbf{"type":"user.new","data":{"id":"2","attributes":{"email":"b@example.com"}}}',
    "NaN": b'{"type":"user.new","n":NaN,"data":{"id":"3","attributes":{"email":"c@example.com"}}}',
    "half a character": b'{"type":"user.new","n":"\\ud83d","data":{"id":"4","attributes":{"email":"d@example.com"}}}',
}


def test_unusual_json_is_understood(live_sender: Sender, relay: Relay, cm: SimulatedCampaignMonitor) -> None:
    for body in UNUSUAL.values():
        assert live_sender.send(body).status_code == 202
    relay.settle(live_sender.connection)
    assert cm.active() == {"a@example.com", "b@example.com", "c@example.com", "d@example.com"}


def test_of_the_headers_those_are_kept_that_tell_who_sent_it_and_never_the_proof(sender: Sender) -> None:
    body = orjson.dumps(registered())
    headers = sender.signed(body, "msg_1")
    sender.post(body, {**headers, "User-Agent": "EHQ/1.0\x01", "Cookie": "secret"})
    (stored,) = sender.stored()
    told = orjson.loads(stored.headers or "")
    assert told["webhook-id"] == "msg_1"
    assert told["user-agent"] == "EHQ/1.0"
    assert headers["webhook-signature"] not in (stored.headers or "")
    assert "secret" not in (stored.headers or "")


@pytest.mark.parametrize("profile", ["token", "hmac_body", "hmac_t_v1"])
def test_whatever_the_profile_its_proof_is_not_kept(sender: Sender, profile: str) -> None:
    connect.configure(sender.parts, sender.connection, {"authentication": {"profile": profile}})
    sender.client.application.extensions["receiver"].doors.clear()
    proof = replace(sender, profile=profile)
    body = orjson.dumps(registered())
    headers = proof.signed(body, "msg_1")
    assert proof.post(body, headers).status_code == 202
    (stored,) = sender.stored()
    assert not any(
        text in (stored.headers or "") for name, text in headers.items() if text != "msg_1" and len(text) > 12
    )


# 503, and Redis away


def without_database(parts: Parts) -> Parts:
    return replace(parts, database=Database(f"postgresql+psycopg://u:p@127.0.0.1:{closed_port()}/x"))


def test_when_the_database_is_away_the_answer_is_503_and_when_to_come_again(parts: Parts) -> None:
    with create_app(without_database(parts)).test_client() as client:
        answer = client.post("/webhooks/ehq/bayside", data=b"{}", content_type="application/json")
        assert "Please send it again" in problem(answer, 503)
        assert int(answer.headers["Retry-After"]) > 0


def test_a_delivery_that_could_not_be_stored_is_taken_when_it_comes_again(sender: Sender) -> None:
    assert sender.send(PING, "msg_0").status_code == 202
    door = sender.client.application.extensions["receiver"]
    together = door.together
    there, together.arrivals = together.arrivals, Arrivals(without_database(sender.parts).database)
    assert problem(sender.send(registered(), "msg_1"), 503)
    together.arrivals = there
    assert sender.send(registered(), "msg_1").status_code == 202


def test_when_redis_is_away_a_delivery_is_stored_all_the_same(sender: Sender, parts: Parts) -> None:
    away = replace(parts, queue=Queue(f"redis://127.0.0.1:{closed_port()}"))
    with create_app(away).test_client() as client:
        assert replace(sender, client=client).send(registered()).status_code == 202
    assert len(sender.stored()) == 1


# Many at once


def test_of_200_deliveries_by_8_threads_each_is_stored_once(sender: Sender, parts: Parts) -> None:
    """50 of the 200 are repeats."""
    keys = [f"msg_{number}" for number in range(150)]
    sent = [*keys, *keys[:50]]
    random.Random(1).shuffle(sent)
    local = threading.local()

    def send(key: str) -> int:
        if not hasattr(local, "client"):
            local.client = sender.client.application.test_client()
        return replace(sender, client=local.client).send(registered(key), key).status_code

    with ThreadPoolExecutor(8) as threads:
        answers = Counter(threads.map(send, sent))
    assert sorted(delivery.key for delivery in sender.stored()) == sorted(keys)
    assert set(answers) <= {200, 202}
    assert answers[202] >= 150


def test_an_answer_names_no_secret_and_no_person(sender: Sender) -> None:
    body = orjson.dumps(registered())
    for answer in (sender.post(body, {}), sender.send(registered()), sender.send(b"althea@example.com")):
        assert "althea" not in answer.text
        assert sender.secret not in answer.text
