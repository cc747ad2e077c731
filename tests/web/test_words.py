"""How pages say times, numbers and people."""

from __future__ import annotations

import ast
import re
import time
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, g

from relay.web import words

ROOT = Path(__file__).parents[2]
MOMENT = 1795530496.0
"""24 November 2026, 14:28:16 UTC"""


@pytest.fixture(autouse=True)
def somewhere() -> object:
    with Flask(__name__).app_context():
        yield


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("Australia/Sydney", "25 Nov 2026, 01:28 AEDT"),
        ("Europe/London", "24 Nov 2026, 14:28 GMT"),
        ("America/Sao_Paulo", "24 Nov 2026, 11:28 UTC-03"),
    ],
)
def test_times_are_in_the_zone_of_the_connection_and_name_it(zone: str, said: str) -> None:
    g.connection = SimpleNamespace(rules=SimpleNamespace(zone=ZoneInfo(zone)))
    assert f">{said}<" in words.when(MOMENT)


def test_outside_of_a_connection_times_are_utc() -> None:
    assert words.when(MOMENT) == '<time datetime="2026-11-24T14:28:16+00:00">24 Nov 2026, 14:28 UTC</time>'
    assert ">24 Nov 2026, 14:28:16 UTC<" in words.exactly(MOMENT)
    assert words.when(None) == "never"
    assert words.when(None, "not yet") == "not yet"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "just now"),
        (59, "59 seconds ago"),
        (61, "1 minute ago"),
        (7300, "2 hours ago"),
        (47 * 3600, "47 hours ago"),
        (3 * 86400, "3 days ago"),
        (-4 * 3600 - 1, "in 4 hours"),
    ],
)
def test_ages(seconds: float, said: str) -> None:
    assert f">{said}<" in words.ago(time.time() - seconds)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.42, "0.4 s"),
        (12.4, "12 s"),
        (185, "3 min 5 s"),
        (7800, "2 h 10 min"),
        (3600, "1 h"),
        (100 * 3600, "4 days 4 h"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert words.span(seconds) == said


def test_numbers() -> None:
    assert words.count(1234567) == "1,234,567"
    assert words.count(None) == "–"
    assert (words.plural(1, "person", "people"), words.plural(2345, "person", "people")) == ("1 person", "2,345 people")


def test_masks_show_a_first_letter_and_no_length() -> None:
    assert words.mask_email("jo.smith@example.org") == words.mask_email("j@e.org") == "j•••@e•••.org"
    assert words.mask_email(None) == "no address"
    for no_address in (
        "janesmith",
        "jane.smith",
        "jane@example.com (Jane Smith)",
        "jane@smith",
        "j@example.com jane.smith",
    ):
        assert words.mask_email(no_address) == "•••"
    assert words.mask_name("Jo van Smith") == "J••• v••• S•••"
    assert words.mask("an answer") == words.mask(["a", "b"]) == "•••"
    assert words.mask("") == ""


def test_what_was_changed_is_said_without_a_way_to_smuggle_markup() -> None:
    said = words.changes(
        {"user": 3, "before": {"time_zone": "UTC", "roles": []}, "after": {"time_zone": "<b>", "on": True}}
    )
    assert (
        said == '<ul class="plain"><li>time zone: UTC → &lt;b&gt;</li><li>roles: none → none</li><li>on: yes</li></ul>'
    )
    assert words.changes(None) == ""


def test_a_long_host_breaks_at_its_dots_and_nowhere_else() -> None:
    assert words.breakable("a<b.example.org") == "a&lt;b.<wbr>example.<wbr>org"


def test_nobody_who_has_only_pages_is_told_to_type_a_command() -> None:
    """Wherever a text may come onto a page: the command line has words of its own for the same failures."""
    told = []
    for file in (*ROOT.glob("relay/**/*.py"), *ROOT.glob("relay/**/*.html")):
        if "relay/cli/" in file.as_posix() or file.name in ("check.py", "health.py"):  # `relay check`, and /readyz
            continue
        if file.suffix == ".html":
            texts = re.findall(r">([^<]*)<", file.read_text())
        else:
            tree = ast.parse(file.read_text())
            notes = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
            constants = (one for one in ast.walk(tree) if isinstance(one, ast.Constant) and id(one) not in notes)
            texts = [one.value for one in constants if isinstance(one.value, str)]
        told += [
            f"{file.name}: {text}" for text in texts if re.search(r"(^|\s)--[a-z]+|`relay |\brelay [a-z]+ C\b", text)
        ]
    assert not told
