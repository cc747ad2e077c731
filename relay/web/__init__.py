"""What EHQ and people see."""

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from werkzeug.middleware.proxy_fix import ProxyFix

from relay.sync.parts import Parts
from relay.sync.receive import Receiver
from relay.web import health, oauth, pages, webhooks
from relay.wiring import wire


class Sessions(SecureCookieSessionInterface):
    """A webhook has no session, and opening one costs more than verifying the delivery."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        return None if request.path.startswith("/webhooks") else super().open_session(app, request)


def create_app(parts: Parts | None = None) -> Flask:
    """The Flask application over `parts` (default: wired from the environment). Connects to nothing yet."""
    parts = parts or wire()
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=parts.settings.secret_key,
        SESSION_COOKIE_SECURE=parts.settings.relay_base_url.startswith("https://"),
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
    )
    app.session_interface = Sessions()
    app.extensions["relay"] = parts
    app.extensions["receiver"] = Receiver(parts)
    app.register_blueprint(webhooks.blueprint)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(oauth.blueprint)
    app.register_blueprint(pages.blueprint)
    webhooks.answer_problems(app)
    if parts.settings.relay_base_url.startswith("https://"):  # then something in front of us ends TLS
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    return app
