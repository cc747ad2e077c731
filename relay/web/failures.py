"""The page for every failure: what happened, and what to do."""

import time
from collections.abc import Iterable
from typing import Any

import structlog
from flask import Flask, current_app, make_response, render_template, request
from flask_limiter import RateLimitExceeded
from flask_wtf.csrf import CSRFError
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge

from relay.errors import Incomplete, Invalid, NeedsPerson, Refused, RelayError, RetryLater
from relay.store.database import Unavailable
from relay.web.access import limiter, who_if_known
from relay.web.words import span

SAID = {
    400: ("We could not read that", "Go back, reload the page, and try again."),
    403: ("You may not open this page", "Ask an administrator of the relay if you need it."),
    404: ("There is nothing here", "Check the address, or start from the connections."),
    405: ("That cannot be opened this way", "Go back, and use the button on the page."),
    413: ("That is too much at once", "Go back and send less: an export can be uploaded in parts."),
    415: ("That cannot be sent this way", "Go back, and use the form on the page."),
    429: ("Too many attempts", "Wait a moment, then try again."),
    500: ("Something went wrong on our side", "Nothing you did caused this. It is in the log; please try again."),
    503: ("The relay cannot answer just now", "Try again in a minute. Changes from EngagementHQ are not lost."),
}
STATUS = {Unavailable: 503, RetryLater: 503, Incomplete: 503, Invalid: 400, NeedsPerson: 409, Refused: 409}
log = structlog.get_logger()


def prepare(app: Flask, pages: Iterable[str]) -> None:
    """Below /webhooks the door's own answers stay as they are."""
    at_the_door = app.error_handler_spec[None][None][HTTPException]

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Any:
        if request.path.startswith("/webhooks"):
            return at_the_door(error)
        return _http_page(error)

    @app.errorhandler(ParseException)
    def unreadable(_: ParseException) -> Any:
        """gunicorn reads a body in chunks only when it is asked for."""
        return http_error(BadRequest("What was sent is not in the chunks that it announces, so nothing was read."))

    for name in pages:
        app.error_handler_spec[name][None][RelayError] = _relay_page


def _http_page(error: HTTPException) -> Any:
    status = error.code or 500
    title, remedy = SAID.get(status, SAID[500] if status >= 500 else SAID[400])
    told = error.description or ""
    if isinstance(error, CSRFError):
        title, told = (
            "This form was out of date, so nothing was changed",
            "It was open for too long, or you logged in anew meanwhile.",
        )
        remedy = "Open the page again, and do it once more."
    elif isinstance(error, RateLimitExceeded):
        limit = limiter.current_limit
        told = f"Try again in {span(max(1.0, limit.reset_at - time.time()))}." if limit else ""
        remedy = "If this was not you, somebody may be guessing passwords."
    elif isinstance(error, RequestEntityTooLarge):
        most, fields = (request.max_content_length or 0) // 2**20, request.max_form_parts or 0
        told = f"This page takes at most {most} MB and {fields:,} fields, so nothing was read and nothing was changed."
    elif told == type(error).description:  # the framework's own words, for programmers
        told = ""
    answer = page(status, title, told, remedy)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            answer.headers[name] = value
    return answer


def _relay_page(error: RelayError) -> Any:
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    title, general = SAID[503] if status == 503 else ("That did not work", SAID[400][1])
    ours = isinstance(error, Unavailable)  # then the remedy is for whoever reads the log
    told = "Its database does not answer." if ours else error.message
    answer = page(status, title, told, general if ours else error.remedy or general)
    if status == 503:
        answer.headers["Retry-After"] = "5"
        log.warning("page not answered", endpoint=request.endpoint, message=error.message, remedy=error.remedy)
    return answer


def page(status: int, title: str, told: str, remedy: str) -> Any:
    came_from = request.referrer or ""
    back = came_from if request.method == "POST" and came_from.startswith(request.host_url) else ""
    values = {"title": title, "told": told, "remedy": remedy, "status": status, "back": back}
    body = render_template("error.html", user=who_if_known(), **values)
    return current_app.extensions["secured"](make_response(body, status))
