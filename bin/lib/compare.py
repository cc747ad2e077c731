"""Does the simulated Campaign Monitor hold what the simulated EngagementHQ says? The rules of docs/mapping.md, written
a second time on purpose: this shares no code with the relay, so that a misreading there shows up here."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Json = dict[str, Any]
OWN_FIELDS = {"role", "activated", "blocked", "joined", "tags", "groups", "ehq id"}  # these win a clash of names
LONGEST = 250  # characters Campaign Monitor keeps of a value


@dataclass
class Check:
    """One row of the table: how many things were compared, and each that differed."""

    checked: int = 0
    differences: list[str] = field(default_factory=list)

    def see(self, where: str, expected: Any, found: Any) -> None:
        self.checked += 1
        if expected != found:
            self.differences.append(f"{where}: expected {shown(expected)}, found {shown(found)}")


def compare(ehq: Json, cm: Json) -> dict[str, Check]:
    checks: dict[str, Check] = defaultdict(Check)
    held = {one["email"].lower(): one for one in cm["subscribers"]}
    belong = {}
    for person in ehq["people"]:
        told = person["attributes"]
        if told["subscribed"] and not told["blocked"]:
            belong[told["email"].lower()] = person
    for address in belong:
        checks["On the list"].see(address, "Active", held.get(address, {}).get("state", "nobody"))
    for person in ehq["people"]:
        address = person["attributes"]["email"].lower()
        if address not in belong:
            active = held.get(address, {}).get("state") == "Active"
            checks["Not on the list: unsubscribed or blocked"].see(
                address, "not Active", "Active" if active else "not Active"
            )
    for address, one in held.items():
        if one["state"] == "Active":
            checks["Nobody else on the list"].see(
                address, "known to EHQ", "known to EHQ" if address in belong else "a stranger"
            )
    names = {str(group["id"]): group["attributes"]["name"] for group in ehq["groups"]}
    members: dict[str, int] = dict.fromkeys(names.values(), 0)
    for address, person in belong.items():
        fields = {name.lower(): value for name, value in held.get(address, {}).get("fields", {}).items()}
        for name, expected in facts(person, names).items():
            checks[name].see(address, expected, as_said(expected, fields.get(name.lower())))
        for question in ehq["questions"]:
            expected = answer(person, question)
            checks["Answers"].see(
                f"{address}, {question['question']}", expected, as_said(expected, fields.get(field_name(question)))
            )
        for group in groups(person, names):
            members[group] += 1
    segments = {one["title"]: one["members"] for one in cm["segments"]}
    for name, count in members.items():
        checks["Segments"].see(name, count, segments.get(name, "no such segment"))
    for name in segments.keys() - members.keys():
        checks["Segments"].see(name, "no such group", "a segment")
    return dict(checks)


def facts(person: Json, names: dict[str, str]) -> Json:
    told = person["attributes"]
    joined = datetime.fromisoformat(told["created-at"]).date().isoformat()
    return {
        "EHQ ID": str(person["id"]),
        "Role": told["role-before-blocking"] or told["role-name"],
        "Activated": "Yes" if told["confirmed"] else "No",
        "Blocked": "No",  # whoever is blocked is not on the list
        "Joined": joined,
        "Tags": frozenset(told["participant-tag-list"]),
        "Groups": frozenset(groups(person, names)),
    }


def groups(person: Json, names: dict[str, str]) -> list[str]:
    return [names[str(one["id"])] for one in person["relationships"]["groups"]["data"]]


def answer(person: Json, question: Json) -> Any:
    """None when there is none; a set for tick boxes."""
    given = next(
        (one["value"] for one in person["attributes"]["signup-answers"] if one["question-id"] == question["id"]), None
    )
    if isinstance(given, list):
        return frozenset(given)
    if given is None or isinstance(given, int | float):
        return given
    return str(given)[:LONGEST].strip()


def field_name(question: Json) -> str:
    name = question["question"][:100].strip().lower()
    return f"{name} (2)" if name in OWN_FIELDS else name


def as_said(expected: Any, found: Any) -> Any:
    """What Campaign Monitor shows, in the type of what is expected: it knows text, lists of options, and dates."""
    many = found if isinstance(found, list) else [] if found in (None, "") else [found]
    if isinstance(expected, frozenset):
        return frozenset(many)
    if not many:
        return None
    if isinstance(expected, int | float):
        try:
            return float(many[0])
        except ValueError:
            return many[0]
    text = str(many[0]).strip() if len(many) == 1 else many
    looks_like_date = (
        isinstance(text, str) and len(text) >= 10 and text[4:5] in "-/" and text[7:8] in "-/" and text[:4].isdigit()
    )
    return f"{text[:4]}-{text[5:7]}-{text[8:10]}" if looks_like_date and len(str(expected)) == 10 else text


def shown(value: Any) -> str:
    return (
        ", ".join(sorted(value)) or "none"
        if isinstance(value, frozenset)
        else "nothing"
        if value is None
        else str(value)
    )
