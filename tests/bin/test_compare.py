"""The demonstration's own judge: it must find nothing where both sides agree, and every kind of difference."""

import sys
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from sandbox.ehq.resources import group
from sandbox.ehq.site import Site

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bin" / "lib"))

from compare import compare


@pytest.fixture(scope="module")
def ehq() -> Any:
    site = Site(200, 1, "haveyoursay.example.gov.au")
    questions = [{"id": str(one.id), "question": one.label, "type": one.type} for one in site.questions]
    groups = [group(one) for one in site.groups.values()]
    return {"people": site.users(site.order), "groups": groups, "questions": questions}


@pytest.fixture
def cm(ehq: Any) -> Any:
    """What Campaign Monitor should hold of these people."""
    names = {one["id"]: one["attributes"]["name"] for one in ehq["groups"]}
    people, members = [], Counter(dict.fromkeys(names.values(), 0))
    for person in ehq["people"]:
        told = person["attributes"]
        if told["blocked"] or not told["subscribed"]:
            continue
        groups = [names[one["id"]] for one in person["relationships"]["groups"]["data"]]
        members.update(groups)
        answers = {one["question"]: one["value"] for one in told["signup-answers"] if one["value"]}
        fields = {name: value if isinstance(value, list) else str(value)[:250] for name, value in answers.items()}
        fields |= {
            "EHQ ID": person["id"],
            "Role": told["role-name"],
            "Joined": told["created-at"][:10],
            "Blocked": "No",
        }
        fields |= {"Activated": "Yes" if told["confirmed"] else "No"}
        fields |= {"Tags": told["participant-tag-list"], "Groups": groups}
        name = " ".join(filter(None, (answers.get("First name"), answers.get("Last name"))))
        people.append({"email": told["email"].upper(), "name": name, "state": "Active", "fields": fields})
    segments = [{"Title": name, "ActiveSubscribers": count} for name, count in members.items()]
    return {"subscribers": people, "segments": segments}


def different(ehq: Any, cm: Any) -> list[str]:
    return [name for name, check in compare(ehq, cm).items() for _ in check.differences]


def test_both_agree(ehq: Any, cm: Any) -> None:
    assert different(ehq, cm) == []
    assert sum(check.checked for check in compare(ehq, cm).values()) > 2_000


@pytest.mark.parametrize(
    ("field", "value", "row"),
    [
        ("Gender", "Unknown", "Answers"),
        ("I am interested in", ["Nothing"], "Answers"),
        ("Old question", "x", "Nothing besides"),
        ("Role", "site_admin", "Role"),
        ("Activated", "Maybe", "Activated"),
        ("Blocked", "Yes", "Blocked"),
        ("Joined", "2001-01-01", "Joined"),
        ("Tags", ["Other"], "Tags"),
        ("Groups", ["Other"], "Groups"),
        ("EHQ ID", "1", "EHQ ID"),
    ],
)
def test_a_wrong_field_is_found(ehq: Any, cm: Any, field: str, value: Any, row: str) -> None:
    cm["subscribers"][20]["fields"][field] = value
    assert different(ehq, cm) == [row]


def test_a_wrong_name_is_found(ehq: Any, cm: Any) -> None:
    cm["subscribers"][20]["name"] = "Somebody Else"
    assert different(ehq, cm) == ["Name"]


def test_who_is_missing_or_inactive_is_found(ehq: Any, cm: Any) -> None:
    cm["subscribers"][3]["state"] = "Deleted"
    del cm["subscribers"][7]
    assert different(ehq, cm) == ["On the list", "On the list"]


def test_who_should_have_left_is_found(ehq: Any, cm: Any) -> None:
    changed = deepcopy(ehq)
    told = next(one for one in changed["people"] if one["attributes"]["email"].upper() == cm["subscribers"][5]["email"])
    told["attributes"]["blocked"] = True
    assert "Off the list: unsubscribed or blocked" in different(changed, cm)


def test_a_stranger_is_found(ehq: Any, cm: Any) -> None:
    cm["subscribers"].append({"email": "stranger@example.com", "name": "", "state": "Active", "fields": {}})
    assert different(ehq, cm) == ["Nobody else"]


def test_a_segment_gone_wrong_is_found(ehq: Any, cm: Any) -> None:
    cm["segments"][0]["ActiveSubscribers"] += 1
    cm["segments"][1]["Title"] = "Renamed by hand"
    assert different(ehq, cm) == ["Members of segments"] * 3
