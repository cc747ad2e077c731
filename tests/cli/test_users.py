"""`relay user …`: who may log in to the pages."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from relay.cli import main
from relay.store import users
from relay.sync.parts import Parts
from relay.web import create_app
from tests.cli.conftest import Said, Terminal
from tests.conftest import user_of

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
