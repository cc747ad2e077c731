"""Custom fields: keys, options, and what becomes of a value that is written (contract §4.8, §6)."""

from __future__ import annotations

import re
from typing import Any

from sandbox.campaign_monitor.account import Account, List, Subscriber
from sandbox.campaign_monitor.errors import CMError, unreadable

TYPES = ("Text", "Number", "MultiSelectOne", "MultiSelectMany", "Date", "Country", "USState")
MULTI = ("MultiSelectOne", "MultiSelectMany")
GENERATED = {
    "Country": ["Australia", "New Zealand", "United Kingdom"],
    "USState": ["Alaska", "Ohio", "Texas"],
}
DATE = re.compile(r"^(\d{4})[/-](\d\d?)[/-](\d\d?)$")
NUMBER = re.compile(r"^-?\d+(\.\d+)?$")


class Field:
    """`number` is the field's identity, whatever its name and key become."""

    made = 0

    def __init__(self, name: str, kind: str, options: list[str], visible: bool) -> None:
        Field.made += 1
        self.number, self.type, self.visible = Field.made, kind, visible
        self.name, self.key = name, key_of(name)
        self.options = options

    def document(self) -> dict[str, Any]:
        return {
            "FieldName": self.name,
            "Key": self.key,
            "DataType": self.type,
            "FieldOptions": self.options,
            "VisibleInPreferenceCenter": self.visible,
        }


def key_of(name: str) -> str:
    """`subscription date` → `[subscriptiondate]`; a name without any ASCII gives `[]`."""
    return f"[{''.join(c for c in name if c.isascii() and not c.isspace() and c not in '[]')}]"


def lookup(where: List) -> dict[str, Field]:
    """Fields under every spelling a write may use: `[key]`, `key`, the name, in any case."""
    table: dict[str, Field] = {}
    for field in reversed(where.fields):
        for spelling in (field.name, field.key.strip("[]"), field.key):
            table[spelling] = table[spelling.lower()] = field
    return table


# values


def write(
    person: Subscriber, items: Any, table: dict[str, Field], clearing: bool, merge: bool, dry: bool = False
) -> bool:
    """Write `[{"Key", "Value", "Clear"?}]`; whether anything changed.

    What the API loses silently is lost silently: unknown keys and options, dates out of range,
    the end of a long text. An empty value leaves the old one; only Clear empties.
    """
    held, changed = person.fields, False
    sets: dict[int, tuple[Field, list[str], list[str]]] = {}
    for item in items:
        key = item["Key"]
        field = table.get(key) or table.get(key.lower())
        if field is None:
            continue
        value, number = item.get("Value"), field.number
        value = "" if value is None else value if type(value) is str else str(value)
        clear = clearing and item.get("Clear") is True
        if field.type == "MultiSelectMany":
            _, wanted, unwanted = sets.setdefault(number, (field, [], []))
            (unwanted if clear else wanted).append(value)
            continue
        if clear or (value == "0000-00-00" and field.type == "Date"):
            changed |= held.pop(number, None) is not None
            continue
        if not value:
            continue
        if field.type == "Text":
            value = value[:250]
        elif field.type == "Date":
            value = stored_date(value)
        elif field.type == "Number":
            value = value if NUMBER.match(value) else ""
        elif value not in field.options:
            continue
        if value and held.get(number) != value:
            held[number] = value
            changed = True
    for number, (field, wanted, unwanted) in sets.items():
        known = [option for option in wanted if option in field.options]
        before = held.get(number, [])
        kept = [] if "" in unwanted or (known and not merge) else before
        chosen = {*kept, *known} - set(unwanted)
        after = [option for option in field.options if option in chosen]
        if after != before:
            changed = True
            if after:
                held[number] = after
            else:
                held.pop(number, None)
    return changed


def stored_date(value: str) -> str:
    """`2026/2/3` → `2026-02-03`; empty when the API would silently ignore it."""
    if not (match := DATE.match(value)):
        return ""
    year, month, day = map(int, match.groups())
    date = f"{year:04d}-{month:02d}-{day:02d}"
    real = 1 <= month <= 12 and 1 <= day <= 31 and not (month in (4, 6, 9, 11) and day == 31)
    return date if real and "1900-01-01" <= date <= "2076-06-06" else ""


def read(where: List, person: Subscriber) -> list[dict[str, str]]:
    """`[{"Key": FieldName, "Value"}]`, a MultiSelectMany as repeated keys."""
    shown: list[dict[str, str]] = []
    for field in where.fields:
        value = person.fields.get(field.number)
        if type(value) is str:
            shown.append({"Key": field.name, "Value": value})
        elif value is not None:
            shown += [{"Key": field.name, "Value": option} for option in value]
    return shown


# the fields themselves


def by_key(where: List, key: str) -> Field:
    if not (key.startswith("[") and key.endswith("]")):
        raise CMError(253)
    for field in where.fields:
        if field.key.lower() == key.lower():
            return field
    raise CMError(253)


def check_name(where: List, name: Any, but: Field | None = None) -> str:
    if not isinstance(name, str):
        raise unreadable("customField")
    name = name.strip()
    if not name or len(name) > 100:
        raise CMError(254)
    for other in where.fields:
        if other is not but and (other.name.lower() == name.lower() or other.key.lower() == key_of(name).lower()):
            raise CMError(255)
    return str(name)


def check_options(kind: str, given: Any) -> list[str]:
    if given is not None and not (isinstance(given, list) and all(isinstance(one, str) for one in given)):
        raise unreadable("customField")
    options = list(dict.fromkeys(one.strip() for one in given or [] if one.strip()))
    if options and kind not in MULTI:
        raise CMError(256)
    if not options and kind in MULTI:
        raise CMError(257)
    return options


def create(account: Account, where: List, body: dict[str, Any]) -> Field:
    kind = next((one for one in TYPES if one.lower() == str(body.get("DataType")).lower()), None)
    name = check_name(where, body.get("FieldName"))
    if kind is None:
        raise CMError(259)
    options = check_options(kind, body.get("Options"))
    if len(where.fields) >= int(account.faults.get("field_limit", 1_000_000)):
        raise CMError(258)
    visible = bool(body.get("VisibleInPreferenceCenter", True))
    field = Field(name, kind, GENERATED.get(kind, options), visible)
    where.fields.append(field)
    return field


def rename(where: List, field: Field, body: dict[str, Any]) -> str:
    """A new name makes a new key; segment rules follow it."""
    if "FieldName" in body:
        field.name = check_name(where, body["FieldName"], but=field)
        old, field.key = field.key, key_of(field.name)
        for segment in where.segments.values():
            segment.groups = [[(field.key if t == old else t, c) for t, c in group] for group in segment.groups]
    field.visible = bool(body.get("VisibleInPreferenceCenter", field.visible))
    where.version += 1
    return field.key


def set_options(account: Account, where: List, field: Field, body: dict[str, Any]) -> None:
    """Options are matched by their text. Those that go are taken from everyone who held them."""
    if field.type not in MULTI:
        raise CMError(256)
    options = check_options(field.type, body.get("Options"))
    if body.get("KeepExistingOptions", False):
        options = list(dict.fromkeys([*field.options, *options]))
    gone = set(field.options) - set(options)
    field.options = options
    for person in where.people.values() if gone else ():
        value = person.fields.get(field.number)
        if isinstance(value, str) and value in gone:
            del person.fields[field.number]
        elif isinstance(value, list) and gone.intersection(value):
            person.fields[field.number] = [one for one in value if one not in gone]
    if account.faults.get("options_drop_rules"):
        drop_rules(where, field)
    where.version += 1


def delete(where: List, field: Field) -> None:
    drop_rules(where, field)
    where.fields.remove(field)
    for person in where.people.values():
        person.fields.pop(field.number, None)
    where.version += 1


def drop_rules(where: List, field: Field) -> None:
    """A segment left without rules then holds everyone: the accident the relay has to repair."""
    names = {field.key.lower(), field.key.strip("[]").lower(), field.name.lower()}
    for segment in where.segments.values():
        kept = [[rule for rule in group if rule[0].lower() not in names] for group in segment.groups]
        segment.groups = [group for group in kept if group]
