"""Who may: roles, log-in and its end, loading the connection a page is about, and the audit log.

A view says who may with `@needs("viewer"|"operator"|"admin")` or `@public`; one that says nothing is for nobody. The
argument `<connection>` of an address reaches the view as the connection itself, or is a 404.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any, TypeVar, cast

from flask import Flask, abort, current_app, flash, g, redirect, request, session, url_for
from flask_limiter import Limiter
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_wtf.csrf import CSRFProtect
from werkzeug.wrappers import Response

from relay.store import audit, connections, users
from relay.store.connections import Connection
from relay.store.database import Unavailable
from relay.store.users import User
from relay.sync.parts import Parts

IDLE_S, LONGEST_S, NOTICED_S = 8 * 3600, 24 * 3600, 60
View = TypeVar("View", bound=Callable[..., Any])


def place() -> str:
    """Where a request comes from: an IPv4 address, or the /64 of an IPv6 one: whoever has one address has them all."""
    try:
        address = ip_address((request.remote_addr or "").partition("%")[0])
    except ValueError:
        return "?"
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ip_network((address, 64), strict=False))


limiter = Limiter(place, in_memory_fallback_enabled=True, headers_enabled=True)
_csrf = CSRFProtect()


def needs(role: str) -> Callable[[View], View]:
    def mark(view: View) -> View:
        view.needs = role  # type: ignore[attr-defined]
        return view

    return mark


def public(view: View) -> View:
    return needs("")(view)


def takes(largest: int) -> Callable[[View], View]:
    """Of a view that files are uploaded to: up to so many bytes, which nobody may send who may not open it."""

    def mark(view: View) -> View:
        view.takes = largest  # type: ignore[attr-defined]
        return view

    return mark


def parts() -> Parts:
    found: Parts = current_app.extensions["relay"]
    return found


def who() -> User | None:
    """Whoever is logged in."""
    return current_user.user if current_user.is_authenticated else None


def me() -> User:
    """The same, in a view that needs a role."""
    return cast(User, who())


def noted(
    what: str,
    *,
    connection: Connection | None = None,
    participant: int | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    **more: Any,
) -> None:
    """Writes the audit log: who, what (in the past tense, from few such sentences), and before and after if something
    changed. Never a secret, nor anything that EHQ or CM says of a person: their number is `participant`, ours."""
    user = who()
    with parts().database.write() as tx:
        audit.add(
            tx,
            user.id if user else None,
            what,
            connection_id=connection.id if connection else None,
            participant_id=participant,
            before=before,
            after=after,
            **more,
        )


class LoggedIn(UserMixin):  # type: ignore[misc]
    """A user as Flask-Login wants one. Their round is part of the session: a new one ends it."""

    def __init__(self, user: User) -> None:
        self.user = user

    def get_id(self) -> str:
        return f"{self.user.id}.{self.user.round}"


def log_in(user: User) -> None:
    """Into a new session: whatever the old one held, an attacker may have put there."""
    session.clear()
    now = time.time()
    session.update(since=now, seen=now)
    login_user(LoggedIn(user))
    with parts().database.write() as tx:
        users.change(tx, user.id, last_seen_at=now)


def log_out() -> None:
    logout_user()
    session.clear()


def _load(session_id: str) -> LoggedIn | None:
    """The user of a session, unless it has ended: by time, or because their role, password or permission changed."""
    user_id, _, at_round = session_id.partition(".")
    now = time.time()
    if now - session.get("seen", 0.0) > IDLE_S or now - session.get("since", 0.0) > LONGEST_S:
        return None
    with parts().database.read() as tx:
        user = users.find(tx, int(user_id))
    if user is None or user.disabled or str(user.round) != at_round:
        return None
    by_itself = "X-Fragment" in request.headers  # a page that asks for itself anew (relay.js) is no visit
    if now - session["seen"] > NOTICED_S and not by_itself:
        session["seen"] = now
        with parts().database.write() as tx:
            users.change(tx, user.id, last_seen_at=now)
    return LoggedIn(user)


def prepare(app: Flask, parts: Parts) -> None:
    manager = LoginManager()
    manager.user_loader(_load)
    manager.init_app(app, add_context_processor=False)
    _csrf.init_app(app)
    app.config.update(
        RATELIMIT_STORAGE_URI=parts.settings.redis_url.replace("unix://", "redis+unix://"),
        RATELIMIT_STORAGE_OPTIONS={"connection_pool": parts.queue.redis.connection_pool},
    )
    limiter.init_app(app)
    app.url_defaults(_same_connection)


def guard_only(app: Flask, pages: Iterable[str]) -> None:
    """Puts the guard before these blueprints, and with it whatever the extensions hooked onto every request: the
    webhook door goes through none of it."""
    every: tuple[dict[Any, list[Any]], ...] = (
        cast(Any, app.before_request_funcs),
        cast(Any, app.after_request_funcs),
        cast(Any, app.teardown_request_funcs),
    )
    for hooks in every:
        everywhere = hooks.pop(None, [])
        for name in pages:
            hooks.setdefault(name, [])[:0] = everywhere
    for name in pages:
        app.before_request_funcs[name].insert(0, _guard)


def _guard() -> Response | None:
    if request.endpoint is None or request.endpoint.endswith(".static"):
        return None
    role = getattr(current_app.view_functions[request.endpoint], "needs", "nobody")
    if role:
        user = who()
        if user is None:
            return _to_login()
        if not user.may(role):
            abort(403, f"This page is for {ARTICLES.get(role, 'nobody')}; you are {ARTICLES[user.role]}.")
    arguments = request.view_args or {}
    if "connection" in arguments:
        g.connection = arguments["connection"] = connection(arguments["connection"])
    if largest := getattr(current_app.view_functions[request.endpoint], "takes", 0):
        if request.mimetype != "multipart/form-data":  # any other is read into memory as a whole
            abort(415, "This page takes files as its own form sends them (multipart/form-data), so nothing was read.")
        request.max_content_length = largest  # before the form is read, here and for its CSRF token
    if role and any("\0" in value for _, value in request.form.items(multi=True)):  # PostgreSQL takes none
        abort(400, "What was sent holds a character that nobody can type. Nothing was changed.")
    return None


ARTICLES = {"viewer": "a viewer", "operator": "an operator", "admin": "an administrator"}


def _to_login() -> Response:
    there = request.full_path.rstrip("?") if request.method == "GET" else "/"
    if current_app.config["SESSION_COOKIE_NAME"] in request.cookies:
        ended = "_user_id" in session
        session.clear()
        if request.method != "GET":
            flash("You were not logged in any more, so nothing was changed.", "warning")
        elif ended:
            flash("Your session has ended. Please log in again.", "info")
    # else it may come from another site, to which browsers give no cookie: an answer with a new one would end theirs
    return redirect(url_for("login.page", next=None if there == "/" else there))


def asked(name: str) -> str | None:
    """What the address asks for under `name`, if it can be looked for: PostgreSQL takes no NUL."""
    value = request.args.get(name)
    return value if value is None or value.isprintable() else None


def next_page() -> str:
    """Where to go after logging in: an address of ours that was asked for, or the connections."""
    wanted = request.args.get("next", "")
    ours = wanted.startswith("/") and wanted[1:2] not in ("/", "\\") and wanted.isprintable()
    return wanted if ours else url_for("connections.page")


def connection(connection_id: str) -> Connection:
    """A connection, or a 404 that says so."""
    found = None
    if connection_id.isprintable():  # PostgreSQL takes no NUL, not even to look for
        with parts().database.read() as tx:
            found = connections.find(tx, connection_id)
    if found is None:
        abort(404, "There is no such connection. It may have been removed.")
    return found


def _same_connection(endpoint: str, values: dict[str, Any]) -> None:
    """Within a connection, `url_for` need not be told which."""
    if (
        "connection" not in values
        and "connection" in g
        and current_app.url_map.is_endpoint_expecting(endpoint, "connection")
    ):
        values["connection"] = g.connection.id


def who_if_known() -> User | None:
    """For pages that must work when the database does not: it is asked once for each of them."""
    if g.get("database_away"):
        return None
    try:
        return who()
    except Unavailable:
        g.database_away = True
        return None
