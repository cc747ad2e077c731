"""How a site's EHQ spells things: one file of defaults, and what a connection does differently."""

import re
from collections.abc import Container, Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import orjson

from relay.domain.participant import Question
from relay.errors import Invalid

MOST_PLANS = 256
"""Shapes of objects whose keys are looked up once. A site has a handful; a hostile one must not fill the memory."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
KINDS = {dict: "an object", list: "a list of texts", str: "a text", int: "a whole number"}
_APART = re.compile(r"[\s\-./:]+")


@lru_cache(maxsize=4096)
def fold(key: str) -> str:
    """`role-name`, `role_name`, `roleName` and `Role Name` are one key (EHQ contract §5)."""
    return _APART.sub("_", _CAMEL.sub("_", key.strip())).lower().strip("_")


@cache
def defaults() -> Mapping[str, Any]:
    document: Mapping[str, Any] = orjson.loads(Path(__file__).with_name("dialect.json").read_bytes())
    return document


class Aliases:
    """A table of aliases turned inside out, for looking each key up once."""

    def __init__(self, table: Mapping[str, Iterable[str]]) -> None:
        self.canonical = _inverted(table)
        listed = (alias for aliases in table.values() for alias in aliases)
        self.places = {fold(alias): place for place, alias in enumerate(listed)}
        self._plans: dict[tuple[Any, ...], tuple[list[tuple[str, Any]], list[str]]] = {}

    def read(self, raw: Mapping[Any, Any]) -> tuple[dict[str, Any], list[str]]:
        """What `raw` says by canonical names, and the folded keys that no alias knows.

        Of several aliases of one name in `raw` the one that is listed first counts.
        """
        keys = tuple(raw)
        plan = self._plans.get(keys)
        if plan is None:
            plan = self._plan(keys)
            if len(self._plans) < MOST_PLANS:
                self._plans[keys] = plan
        named, unknown = plan
        return {name: raw[key] for name, key in named}, unknown

    def _plan(self, keys: tuple[Any, ...]) -> tuple[list[tuple[str, Any]], list[str]]:
        """Which key says which name: the same for all objects with the same keys, which nearly all have."""
        best: dict[str, tuple[int, Any]] = {}
        unknown = []
        for key in keys:
            folded = fold(str(key))
            name = self.canonical.get(folded)
            if name is None:
                unknown.append(folded)
                continue
            place = self.places.get(folded, len(self.places))
            if name not in best or place < best[name][0]:
                best[name] = (place, key)
        return [(name, key) for name, (_, key) in best.items()], unknown


class Dialect:
    """How one site's EHQ spells things."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.paths: Mapping[str, str] = document["paths"]
        self.parameters: Mapping[str, Any] = document["parameters"]
        self.attributes = Aliases(document["attributes"])
        self.ignored = {fold(key) for key in document["ignored"]}
        self.answer = Aliases(document["answer"])
        self.columns = Aliases(document["columns"])
        self.questions: Mapping[str, Mapping[str, Any]] = {fold(k): v for k, v in document["questions"].items()}
        self.envelope = {name: [fold(key) for key in keys] for name, keys in document["envelope"].items()}
        self.events = _inverted(document["events"])
        self.roles = _inverted(document["roles"])
        self.status: Mapping[str, Mapping[str, bool]] = {fold(k): v for k, v in document["status"].items()}

    def role(self, word: Any) -> str:
        """participant, project_admin, hub_admin, site_admin or unknown."""
        return self.roles.get(fold(word), "unknown") if isinstance(word, str) else "unknown"

    def question(self, label: str) -> Question:
        """What was said of a question that EHQ itself describes by its label alone, as in an export."""
        said = self.questions.get(fold(label), {})
        return Question(label, label, fold(said.get("kind", "")), tuple(said.get("options", ())))

    def event(self, word: Any) -> str | None:
        """The canonical type; separators and case fold together (EHQ contract §5.4). None when unknown."""
        return self.events.get(fold(word)) if isinstance(word, str) else None

    def of_group(self, word: str) -> bool:
        """Whether a delivery of this type is about a group: its subject is a group's id then, which may be somebody's
        too. Of a type that nobody knows, by how it begins."""
        kind = self.event(word)
        return kind.startswith("group.") if kind else fold(word).startswith(("group", "segment"))

    def from_envelope(self, event: Mapping[str, Any], name: str, without: Container[str] = ()) -> Any:
        """The first of the envelope's aliases that the event has, keys folded; those in `without` do not count."""
        folded = {fold(key): value for key, value in event.items() if isinstance(key, str)}
        return next((folded[key] for key in self.envelope[name] if key in folded and key not in without), None)


def _inverted(table: Mapping[str, Iterable[str]]) -> dict[str, str]:
    inverted = {fold(canonical): canonical for canonical in table}
    return inverted | {fold(alias): canonical for canonical, aliases in table.items() for alias in aliases}


def dialect(overrides: Mapping[str, Any] | None = None) -> Dialect:
    """The defaults, with a connection's `overrides` over them: aliases are added and go first, the rest replaces.

    An alias that the defaults give to another name is taken from it.

    :raise Invalid: naming the section or key that does not exist or is of another kind.
    """
    try:
        return _dialect(orjson.dumps(overrides or {}, option=orjson.OPT_SORT_KEYS))
    except (TypeError, orjson.JSONEncodeError):
        raise Invalid("overrides: these are not JSON.") from None


@lru_cache(maxsize=256)
def _dialect(overrides: bytes) -> Dialect:
    document: dict[str, Any] = {name: type(table)(table) for name, table in defaults().items() if name != "headers"}
    for section, entries in orjson.loads(overrides).items():
        if section == "headers":
            raise Invalid("overrides.headers: set authentication.headers instead.")
        if section not in document:
            raise Invalid(f"overrides: there is no section {section!r}; there are {', '.join(sorted(document))}.")
        _same_kind(f"overrides.{section}", entries, document[section])
        if isinstance(entries, list):
            document[section] = [*entries, *document[section]]
            continue
        for key, value in entries.items():
            _replace(section, key, value, document[section])
    return Dialect(document)


def _replace(section: str, key: str, value: Any, table: dict[str, Any]) -> None:
    where = f"overrides.{section}.{key}"
    default = table.get(key, {} if section in ("status", "questions") else None)
    if default is None:
        raise Invalid(f"overrides.{section}: there is no {key!r}; there are {', '.join(sorted(table))}.")
    _same_kind(where, value, default)
    if isinstance(default, list):
        taken = {fold(alias) for alias in value}
        for name, aliases in table.items():
            table[name] = [alias for alias in aliases if fold(alias) not in taken]
        table[key] = [*value, *table[key]]
    elif section == "questions":
        _question(where, value)
        table[key] = value
    elif isinstance(default, dict):
        if not value.keys() <= {"activated", "blocked"} or not all(isinstance(flag, bool) for flag in value.values()):
            raise Invalid(f"{where} may say activated and blocked, each true or false.")
        table[key] = {**default, **value}
    else:
        # Anything else, put behind the host, could send the credential to another one.
        if section == "paths" and value and (not value.startswith("/") or value.startswith("//")):
            raise Invalid(f"{where} must begin with one slash, or be empty.")
        if isinstance(value, int) and value < (0 if key == "first_page" else 1):
            raise Invalid(f"{where} is too small.")
        table[key] = value


def _question(where: str, said: Mapping[str, Any]) -> None:
    if not said.keys() <= {"kind", "options"} or not isinstance(said.get("kind", ""), str):
        raise Invalid(f'{where} may say kind, a text such as "checkbox", and options, a list of texts.')
    _same_kind(f"{where}.options", said.get("options", []), [])


def _same_kind(where: str, value: Any, default: Any) -> None:
    if type(value) is not type(default):
        raise Invalid(f"{where} must be of the kind of its default, {KINDS[type(default)]}.")
    if isinstance(value, list) and not all(isinstance(item, str) and fold(item) for item in value):
        raise Invalid(f"{where} must be a list of texts.")
