"""The JSON:API resources of the contract (§5.3), in both spellings EHQ is known to use."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sandbox.ehq.groups import Group
from sandbox.people import MISSING, Person, Question


def iso(ms: int | None) -> str | None:
    """`2026-02-03T04:05:06.789Z`"""
    if ms is None:
        return None
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def answers(person: Person, questions: Iterable[Question], options: bool = False) -> list[dict[str, Any]]:
    """What the person said; a question they were never asked is left out, an unanswered one is null."""
    return [
        {"question-id": str(question.id), "question": question.label, "type": question.type, "value": value}
        | ({"options": list(question.options)} if options and question.options else {})
        for question, value in zip(questions, person.answers, strict=False)
        if value is not MISSING and question.type != "removed"
    ]


def user(
    person: Person,
    questions: list[Question],
    groups: Iterable[Group],
    role_blocked: bool = False,
    options: bool = False,
) -> dict[str, Any]:
    """One person; with `role_blocked`, a blocked one's role reads "blocked" and the old one stands beside."""
    hidden = role_blocked and person.blocked
    return {
        "type": "users",
        "id": str(person.id),
        "attributes": {
            "login": person.login,
            "email": person.email,
            "unconfirmed-email": person.unconfirmed_email,
            "role-name": "blocked" if hidden else person.role,
            "confirmed": person.confirmed,
            "unconfirmed": not person.confirmed,
            "blocked": person.blocked,
            "role-before-blocking": person.role if hidden else None,
            "subscribed": person.subscribed,
            "imported": person.imported,
            "created-at": iso(person.created_at),
            "updated-at": iso(person.updated_at),
            "last-seen-at": iso(person.last_seen_at),
            "participant-tag-list": list(person.tags),
            "signup-answers": answers(person, questions, options),
        },
        "relationships": {"groups": {"data": [{"type": "groups", "id": str(group.id)} for group in groups]}},
    }


def group(one: Group) -> dict[str, Any]:
    return {
        "type": "groups",
        "id": str(one.id),
        "attributes": {"name": one.name, "kind": one.kind, "updated-at": iso(one.updated_at)},
    }


def spelled(value: Any, spelling: str) -> Any:
    """The same document as the vendor's reference spells it: snake_case, `User`, integer ids."""
    if spelling != "snake":
        return value
    if isinstance(value, list):
        return [spelled(item, spelling) for item in value]
    if not isinstance(value, dict):
        return value
    out: dict[str, Any] = {}
    for key, item in value.items():
        if key == "type" and item in ("users", "groups", "tokens", "signup-forms"):
            item = item[:-1].title().replace("-F", "F")
        elif key in ("id", "question-id") and str(item).isdigit():
            item = int(item)
        out[key.replace("-", "_")] = spelled(item, spelling)
    if "attributes" in out and "id" in out:
        out["attributes"] = {"id": out["id"], **out["attributes"]}
    return out
