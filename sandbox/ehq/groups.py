"""Groups are saved filters (contract §3.6): who is in one is worked out whenever somebody asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.people import DAY, MISSING, Person, Question


@dataclass(slots=True)
class Group:
    """`rule` is one of

    `{"question": 13, "is": "Female"}` · `{"question": 14, "has": "Roads"}` · `{"tag": "Pet owner"}` ·
    `{"joined_days": 30}` · `{"email_contains": "example.org"}` · `{"members": True}` (a fixed set).
    """

    id: int
    name: str
    rule: dict[str, Any]
    updated_at: int
    members: set[int] = field(default_factory=set)

    @property
    def kind(self) -> str:
        return "unknown" if "members" in self.rule else "tag" if "tag" in self.rule else "filter"


def test_of(group: Group, questions: list[Question], now: int) -> Callable[[Person], bool]:
    """The group's filter as a function. Site administrators are never in a group."""
    rule = group.rule
    if "members" in rule:
        return lambda person: person.id in group.members and person.role != "site_admin"
    if "tag" in rule:
        tag = rule["tag"]
        return lambda person: tag in person.tags and person.role != "site_admin"
    if "joined_days" in rule:
        since = now - int(rule["joined_days"]) * DAY
        return lambda person: person.created_at >= since and person.role != "site_admin"
    if "email_contains" in rule:
        part = str(rule["email_contains"]).lower()
        return lambda person: part in person.email.lower() and person.role != "site_admin"
    if "question" in rule:
        place = next((n for n, one in enumerate(questions) if one.id == int(rule["question"])), None)
        wanted, many = (rule["has"], True) if "has" in rule else (rule.get("is"), False)

        def answered(person: Person) -> bool:
            if place is None or place >= len(person.answers) or person.role == "site_admin":
                return False
            given = person.answers[place]
            if given is None or given is MISSING:
                return False
            return bool(wanted in given if many else given == wanted)

        return answered
    return lambda person: False
