"""EngagementHQ's API, contract §1, §5.3 and §5.7."""

from __future__ import annotations

from typing import Any

import pytest
import requests


def login(ehq: Any, password: str = "sandbox") -> requests.Response:
    sent = {"data": {"attributes": {"login": "sandbox", "password": password}}}
    return requests.post(ehq.root + "/tokens", json=sent, timeout=5)


def all_pages(ehq: Any, size: int = 100) -> list[dict[str, Any]]:
    found, page = [], 1
    while True:
        document = ehq.get("/users", page=page, per_page=size)
        found += document["data"]
        if not document["links"]["next"]:
            return found
        page += 1


def test_a_login_gives_a_token_and_a_bad_one_403(ehq: Any) -> None:
    token = login(ehq).json()["data"]["attributes"]["token"]
    assert token.startswith("eyJ")
    assert token.count(".") == 2
    reply = requests.get(ehq.root + "/users", headers={"Authorization": f"Bearer {token}"}, timeout=5)
    assert reply.status_code == 200
    assert login(ehq, "wrong").status_code == 403


@pytest.mark.parametrize("headers", [{}, {"X-API-Token": "wrong"}, {"Authorization": "Bearer a.b.c"}])
def test_nobody_else_gets_in(ehq: Any, headers: dict[str, str]) -> None:
    assert requests.get(ehq.root + "/users", headers=headers, timeout=5).status_code == 401
    ehq.faults(auth_404=True)
    assert requests.get(ehq.root + "/users", headers=headers, timeout=5).status_code == 404


def test_a_token_expires(ehq: Any) -> None:
    ehq.faults(token_lifetime_s=-1)
    token = login(ehq).json()["data"]["attributes"]["token"]
    assert requests.get(ehq.root + "/users", headers={"Authorization": f"Bearer {token}"}, timeout=5).status_code == 401


def test_a_user_is_a_whole_resource(ehq: Any) -> None:
    document = ehq.get("/users")
    user = document["data"][6]
    assert user["type"] == "users"
    assert isinstance(user["id"], str)
    assert set(user["attributes"]) == {
        *("login", "email", "unconfirmed-email", "role-name", "confirmed", "unconfirmed", "blocked"),
        *("role-before-blocking", "subscribed", "imported", "created-at", "updated-at", "last-seen-at"),
        *("participant-tag-list", "signup-answers"),
    }
    assert set(user["attributes"]["signup-answers"][0]) == {"question-id", "question", "type", "value"}
    named = {item["id"] for one in document["data"] for item in one["relationships"]["groups"]["data"]}
    assert named == {group["id"] for group in document["included"]}
    assert {"name", "kind"} <= set(document["included"][0]["attributes"])


def test_pages_reach_everyone_once(ehq: Any) -> None:
    first = ehq.get("/users")
    assert len(first["data"]) == 100
    assert first["meta"] == {"total": 250, "total-pages": 3}
    assert requests.get(first["links"]["next"], headers={"X-API-Token": "sandbox"}, timeout=5).ok
    people = all_pages(ehq)
    assert len({one["id"] for one in people}) == len(people) == 250
    assert ehq.get("/users", page=9)["data"] == []


def test_a_filter_finds_one_person(ehq: Any) -> None:
    email = ehq.get("/users")["data"][3]["attributes"]["email"]
    found = ehq.get("/users", **{"filters[search]": email})["data"]
    assert [one["attributes"]["email"] for one in found] == [email]


def test_the_other_spelling(ehq: Any) -> None:
    ehq.faults(spelling="snake")
    user = ehq.get("/users")["data"][0]
    assert (user["type"], type(user["id"]), user["attributes"]["id"]) == ("User", int, user["id"])
    assert {"role_name", "created_at", "signup_answers"} <= set(user["attributes"])
    assert ehq.get("/groups")["data"][0]["type"] == "Group"


def test_groups_are_filters_and_site_administrators_are_in_none(ehq: Any) -> None:
    groups = {one["attributes"]["name"]: one["id"] for one in ehq.get("/groups")["data"]}
    assert {"Female Only", "Pet owners", "Parks people", "Joined in the last 30 days"} <= set(groups)
    assert groups["Female Only"] == "7"
    for user in all_pages(ehq):
        inside = {item["id"] for item in user["relationships"]["groups"]["data"]}
        said = {item["question-id"]: item["value"] for item in user["attributes"]["signup-answers"]}
        if user["attributes"]["role-name"] == "site_admin":
            assert inside == set()
        else:
            assert ("7" in inside) == (said.get("13") == "Female")
            assert (groups["Parks people"] in inside) == ("Parks, gardens" in (said.get("14") or []))


def test_the_passing_of_days_alone_changes_a_group(ehq: Any) -> None:
    email = ehq.act("register")["people"][0]["email"]

    def recent() -> bool:
        user = ehq.sandbox(f"people.json?email={email}")["people"][0]
        return "21" in {item["id"] for item in user["relationships"]["groups"]["data"]}

    assert recent()
    ehq.faults(clock_skew_s=31 * 86_400)
    assert not recent()


@pytest.mark.parametrize(
    ("fault", "value", "page", "expected"),
    [
        ("status", 500, 1, {"status": 500}),
        ("fail_pages", [2], 1, {"status": 200}),
        ("fail_pages", [2], 2, {"status": 403}),
        ("status_429_every", 1, 1, {"status": 429, "retry": "1"}),
        ("html", True, 1, {"status": 200, "html": True}),
        ("endless", True, 10, {"rows": 100, "next": True}),
        ("same_page", True, 3, {"first": "1001"}),
        ("page_cap", 7, 1, {"rows": 7}),
        ("no_meta", True, 1, {"meta": False}),
        ("no_links", True, 1, {"links": False}),
        ("shrink_total", 50, 1, {"total": 200}),
        ("latency_ms", 60, 1, {"slow": 0.06}),
    ],
)
def test_faults_of_the_pull(ehq: Any, fault: str, value: Any, page: int, expected: dict[str, Any]) -> None:
    ehq.faults(**{fault: value})
    reply = ehq.call("GET", "/users", params={"page": page})
    is_json = reply.headers["Content-Type"].startswith("application/json")
    body = reply.json() if is_json and reply.ok else {}
    seen = {
        "status": reply.status_code,
        "retry": reply.headers.get("Retry-After"),
        "html": not is_json,
        "rows": len(body.get("data", [])),
        "next": bool((body.get("links") or {}).get("next")),
        "first": body["data"][0]["id"] if body.get("data") else None,
        "meta": "meta" in body,
        "links": "links" in body,
        "total": body.get("meta", {}).get("total"),
    }
    if "slow" in expected:
        assert reply.elapsed.total_seconds() >= expected.pop("slow")
    assert {name: seen[name] for name in expected} == expected


def test_someone_leaves_between_two_pages_and_someone_else_is_missed(ehq: Any) -> None:
    ehq.faults(shift=1)
    seen = {one["id"] for one in all_pages(ehq, 50)}
    still_there = {one["id"] for one in ehq.sandbox("people.json")["people"]}
    assert still_there - seen


def test_a_blocked_role_hides_the_old_one(ehq: Any) -> None:
    id = ehq.act("block")["people"][0]["id"]
    before = ehq.sandbox(f"people.json?id={id}")["people"][0]["attributes"]
    assert (before["role-name"], before["role-before-blocking"]) == ("participant", None)
    ehq.faults(role_blocked=True)
    after = ehq.sandbox(f"people.json?id={id}")["people"][0]["attributes"]
    assert (after["role-name"], after["role-before-blocking"]) == ("blocked", "participant")


def test_the_members_of_one_group_are_users_page_by_page(ehq: Any) -> None:
    first = ehq.get("/groups/7/users", page=1, per_page=2)
    rest = ehq.get("/groups/7/users", page=2, per_page=1000)
    assert [one["type"] for one in first["data"]] == ["users", "users"]
    everyone = {one["id"]: [g["id"] for g in one["relationships"]["groups"]["data"]] for one in all_pages(ehq)}
    listed = ehq.get("/groups/7/users", per_page=1000)
    assert {one["id"] for one in listed["data"]} == {i for i, groups in everyone.items() if "7" in groups}
    assert listed["meta"]["total"] == len(listed["data"])
    assert rest["links"]["next"] is None
    assert (
        requests.get(ehq.root + "/groups/999/users", headers={"X-API-Token": "sandbox"}, timeout=5).status_code == 404
    )
