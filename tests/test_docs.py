"""The manuals name what the code knows."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.cli import parser
from relay.domain.mapping import BASE_FIELDS
from relay.domain.rules import WHY_NOT, Rules
from relay.domain.values import TYPE_OF_KIND
from relay.settings import SECRETS, Settings

DOCS = Path(__file__).parent.parent / "docs"
CONFIGURATION, MAPPING, OPERATIONS = (
    (DOCS / name).read_text() for name in ("configuration.md", "mapping.md", "operations.md")
)


def commands(one: argparse.ArgumentParser, before: str = "") -> Iterator[str]:
    """Of the command line, alone and with each option: "connection add", "connection add --name"."""
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from commands(inner, f"{before} {name}".strip())
        elif before:
            yield f"{before} {(action.option_strings or [''])[-1]}".replace(" --help", "").strip()


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_in_the_manual(name: str) -> None:
    assert f"| `{name.upper()}` |" in CONFIGURATION


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_that_may_be_in_a_file_is_in_the_manual(name: str) -> None:
    (passage,) = re.findall(r"\*\*Secrets from files\.\*\*.*?\n\n", CONFIGURATION, re.S)
    assert f"`{name}`" in passage


@pytest.mark.parametrize("name", sorted(Rules.model_fields))
def test_every_rule_of_a_connection_is_in_the_manual(name: str) -> None:
    assert re.search(rf"^\| `{name}[`.]", CONFIGURATION, re.M)


@pytest.mark.parametrize(("name", "data_type"), BASE_FIELDS.values(), ids=BASE_FIELDS)
def test_every_base_field_is_in_the_manual_with_its_type(name: str, data_type: str) -> None:
    assert re.search(rf"^\|.*\| `{name}` \| {data_type} \|", MAPPING, re.M)


@pytest.mark.parametrize(("word", "data_type"), TYPE_OF_KIND.items())
def test_every_kind_of_question_is_in_the_manual_with_its_type(word: str, data_type: str) -> None:
    assert re.search(rf"^\|.*`{word}`.*\| {data_type} \|", MAPPING, re.M)


@pytest.mark.parametrize("command", sorted(set(commands(parser()))))
def test_every_command_and_each_of_its_options_is_in_the_manual(command: str) -> None:
    name, dashes, option = command.partition(" --")
    rows = [row for row in re.findall(r"^\| (`.*?) \| ", OPERATIONS, re.M) if re.search(rf"`{name}[ `]", row)]
    assert rows
    assert any(dashes.strip() + option in row for row in rows)


def test_every_reason_why_somebody_is_not_on_the_list_is_in_the_manual() -> None:
    before, _, _ = MAPPING.partition("**CM's word stands.**")
    assert len(re.findall(r"^\d+\. ", before, re.M)) == len(WHY_NOT)
