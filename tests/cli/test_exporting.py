"""`relay import-csv`: files from a disk, one JSON document, and what is wrong in words to act on."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from tests.cli.conftest import Terminal
from tests.conftest import SimulatedCampaignMonitor, SimulatedEhq


@pytest.fixture
def files(ehq: SimulatedEhq, tmp_path: Path) -> None:
    for name, path in (
        ("export.zip", "export.zip"), ("women.zip", "export.zip?group=Female Only"), ("team.csv", "team.csv"),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(requests.get(f"{ehq.url}/sandbox/{path}", timeout=10).content)


def test_a_site_without_api_access_is_connected_and_read_by_hand(
    terminal: Terminal, files: None, cm: SimulatedCampaignMonitor, worker: int
) -> None:
    added = terminal.json("connection", "add", "--name", "Bayside", "--csv", "--cm-api-key", "sandbox")
    c = added["connection"]
    assert "none was read yet" in added["ehq"]
    words = ("import-csv", c, "export.zip", "--team", "team.csv", "--groups", "Female Only=women.zip", "--people", "56")
    dry = terminal.json(*words, "--dry-run", "--wait")
    assert (dry["state"], cm.active()) == ("completed", set())
    run = terminal.json(*words, "--wait")
    assert (run["state"], run["counts"]["export"]["complete"]) == ("completed", True)
    assert len(cm.active()) == run["counts"]["joins"] == dry["counts"]["joins"] > 0
    assert terminal.json("status", c)["reads"] == "export"
    assert all(check["ok"] for check in terminal.json("check")["checks"])


def test_what_is_wrong_with_files_is_said_and_is_wrong_usage(terminal: Terminal, files: None, tmp_path: Path) -> None:
    c = terminal.json("connection", "add", "--name", "Bayside", "--csv", "--cm-api-key", "sandbox")["connection"]
    (tmp_path / "names.csv").write_text("Name,Gender\nx,y\n")
    (tmp_path / "manifest.json").write_text('{"people": "many"}')
    for words, says in (
        (("names.csv",), "no column Email"),
        (("missing.csv",), "cannot be read"),
        ((), "No file was given"),
        (("export.zip", "--groups", "women.zip"), "--groups takes a name and a file"),
        (("export.zip", "--manifest", "manifest.json"), "whole number"),
        (("export.zip", "--made-at", "noon"), "not a time"),
    ):
        said = terminal.run("import-csv", c, *words, "--json")
        assert (said.code, set(said.answer)) == (2, {"error", "remedy", "code"}), said
        assert says in said.err


def test_without_the_number_that_ehq_shows_it_says_that_nobody_is_removed(terminal: Terminal, files: None) -> None:
    c = terminal.json("connection", "add", "--name", "Bayside", "--csv", "--cm-api-key", "sandbox")["connection"]
    said = terminal.run("import-csv", c, "export.zip", "--json")
    assert said.code == 0
    assert "Nobody said how many participants EHQ shows" in said.err
    assert said.answer["export"]["people"] == 56


def test_new_questions_that_look_sensitive_are_named_unless_they_are_left_out(
    terminal: Terminal, files: None, tmp_path: Path
) -> None:
    (tmp_path / "rules.json").write_text('{"fields_left_out": ["gender"]}')
    added = terminal.json(
        "connection", "add", "--name", "Bayside", "--csv", "--cm-api-key", "sandbox", "--rules", "rules.json"
    )
    said = terminal.run("import-csv", added["connection"], "export.zip", "--dry-run", "--json")
    assert "sensitive by their words: Date of birth." in said.err
