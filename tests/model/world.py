"""Everything a history needs, made once and used again: both simulators, a door, a database, and a clock that jumps.

Nothing here waits. Deliveries lie in a tray until the history hands them over; the clock is moved, not watched; there
is no Redis at all, since everything in it may be lost at any moment: workers look because the history says so.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import sqlalchemy as sa
import time_machine

import sandbox.campaign_monitor
import sandbox.ehq
from relay.settings import read_settings
from relay.store import asked, migrate, participants, runs, tables
from relay.store.runs import Run
from relay.sync import work
from relay.sync.connections import connect
from relay.sync.health import status
from relay.sync.people import erase
from relay.sync.runs import brake, undo
from relay.sync.structure import groups
from relay.web import create_app
from relay.wiring import wire
from sandbox.campaign_monitor.account import Account, List, Subscriber
from sandbox.campaign_monitor.actions import act as act_in_cm
from sandbox.campaign_monitor.errors import CMError
from sandbox.campaign_monitor.hooks import event
from sandbox.control import Refused
from sandbox.ehq.actions import act as act_in_ehq
from sandbox.ehq.emitter import Delivery
from sandbox.ehq.signing import headers
from sandbox.ehq.site import Site
from sandbox.people import MISSING
from sandbox.server import Server
from tests.conftest import KEY, postgres
from tests.model.exporting import QUESTIONS, Exports, Made

ONE_HOLD_S = 61.0
"""Longer than any pause after a failure that may pass."""
MEMORY = Path("/dev/shm")
KINDS = {"number": r"-?\d+", "date": r"\d{4}-\d\d-\d\d"}
"""What can be an answer of this kind, of those that are given here: another is skipped, visibly."""


EHQ_FAILS = ("status", "fail_pages", "html", "same_page", "endless", "shrink_total", "shift", "auth_404")
CM_FAILS = ("status", "drop_connection", "html_500", "code", "segment_busy")


class Killed(BaseException):
    """The worker dies here: nothing after this line happens."""


class Tray:
    """In place of the sandbox's own emitter: what EHQ sent and nobody carried yet."""

    def __init__(self) -> None:
        self.waiting: list[Delivery] = []
        self.carried: list[Delivery] = []

    def send(self, delivery: Delivery) -> None:
        self.waiting.append(delivery)

    def pending(self) -> int:
        return len(self.waiting)

    def close(self) -> None:
        pass


class Notices:
    """In place of CM's postman: what its own webhook has to say lies with the hook until it is carried."""

    def tell(self, where: List, kind: str, person: Subscriber, old: str = "") -> None:
        for hook in where.hooks.values():
            if hook.active and kind in hook.events:
                hook.waiting.append(event(where, kind, person, old))

    def close(self) -> None:
        pass


class World(Exports):
    """One for each test process and store; `begin` makes everything in it as new."""

    def __init__(self, store: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="model-", dir=MEMORY if MEMORY.is_dir() else None))
        self.ehq_app, self.cm_app = sandbox.ehq.create_app(people=0), sandbox.campaign_monitor.create_app()
        self.servers = [Server(self.ehq_app), Server(self.cm_app), Server(lambda *given: self.web(*given))]
        ehq, cm, door = (server.start() for server in self.servers)
        self.ehq_url, self.cm_url = ehq.url, cm.url
        self.parts = wire(
            read_settings(
                {
                    "DATABASE_URL": postgres("model")
                    if store == "PostgreSQL"
                    else f"sqlite:///{self.folder}/relay.sqlite3",
                    "REDIS_URL": "redis://127.0.0.1:1",
                    "SECRET_KEY": "a secret of sufficient length",
                    "RELAY_ENCRYPTION_KEYS": KEY,
                    "CAMPAIGN_MONITOR_API_URL": f"{cm.url}/api/v3.3",
                    "RELAY_BASE_URL": door.url,
                    "LOG_LEVEL": "ERROR",
                },
                var=self.folder,
            )
        )
        migrate.upgrade(self.parts.database)
        self.web = create_app(self.parts)
        self.door = self.web.test_client()
        self.tried: Counter[str] = Counter()
        self.working = False
        self.dies_in: int | None = None
        self.dies_after = False
        self.dies_writing: int | None = None
        self._plain_write, self.parts.database.write = self.parts.database.write, self._write  # type: ignore[method-assign]
        self._plain_send, self.parts.session.send = self.parts.session.send, self._send  # type: ignore[method-assign]

    def close(self) -> None:
        for server in self.servers:
            server.close()
        self.parts.database.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def begin(
        self,
        people: int,
        seed: int,
        rules: dict[str, Any],
        ehq: dict[str, Any],
        cm: dict[str, Any],
        by_hand: bool = False,
    ) -> None:
        """`by_hand`: the site is read by its exports, not by the API."""
        self.by_hand = by_hand
        self.words: dict[str, set[str]] = {}
        self.made: list[Made] = []
        self.read: list[Made] = []
        self.called: dict[str, str] = {}
        self.dies_in = self.dies_writing = None
        self.travel = time_machine.travel(time.time(), tick=True)
        self.clock = self.travel.start()
        self.labels: dict[int, list[str]] = {}
        self.retyped: set[int] = set()
        self.site, self.account, self.tray = Site(people, seed, "haveyoursay.example.gov.au"), Account(), Tray()
        self.site.emitter.webhook.enabled = True
        self.site.emitter = self.tray  # type: ignore[assignment]
        self.site.faults.set(**ehq)
        self.account.faults.set(**cm)
        self.account.writes, self.account.postman = [], Notices()  # type: ignore[assignment]
        self.ehq_app.extensions["sandbox"], self.cm_app.extensions["sandbox"] = self.site, self.account
        if by_hand:
            for person in self.site.order:  # whom another file lists has no answers in it
                person.role = "participant"
        self.rules = rules
        self._connect()
        self._learn()

    def _connect(self, **more: Any) -> None:
        site = {"ehq_url": "", "ehq_credential": {}, "reads": "export"} if self.by_hand else {}
        read = {"ehq_url": self.ehq_url, "ehq_credential": {"token": "sandbox"}, **site}
        added = connect.add(self.parts, connect.Wish("Bayside", cm_api_key="sandbox", **read, **more))  # type: ignore[arg-type]
        self.id, self.secret = added["connection"], added["webhook_secret"]
        connect.configure(self.parts, self.connection, self.rules)

    def reconnect(self) -> None:
        """While both systems answer. What arrived at the old one arrives nowhere again; the new one knows questions by
        their labels of today."""
        self.well_again()
        connect.remove(self.parts, self.connection)
        self._connect(list_id=self.list.id)
        self.tray.carried.clear()
        self.labels.clear()

    def well_again(self) -> None:
        """Nothing fails any more. What is peculiar to either system stays so."""
        self.site.faults.set(**dict.fromkeys(EHQ_FAILS))
        self.account.faults.set(**dict.fromkeys(CM_FAILS))

    def end(self) -> None:
        try:
            connect.remove(self.parts, self.connection)
        finally:
            self.travel.stop()

    @property
    def connection(self) -> Any:
        return self.parts.connection(self.id)

    # People.

    def in_ehq(self, action: str, **more: Any) -> bool:
        """Does it where it makes sense: nobody is unblocked who is not blocked."""
        try:
            act_in_ehq(self.site, {"action": action, **more})
        except Refused:
            return False
        self._learn()
        return True

    def _learn(self) -> None:
        """By which words each person was ever known."""
        for person in self.site.order:
            self.words.setdefault(str(person.id), set()).update((person.email.lower(), person.login.lower()))

    def in_cm(self, action: str, **more: Any) -> bool:
        try:
            act_in_cm(self.account, {"action": action, "list": "Bayside", **more})
        except (Refused, CMError):
            return False
        return True

    def standing(self) -> dict[str, dict[str, Any]]:
        """Everyone in EHQ, in the oracle's words: what decides who belongs."""
        names = ("email", "subscribed", "blocked", "confirmed", "role")
        return {str(person.id): {name: getattr(person, name) for name in names} for person in self.site.order}

    def people(self) -> dict[str, dict[str, Any]]:
        """… and what else must be true of them."""
        left_out, found = set(self.rules.get("fields_left_out", ())), self.standing()
        for person, member_of in zip(self.site.order, self.site.memberships(self.site.order), strict=True):
            answers = []
            for question, answer in zip(self.site.questions, person.answers, strict=False):
                if answer is MISSING or question.type == "removed":
                    continue
                if self.by_hand and isinstance(answer, list) and question.label not in QUESTIONS:
                    answer = ", ".join(answer)  # nobody can tell that these are several
                labels = [*(() if self.by_hand else self.labels.get(question.id, ())), question.label]
                fits = not isinstance(answer, str) or re.fullmatch(KINDS.get(question.type, "(?s).*"), answer)
                out = {str(question.id), question.label} & left_out or not fits
                answers.append((labels, None if out else answer, question.id in self.retyped))
            found[str(person.id)] |= {
                "tags": list(person.tags),
                "groups": {self.name_of(group) for group in member_of},
                "answers": answers,
            }
        return found

    def name_of(self, group: Any) -> str:
        """How the oracle knows a group: exports have no ids."""
        return group.name if self.by_hand else str(group.id)

    @property
    def list(self) -> Any:
        return next(iter(self.account.lists.values()))

    def subscribers(self) -> dict[str, dict[str, Any]]:
        names = {field.number: field.name for field in self.list.fields}
        return {
            address: {"state": one.state, "fields": {names[n]: v for n, v in one.fields.items() if n in names}}
            for address, one in self.list.people.items()
        }

    # Deliveries.

    def carry(self, delivery: Delivery) -> None:
        """To the door, signed now, as a sender does that tries again after days."""
        self.tray.carried.append(delivery)
        at = int(self.site.now() / 1000)
        proof = headers("standard", self.secret, delivery.id, delivery.type, at, delivery.body)
        reply = self.door.post(
            f"/webhooks/ehq/{self.id}", data=delivery.body, headers={"Content-Type": "application/json", **proof}
        )
        assert reply.status_code in (200, 202), reply.text

    def carry_notices(self, lost: bool = False) -> int:
        """What Campaign Monitor's webhook has to say, all that waits in one post, or never."""
        told = 0
        for hook in list(self.list.hooks.values()):
            events, hook.waiting = hook.waiting, []
            if events and not lost:
                body = {"ListID": self.list.id, "Events": events}
                reply = self.door.post(urlsplit(hook.url).path, json=body)
                assert reply.status_code == 200, reply.text
            told += len(events)
        return told

    # The relay's workers.

    def _send(self, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        if self.dies_in is not None and self.working and str(request.url).startswith(self.cm_url):
            self.dies_in -= 1
            if self.dies_in < 0:
                self.dies_in = None
                if self.dies_after:
                    self._plain_send(request, **more)
                raise Killed
        return self._plain_send(request, **more)

    @contextmanager
    def _write(self) -> Iterator[Any]:
        if self.dies_writing is not None and self.working:
            self.dies_writing -= 1
            if self.dies_writing < 0:
                self.dies_writing = None
                raise Killed
        with self._plain_write() as tx:
            yield tx

    def alive(self, do: Any, *given: Any) -> None:
        """A worker does it, and may die in it."""
        self.working = True
        try:
            do(self.parts, *given)
        except Killed:
            self.tried["a worker is killed"] += 1
            with self._plain_write() as tx:  # its claims end after 15 s, by the database's clock, which does not jump
                tx.exec_driver_sql("UPDATE leases SET until = 0")
        finally:
            self.working = False

    def visit(self) -> None:
        self.alive(work.visit, self.id)

    def run_under_way(self) -> Run | None:
        with self.parts.database.read() as tx:
            found = runs.under_way(tx, self.id)
        return found[0] if found else None

    def start_run(self, dry: bool = False) -> Run:
        return work.start_run(self.parts, self.id, trigger="person", dry=dry)[0]

    def step(self) -> None:
        """One step of the run under way; a pause after a failure passes at once."""
        run = self.run_under_way()
        if run is None:
            return
        until = (run.problem or {}).get("until")
        if until and until > time.time():
            self.later(until - time.time() + 0.1)
        self.alive(work.step, run.id)

    def finish_run(self) -> None:
        for _ in range(200):
            if self.run_under_way() is None:
                return
            self.step()
        raise AssertionError(f"the run does not end: {self.run_under_way()}")

    def run(self, last: bool = False) -> Run:
        if self.by_hand:
            if not last:  # no two are the same: absence from the second would say nothing new
                self.in_ehq("register", silent=True)
            ended = self.read_export(self.make_export())
            assert ended is not None
            return ended
        self.finish_run()
        run = self.start_run()
        self.finish_run()
        return self.ended(run)

    def ended(self, run: Run) -> Run:
        with self.parts.database.read() as tx:
            ended = runs.find(tx, run.id)
        assert ended is not None
        self.tried[f"a run ends {ended.state}"] += 1
        return ended

    def settle(self) -> None:
        """Workers look until nobody waits, nor is to be erased. Before a first export everybody does."""
        for _ in range(40):
            self.visit()
            now = status.report(self.parts, self.connection)
            with self.parts.database.read() as tx:
                erasing = tx.execute(sa.select(tables.participants.c.id).filter_by(asked=asked.ERASE)).first()
            if self.connection.reads_first or not (now["waiting"] or erasing or self.connection.segments_due):
                return
            self.later(ONE_HOLD_S)
        raise AssertionError(f"still waiting: {now}")

    # People who ask to be forgotten.

    def _known(self, who: str) -> list[Any]:
        with self.parts.database.read() as tx:
            return erase.meant(participants.one(tx, self.id, who), who)

    def erase(self, who: str) -> bool:
        return bool(erase.ask_to_erase(self.parts, self.connection, self._known(who)))

    def let_in(self, who: str) -> bool:
        erased = [person for person in self._known(who) if person.known.erased]
        for person in erased:
            erase.let_in(self.parts, self.connection, person)
        return bool(erased)

    def remains(self, erased: set[str]) -> set[str]:
        """Words of people erased, and of nobody else, that stand anywhere in the database."""
        others = set().union(*(words for i, words in self.words.items() if i not in erased))
        words = set().union(*(self.words.get(i, ()) for i in erased)) - others
        there = self.everything() if words else ""
        return {word for word in words if word in there}

    def everything(self) -> str:
        """All that the database holds, decrypted."""
        said = []
        with self.parts.database.read() as tx:
            for table in tables.metadata.sorted_tables:
                for row in tx.execute(table.select()):
                    for value in row:
                        said.append(self._opened(value) if isinstance(value, bytes) else str(value))
        return "\n".join(said).lower()

    def _opened(self, sealed: bytes) -> str:
        try:
            return self.parts.vault.unseal(sealed).decode(errors="replace")
        except Exception:  # what is sealed in another way holds credentials, or is an export's page
            return ""

    def readings(self) -> int:
        """How many runs so far read EHQ completely, and counted who was absent."""
        with self.parts.database.read() as tx:
            every = [run for run in runs.latest(tx, self.id, 1000) if not run.dry]
        key = "absence_counted" if self.by_hand else "began"
        return sum(
            bool(run.counts.get(key)) and (self.by_hand or "campaign_monitor" in run.counts[key]) for run in every
        )

    def decide(self, approve: bool) -> bool:
        found = brake.waiting(self.parts, self.connection)
        if found is not None:
            (brake.approve if approve else brake.reject)(self.parts, self.connection, found["run"])
        return found is not None

    def forget_groups(self) -> None:
        """More were missing than a run deletes without asking; a person says that they are gone."""
        known = [one for one in groups.report(self.parts, self.id) if not one["deleted"]]
        gone = [one["group"] for one in known if one["missing_runs"] >= groups.ABSENT_RUNS]
        self.tried["groups that a person says are gone"] += groups.forget(self.parts, self.connection, gone)

    def undo(self, pick: int) -> int:
        """Of one of the last runs; answers how many are being put back."""
        with self.parts.database.read() as tx:
            ended = [run for run in runs.latest(tx, self.id, 5) if run.state != "running"]
        if not ended:
            return 0
        return int(undo.undo(self.parts, self.connection, ended[pick % len(ended)].id)["waiting"])

    def later(self, seconds: float) -> None:
        self.clock.shift(seconds)
