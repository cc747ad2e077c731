"""Real parts for every test: a database of either kind, a Redis, both simulators over HTTP, and a real RQ worker."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import quote

import pytest
import requests
import sqlalchemy as sa
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer
from rq import SimpleWorker
from rq.serializers import JSONSerializer
from werkzeug.test import TestResponse

import sandbox.campaign_monitor
import sandbox.ehq
from relay import jobs
from relay.queue import Ring
from relay.settings import Settings, read_settings
from relay.store import migrate, runs, users
from relay.store.connections import Connection
from relay.store.database import Database
from relay.store.runs import Run
from relay.store.users import User
from relay.sync import work
from relay.sync.connections import connect
from relay.sync.health import status
from relay.sync.intake.receive import Receiver
from relay.sync.parts import Parts
from relay.sync.people import explain
from relay.wiring import wire
from sandbox.campaign_monitor import Account
from sandbox.ehq import Site
from sandbox.server import Server
from tests.moments import EMPTY, Moment, working

KEY = "YSBrZXkgZm9yIHRlc3RzIG9ubHksIDMyIGJ5dGVzISE="
NOWHERE = "http://127.0.0.1:9"
"""Where nothing listens: Campaign Monitor's notices reach only who asks for them (`told`)."""
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")


class Remote:
    """A simulator: what it holds, what it is made to do, and how it fails."""

    def __init__(self, url: str) -> None:
        self.url, self.session = url, requests.Session()
        self.session.trust_env = False  # looks for a proxy in the environment, anew for every request

    def sandbox(self, path: str, sent: Any = None, method: str | None = None) -> Any:
        method = method or ("GET" if sent is None else "POST")
        reply = self.session.request(method, f"{self.url}/sandbox/{path}", json=sent, timeout=30)
        assert reply.ok, reply.text
        return reply.json()

    def faults(self, **values: Any) -> None:
        self.sandbox("faults", values)

    def act(self, action: str, **more: Any) -> Any:
        return self.sandbox("act", {"action": action, **more})

    def calls(self) -> Any:
        return self.sandbox("calls.json")

    def forget_calls(self) -> None:
        self.sandbox("calls.json", method="DELETE")


class SimulatedEhq(Remote):
    def people(self) -> dict[str, Any]:
        """id → attributes, as EHQ has them now."""
        return {p["id"]: p["attributes"] for p in self.sandbox("people.json")["people"]}

    def person(self, ehq_id: str) -> Any:
        return self.people()[ehq_id]

    def someone(self, number: int = 0) -> tuple[str, str]:
        """(id, address) of the n-th participant who belongs on a list and answered the form."""
        fit = [
            (i, a["email"])
            for i, a in self.people().items()
            if a["role-name"] == "participant" and a["subscribed"] and not a["blocked"] and a["signup-answers"]
        ]
        return fit[number]

    def register(self, **more: Any) -> tuple[str, str]:
        """(id, address) of somebody new."""
        (person,) = self.act("register", **more)["people"]
        return person["id"], person["email"]

    def delivered(self) -> None:
        """Waits until every webhook was answered, or given up."""
        give_up = time.monotonic() + 20
        while self.sandbox("deliveries.json")["pending"]:
            assert time.monotonic() < give_up
            time.sleep(0.01)

    def send_to(self, url: str, secret: str, profile: str = "standard") -> None:
        self.sandbox("webhook", {"url": url, "secret": secret, "profile": profile, "enabled": True})


class SimulatedCampaignMonitor(Remote):
    def list(self, name: str = "Bayside") -> Any:
        return self.sandbox(f"lists/{quote(name)}.json")

    def subscribers(self, name: str = "Bayside") -> dict[str, Any]:
        """Lower-cased address → {email, name, state, fields, …}"""
        return {s["email"].lower(): s for s in self.list(name)["subscribers"]}

    def active(self, name: str = "Bayside") -> set[str]:
        return {email for email, s in self.subscribers(name).items() if s["state"] == "Active"}

    def segments(self, name: str = "Bayside") -> dict[str, int]:
        return {s["Title"]: s["ActiveSubscribers"] for s in self.list(name)["segments"]}

    def violations(self) -> Any:
        return self.sandbox("violations.json")["violations"]


class Burst(SimpleWorker):
    """Without the listener for commands from elsewhere: to end it takes RQ a fifth of a second each time."""

    def subscribe(self) -> None: ...

    def unsubscribe(self) -> None: ...


class Relay:
    """The relay as a test drives it: real parts, and a real RQ worker that works off what was rung."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        jobs.use(parts)

    def work(self) -> None:
        """Works off every ring, as `python worker.py` would, and ends when none is left."""
        worker = Burst(
            list(self.parts.queue.queues.values()),
            connection=self.parts.queue.redis,
            job_class=Ring,
            serializer=JSONSerializer,
        )
        worker.log_job_description = False
        worker.work(burst=True, logging_level="WARNING")

    def connect(self, ehq: Remote, name: str = "Bayside", **more: Any) -> Connection:
        """A connection of `ehq` to a new list, or as `more` says (fields of connect.Wish)."""
        wish = connect.Wish(
            **{
                "name": name,
                "ehq_url": ehq.url,
                "ehq_credential": {"token": "sandbox"},
                "cm_api_key": "sandbox",
                **more,
            }
        )
        added = connect.add(self.parts, wish)
        self.secret = added["webhook_secret"]
        return self.parts.connection(added["connection"])

    def reconcile(self, connection: Connection, *, dry: bool = False, patience: float = 60.0, **more: Any) -> Run:
        """A run to its end."""
        run, _ = work.start_run(self.parts, connection.id, **{"trigger": "person", "dry": dry, **more})
        give_up = time.monotonic() + patience
        while time.monotonic() < give_up:
            self.work()
            with self.parts.database.read() as tx:
                now = runs.find(tx, run.id)
            assert now is not None
            if now.state != "running":
                return now
            time.sleep(0.1)  # held: in production the clock rings when the time has come
            self.parts.queue.step(run.id)
        raise AssertionError(f"the run did not end: {now.phase}, {now.problem}")

    def status(self, connection: Connection) -> dict[str, Any]:
        return status.report(self.parts, self.parts.connection(connection.id))

    def person(self, connection: Connection, who: str) -> dict[str, Any]:
        found = explain.people(self.parts, self.parts.connection(connection.id), who)
        assert found, "nobody of that address or id is known"
        return found[0]

    def settle(self, connection: Connection, patience: float = 30.0) -> dict[str, Any]:
        """Works until nobody waits; answers the status then."""
        give_up = time.monotonic() + patience
        while time.monotonic() < give_up:
            self.parts.queue.ring(connection.id, always=True)
            self.work()
            now = self.status(connection)
            if not now["waiting"] and not self.parts.connection(connection.id).segments_due:
                return now
            time.sleep(0.1)
        raise AssertionError(f"still waiting: {now}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Whatever remembers something is tested on SQLite and, where one is given, on PostgreSQL."""
    chosen = any("kind" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "kind" in metafunc.fixturenames and not chosen:
        metafunc.parametrize("kind", ["sqlite", "postgresql"] if os.environ.get("TEST_DATABASE_URL") else ["sqlite"])


def postgres(what: str) -> str:
    """A new, empty database of this test process."""
    server = sa.make_url(os.environ["TEST_DATABASE_URL"].replace("postgres://", "postgresql://", 1))
    name = f"relay_{what}_{WORKER}"
    url = server.set(drivername="postgresql+psycopg")
    with sa.create_engine(url, isolation_level="AUTOCOMMIT").connect() as admin:
        admin.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin.exec_driver_sql(f"CREATE DATABASE {name}")
        admin.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
    return url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A migrated database of each kind: an SQLite file to copy, a PostgreSQL database of this test process."""
    ready: dict[str, Any] = {"sqlite": tmp_path_factory.mktemp("template") / "relay.sqlite3"}
    database = Database(f"sqlite:///{ready['sqlite']}")
    migrate.upgrade(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    if os.environ.get("TEST_DATABASE_URL"):
        ready["postgresql"] = Database(postgres("test"))
        migrate.upgrade(ready["postgresql"])
    return ready


@pytest.fixture
def database_url(kind: str, migrated: dict[str, Any]) -> str:
    """An empty database of the current schema."""
    if kind == "sqlite":
        file = migrated["sqlite"].with_name("test.sqlite3")
        for old in file.parent.glob(f"{file.name}*"):
            old.unlink()  # whoever still has it open does not see the next test's
        shutil.copy(migrated["sqlite"], file)
        return f"sqlite:///{file}"
    database = cast(Database, migrated["postgresql"])
    with database.write() as tx:
        tx.exec_driver_sql(EMPTY)
    return database.engine.url.render_as_string(hide_password=False)


@pytest.fixture
def redis_url() -> str:
    """An empty Redis of this test process; bin/test starts one where none is given."""
    url = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379")
    number = 1 + int(WORKER.removeprefix("gw")) % 14
    return f"{url}?db={number}" if url.startswith("unix") else f"{url.rstrip('/')}/{number}"


class Simulator(Server):
    """One for all tests of this process: its address is in what they copy (`synced`), and to make an app takes long.
    What it remembers, its `state`, is each test's own."""

    app: Flask

    @property
    def state(self) -> Any:
        return self.app.extensions["sandbox"]

    @state.setter
    def state(self, state: Any) -> None:
        self.state.close()
        self.app.extensions["sandbox"] = state

    @contextmanager
    def serving(self, state: Any) -> Iterator[str]:
        self.state = state
        yield self.url
        self.cut()
        self.state.close()


@pytest.fixture(scope="session")
def simulators() -> Iterator[tuple[Simulator, Simulator]]:
    """Where EHQ and Campaign Monitor are."""
    with Simulator(sandbox.ehq.create_app(people=0)) as ehq, Simulator(sandbox.campaign_monitor.create_app()) as cm:
        yield ehq, cm


@pytest.fixture
def ehq(simulators: tuple[Simulator, Simulator]) -> Iterator[SimulatedEhq]:
    with simulators[0].serving(Site(60, 1, "haveyoursay.example.gov.au")) as url:
        yield SimulatedEhq(url)


@pytest.fixture
def cm(simulators: tuple[Simulator, Simulator]) -> Iterator[SimulatedCampaignMonitor]:
    with simulators[1].serving(working(Account())) as url:
        yield SimulatedCampaignMonitor(url)


@pytest.fixture
def settings(database_url: str, redis_url: str, cm: SimulatedCampaignMonitor, tmp_path: Path) -> Settings:
    return read_settings(
        {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "SECRET_KEY": "a secret of sufficient length",
            "RELAY_ENCRYPTION_KEYS": KEY,
            "RELAY_BASE_URL": NOWHERE,
            "CAMPAIGN_MONITOR_API_URL": f"{cm.url}/api/v3.3",
            "CAMPAIGN_MONITOR_OAUTH_URL": f"{cm.url}/oauth",
            "CAMPAIGN_MONITOR_CLIENT_ID": "sandbox",
            "CAMPAIGN_MONITOR_CLIENT_SECRET": "sandbox",
        },
        var=tmp_path,
    )


@pytest.fixture(scope="session")
def engines() -> dict[str, sa.Engine]:
    """Of each database: an engine keeps the statements that it has compiled, which takes longer than to run them."""
    return {}


@pytest.fixture
def parts(settings: Settings, engines: dict[str, sa.Engine]) -> Iterator[Parts]:
    made = wire(settings)
    made.database.engine = engines.setdefault(settings.database_url, made.database.engine)
    made.database.engine.dispose()  # a thread of the test before may have opened its file once more
    made.queue.redis.flushdb()
    yield made
    made.database.close()


@pytest.fixture
def relay(parts: Parts) -> Relay:
    return Relay(parts)


@pytest.fixture
def connection(relay: Relay, ehq: SimulatedEhq) -> Connection:
    """Bayside's site and its new, empty list."""
    return relay.connect(ehq)


Begun = Callable[[str, Callable[[], Connection]], Connection]
Moments = dict[tuple[str, str], tuple[Moment, Connection, str]]


@pytest.fixture(scope="session")
def moments() -> Moments:
    """By name and kind of database: a moment, the connection there, and the webhook's secret."""
    return {}


@pytest.fixture
def begun(
    relay: Relay,
    ehq: SimulatedEhq,
    cm: SimulatedCampaignMonitor,
    simulators: tuple[Simulator, Simulator],
    moments: Moments,
) -> Begun:
    """begun("moment", lead): where `lead` leads. It leads there once a minute, and the tests in between get a copy."""

    def begin(name: str, lead: Callable[[], Connection]) -> Connection:
        database = relay.parts.database
        key = name, database.engine.name
        if key in moments and moments[key][0].is_fresh:
            moment, connection, relay.secret = moments[key]
            moment.restore(database)
            for simulator, state in zip(simulators, moment.states(), strict=True):
                simulator.state = state
            return connection
        connection = lead()
        relay.parts.queue.redis.flushdb()  # nothing in it is needed, and a copy has nothing in it
        states = [simulator.state for simulator in simulators]
        moments[key] = Moment(name, database, *states), connection, relay.secret
        return connection

    return begin


@pytest.fixture
def synced(relay: Relay, ehq: SimulatedEhq, begun: Begun) -> Connection:
    """Bayside after its first run."""

    def first_run() -> Connection:
        connection = relay.connect(ehq)
        assert relay.reconcile(connection).state == "completed"
        return connection

    return begun("synced", first_run)


class Visitor:
    """Somebody in front of the pages, without a browser: logged in as one of a role, or nobody ("")."""

    def __init__(self, app: Flask, parts: Parts, role: str = "") -> None:
        self.app, self.parts, self.client = app, parts, app.test_client()
        self.user = user_of(parts, role) if role else None
        if self.user:
            self.client.set_cookie("session", session_of(app, self.user))

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.client.get(path, **more)

    def post(self, path: str, form: dict[str, Any] | None = None, **more: Any) -> TestResponse:
        """As a form of a page of theirs does it: with the page's CSRF token."""
        with self.client.session_transaction() as session:
            token = session.setdefault("csrf_token", "0" * 40)
        signed = URLSafeTimedSerializer(self.parts.settings.secret_key, salt="wtf-csrf-token").dumps(token)
        return self.client.post(path, data={"csrf_token": signed, **(form or {})}, **more)


def user_of(parts: Parts, role: str) -> User:
    """Olga Operator; there is one of each role."""
    name = {"viewer": "Vera Viewer", "operator": "Olga Operator", "admin": "Ada Admin"}[role]
    with parts.database.write() as tx:
        email = f"{role}@example.org"
        return users.by_email(tx, email) or cast(User, users.add(tx, email, name, role, "no password fits"))


def session_of(app: Flask, user: User, since: float | None = None, seen: float | None = None) -> str:
    """The session cookie that logging in would give them: scrypt takes long, on purpose."""
    now = time.time()
    signing = cast(SecureCookieSessionInterface, app.session_interface).get_signing_serializer(app)
    assert signing
    return str(signing.dumps({"since": since or now, "seen": seen or now, "_user_id": f"{user.id}.{user.round}"}))


class Web:
    """The web application over one test's parts after another's: to compile a hundred addresses takes long."""

    def __init__(self) -> None:
        self.made: tuple[Flask, str, Any] | None = None

    def over(self, parts: Parts) -> Flask:
        """Only the database may be another one. The limiter is of the process, and counts for the app made last."""
        from relay.web import create_app
        from relay.web.access import limiter

        settings = parts.settings.model_dump_json(exclude={"database_url"})
        if self.made is None or self.made[1:] != (settings, limiter.storage):
            self.made = create_app(parts), settings, limiter.storage
        app = self.made[0]
        app.extensions.update(relay=parts, receiver=Receiver(parts))
        return app


@pytest.fixture(scope="session")
def web() -> Web:
    return Web()


@pytest.fixture
def app(web: Web, parts: Parts) -> Flask:
    """The web application."""
    return web.over(parts)


@pytest.fixture
def visit(app: Flask, parts: Parts) -> Callable[[str], Visitor]:
    """visit("operator").get("/"): the pages, as someone of that role sees them."""
    return lambda role: Visitor(app, parts, role)


class Live(NamedTuple):
    """A connection in step, and webhooks on."""

    relay: Relay
    connection: Connection
    ehq: SimulatedEhq
    cm: SimulatedCampaignMonitor

    def happens(self, action: str, **more: Any) -> None:
        """Something happens in EHQ, its webhooks arrive, and workers make it so."""
        self.ehq.act(action, **more)
        self.arrives()

    def arrives(self) -> dict[str, Any]:
        self.ehq.delivered()
        return self.relay.settle(self.connection)

    def run(self, **more: Any) -> Run:
        return self.relay.reconcile(self.connection, **more)

    def change(self) -> Run:
        """The run that follows when rules were changed."""
        return self.run(trigger="change", phase="compare")

    def subscriber(self, email: str) -> Any:
        """What CM holds under an address, or None."""
        return self.cm.subscribers().get(email.lower())

    def state(self, email: str) -> str | None:
        found = self.subscriber(email)
        return found["state"] if found else None

    def agrees(self) -> None:
        """CM's active people are those whom EHQ's rules put there, and nothing careless was done on the way."""
        expected = {a["email"].lower() for a in self.ehq.people().values() if a["subscribed"] and not a["blocked"]}
        assert self.cm.active() == expected
        assert self.cm.violations() == []


@pytest.fixture
def live(
    relay: Relay,
    synced: Connection,
    ehq: SimulatedEhq,
    cm: SimulatedCampaignMonitor,
    door: Callable[[Connection], str],
) -> Live:
    """Bayside after its first run, with webhooks coming in."""
    door(synced)
    return Live(relay, synced, ehq, cm)


@pytest.fixture
def told(parts: Parts, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor) -> Iterator[Live]:
    """Bayside after its first run, reached by EHQ's webhooks and by Campaign Monitor's."""
    from relay.web import create_app

    apps: list[Any] = []
    with Server(lambda environ, start: apps[0](environ, start)) as server:
        settings = parts.settings.model_copy(update={"relay_base_url": server.url})
        relay = Relay(replace(parts, settings=settings))
        apps.append(create_app(relay.parts))
        connection = relay.connect(ehq)
        ehq.send_to(f"{server.url}/webhooks/ehq/{connection.id}", relay.secret)
        assert relay.reconcile(connection).state == "completed"
        yield Live(relay, connection, ehq, cm)


@pytest.fixture
def door(app: Flask, relay: Relay, ehq: SimulatedEhq) -> Iterator[Callable[[Connection], str]]:
    """The web process over HTTP: `door(connection)` makes EHQ send its webhooks there, and answers the address."""
    with Server(app) as server:

        def open_for(connection: Connection) -> str:
            url = f"{server.url}/webhooks/ehq/{connection.id}"
            ehq.send_to(url, relay.secret)
            return url

        yield open_for


@pytest.fixture
def statements(parts: Parts) -> Iterator[list[str]]:
    """Every statement that the database is asked from now on: how many must not grow with how many people there are."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            seen.append(statement)

    sa.event.listen(parts.database.engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(parts.database.engine, "before_cursor_execute", note)
