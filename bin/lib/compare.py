"""Does the simulated Campaign Monitor hold what the simulated EngagementHQ says?

The rules of docs/mapping.md, written a second time on purpose: this shares no code with the relay, so that a misreading
there shows up here.
"""

from collections import Counter, defaultdict
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
    """`ehq` is the simulator's people.json, `cm` its list; by what is compared, in the order of the table."""
    checks: dict[str, Check] = defaultdict(Check)
    held = {one["email"].lower(): one for one in cm["subscribers"]}
    people = {person["attributes"]["email"].lower(): person for person in ehq["people"]}
    names = {str(group["id"]): group["attributes"]["name"] for group in ehq["groups"]}
    members: Counter[str] = Counter()
    for address, person in people.items():
        state = held.get(address, {}).get("state", "not there")
        if belongs(person):
            checks["On the list"].see(address, "Active", state)
            if state == "Active":
                one_person(checks, address, person, held[address], ehq["questions"], names)
            members.update(groups(person, names))
        else:
            kept_off = "Active" if state == "Active" else "not Active"
            checks["Off the list: unsubscribed or blocked"].see(address, "not Active", kept_off)
    for address, one in held.items():
        if one["state"] == "Active" and address not in people:
            checks["Nobody else"].see(address, "nobody", "Active")
    segments = {one["Title"]: one["ActiveSubscribers"] for one in cm["segments"]}
    for name in names.values():
        checks["Members of segments"].see(name, members[name], segments.pop(name, "no such segment"))
    for name in segments:
        checks["Members of segments"].see(name, "no such segment", "one")
    return dict(checks)


def belongs(person: Json) -> bool:
    return bool(person["attributes"]["subscribed"]) and not person["attributes"]["blocked"]


def one_person(
    checks: dict[str, Check], address: str, person: Json, one: Json, questions: list[Json], names: dict[str, str]
) -> None:
    found = {name.lower(): value for name, value in one.get("fields", {}).items()}
    by_label = {question["question"]: answer(person, question) for question in questions}
    full_name = " ".join(str(by_label.get(part) or "") for part in ("First name", "Last name")).strip()
    checks["Name"].see(address, full_name, one.get("name"))
    for name, expected in facts(person, names).items():
        value = as_said(expected, found.pop(name.lower(), None))
        if name == "Groups":  # an option may carry the group's id, so that two groups with one name stay apart
            value = frozenset(option.rpartition(" [")[0] if option.endswith("]") else option for option in value)
        if name == "Role":
            value = str(value).lower().replace(" ", "_")
        checks[name].see(address, expected, value)
    for label, expected in by_label.items():
        name = label[:100].strip().lower()
        value = found.pop(f"{name} (2)" if name in OWN_FIELDS else name, None)
        checks["Answers"].see(f"{address}, {label}", expected, as_said(expected, value))
    for name, value in found.items():
        if value:
            checks["Nothing besides"].see(f"{address}, {name}", None, value)


def facts(person: Json, names: dict[str, str]) -> Json:
    told = person["attributes"]
    return {
        "EHQ ID": str(person["id"]),
        "Role": told["role-before-blocking"] or told["role-name"],
        "Activated": "Yes" if told["confirmed"] else "No",
        "Blocked": "No",  # whoever is blocked is not on the list
        "Joined": datetime.fromisoformat(told["created-at"]).date().isoformat(),
        "Tags": frozenset(told["participant-tag-list"]),
        "Groups": frozenset(groups(person, names)),
    }


def groups(person: Json, names: dict[str, str]) -> list[str]:
    return [names[str(one["id"])] for one in person["relationships"]["groups"]["data"]]


def answer(person: Json, question: Json) -> Any:
    """None when there is none; a set for tick boxes."""
    for one in person["attributes"]["signup-answers"]:
        if one["question-id"] == question["id"]:
            given = one["value"]
            if isinstance(given, list):
                return frozenset(given)
            if given is None or given == "":
                return None
            return given if isinstance(given, int | float) else str(given)[:LONGEST].strip()
    return frozenset() if question["type"] == "checkbox" else None


def as_said(expected: Any, found: Any) -> Any:
    """What Campaign Monitor shows (text, or a list of options), in the type of what is expected."""
    many = found if isinstance(found, list) else [found] if found else []
    if isinstance(expected, frozenset):
        return frozenset(many)
    if not many:
        return None
    text = str(many[0]) if len(many) == 1 else str(many)
    if isinstance(expected, int | float):
        return float(text) if text.replace(".", "", 1).lstrip("-").isdigit() else text
    return text.replace("/", "-") if text.replace("/", "-") == expected else text.strip()


def shown(value: Any) -> str:
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or "none"
    return "nothing" if value in (None, "") else str(value)
