"""`relay user …`: who may log in to the pages; and what the command line does is noted."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from relay.cli import main
from relay.store import audit, users
from relay.store.connections import Connection
from relay.sync.parts import Parts
from relay.web import create_app
from tests.cli.conftest import Said, Terminal
from tests.conftest import SimulatedEhq, user_of

Here = Callable[..., Said]


@pytest.fixture
def here(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """The command line within this process: a process of its own takes a second."""
    for name, value in terminal.environ.items():
        monkeypatch.setenv(name, value)

    def say(*words: str) -> Said:
        code = main(["user", *words, "--json"])
        return Said(code, *capsys.readouterr())

    return say


def test_someone_is_added_with_a_link_that_opens(terminal: Terminal, here: Here, parts: Parts) -> None:
    answer = terminal.json("user", "add", "Jo@Example.org", "--role", "operator", "--name", "Jo")
    assert {key: answer[key] for key in ("email", "name", "role", "state")} == {
        "email": "jo@example.org",
        "name": "Jo",
        "role": "operator",
        "state": "invited",
    }
    link = urlsplit(answer["invitation_url"])
    assert create_app(parts).test_client().get(link.path).status_code == 200
    assert [one["email"] for one in here("list").answer] == ["jo@example.org"]
    assert here("setup-link").answer == {"setup_url": None}


def test_the_set_up_link_is_printed_while_there_is_nobody(here: Here, parts: Parts) -> None:
    link = urlsplit(here("setup-link").answer["setup_url"])
    assert create_app(parts).test_client().get(link.path).status_code == 200


def test_someone_is_disabled_enabled_given_a_role_and_a_new_link(here: Here, parts: Parts) -> None:
    user_of(parts, "viewer")
    address = "viewer@example.org"
    assert here("disable", address).answer["state"] == "disabled"
    assert here("enable", address).answer["state"] == "active"
    assert here("role", address, "operator").answer["role"] == "operator"
    answer = here("reset", address).answer
    assert (answer["state"], "/invitation/" in answer["invitation_url"]) == ("invited", True)


def test_what_is_wrong_is_said(here: Here, parts: Parts) -> None:
    user_of(parts, "admin")
    for arguments, said in (
        (("add", "jo", "--role", "viewer"), "whole e-mail address"),
        (("add", "admin@example.org", "--role", "viewer"), "There is a user admin@example.org already"),
        (("disable", "nobody@example.org"), "no user with this address"),
        (("disable", "admin@example.org"), "only administrator"),
    ):
        answer = here(*arguments)
        assert (answer.code, said in answer.err) == (2, True), answer.err
    with parts.database.read() as tx:
        assert [user.state for user in users.everyone(tx)] == ["active"]


def test_what_the_command_line_changes_is_in_the_audit_log(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, parts: Parts, connection: Connection
) -> None:
    for name, value in terminal.environ.items():
        monkeypatch.setenv(name, value)
    rules = terminal.folder / "rules.json"
    rules.write_text('{"time_zone": "Australia/Sydney"}')
    for words in (("pause",), ("show",), ("configure", str(rules)), ("rotate-secret",), ("remove",)):
        assert main(["connection", words[0], connection.id, *words[1:]]) == 0
    with parts.database.read() as tx:
        entries = audit.search(tx)
    assert [entry.what for entry in reversed(entries)] == [
        "paused the connection",
        "changed the settings",
        "made a webhook secret",
        "removed the connection",
    ]
    assert {entry.connection_id for entry in entries} == {connection.id}
    changed = entries[2].detail or {}
    assert changed["before"] == {"time_zone": "UTC"}
    assert changed["after"] == {"time_zone": "Australia/Sydney"}
    assert (entries[0].detail or {})["before"]["name"] == "Bayside"
    assert "whsec_" not in repr(entries)


def test_whom_the_command_line_looked_at_is_in_the_audit_log(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, ehq: SimulatedEhq, parts: Parts, synced: Connection
) -> None:
    for name, value in terminal.environ.items():
        monkeypatch.setenv(name, value)
    _, email = ehq.someone()
    assert main(["person", synced.id, email]) == 0
    with parts.database.read() as tx:
        (entry,) = audit.search(tx)
    assert (entry.what, entry.connection_id) == ("looked at a person's data", synced.id)
    assert email not in repr(entry)
