"""What EHQ and people see."""

from typing import Any

from flask import Flask, Request, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_bootstrap import Bootstrap5
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter

from relay.sync.intake.receive import Receiver
from relay.sync.parts import Parts
from relay.web import (
    access,
    account,
    audit,
    choices,
    connections,
    decisions,
    deliveries,
    failures,
    fields,
    headers,
    health,
    importing,
    login,
    navigation,
    oauth,
    overrides,
    overview,
    people,
    problems,
    runs,
    settings,
    users,
    webhooks,
    wizard,
    words,
)
from relay.wiring import wire

PAGES = (
    account,
    audit,
    choices,
    connections,
    decisions,
    deliveries,
    fields,
    importing,
    login,
    oauth,
    people,
    overrides,
    overview,
    problems,
    runs,
    settings,
    users,
    wizard,
)
"""Modules of pages, each with a `blueprint`. Whatever they answer is behind a log-in, a role and a CSRF token unless a
view says otherwise (access.py)."""
MACHINES = (webhooks, health)
LARGEST_FORM = 1024 * 1024
"""Of what anybody may send before they log in. Uploads (`takes`) and the webhook door have limits of their own."""


class Pages(Flask):
    def log_exception(self, exc_info: Any) -> None:
        """By the view's name: a path may hold a token that opens something."""
        asked = request.endpoint, request.method
        self.logger.error("Exception in %s [%s]", *asked, exc_info=exc_info)


class Number(IntegerConverter):
    """`<int:…>` in an address: what databases keep in 64 bits. At any longer one there is nothing."""

    regex = r"\d{1,18}"


class Sessions(SecureCookieSessionInterface):
    """A webhook has no session, and opening one costs more than verifying the delivery."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        return None if request.path.startswith("/webhooks") else super().open_session(app, request)


def create_app(parts: Parts | None = None) -> Flask:
    """The Flask application over `parts` (default: wired from the environment). Connects to nothing yet."""
    parts = parts or wire()
    app = Pages(__name__, static_folder=None, static_url_path="/static")
    app.config.update(
        SECRET_KEY=parts.settings.secret_key,
        SESSION_COOKIE_SECURE=parts.settings.relay_base_url.startswith("https://"),
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=LARGEST_FORM,
        SEND_FILE_MAX_AGE_DEFAULT=86400,
        BOOTSTRAP_SERVE_LOCAL=True,
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
    )
    app.session_interface = Sessions()
    app.url_map.converters["int"] = Number
    app.extensions["relay"] = parts
    app.extensions["receiver"] = Receiver(parts)
    Bootstrap5(app)
    access.prepare(app, parts)
    for module in (*MACHINES, *PAGES):
        app.register_blueprint(module.blueprint)
    words.prepare(app)
    navigation.prepare(app)
    webhooks.answer_problems(app)
    pages = [module.blueprint.name for module in PAGES]
    access.guard_only(app, pages)
    failures.prepare(app, pages)
    headers.prepare(app, parts, [name for name in app.blueprints if name != webhooks.blueprint.name])
    if parts.settings.relay_base_url.startswith("https://"):  # then something in front of us ends TLS
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    return app
