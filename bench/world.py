"""Everything a figure needs around it: a temporary folder, a queue, databases, simulators, the relay's processes."""

import base64
import http.client
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import embedded
import ports
import psycopg
import requests
from honcho.printer import Printer
from processes import One, Processes
from psycopg import sql

from bench import ROOT

PATIENCE_S = 60.0
Env = dict[str, str]
web = requests.Session()


class World:
    """A queue, and one simulator of each kind; what is started in it ends with it."""

    def __init__(self, people: int, postgres: str | None = None) -> None:
        self.people, self.postgres = people, postgres
        self.folder = Path(tempfile.mkdtemp(prefix="relay-bench-"))
        self.log: TextIO = (self.folder / "log").open("w+", encoding="utf-8", errors="replace")
        self.processes = Processes(Printer(self.log))
        self.socket = self.folder / "queue.sock"
        self.databases: list[str] = []
        self.queues = 0
        self.started: list[One] = []
        self.ehq = self.cm = ""

    def __enter__(self) -> Self:
        try:
            embedded.start(self.processes, self.socket, self.folder / "queue")
            self.ehq = self.simulator("ehq", "--people", str(self.people))
            self.cm = self.simulator("campaign-monitor")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.processes.stop()
        for name in self.databases:
            self.on_server(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        if error and not isinstance(error, KeyboardInterrupt):
            self.log.flush()
            self.log.seek(0)
            print("".join(self.log.readlines()[-20:]), file=sys.stderr)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def queue_url(self) -> str:
        """One of the server's numbered databases for each who asks: nobody takes another's work."""
        self.queues += 1
        return f"unix://{self.socket}?db={self.queues - 1}"

    def database_url(self, store: str) -> str:
        """A new, empty one."""
        name = f"relay_bench_{os.getpid()}_{secrets.token_hex(4)}"
        if store == "SQLite":
            return f"sqlite:///{self.folder / name}.sqlite3"
        assert self.postgres
        self.on_server(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        self.databases.append(name)
        with psycopg.connect(self.postgres) as server:
            found = server.info
            where = f"{found.user}:{found.password}@" if found.password else f"{found.user}@"
            return f"postgresql://{where}{found.host}:{found.port}/{name}"

    def on_server(self, statement: sql.Composed) -> None:
        assert self.postgres
        with psycopg.connect(self.postgres, autocommit=True) as server:
            server.execute(statement)

    def simulator(self, kind: str, *more: str) -> str:
        port = ports.any_free()
        self.processes.start(kind, [sys.executable, "-m", "sandbox", kind, "--port", str(port), *more], patience=3)
        return self.answers(f"http://127.0.0.1:{port}", "/sandbox/faults")

    def answers(self, address: str, path: str) -> str:
        """`address`, as soon as anything answers there."""
        give_up = time.monotonic() + PATIENCE_S + self.people / 1000
        while True:
            try:
                with closing(http.client.HTTPConnection(address.removeprefix("http://"), timeout=5)) as asking:
                    asking.request("GET", path)
                    asking.getresponse().read()
                    return address
            except (OSError, http.client.HTTPException):
                pass
            if ended := self.processes.ended(wait=0.1):
                raise RuntimeError(f"{ended} before {address} answered.")
            if time.monotonic() > give_up:
                raise RuntimeError(f"{address} does not answer.")

    def serve(self, name: str, app: str, env: Mapping[str, str], port: int = 0) -> str:
        """A Flask app as production serves it: gunicorn.conf.py, two workers."""
        port = port or ports.any_free()
        full = {**os.environ, **env, "WEB_CONCURRENCY": "2", "PORT": str(port), "LOG_LEVEL": "WARNING"}
        full["GUNICORN_CMD_ARGS"] = f"--bind 127.0.0.1:{port}"
        self.started.append(self.processes.start(name, [sys.executable, "-m", "gunicorn", app], full))
        return self.answers(f"http://127.0.0.1:{port}", "/healthz")

    def slow(self, ehq_ms: int = 0, cm_ms: int = 0, import_s_per_1000: float = 0) -> None:
        tell(f"{self.ehq}/sandbox/faults", {"latency_ms": ehq_ms})
        tell(f"{self.cm}/sandbox/faults", {"latency_ms": cm_ms, "import_s_per_1000": import_s_per_1000})

    def pid(self, name: str) -> int:
        return next(one.process.pid for one in self.started if one.name == name)

    def end(self, one: One) -> None:
        """Before its time: it alone, and without being missed."""
        one.process.terminate()
        one.process.wait(30)
        self.processes.ended(wait=1.0)


class Relay:
    """One relay on one store, connected to the simulators by its own command line."""

    def __init__(self, world: World, store: str) -> None:
        self.world, self.store = world, store
        self.port = ports.any_free()
        self.queue_url = world.queue_url()
        self.env: Env = {
            **os.environ,
            "DATABASE_URL": world.database_url(store),
            "REDIS_URL": self.queue_url,
            "SECRET_KEY": secrets.token_hex(32),
            "RELAY_ENCRYPTION_KEYS": base64.urlsafe_b64encode(os.urandom(32)).decode(),
            "RELAY_BASE_URL": f"http://127.0.0.1:{self.port}",
            "CAMPAIGN_MONITOR_API_URL": f"{world.cm}/api/v3.3",
            "CAMPAIGN_MONITOR_OAUTH_URL": f"{world.cm}/oauth",
            "LOG_LEVEL": "WARNING",
            "PYTHONUNBUFFERED": "1",
        }
        self.command("migrate")
        made = self.command(
            *("connection", "add", "--name", f"Bench {store}", "--list-name", f"Bench {self.port}"),
            *("--ehq-url", world.ehq, "--ehq-token", "sandbox", "--cm-api-key", "sandbox"),
        )
        self.connection, self.secret = str(made["connection"]), str(made["webhook_secret"])
        self.hook = str(made["webhook_url"])
        self.list_id = str(self.command("connection", "show", self.connection)["list_id"])
        self.working: list[One] = []

    def command(self, *arguments: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "relay", *arguments, "--json"]
        done = subprocess.run(command, env=self.env, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"relay {' '.join(arguments[:2])} ended with {done.returncode}: {done.stderr[-2000:]}")
        return dict(json.loads(done.stdout))

    def serve(self) -> None:
        self.world.serve(f"web {self.store}", "app:app", self.env, self.port)

    def work(self) -> int:
        """One worker and one clock; the worker's process id."""
        for name, command, patience in (("worker", ["worker.py"], 25), ("clock", ["worker.py", "clock"], 5)):
            full = [sys.executable, *command]
            self.working.append(self.world.processes.start(f"{name} {self.store}", full, self.env, patience))
        return self.working[0].process.pid

    def rest(self) -> None:
        while self.working:
            self.world.end(self.working.pop())

    def reconcile(self) -> float:
        """Seconds of a whole run, from the command to its last word."""
        began = time.monotonic()
        self.command("reconcile", self.connection, "--wait")
        return time.monotonic() - began


class Arrivals:
    """What CM came to hold since this was made: address → when it became readable there."""

    def __init__(self, cm: str, list_id: str) -> None:
        self.url, self.list_id, self.last = f"{cm}/sandbox/arrivals.json", list_id, 0
        self.at: dict[str, float] = {}
        self.look()
        self.at.clear()

    def look(self) -> None:
        found = ask(f"{self.url}?since={self.last}")
        self.last = found["last"]
        for one in found["arrivals"]:
            if one["list"] == self.list_id and one["what"] == "added":
                self.at.setdefault(one["email"].lower(), one["at"])

    def wait(self, emails: Collection[str], seconds: float) -> None:
        give_up = time.monotonic() + seconds
        while missing := sum(email not in self.at for email in emails):
            if time.monotonic() > give_up:
                raise RuntimeError(f"{missing} of {len(emails)} people did not arrive within {seconds:.0f} s.")
            time.sleep(0.25)
            self.look()


def ask(url: str) -> Any:
    reply = web.get(url, timeout=60)
    reply.raise_for_status()
    return reply.json()


def tell(url: str, what: Any, method: str = "POST") -> Any:
    reply = web.request(method, url, json=what, auth=("sandbox", "x"), timeout=60)
    if not reply.ok:
        raise RuntimeError(f"{method} {url} answered {reply.status_code}: {reply.text[:300]}")
    return reply.json() if reply.content else None
