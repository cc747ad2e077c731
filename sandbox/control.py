"""What both simulators offer beside their API: faults, counters of calls, and JSON answers."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from sandbox.faults import Faults, UnknownFault

TEMPLATES = Path(__file__).parent / "templates"


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    return Response(body, status, headers, content_type="application/json; charset=utf-8")


def body() -> dict[str, Any]:
    """The request's JSON object, or `{}`; anything else is a 400 with a plain sentence."""
    raw = request.get_data()
    try:
        value = orjson.loads(raw) if raw else {}
    except orjson.JSONDecodeError as error:
        raise Refused(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Refused("a JSON object is wanted")
    return value


class Refused(Exception):
    """The control API was asked for something it cannot do."""


class Calls:
    """How often each route was called, and how many of those calls were writes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        self._counts: Counter[str] = Counter()
        self._writes = 0
        self._in_flight = self._most = 0

    def begin(self, kind: str, write: bool) -> int:
        with self._lock:
            self._counts[kind] += 1
            self._writes += write
            self._in_flight += 1
            self._most = max(self._most, self._in_flight)
            return sum(self._counts.values())

    def end(self) -> None:
        with self._lock:
            self._in_flight = max(0, self._in_flight - 1)

    def total(self) -> int:
        return sum(self._counts.values())

    def summary(self) -> dict[str, Any]:
        with self._lock:
            return {
                "total": sum(self._counts.values()),
                "writes": self._writes,
                "most_at_once": self._most,
                "calls": dict(self._counts),
            }


def new_app(name: str) -> Flask:
    app = Flask(name, template_folder=str(TEMPLATES), static_folder=None)
    app.url_map.strict_slashes = False
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    return app


def install(app: Flask) -> None:
    """Add `/sandbox/faults` and `/sandbox/calls.json` of the state at hand, and plain answers to bad control calls."""

    @app.route("/sandbox/faults", methods=["GET", "POST", "DELETE"])
    def switch_faults() -> Response:
        faults: Faults = app.extensions["sandbox"].faults
        if request.method == "POST":
            faults.set(**body())
        elif request.method == "DELETE":
            faults.clear()
        return answer({"faults": faults.active(), "known": faults.known})

    @app.route("/sandbox/calls.json", methods=["GET", "DELETE"])
    def count_calls() -> Response:
        calls: Calls = app.extensions["sandbox"].calls
        if request.method == "DELETE":
            calls.clear()
        return answer(calls.summary())

    @app.errorhandler(UnknownFault)
    def unknown_fault(error: UnknownFault) -> Response:
        return answer({"error": str(error), "known": error.known}, 400)

    @app.errorhandler(Refused)
    def refused(error: Refused) -> Response:
        return answer({"error": str(error)}, 400)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        return answer({"error": error.name}, error.code or 500)
