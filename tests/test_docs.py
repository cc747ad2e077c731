"""The manuals name what the code knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from relay.domain.mapping import BASE_FIELDS
from relay.domain.rules import Rules
from relay.domain.values import TYPE_OF_KIND
from relay.settings import SECRETS, Settings

DOCS = Path(__file__).parent.parent / "docs"
CONFIGURATION, MAPPING = ((DOCS / name).read_text() for name in ("configuration.md", "mapping.md"))


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
