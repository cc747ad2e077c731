"""The HTTP API for people: write, read, list (contract §4, §5.3).

Every path ends in `.json`. Ids of what was created come back as bare JSON strings; PUT and DELETE
answer with empty bodies.
"""

from __future__ import annotations

import time

from flask import Blueprint, Response, request

from sandbox.campaign_monitor import paging, subscribers
from sandbox.campaign_monitor.account import STATES, local
from sandbox.campaign_monitor.errors import CMError
from sandbox.campaign_monitor.gate import body
from sandbox.campaign_monitor.state import empty, locked
from sandbox.control import answer

routes = Blueprint("api", __name__, url_prefix="/api/v3.3")


# people


@routes.post("/subscribers/<list_id>.json")
def add(list_id: str) -> Response:
    with locked() as here:
        return answer(subscribers.add(here, here.list(list_id), body("subscriber")), 201)


@routes.put("/subscribers/<list_id>.json")
def update(list_id: str) -> Response:
    with locked() as here:
        subscribers.update(here, here.list(list_id), request.args.get("email", ""), body("subscriber"))
    return empty()


@routes.get("/subscribers/<list_id>.json")
def read(list_id: str) -> Response:
    with locked() as here:
        where = here.list(list_id)
        person = where.get(request.args.get("email", ""))
        if person is None:
            raise CMError(203)
        shown = paging.row(where, person, paging.wants("includetrackingpreference"), True)
        return answer(shown)


@routes.delete("/subscribers/<list_id>.json")
def delete(list_id: str) -> Response:
    with locked() as here:
        subscribers.delete(here, here.list(list_id), request.args.get("email", ""))
    return empty()


@routes.post("/subscribers/<list_id>/unsubscribe.json")
def unsubscribe(list_id: str) -> Response:
    with locked() as here:
        subscribers.unsubscribe(here, here.list(list_id), body("subscriber").get("EmailAddress"))
    return empty()


@routes.get("/subscribers/<list_id>/history.json")
def history(list_id: str) -> Response:
    with locked() as here:
        if here.list(list_id).get(request.args.get("email", "")) is None:
            raise CMError(203)
    return answer([])


@routes.post("/subscribers/<list_id>/import.json")
def import_people(list_id: str) -> Response:
    """Slow outside the lock, so that a second import to the same list can be seen to overlap."""
    sent = body("subscribers")
    with locked() as here:
        where = here.list(list_id)
        where.importing += 1
        if where.importing > 1:
            here.violation("concurrent_imports", where)
    try:
        count = len(sent["Subscribers"]) if isinstance(sent.get("Subscribers"), list) else 0
        time.sleep(float(here.faults.get("import_s_per_1000", 0)) * count / 1000)
        with here.lock:
            return answer(subscribers.import_people(here, where, sent), 201)
    finally:
        with here.lock:
            where.importing -= 1


# people by state


@routes.get(f"/lists/<list_id>/<any({','.join(STATES).lower()}):state>.json")
def people_by_state(list_id: str, state: str) -> Response:
    with locked() as here:
        where = here.list(list_id)
        by, down = paging.order(("email", "name", "date"), "email")
        return answer(paging.people(where, where.in_state(state.title(), by), by, down))


@routes.get("/systemdate.json")
def system_date() -> Response:
    return answer({"SystemDate": local(int(time.time()))})
