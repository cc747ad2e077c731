"""Whoever sends slowly, or nothing more, keeps nobody else from being answered: real sockets, the real gunicorn."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[2]
APP = """
def app(environ, start_response):
    body = environ["wsgi.input"].read()
    said = str(len(body)).encode()
    start_response("200 OK", [("Content-Length", str(len(said)))])
    return [said]
"""
Address = tuple[str, int]
PATIENCE_S = 15.0


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gunicorn") / "log"


@pytest.fixture(scope="module")
def server(log: Path) -> Iterator[Address]:
    """The relay's own gunicorn before an application that says how long each body was. One for all tests here: whoever
    was slow in one of them is gone in the next."""
    folder = log.parent
    (folder / "tiny.py").write_text(APP)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), "tiny:app"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    environment["GUNICORN_CMD_ARGS"] = f"--bind 127.0.0.1:{port}"
    with log.open("wb") as said, subprocess.Popen(command, cwd=folder, env=environment, stderr=said) as gunicorn:
        try:
            wait_for(("127.0.0.1", port))
            yield "127.0.0.1", port
        finally:
            gunicorn.terminate()


def wait_for(address: Address) -> None:
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        try:
            if requests.get(url(address), timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.05)
    raise AssertionError("gunicorn did not start")


def url(address: Address) -> str:
    return f"http://{address[0]}:{address[1]}/"


def sent(address: Address, begun: bytes) -> socket.socket:
    connection = socket.create_connection(address, timeout=PATIENCE_S)
    connection.sendall(begun)
    return connection


CHUNKED = b"POST /webhooks/ehq/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
STALLED = {
    "nothing": b"",
    "half a request line": b"POST /webhooks/ehq/x HT",
    "unfinished headers": b"POST /webhooks/ehq/x HTTP/1.1\r\nHost: x\r\nX-More: ",
    "one byte of a body": b"POST /webhooks/ehq/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
    "one byte of a chunk": CHUNKED + b"3e8\r\n{",
    "chunks without an end": CHUNKED + b"1\r\n{\r\n",
    "a request, and keeps its end open": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("begun", STALLED.values(), ids=STALLED.keys())
def test_a_hundred_connections_that_say_no_more_keep_nobody_waiting(server: Address, log: Path, begun: bytes) -> None:
    stalled = [sent(server, begun) for _ in range(100)]
    try:
        for _ in range(10):
            assert requests.post(url(server), data=b"genuine", timeout=PATIENCE_S).text == "7"
    finally:
        for one in stalled:
            one.close()
    assert "Traceback" not in log.read_text()


def test_a_request_that_does_not_arrive_is_ended_without_a_word(server: Address, log: Path) -> None:
    with sent(server, STALLED["one byte of a body"]) as connection:
        connection.settimeout(60)
        assert connection.recv(1) == b""
    assert "Traceback" not in log.read_text()


def test_what_arrives_byte_by_byte_is_answered(server: Address) -> None:
    with sent(server, b"") as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\n\r\n":
            connection.sendall(bytes([byte]))
        answer = HTTPResponse(connection)
        answer.begin()
        assert answer.read() == b"5"


def test_requests_sent_at_once_on_one_connection_are_answered_in_turn(server: Address) -> None:
    one = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    with sent(server, one + one + one[:-2]) as connection:
        said = b""
        while said.count(b"HTTP/1.1 200") < 2:
            said += connection.recv(4096)
        connection.sendall(one[-2:])
        while said.count(b"HTTP/1.1 200") < 3:
            said += connection.recv(4096)


def test_an_upload_that_keeps_flowing_is_taken_however_large(server: Address) -> None:
    pieces = (b"x" * 2**20 for _ in range(50))
    assert requests.post(url(server), data=pieces, timeout=60).text == str(50 * 2**20)
    assert requests.post(url(server), data=b"x" * 50 * 2**20, timeout=60).text == str(50 * 2**20)


def test_an_upload_that_stands_still_gives_its_thread_back(server: Address, log: Path) -> None:
    begun = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 500_000
    stalled = [sent(server, begun) for _ in range(16)]
    assert requests.post(url(server), data=b"genuine", timeout=PATIENCE_S).text == "7"
    for one in stalled:
        one.close()
    assert "Traceback" not in log.read_text()
