"""The door for EHQ's webhooks: `POST /webhooks/ehq/<connection>` (design §6; EHQ contract §5.1)."""

import time
from collections import deque
from collections.abc import Mapping
from typing import Any, cast

from flask import Blueprint, Flask, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from relay.errors import Invalid, RelayError
from relay.store.database import Unavailable
from relay.sync.connections import hooks
from relay.sync.intake import hints
from relay.sync.intake.receive import NotGenuine, Receiver, UnknownConnection
from relay.sync.parts import Parts
from relay.web.access import place

blueprint = Blueprint("webhooks", __name__, url_prefix="/webhooks")
LARGEST_BODY = 256 * 1024
LARGEST_NOTICE = 8 * 1024 * 1024
"""Of CM's posts, which hold up to 1,000 people with their answers; one cannot be told to come in parts."""
JSON_TYPES = ("application/json", "application/vnd.api+json")
RETRY_AFTER_S = "5"
FORGERIES, FORGERIES_S = 60, 60.0
"""Failed verifications from one address before it is told to wait: a genuine delivery is never answered 429."""


@blueprint.post("/ehq/<connection>")
def receive(connection: str) -> tuple[Response, int] | Response:
    if request.mimetype not in JSON_TYPES:
        return problem(415, "The body must be application/json.")
    # Whatever length is announced, no more than this is read; werkzeug cuts off what comes in chunks.
    request.max_content_length = LARGEST_BODY + 1
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        body = None
    if body is None or len(body) > LARGEST_BODY:
        return problem(413, "The body is larger than 256 KiB.")
    if not connection.isprintable():  # PostgreSQL takes no NUL, not even to look for
        return problem(404, "There is no such connection.")
    receiver: Receiver = current_app.extensions["receiver"]
    try:
        new = receiver.receive(connection, cast(Mapping[str, str], request.headers), body)
    except NotGenuine as error:
        return not_genuine(error)
    except UnknownConnection as error:
        return problem(404, error.message)
    except Invalid as error:
        return problem(400, error.message)
    except Unavailable as error:
        return problem(503, f"{error.message} Please send it again.", {"Retry-After": RETRY_AFTER_S})
    answer = "stored" if new else "seen before"
    receiver.parts.meters.count("deliveries", answer)
    return jsonify(status=answer), 202 if new else 200


@blueprint.post("/campaign-monitor/<connection>/<token>")
def campaign_monitor(connection: str, token: str) -> tuple[Response, int] | Response:
    """Where CM says that something happened on the list (CM contract §8): unsigned, so the address is the secret."""
    parts: Parts = current_app.extensions["relay"]
    if not connection.isprintable():
        return problem(404, "There is no such address.")
    try:
        known = hooks.genuine(parts, connection, token)
        request.max_content_length = LARGEST_NOTICE
        hints.hear(parts, known, request.get_data(cache=False))
    except UnknownConnection as error:
        return not_genuine(error, 404)
    except RequestEntityTooLarge:
        return problem(413, "The body is larger than 8 MiB.")
    except Invalid as error:
        return problem(400, error.message)
    return jsonify(status="taken"), 200


_forgeries: dict[str, deque[float]] = {}


def not_genuine(error: RelayError, status: int = 401) -> Response:
    """401 or 404, and 429 for an address that keeps trying; only failures are counted, and only in this process."""
    now, address = time.monotonic(), place()
    if len(_forgeries) > 10_000:
        _forgeries.clear()
    times = _forgeries.setdefault(address, deque(maxlen=FORGERIES))
    times.append(now)
    if len(times) == FORGERIES and now - times[0] < FORGERIES_S:
        return problem(429, "Too many deliveries that were not genuine.", {"Retry-After": "60"})
    return problem(status, error.message)


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """An RFC 9457 problem document."""
    if request.path.startswith("/webhooks/ehq"):
        current_app.extensions["receiver"].parts.meters.count("deliveries", str(status))
    title = HTTP_TITLES.get(status, "Error")
    response = jsonify(type="about:blank", title=title, status=status, detail=detail)
    response.status_code = status
    response.mimetype = "application/problem+json"
    response.headers.update(headers or {})
    return response


HTTP_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def answer_problems(app: Flask) -> None:
    """The framework's own errors below /webhooks are problem documents too; elsewhere they stay what they are."""

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Any:
        if not request.path.startswith("/webhooks"):
            return error
        answer = problem(error.code or 500, error.description or error.name)
        allow = error.get_response().headers.get("Allow")
        if allow:
            answer.headers["Allow"] = allow
        return answer

    @app.errorhandler(RelayError)
    def relay_error(error: RelayError) -> Any:
        if isinstance(error, Unavailable):
            return problem(503, error.message, {"Retry-After": RETRY_AFTER_S})
        return problem(500, "The relay could not take this just now.")
