"""The server both simulators run in."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.ehq import create_app
from sandbox.server import Server


def test_a_connection_is_kept_and_answers_quickly(ehq: Any) -> None:
    started = time.perf_counter()
    for _ in range(50):
        ehq.get("/groups")
    assert time.perf_counter() - started < 1.5  # Nagle's algorithm alone would make it 2 s
    pools = ehq.session.get_adapter(ehq.url).poolmanager.pools
    (only,) = pools.keys()
    assert pools[only].num_connections == 1


def test_it_closes_at_once_though_clients_keep_connections_open() -> None:
    session = requests.Session()
    with Server(create_app(3)) as server:
        session.get(server.url + "/sandbox/calls.json", timeout=5)
        started = time.perf_counter()
    assert time.perf_counter() - started < 1
    with pytest.raises(requests.ConnectionError):
        session.get(server.url + "/sandbox/calls.json", timeout=5)


def test_a_request_body_in_chunks_is_read_whole(ehq: Any) -> None:
    reply = ehq.call(
        "POST", "/tokens", data=iter([b'{"data":{"attributes":{"login":"sandbox",', b'"password":"sandbox"}}}'])
    )
    assert reply.status_code == 200
    assert ehq.get("/groups")["data"]  # and the next request on that connection is understood


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["ehq", "--people", "20", "--fault", "page_cap=5"], "/sandbox/people.json"),
        (["campaign-monitor", "--fault", "clients=2"], "/sandbox/lists.json"),
    ],
)
def test_it_runs_as_a_command_and_ends_quietly(arguments: list[str], path: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "sandbox", *arguments, "--port", str(port)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert f":{port}" in process.stderr.readline()
        url = f"http://127.0.0.1:{port}"
        assert requests.get(url + path, timeout=5).ok
        fault = arguments[-1].partition("=")[0]
        assert fault in requests.get(url + "/sandbox/faults", timeout=5).json()["faults"]
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(5) == 0
        assert process.stderr.read() == ""


def test_an_unknown_fault_is_refused_with_the_known_ones(ehq: Any, cm: Any) -> None:
    for remote in (ehq, cm):
        reply = requests.post(remote.url + "/sandbox/faults", json={"gremlins": 1}, timeout=5)
        assert reply.status_code == 400
        assert "latency_ms" in reply.json()["known"]


def test_faults_are_set_cleared_and_counted_down(ehq: Any) -> None:
    ehq.faults(status={"value": 503, "times": 2}, page_cap=10)
    assert [ehq.call("GET", "/users").status_code for _ in range(3)] == [503, 503, 200]
    ehq.faults(page_cap=None)
    assert len(ehq.get("/users")["data"]) == 100
    ehq.faults(html=True)
    assert ehq.sandbox("faults", method="DELETE")["faults"] == {}


def test_calls_are_counted_until_forgotten(cm: Any) -> None:
    cm.load("a@example.com")
    counted = cm.sandbox("calls.json")
    assert counted["calls"]["POST subscribers/{id}/import"] == 1
    assert counted["writes"] == 2  # the list, the import
    assert cm.sandbox("calls.json", method="DELETE")["total"] == 0
