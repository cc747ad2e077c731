"""Who may open which page: nobody without a log-in, everyone what their role allows, and the machines as ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from werkzeug.routing import IntegerConverter

from relay.store import users
from relay.store.connections import Connection
from relay.sync.parts import Parts
from relay.web import LARGEST_FORM, MACHINES, access, create_app
from tests.conftest import Visitor, session_of, user_of
from tests.web.conftest import Sender

Visit = Callable[[str], Visitor]
FOR_EVERYBODY = {
    "login.page",
    "login.enter",
    "login.leave",
    "login.setup",
    "login.set_up",
    "login.invitation",
    "login.accept",
    "oauth.start",
    "oauth.callback",
}


def pages(visitor: Visitor, method: str, connection: str = "x", number: int = 1) -> list[tuple[str, str]]:
    """(endpoint, an address of it) of everything that is neither for machines nor a file."""
    machines = {module.blueprint.name for module in MACHINES}
    adapter = visitor.app.url_map.bind("relay.example.org")
    found = []
    for rule in visitor.app.url_map.iter_rules():
        name, _, view = rule.endpoint.rpartition(".")
        if name not in machines and view != "static" and method in (rule.methods or ()):
            numbers = {key for key, how in rule._converters.items() if isinstance(how, IntegerConverter)}
            values = {key: number if key in numbers else "x" for key in rule.arguments}
            values |= {"connection": connection} if "connection" in values else {}
            found.append((rule.endpoint, adapter.build(rule.endpoint, values, method=method)))
    assert found
    return found


def test_without_a_log_in_every_page_but_these_leads_to_it(visit: Visit) -> None:
    nobody = visit("")
    for endpoint, address in pages(nobody, "GET"):
        if endpoint in FOR_EVERYBODY:
            continue
        answer = nobody.get(address)
        assert (endpoint, answer.status_code) == (endpoint, 302)
        assert answer.headers["Location"].startswith("/login"), endpoint


def test_without_a_log_in_nothing_can_be_changed(visit: Visit) -> None:
    nobody = visit("")
    for endpoint, address in pages(nobody, "POST"):
        if endpoint not in FOR_EVERYBODY:
            answer = nobody.post(address)
            assert (endpoint, answer.status_code, answer.headers.get("Location")) == (endpoint, 302, "/login")


def test_every_form_needs_the_token_of_its_page(visit: Visit, sender: Sender) -> None:
    admin = visit("admin")
    for endpoint, address in pages(admin, "POST", sender.connection.id):
        answer = admin.client.post(address, content_type="multipart/form-data")
        assert (endpoint, answer.status_code) == (endpoint, 400)
        assert "nothing was changed" in answer.text


VIEWERS_MAY_POST = {"account"}
"""Blueprints about themselves."""


def test_viewers_may_change_nothing_but_their_own_account(visit: Visit) -> None:
    viewer = visit("viewer")
    for endpoint, address in pages(viewer, "POST"):
        if endpoint not in FOR_EVERYBODY and endpoint.partition(".")[0] not in VIEWERS_MAY_POST:
            answer = viewer.post(address)
            assert (endpoint, answer.status_code) == (endpoint, 403)
            assert "you are a viewer" in answer.text


def test_every_page_says_for_whom_it_is(visit: Visit) -> None:
    app = visit("").app
    for endpoint, _ in [*pages(visit(""), "GET"), *pages(visit(""), "POST")]:
        role = getattr(app.view_functions[endpoint], "needs", None)
        assert (endpoint, role) == (endpoint, "") if endpoint in FOR_EVERYBODY else role in users.ROLES, endpoint


def test_a_connection_that_does_not_exist_is_a_page_that_says_so(visit: Visit) -> None:
    for endpoint, address in pages(visit("admin"), "GET"):
        if address.startswith("/c/x"):
            answer = visit("admin").get(address)
            assert (endpoint, answer.status_code) == (endpoint, 404)
            assert "no such connection" in answer.text


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_number_larger_than_any_we_give_is_a_page_that_says_so(
    visit: Visit, connection: Connection, method: str
) -> None:
    admin = visit("admin")
    for endpoint, path in pages(admin, method, connection.id, 2**64 - 1):
        if str(2**64 - 1) in path:
            answer = admin.get(path) if method == "GET" else admin.post(path)
            assert (endpoint, answer.status_code) == (endpoint, 404)
            assert "There is nothing here" in answer.text


def test_after_logging_in_one_is_where_one_wanted_to_be_and_never_elsewhere(visit: Visit) -> None:
    nobody = visit("")
    user_of(nobody.parts, "viewer")
    assert nobody.get("/?a=1").headers["Location"] == "/login?next=/?a%3D1"
    viewer = visit("viewer")
    assert viewer.get("/login", query_string={"next": "/c/x?a=1"}).headers["Location"] == "/c/x?a=1"
    for elsewhere in (
        "https://example.org/",
        "//example.org/",
        "/\\example.org",
        "javascript:alert(1)",
        "/\n/x",
        "//[",
    ):
        assert viewer.get("/login", query_string={"next": elsewhere}).headers["Location"] == "/"


def test_a_form_of_another_site_ends_nobody_s_session(visit: Visit) -> None:
    nobody = visit("")
    for answer in (nobody.client.post("/c/x/runs"), nobody.client.get("/c/x/runs")):
        assert answer.status_code == 302
        assert "Set-Cookie" not in answer.headers
    nobody.client.set_cookie("session", "of long ago")
    nobody.client.post("/c/x/runs")
    assert "nothing was changed" in nobody.get("/login").text


@pytest.mark.parametrize(("since", "seen"), [(access.LONGEST_S, 1), (access.IDLE_S + 60, access.IDLE_S)])
def test_a_session_ends_after_a_day_and_after_eight_hours_unused(
    visit: Visit, parts: Parts, since: float, seen: float
) -> None:
    someone, now = visit("viewer"), time.time()
    user = user_of(parts, "viewer")
    kept = session_of(someone.app, user, since=now - since + 60, seen=now - seen + 60)
    someone.client.set_cookie("session", kept)
    assert someone.get("/").status_code == 200
    ended = session_of(someone.app, user, since=now - since - 1, seen=now - seen - 1)
    someone.client.set_cookie("session", ended)
    assert someone.get("/").headers["Location"] == "/login"
    assert "session has ended" in someone.get("/login").text


@pytest.mark.parametrize("change", [{"ends": True}, {"disabled": True}])
def test_a_session_ends_when_its_user_is_changed_or_disabled(
    visit: Visit, parts: Parts, change: dict[str, bool]
) -> None:
    viewer = visit("viewer")
    assert viewer.get("/").status_code == 200
    user = user_of(parts, "viewer")
    with parts.database.write() as tx:
        users.change(tx, user.id, **change)
    assert viewer.get("/").status_code == 302


def test_every_answer_of_a_page_tells_the_browser_to_be_careful(visit: Visit, connection: Connection) -> None:
    admin = visit("admin")
    for path in ("/", "/login", "/nothing", "/static/relay.css", "/bootstrap/static/css/bootstrap.min.css", "/logout"):
        headers = admin.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "Strict-Transport-Security" not in headers
    assert admin.get("/").headers["Cache-Control"] == "no-store"
    assert "max-age" in admin.get("/static/relay.css").headers["Cache-Control"]


def test_pages_have_no_script_or_style_of_their_own(visit: Visit, connection: Connection) -> None:
    for text in (visit("admin").get("/").text, visit("").get("/login").text):
        assert "<style" not in text
        assert " style=" not in text
        assert " onclick=" not in text
        assert "<script>" not in text


def test_the_webhook_door_goes_through_none_of_it(visit: Visit) -> None:
    app = visit("").app
    for hooks in (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs):
        assert not hooks.get(None)  # type: ignore[attr-defined]
        assert not hooks.get("webhooks")  # type: ignore[attr-defined]
    answer = visit("").client.post("/webhooks/ehq/x", json={})
    assert answer.status_code in (401, 404)
    assert answer.mimetype == "application/problem+json"
    assert "Set-Cookie" not in answer.headers
    assert "Content-Security-Policy" not in answer.headers


def test_machines_need_no_log_in(visit: Visit) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        answer = visit("").get(path)
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers


def test_without_a_database_a_page_says_so(parts: Parts) -> None:
    from tests.web.test_webhooks import without_database

    app = create_app(without_database(parts))
    client = app.test_client()
    client.set_cookie("session", session_of(app, user_of(parts, "viewer")))
    answer = client.get("/")
    assert answer.status_code == 503
    assert "not lost" in answer.text
    assert "database does not answer." in answer.text
    assert "Try again</a>" in answer.text
    assert "log-in page" not in answer.text  # the session has not ended


def test_a_page_that_refreshes_itself_does_not_keep_a_session_alive(visit: Visit, parts: Parts) -> None:
    someone, user, seen = visit("viewer"), user_of(parts, "viewer"), time.time() - 3600
    someone.client.set_cookie("session", session_of(someone.app, user, seen=seen))
    assert someone.get("/", headers={"X-Fragment": "run"}).status_code == 200
    with someone.client.session_transaction() as session:
        assert session["seen"] == seen
    assert someone.get("/").status_code == 200
    with someone.client.session_transaction() as session:
        assert session["seen"] > seen


def test_a_bug_of_ours_is_a_page_without_its_details(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = visit("viewer")

    @access.needs("viewer")
    def broken() -> str:
        raise ValueError("jo@example.org")

    monkeypatch.setitem(viewer.app.view_functions, "connections.page", broken)
    answer = viewer.get("/")
    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.text
    assert "jo@example.org" not in answer.text
    assert "Content-Security-Policy" in answer.headers


def test_a_wrong_method_is_a_page_too(visit: Visit) -> None:
    answer = visit("viewer").get("/logout")
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
    assert "use the button" in answer.text


@pytest.mark.parametrize("sent_as", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_nobody_may_send_more_than_a_form_before_they_log_in(visit: Visit, sender: Sender, sent_as: str) -> None:
    nobody, form = visit(""), {"password": "x" * (LARGEST_FORM + 1)}
    answer = nobody.post("/login", form, content_type=sent_as)
    assert answer.status_code == 413
    assert "at most 1 MB" in answer.text
    assert "nothing was changed" in answer.text
    answer = nobody.post(f"/c/{sender.connection.id}/import", form, content_type=sent_as)
    assert answer.headers["Location"] == "/login", "which is said without reading it"


def test_under_https_cookies_are_secure_and_browsers_insist(parts: Parts) -> None:
    settings = parts.settings.model_copy(update={"relay_base_url": "https://relay.example.org"})
    answer = create_app(replace(parts, settings=settings)).test_client().get("/login")
    assert "Secure" in answer.headers["Set-Cookie"]
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
