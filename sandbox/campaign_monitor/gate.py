"""What stands before every API call: faults, then who is calling; only then is there a route."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from typing import Any

import orjson
from flask import Blueprint, Response, g, request

from sandbox.campaign_monitor import oauth
from sandbox.campaign_monitor.account import Account
from sandbox.campaign_monitor.errors import CMError, unreadable
from sandbox.campaign_monitor.state import account
from sandbox.control import answer

routes = Blueprint("gate", __name__)
API_KEY = "sandbox"
ROOT = "/api/v3.3/"


def body(field: str) -> dict[str, Any]:
    """The JSON object sent; lone surrogates and anything but an object cannot be deserialised."""
    try:
        value = orjson.loads(request.get_data())
    except orjson.JSONDecodeError:
        raise unreadable(field) from None
    if not isinstance(value, dict):
        raise unreadable(field)
    return value


def in_api() -> bool:
    return request.path.startswith(ROOT)


@routes.before_app_request
def strike() -> Response | None:
    """Nothing here holds the account's lock, so slow calls do not hold up others."""
    if not in_api():
        return None
    here = account()
    faults = here.faults
    write = request.method in ("POST", "PUT", "DELETE")
    here.calls.begin(kind(), write)
    g.counted = True
    if pattern := faults.get("only_paths"):
        g.spared = not re.search(pattern, request.path)
    if not g.get("spared"):
        time.sleep(float(faults.get("latency_ms", 0)) / 1000)
        if faults.get("drop_connection") not in (None, "after", False):
            faults.take("drop_connection")
            return drop()
        if faults.take("html_500"):
            return Response("<html><body><h1>Server Error</h1></body></html>", 500, mimetype="text/html")
        if status := faults.take("status"):
            return answer({"Code": int(status), "Message": "Simulated"}, int(status))
        if request.args.get("email") in (faults.get("spoils") or ()):
            raise CMError(500, 500)
        if code := faults.take("code"):
            raise CMError(int(code), {60: 401, 100: 401, 101: 401, 102: 401}.get(int(code), 400))
    check_credential(here)
    if here.writes is not None and write and request.path.startswith(f"{ROOT}subscribers/"):
        g.written = remember(here, here.writes)
    return None


def remember(here: Account, writes: list[dict[str, Any]]) -> dict[str, Any]:
    """{"method", "call", "email": asked for, "body", "before": {address: [state, suppressed]}, "status", "refused":
    addresses}: what a test needs to judge the write by itself. The last two come when it was answered."""
    sent = orjson.loads(request.get_data() or b"{}")
    email = request.args.get("email", "")
    entries = sent.get("Subscribers") or [sent]
    addresses = {str(one.get("EmailAddress") or "").lower() for one in entries} | {email.lower()} - {""}
    before = {}
    with here.lock:
        for where in here.lists.values():
            if where.id in request.path:
                for address in addresses:
                    person = where.get(address)
                    before[address] = [person.state if person else None, address in where.client.suppressed]
        writes.append({"method": request.method, "call": kind(), "email": email, "body": sent, "before": before})
    return writes[-1]


def check_credential(here: Account) -> None:
    given = request.authorization
    if given is not None and given.type == "bearer":
        if code := oauth.bearer_code(here, given.token or ""):
            raise CMError(code, 401)
    elif given is None or given.type != "basic" or given.username != API_KEY:
        raise CMError(100, 401)


def kind() -> str:
    """The call without its ids: `POST subscribers/{id}/import`."""
    path = re.sub(r"/[0-9a-f]{16,32}(?=[/.])", "/{id}", request.path.removeprefix(ROOT.rstrip("/")))
    path = re.sub(r"/customfields/\[.*?\](?=[/.])", "/customfields/{key}", path)
    return f"{request.method} {path.strip('/').removesuffix('.json')}"


def drop() -> Response:
    """Close the connection under the client's feet; what is answered after that goes nowhere."""
    held: socket.socket | None = request.environ.get("werkzeug.socket")
    if held:
        with contextlib.suppress(OSError):
            held.shutdown(socket.SHUT_RDWR)
    return Response(status=500)


@routes.after_app_request
def finish(response: Response) -> Response:
    if not g.get("counted"):
        return response
    if "written" in g:
        told = orjson.loads(response.data) if response.status_code == 400 else {}
        failures = (told.get("ResultData") or {}).get("FailureDetails") or ()
        g.written["status"] = response.status_code
        g.written["refused"] = {str(one["EmailAddress"]).lower() for one in failures}
    faults = account().faults
    if not g.get("spared"):
        time.sleep(float(faults.take("timeout_s", 0)))
        if faults.get("drop_connection") == "after":
            faults.take("drop_connection")
            return drop()
    if faults.get("bom") and response.data:
        response.set_data(b"\xef\xbb\xbf" + response.data)
    return response


@routes.teardown_app_request
def over(_: BaseException | None) -> None:
    if g.pop("counted", False):
        account().calls.end()


@routes.app_errorhandler(CMError)
def refuse(error: CMError) -> Response:
    return answer(error.document(), error.status)
