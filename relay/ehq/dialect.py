"""How a site's EHQ spells things: one file of defaults, and what a connection does differently."""

import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import orjson

from relay.errors import Invalid

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_APART = re.compile(r"[\s\-./:]+")


@lru_cache(maxsize=4096)
def fold(key: str) -> str:
    """`role-name`, `role_name`, `roleName` and `Role Name` are one key (EHQ contract §5)."""
    return _APART.sub("_", _CAMEL.sub("_", key.strip())).lower().strip("_")


@cache
def defaults() -> Mapping[str, Any]:
    document: Mapping[str, Any] = orjson.loads(Path(__file__).with_name("dialect.json").read_bytes())
    return document


class Dialect:
    """Aliases turned inside out, for looking keys up once each."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.paths: Mapping[str, str] = document["paths"]
        self.parameters: Mapping[str, Any] = document["parameters"]
        self.attributes = _inverted(document["attributes"])
        self.ignored = {fold(key) for key in document["ignored"]}
        self.answer = _inverted(document["answer"])
        self.envelope = {name: [fold(key) for key in keys] for name, keys in document["envelope"].items()}
        self.events = _inverted(document["events"])
        self.roles = _inverted(document["roles"])
        self.status: Mapping[str, Mapping[str, bool]] = {fold(k): v for k, v in document["status"].items()}
        self.headers: Mapping[str, Mapping[str, str]] = document["headers"]

    def role(self, word: Any) -> str:
        """participant, project_admin, hub_admin, site_admin or unknown."""
        return self.roles.get(fold(str(word)), "unknown") if word else "unknown"

    def event(self, word: Any) -> str | None:
        """The canonical type; separators and case fold together (EHQ contract §5.4). None when unknown."""
        return self.events.get(fold(word)) if isinstance(word, str) else None

    def from_envelope(self, event: Mapping[str, Any], name: str) -> Any:
        """The first of the envelope's aliases that the event has, keys folded."""
        folded = {fold(key): value for key, value in event.items() if isinstance(key, str)}
        return next((folded[key] for key in self.envelope[name] if key in folded), None)


def _inverted(table: Mapping[str, Iterable[str]]) -> dict[str, str]:
    inverted = {fold(canonical): canonical for canonical in table}
    return inverted | {fold(alias): canonical for canonical, aliases in table.items() for alias in aliases}


def dialect(overrides: Mapping[str, Any] | None = None) -> Dialect:
    """The defaults, with a connection's `overrides` over them: aliases are added and go first, the rest replaces.

    :raise Invalid: naming the section or key that does not exist or is of another kind.
    """
    return _dialect(orjson.dumps(overrides or {}, option=orjson.OPT_SORT_KEYS))


@lru_cache(maxsize=256)
def _dialect(overrides: bytes) -> Dialect:
    document: dict[str, Any] = {name: type(table)(table) for name, table in defaults().items()}
    for section, entries in orjson.loads(overrides).items():
        if section not in document:
            raise Invalid(f"overrides: there is no section {section!r}; there are {', '.join(sorted(document))}.")
        if type(entries) is not type(document[section]):
            raise Invalid(
                f"overrides.{section} must be of the kind of its default, {type(document[section]).__name__}."
            )
        if isinstance(entries, list):
            document[section] = [*entries, *document[section]]
            continue
        for key, value in entries.items():
            document[section][key] = _replaced(section, key, value, document[section])
    return Dialect(document)


def _replaced(section: str, key: str, value: Any, table: Mapping[str, Any]) -> Any:
    default = table.get(key, {} if section == "status" else None)
    if default is None:
        raise Invalid(f"overrides.{section}: there is no {key!r}; there are {', '.join(sorted(table))}.")
    if type(value) is not type(default):
        raise Invalid(f"overrides.{section}.{key} must be of the kind of its default, {type(default).__name__}.")
    if isinstance(default, list):
        return [*value, *default]
    return {**default, **value} if isinstance(default, dict) else value
