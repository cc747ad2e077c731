"""Whatever happens, and in whatever order: after complete runs the list is right, and no opt-out was ever revived.

Random histories over both systems: people register, answer, move, leave and come back; webhooks are lost, repeated,
reordered; people opt out in Campaign Monitor; both systems fail; runs and workers come in between. The oracle below is
written from the rules about people alone and imports nothing of the relay that decides anything.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import sandbox.campaign_monitor
import sandbox.ehq
from relay.settings import read_settings
from relay.store import migrate
from relay.store.database import Database
from relay.web import create_app
from relay.wiring import wire
from sandbox.server import Server
from tests.conftest import KEY, WORKER, Relay, SimulatedCampaignMonitor, SimulatedEhq

PEOPLE = 8
ACTS = ("update", "activate", "block", "unblock", "subscribe", "unsubscribe", "tag", "answer", "role", "delete")
OPT_OUTS = ("unsubscribe", "bounce", "complain", "delete")
BACKGROUND = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
picks = st.integers(min_value=0, max_value=10_000)


def queue_url() -> str:
    """A Redis database that no other test of this process uses."""
    url = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379")
    number = 15 - int(WORKER.removeprefix("gw")) % 2
    return f"{url}?db={number}" if url.startswith("unix") else f"{url.rstrip('/')}/{number}"


class Histories(RuleBasedStateMachine):
    template: Path | None = None

    @initialize(
        merges=st.booleans(), reports=st.booleans(), drops=st.booleans(), spelling=st.sampled_from(["dashed", "snake"])
    )
    def begin(self, merges: bool, reports: bool, drops: bool, spelling: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="history-"))
        self.servers: list[Server] = []
        self.ehq = SimulatedEhq(self.serve(sandbox.ehq.create_app(people=PEOPLE, seed=3)))
        self.cm = SimulatedCampaignMonitor(self.serve(sandbox.campaign_monitor.create_app()))
        self.cm.faults(msm_merge=merges, import_reports_inactive=reports, options_drop_rules=drops, segment_busy=None)
        self.ehq.faults(spelling=spelling)
        shutil.copy(self.migrated(), self.folder / "relay.sqlite3")
        self.parts = wire(
            read_settings(
                {
                    "DATABASE_URL": f"sqlite:///{self.folder / 'relay.sqlite3'}",
                    "REDIS_URL": queue_url(),
                    "SECRET_KEY": "a secret of sufficient length",
                    "RELAY_ENCRYPTION_KEYS": KEY,
                    "CAMPAIGN_MONITOR_API_URL": f"{self.cm.url}/api/v3.3",
                    "LOG_LEVEL": "ERROR",
                },
                var=self.folder,
            )
        )
        self.parts.queue.redis.flushdb()
        self.relay = Relay(self.parts)
        self.connection = self.relay.connect(self.ehq)
        door = self.serve(create_app(self.parts))
        self.ehq.send_to(f"{door}/webhooks/ehq/{self.connection.id}", self.relay.secret)
        self.opted_out_ids: set[str] = set()
        self.opted_out_addresses: set[str] = set()
        self.strangers: set[str] = set()

    @classmethod
    def migrated(cls) -> Path:
        if cls.template is None:
            cls.template = Path(tempfile.mkdtemp(prefix="history-template-")) / "relay.sqlite3"
            database = Database(f"sqlite:///{cls.template}")
            migrate.upgrade(database)
            with database.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            database.close()
        return cls.template

    def serve(self, app: Any) -> str:
        server = Server(app)
        server.__enter__()
        self.servers.append(server)
        return server.url

    def somebody(self, pick: int) -> str | None:
        ids = sorted(self.ehq.people(), key=int)
        return ids[pick % len(ids)] if ids else None

    def attempt(self, action: str, **more: Any) -> None:
        """Does it, where it makes sense: nobody is unblocked who is not blocked."""
        self.ehq.session.post(f"{self.ehq.url}/sandbox/act", json={"action": action, **more}, timeout=30)

    # What happens.

    @rule(silent=st.booleans())
    def registers(self, silent: bool) -> None:
        self.ehq.act("register", silent=silent)

    @rule(act=st.sampled_from(ACTS), pick=picks, silent=st.booleans())
    def something_changes_in_ehq(self, act: str, pick: int, silent: bool) -> None:
        if who := self.somebody(pick):
            self.attempt(act, id=who, silent=silent)

    @rule(pick=picks, silent=st.booleans())
    def changes_address(self, pick: int, silent: bool) -> None:
        if who := self.somebody(pick):
            self.attempt("change_email", id=who, confirmed=True, silent=silent)

    @rule(silent=st.booleans())
    def registers_again_after_deletion(self, silent: bool) -> None:
        self.attempt("reregister", silent=silent)

    @rule(pick=picks, silent=st.booleans(), joins=st.booleans())
    def panel_changes(self, pick: int, silent: bool, joins: bool) -> None:
        if who := self.somebody(pick):
            self.attempt("group_add" if joins else "group_remove", group="30", id=who, silent=silent)

    @rule(name=st.sampled_from(["Panel", "Panel", "Jury, citizens'", "Pet owners"]), silent=st.booleans())
    def group_is_renamed(self, name: str, silent: bool) -> None:
        self.ehq.act("group_rename", group="30", name=name, silent=silent)

    @rule(kind=st.sampled_from(OPT_OUTS), pick=picks)
    def opts_out_in_campaign_monitor(self, kind: str, pick: int) -> None:
        active = sorted(self.cm.active() - self.strangers)
        if not active:
            return
        address = active[pick % len(active)]
        self.opted_out_ids |= {i for i, held in self.held_ids().items() if held == address}
        self.opted_out_addresses.add(address)
        self.cm.act(kind, list="Bayside", email=address)

    @rule(pick=picks)
    def stranger_subscribes_in_campaign_monitor(self, pick: int) -> None:
        address = f"stranger{pick % 5}@example.net"
        self.cm.act("subscribe", list="Bayside", email=address)
        self.strangers.add(address)

    @rule(name=st.sampled_from(["webhook_loss", "webhook_duplicates", "webhook_reorder"]), on=st.booleans())
    def webhooks_get_worse_or_better(self, name: str, on: bool) -> None:
        self.ehq.faults(**{name: 0.5 if on else None})

    @rule(
        fault=st.sampled_from(
            [{"status": 500}, {"drop_connection": True}, {"drop_connection": "after"}, {"html_500": True}]
        ),
        times=st.integers(1, 4),
    )
    def campaign_monitor_fails(self, fault: dict[str, Any], times: int) -> None:
        self.cm.faults(**{name: {"value": value, "times": times} for name, value in fault.items()})

    @rule(fault=st.sampled_from([{"fail_pages": [1]}, {"status": 503}, {"html": True}]))
    def ehq_fails_once(self, fault: dict[str, Any]) -> None:
        self.ehq.faults(**{name: {"value": value, "times": 1} for name, value in fault.items()})

    @rule()
    def a_worker_works(self) -> None:
        self.relay.work()

    @rule()
    def a_run_happens(self) -> None:
        self.relay.reconcile(self.parts.connection(self.connection.id))

    @precondition(lambda self: hasattr(self, "cm"))
    @invariant()
    def no_opt_out_is_revived_and_nobody_is_written_twice_at_once(self) -> None:
        assert self.cm.violations() == []

    # How it must end.

    def teardown(self) -> None:
        if not hasattr(self, "servers"):
            return
        try:
            self.end()
        finally:
            for server in reversed(self.servers):
                server.__exit__(None, None, None)
            self.parts.database.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def end(self) -> None:
        self.ehq.sandbox("faults", method="DELETE")
        for fault in ("status", "drop_connection", "html_500"):
            self.cm.faults(**{fault: None})
        give_up = time.monotonic() + 40
        while self.ehq.sandbox("deliveries.json")["pending"] and time.monotonic() < give_up:
            time.sleep(0.05)
        connection = self.parts.connection(self.connection.id)
        self.relay.settle(connection)
        for _ in range(2):  # absence counts after two complete runs in a row
            run = self.relay.reconcile(connection)
            assert run.state == "completed", run.problem
        self.check()
        self.cm.forget_calls()
        assert self.relay.reconcile(connection).state == "completed"
        assert self.cm.calls()["writes"] == 0, str(self.cm.calls())

    def held_ids(self) -> dict[str, str]:
        """EHQ id → address, as the list itself shows it."""
        return {str(s["fields"].get("EHQ ID", "")): address for address, s in self.cm.subscribers().items()}

    def check(self) -> None:
        expected = {}
        for i, a in self.ehq.people().items():
            a = {name.replace("_", "-"): value for name, value in a.items()}
            address = a["email"].lower()
            if not a["subscribed"] or a["blocked"]:
                continue
            if str(i) in self.opted_out_ids or address in self.opted_out_addresses:
                continue
            expected[address] = (str(i), a)
        subscribers = self.cm.subscribers()
        active = {address for address, s in subscribers.items() if s["state"] == "Active"}
        assert active - self.strangers == set(expected)
        assert self.strangers <= active, "people not ours are left alone"
        listed = {g["id"]: g for g in self.ehq.sandbox("people.json")["groups"]}
        for address, (i, a) in expected.items():
            fields = subscribers[address]["fields"]
            assert fields["EHQ ID"] == i
            assert sorted(fields.get("Tags", [])) == sorted(a["participant-tag-list"] or [])
            answers = {q.get("question", ""): q.get("value") for q in _dashed(a["signup-answers"])}
            for label, value in answers.items():
                held = fields.get(label, "")
                if isinstance(value, list):
                    assert sorted(held or []) == sorted(value), label
                else:
                    assert str(held) == str("" if value is None else value)[:250].rstrip(), label
        assert listed


def _dashed(items: Any) -> list[dict[str, Any]]:
    return [{k.replace("_", "-"): v for k, v in item.items()} for item in items or []]


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=BACKGROUND,
    print_blob=True,
)
TestHistories.pytestmark = [pytest.mark.timeout(600)]
