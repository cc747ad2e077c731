"""EHQ's HTTP API below `/api/v2` (contract §1.1, §5.3, §5.7)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Any, cast
from urllib.parse import urlencode

import orjson
from flask import Blueprint, Response, current_app, g, request

from sandbox.control import answer
from sandbox.ehq.groups import test_of
from sandbox.ehq.resources import group as group_resource
from sandbox.ehq.site import Site

routes = Blueprint("api", __name__, url_prefix="/api/v2")
LOGIN, PASSWORD, API_KEY = "sandbox", "sandbox", "sandbox"
SIGNING_KEY = b"sandbox"


def site() -> Site:
    return cast(Site, current_app.extensions["sandbox"])


def problem(status: int, code: str, headers: dict[str, str] | None = None) -> Response:
    return answer({"errors": [{"status": str(status), "code": code}]}, status, headers)


# tokens


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(value if isinstance(value, bytes) else orjson.dumps(value)).rstrip(b"=").decode()


def issue_token() -> str:
    lifetime = float(site().faults.get("token_lifetime_s", 3600))
    claims = {"sub": LOGIN, "exp": time.time() + lifetime}
    text = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
    return f"{text}.{part(hmac.new(SIGNING_KEY, text.encode(), hashlib.sha256).digest())}"


def token_holds(token: str) -> bool:
    text, _, signature = token.rpartition(".")
    if signature != part(hmac.new(SIGNING_KEY, text.encode(), hashlib.sha256).digest()):
        return False
    claims = text.partition(".")[2]
    return bool(orjson.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"] > time.time())


@routes.before_request
def strike() -> Response | None:
    """Count the call, do what the faults say, and only then look at who is calling."""
    faults, nth = site().faults, site().calls.begin(f"{request.method} {request.path}", False)
    g.counted = True
    time.sleep(float(faults.get("latency_ms", 0)) / 1000)
    wait = faults.get("retry_after_s")
    if status := faults.take("status"):
        return problem(int(status), "fault", wait and {"Retry-After": str(wait)})
    every = int(faults.get("status_429_every", 0))
    if every and nth % every == 0:
        return problem(429, "too_many_requests", {"Retry-After": "1"})
    if request.endpoint == "api.log_in":
        return None
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if request.headers.get("X-API-Token") == API_KEY or (scheme == "Bearer" and token_holds(bearer)):
        return None
    return problem(404, "not_found") if faults.get("auth_404") else problem(401, "invalid_token")


@routes.teardown_request
def over(_: BaseException | None) -> None:
    if g.pop("counted", False):
        site().calls.end()


@routes.post("/tokens")
def log_in() -> Response:
    try:
        given = orjson.loads(request.get_data())["data"]["attributes"]
        right = given["login"] == LOGIN and given["password"] == PASSWORD
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return problem(400, "malformed")
    if not right:
        return problem(403, "invalid_credentials")
    return answer({"data": {"type": "tokens", "id": "1", "attributes": {"token": issue_token()}}})


# lists


@routes.get("/users")
def list_users() -> Response:
    here = site()
    with here.lock:
        people = here.order
        if search := request.args.get("filters[search]"):
            people = [one for one in people if search.lower() in f"{one.email} {one.login}".lower()]
        if request.args.get("filters[sort][id]") == "desc":
            people = people[::-1]
        page, size, start = window(len(people))
        shown = people[start : start + size]
        users = here.users(shown)
        reply = listing(users, here.included(users), page, size, len(people))
        for person in here.random.sample(shown, min(int(here.faults.get("shift", 0)), len(shown))):
            here.remove(person)
    return reply


@routes.get("/groups")
def list_groups() -> Response:
    here = site()
    with here.lock:
        page, size, start = window(len(here.groups))
        groups = [one for one in here.groups.values() if one.id not in (here.faults.get("hide_groups") or ())]
        return listing([group_resource(one) for one in groups[start : start + size]], None, page, size, len(groups))


@routes.get("/groups/<int:id>/users")
def list_members(id: int) -> Response:
    here = site()
    if status := here.faults.get("members_status"):
        return problem(int(status), "fault")
    with here.lock:
        group = here.groups.get(id)
        if group is None or id in (here.faults.get("hide_groups") or ()):
            return problem(404, "not_found")
        test = test_of(group, here.questions, here.now())
        people = [person for person in here.order if test(person)]
        page, size, start = window(len(people))
        users = here.users(people[start : start + size])
        return listing(users, here.included(users), page, size, len(people))


def number(name: str, default: int) -> int:
    text = request.args.get(name, "")
    return max(1, int(text)) if text.isdigit() else default


def window(total: int) -> tuple[int, int, int]:
    """(page asked for, size granted, index of the first row), after what the faults make of them."""
    faults = site().faults
    page = number("page", 1)
    size = min(number("per_page", 100), int(faults.get("page_cap", 1000)))
    pages = max(1, -(-total // size))
    shown = 1 if faults.get("same_page") else (page - 1) % pages + 1 if faults.get("endless") else page
    start = (shown - 1) * size
    return page, size, (shown - 1) if faults.get("overlap") else start


def listing(data: list[Any], included: list[Any] | None, page: int, size: int, total: int) -> Response:
    here = site()
    faults = here.faults
    if page in (faults.get("fail_pages") or ()):
        return problem(403, "forbidden")
    if faults.get("html"):
        return Response("<!doctype html><title>Have your say</title><h1>Please log in</h1>", mimetype="text/html")
    document: dict[str, Any] = {"data": here.spell(data)}
    if included is not None:
        document["included"] = here.spell(included)
    pages = page + 1 if faults.get("endless") else max(1, -(-total // size))
    if not faults.get("no_meta"):
        short = faults.get("shrink_total", 0)
        short = short or (int(faults.get("shrinking", 0)) if page > 1 else 0)
        told = max(0, total - (total // 2 if short is True else int(short)))
        document["meta"] = here.spell(
            {"total": told, "total-pages": max(pages, 1) if told == total else -(-told // size)}
        )
    if not faults.get("no_links"):
        query = {**request.args.to_dict(), "page": page + 1, "per_page": size}
        document["links"] = {"next": f"{request.base_url}?{urlencode(query)}" if page < pages else None}
    return answer(document)
