"""Each subcommand: one JSON document with --json, the exit code, and what went wrong in words to act on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from relay.domain.rules import spelling
from relay.store import connections, members
from relay.store.connections import Connection
from relay.sync.connections import credentials
from relay.sync.parts import Parts
from relay.sync.runs.start import start_run
from tests.cli.conftest import Terminal
from tests.conftest import NOWHERE, Live, Relay, SimulatedCampaignMonitor, SimulatedEhq
from tests.web.test_webhooks import closed_port

ADD = ("connection", "add", "--name", "Bayside", "--ehq-token", "sandbox", "--cm-api-key", "sandbox")
STATUS = {
    "connection", "name", "state", "participants", "waiting", "oldest_waiting_s", "refused", "quarantined", "on_list",
    "opted_out", "problem", "brake", "last_run", "next_run", "last_delivery_at", "campaign_monitor_webhook",
}  # fmt: skip


def kept(parts: Parts) -> list[Connection]:
    with parts.database.read() as tx:
        return connections.everyone(tx)


# connection add


def test_add_connects_a_site_to_a_new_list(
    terminal: Terminal, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor, parts: Parts
) -> None:
    answer = terminal.json(*ADD, "--ehq-url", ehq.url)
    assert answer["webhook_url"] == f"{NOWHERE}/webhooks/ehq/{answer['connection']}"
    assert answer["webhook_secret"].startswith("whsec_")
    assert answer["state"] == "on"
    assert cm.list("Bayside")["subscribers"] == []
    assert [connection.id for connection in kept(parts)] == [answer["connection"]]


MISTAKES: list[tuple[str, dict[str, str], int, str]] = [
    ("not an address", {"--ehq-url": "haveyoursay"}, 2, "--ehq-url https://"),
    ("nobody there", {"--ehq-url": "closed"}, 1, ""),
    ("another EHQ key", {"--ehq-token": "wrong"}, 3, ""),
    ("another CM key", {"--cm-api-key": "wrong"}, 3, ""),
    ("another client", {"--cm-client-id": "nobody"}, 3, "--cm-client-id"),
    ("a list that is not there", {"--list-id": "0" * 32}, 3, "Campaign Monitor"),
]


@pytest.mark.parametrize(("differs", "code", "hint"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_add_with_a_mistake_says_what_to_do_and_keeps_nothing(
    terminal: Terminal, ehq: SimulatedEhq, parts: Parts, differs: dict[str, str], code: int, hint: str
) -> None:
    given = {"--name": "Bayside", "--ehq-url": ehq.url, "--ehq-token": "sandbox", "--cm-api-key": "sandbox", **differs}
    if given["--ehq-url"] == "closed":
        given["--ehq-url"] = f"http://127.0.0.1:{closed_port()}"
    said = terminal.run("connection", "add", *(word for pair in given.items() for word in pair), "--json")
    assert (said.code, set(said.answer)) == (code, {"error", "remedy", "code"}), said
    assert said.answer["remedy"]
    assert hint in said.err
    assert kept(parts) == []


def test_add_with_the_name_of_a_list_that_exists_offers_both_ways_on(
    terminal: Terminal, ehq: SimulatedEhq, connection: Connection, parts: Parts
) -> None:
    said = terminal.run(*ADD, "--ehq-url", ehq.url)
    assert said.code == 3
    assert "--list-name" in said.err
    assert "--list-id" in said.err
    assert str(connection.cm_list_id) in said.err
    assert len(kept(parts)) == 1


def test_add_without_an_ehq_credential_is_wrong_usage(terminal: Terminal, ehq: SimulatedEhq) -> None:
    said = terminal.run("connection", "add", "--name", "B", "--ehq-url", ehq.url, "--json")
    assert said.code == 2
    assert "--ehq-token" in said.answer["remedy"]


# Wrong usage and settings


@pytest.mark.parametrize("words", [(), ("sing",), ("connection", "add"), ("status", "a", "b"), ("replay", "c")])
def test_wrong_usage_is_2_and_shows_the_usage(terminal: Terminal, words: tuple[str, ...]) -> None:
    said = terminal.run(*words)
    assert (said.code, said.out) == (2, "")
    assert "usage: relay" in said.err


def test_wrong_usage_is_one_json_document_too_where_one_was_asked_for(terminal: Terminal) -> None:
    said = terminal.run("connection", "add", "--json")
    assert said.code == 2
    assert set(said.answer) == {"error", "remedy", "code"}
    assert "--name" in said.answer["error"]
    assert "relay connection add --help" in said.answer["remedy"]


def test_a_connection_that_is_not_there_is_named(terminal: Terminal) -> None:
    said = terminal.run("status", "nowhere", "--json")
    assert said.code == 3
    assert "nowhere" in said.answer["error"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql://u:hidden@127.0.0.1:{port}/x"),
        ("DATABASE_URL", "sqlite:////nowhere/relay.sqlite3"),
        ("DATABASE_URL", "postgresql://u:hidden@h:port/x"),
        ("REDIS_URL", "redis://:hidden@h:port"),
    ],
)
def test_a_wrong_setting_is_a_message_without_its_value(terminal: Terminal, name: str, value: str) -> None:
    said = terminal.run("status", "--json", **{name: value.format(port=closed_port())})
    assert said.code in (1, 2)
    assert name in said.err
    assert "hidden" not in said.out + said.err


def test_rebuild_queue_without_redis_says_which_setting_to_look_at(terminal: Terminal) -> None:
    said = terminal.run("rebuild-queue", "--json", REDIS_URL=f"redis://:hidden@127.0.0.1:{closed_port()}")
    assert said.code == 1
    assert "REDIS_URL" in said.answer["remedy"]
    assert "hidden" not in said.err


def test_migrate_makes_an_empty_database_current(terminal: Terminal, tmp_path: Path) -> None:
    there = {"DATABASE_URL": f"sqlite:///{tmp_path}/new.sqlite3"}
    assert terminal.run("status", **there).code == 1
    assert terminal.json("migrate", **there)["migrated"] is True
    assert terminal.json("status", **there) == []


# One after the other, as a person would


def test_the_rules_of_a_connection_are_one_document(terminal: Terminal, connection: Connection, tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_text('{"time_zone": "Australia/Sydney", "daily_at": "03:30"}')
    changed = terminal.json("connection", "configure", connection.id, "rules.json")
    assert changed["rules"]["time_zone"] == "Australia/Sydney"
    assert terminal.json("connection", "show", connection.id)["rules"] == changed["rules"]
    wrong = terminal.run("connection", "configure", connection.id, "-", "--json", given='{"daily_at": "noon"}')
    assert wrong.code == 2
    assert "daily_at" in wrong.answer["error"]
    assert terminal.run("connection", "configure", connection.id, "missing.json").code == 2
    (tmp_path / "latin.json").write_bytes('{"overrides": "é"}'.encode("latin-1"))
    unreadable = terminal.run("connection", "configure", connection.id, "latin.json")
    assert unreadable.code == 2
    assert "latin.json" in unreadable.err
    assert terminal.run("connection", "configure", connection.id, "-", given="{").code == 2


def test_a_site_that_needs_overrides_to_be_read_is_added_with_its_rules(
    terminal: Terminal, ehq: SimulatedEhq, parts: Parts, tmp_path: Path
) -> None:
    file = tmp_path / "rules.json"
    site = ("connection", "add", "--name", "Bayside", "--ehq-url", f"{ehq.url}/api", "--ehq-token", "sandbox")
    assert terminal.run(*site, "--cm-api-key", "sandbox", "--json").code == 3
    file.write_text('{"overrides": {"paths": {"apis": "/v2"}}}')
    assert terminal.run(*site, "--cm-api-key", "sandbox", "--rules", str(file)).code == 2
    file.write_text('{"overrides": {"paths": {"api": "/v2"}}, "time_zone": "Australia/Sydney"}')
    made = terminal.run(*site, "--cm-api-key", "sandbox", "--rules", str(file), "--json").answer
    assert "lists 60 people" in made["ehq"]
    assert parts.connection(made["connection"]).rules.time_zone == "Australia/Sydney"


def test_what_rules_would_do_to_people_is_said_and_with_a_dry_run_nothing_else_is_done(
    terminal: Terminal, synced: Connection, parts: Parts, tmp_path: Path
) -> None:
    file = tmp_path / "rules.json"
    file.write_text('{"overrides": {"attributes": {"subscribed": ["unconfirmed"]}}}')
    answer = terminal.run("connection", "configure", synced.id, str(file), "--dry-run", "--json").answer
    assert answer["effect"]["leaves"] == 0
    assert answer["read_anew"]["opt_outs"] > 20
    assert parts.connection(synced.id).rules.overrides == {}
    answer = terminal.run("connection", "configure", synced.id, str(file), "--yes", "--json").answer
    now = parts.connection(synced.id)
    assert now.rules.overrides
    assert now.read_overrides == spelling(now.rules)


def test_pause_resume_rotate_and_remove(terminal: Terminal, connection: Connection, parts: Parts, relay: Relay) -> None:
    c = connection.id
    assert terminal.json("connection", "pause", c) == {"connection": c, "state": "paused"}
    assert [item["state"] for item in terminal.json("connection", "list")] == ["paused"]
    assert terminal.json("connection", "resume", c) == {"connection": c, "state": "on"}
    assert terminal.json("connection", "rotate-secret", c)["webhook_secret"] != relay.secret
    assert terminal.json("connection", "remove", c)["removed"] is True
    assert kept(parts) == []


def test_status_has_the_fields_of_the_design(terminal: Terminal, live: Live) -> None:
    (status,) = terminal.json("status")
    assert set(status) >= STATUS
    assert status["participants"] == len(live.ehq.people())
    assert (status["waiting"], status["refused"], status["quarantined"]) == (0, {}, 0)
    assert (status["state"], status["last_run"]["state"]) == ("on", "completed")
    assert terminal.json("status", live.connection.id)["connection"] == live.connection.id


def test_person_says_what_ehq_says_what_cm_holds_and_why(terminal: Terminal, live: Live) -> None:
    ehq_id, email = live.ehq.someone()
    assert terminal.json("person", live.connection.id, email) == terminal.json("person", live.connection.id, ehq_id)
    nobody = terminal.run("person", live.connection.id, "nobody@example.com", "--json")
    assert (nobody.code, nobody.answer["error"]) == (1, "Nobody with this address or id is known here.")


def test_deliveries_are_shown_and_replayed(terminal: Terminal, live: Live) -> None:
    c = live.connection.id
    live.ehq.register()
    live.arrives()
    (delivery, *_) = terminal.json("deliveries", c)
    assert delivery["state"] == "applied"
    dry = terminal.json("replay", c, "--delivery", delivery["delivery"], "--dry-run")
    assert (dry["deliveries"], dry["people"], dry["dry_run"]) == (1, 1, True)
    assert terminal.json("deliveries", c, "--state", "waiting") == []
    assert terminal.json("replay", c, "--since", "1h")["deliveries"] >= 1
    assert terminal.json("deliveries", c, "--state", "waiting", "--limit", "1")
    assert terminal.run("replay", c, "--delivery", "nowhere").code == 1
    assert terminal.run("deliveries", c, "--since", "yesterday").code == 2
    assert terminal.json("rebuild-queue")["connections"] == [c]


def test_rebuild_queue_rings_for_whatever_is_due(terminal: Terminal, synced: Connection, parts: Parts) -> None:
    with parts.database.write() as tx:
        members.told(tx, synced.id, {"30": 1.0})
    run, _ = start_run(parts, synced.id, trigger="person")
    parts.queue.redis.flushdb()
    assert terminal.json("rebuild-queue") == {"connections": [], "groups_of": [synced.id], "runs": [run.id]}
    assert parts.queue.lengths() == {"live": 0, "bulk": 2}


def test_check_asks_everything(terminal: Terminal, connection: Connection) -> None:
    checks = terminal.json("check")["checks"]
    assert [check["ok"] for check in checks] == [True, True, True, True]
    away = terminal.run("check", "--json", REDIS_URL=f"redis://127.0.0.1:{closed_port()}")
    assert away.code == 1
    assert [check["check"] for check in away.answer["checks"] if not check["ok"]] == ["queue"]


def test_fields_and_groups_are_shown_and_a_probe_asks_first(terminal: Terminal, synced: Connection) -> None:
    postcode = next(f for f in terminal.json("fields", synced.id) if f["label"] == "What is your postcode?")
    assert (postcode["name"], postcode["type"], postcode["cut"], postcode["problem"]) == (
        "What is your postcode?",
        "Text",
        0,
        None,
    )
    assert {g["name"]: g["segment"] for g in terminal.json("groups", synced.id)}["Pet owners"] == "Pet owners"
    asked = terminal.run("check", "--probe", synced.id, "--json")
    assert asked.code == 3
    assert "deleted" in asked.out + asked.err


@pytest.mark.parametrize("place", [0, 1, 2])
def test_json_may_stand_anywhere(terminal: Terminal, connection: Connection, place: int) -> None:
    words = ["status", connection.id]
    words.insert(place, "--json")
    assert terminal.run(*words).answer["connection"] == connection.id


def test_without_json_the_answer_is_for_people(terminal: Terminal, connection: Connection) -> None:
    said = terminal.run("status", connection.id)
    assert said.code == 0
    assert "participants: 0" in said.out
    with pytest.raises(json.JSONDecodeError):
        said.answer  # noqa: B018


# reconcile


def test_reconcile_waits_for_the_run_and_prints_its_counts(
    terminal: Terminal, connection: Connection, worker: int, cm: SimulatedCampaignMonitor
) -> None:
    run = terminal.json("reconcile", connection.id, "--wait")
    assert (run["state"], run["phase"], run["dry_run"]) == ("completed", "done", False)
    assert run["counts"]["ehq_read"] == 60
    assert len(cm.active()) > 0


def test_a_replay_is_waited_for_until_workers_have_taken_it_in(terminal: Terminal, live: Live, worker: int) -> None:
    live.ehq.register()
    live.arrives()
    assert terminal.json("replay", live.connection.id, "--since", "1h", "--wait")["deliveries"] >= 1
    assert terminal.json("deliveries", live.connection.id, "--state", "waiting") == []


def test_what_is_stored_is_encrypted_anew_and_every_body_is_told_of(live: Live) -> None:
    for _ in range(3):
        live.ehq.register()
    live.arrives()
    told: list[tuple[int, int]] = []
    done = credentials.rotate_keys(live.relay.parts, lambda *much: told.append(much))
    assert (told[0], told[-1]) == ((0, done["deliveries"]), (done["deliveries"], done["deliveries"]))


def test_reconcile_without_waiting_starts_one_or_joins_it(terminal: Terminal, connection: Connection) -> None:
    first, second = (terminal.json("reconcile", connection.id) for _ in range(2))
    assert (first["started"], second["started"], second["run"]) == (True, False, first["run"])
    other = terminal.run("reconcile", connection.id, "--dry-run", "--json")
    assert other.code == 1
    assert "under way" in other.answer["error"]


# runs


def test_runs_lists_them_and_whom_one_of_them_repaired(terminal: Terminal, live: Live) -> None:
    one, email = live.ehq.someone()
    live.cm.act("edit_field", email=email, field="What is your postcode?", value="9999")
    run = live.run()
    latest, first = terminal.json("runs", live.connection.id)
    assert (latest["run"], latest["causes"]) == (run.id, {"changed by hand in CM": 1})
    assert first["causes"] == {"first seen": first["counts"]["joins"]}
    answer = terminal.json("runs", live.connection.id, str(run.id))
    (found,) = answer["drift"]
    assert (answer["state"], found["ehq_id"], found["cause"]) == ("completed", one, "changed by hand in CM")
    assert terminal.json("runs", live.connection.id, str(run.id), "--cause", "still waiting")["drift"] == []
    said = terminal.run("runs", live.connection.id, "999", "--json")
    assert (said.code, said.answer["remedy"]) == (1, "Look which there are.")


def test_the_command_is_a_module_too(terminal: Terminal) -> None:
    command = [sys.executable, "-m", "relay", "connection", "list", "--json"]
    done = subprocess.run(
        command, env=terminal.environ, cwd=terminal.folder, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []


def test_whoever_reads_only_the_beginning_of_an_answer_gets_that_and_no_traceback(
    terminal: Terminal, connection: Connection
) -> None:
    command = [sys.executable, "-m", "relay", "connection", "show", connection.id, "--json"]
    with subprocess.Popen(
        command, cwd=terminal.folder, env=terminal.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as one:
        assert one.stdout is not None
        assert one.stderr is not None
        one.stdout.close()  # before it answers: nobody reads any more
        said = one.stderr.read()
    assert (one.returncode, said) == (0, b"")
