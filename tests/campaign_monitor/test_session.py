"""The session against real sockets: calls end when the process must, and accounts share nothing."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.oauth import ApiKey
from relay.campaign_monitor.session import new_session
from relay.errors import RetryLater


class Server(ThreadingHTTPServer):
    daemon_threads = True
    asked = threading.Event()
    release = threading.Event()
    cookies: list[str | None]


class Slow(BaseHTTPRequestHandler):
    """Answers at once, or for /lists/ not until released."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.cookies.append(self.headers["Cookie"])
        if self.path.startswith("/lists/"):
            self.server.asked.set()
            self.server.release.wait(20)
        body = b'{"SystemDate":"x"}'
        self.send_response(200)
        self.send_header("Set-Cookie", "account=1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Slow) as server:
        server.asked, server.release, server.cookies = threading.Event(), threading.Event(), []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.release.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def cm(server: Server) -> CampaignMonitor:
    return CampaignMonitor(new_session(), f"http://127.0.0.1:{server.server_port}", ApiKey("key"))


def test_a_call_under_way_in_another_thread_ends_at_once_when_aborted(cm: CampaignMonitor, server: Server) -> None:
    failures: list[Exception] = []

    def ask() -> None:
        try:
            cm.stats("l")
        except RetryLater as error:
            failures.append(error)

    caller = threading.Thread(target=ask)
    caller.start()
    assert server.asked.wait(5)
    started = time.monotonic()
    cm.abort()
    caller.join(5)
    assert len(failures) == 1
    assert time.monotonic() - started < 2


def test_after_that_nothing_is_asked_any_more(cm: CampaignMonitor, server: Server) -> None:
    cm.systemdate()
    cm.abort()
    with pytest.raises(RetryLater):
        cm.systemdate()
    assert len(server.cookies) == 1


def test_calls_share_one_connection(cm: CampaignMonitor) -> None:
    cm.systemdate()
    adapter = cm.session.get_adapter(cm.base_url)
    (first,) = adapter.open  # type: ignore[attr-defined]
    cm.systemdate()
    assert adapter.open == {first}  # type: ignore[attr-defined]


def test_a_closed_session_keeps_account_of_nothing(cm: CampaignMonitor) -> None:
    cm.systemdate()
    cm.session.close()
    assert not cm.session.get_adapter(cm.base_url).open  # type: ignore[attr-defined]


def test_cookies_of_one_account_do_not_travel_with_the_next(cm: CampaignMonitor, server: Server) -> None:
    cm.systemdate()
    cm.systemdate()
    assert server.cookies == [None, None]


def test_a_session_from_elsewhere_can_be_aborted_too(server: Server) -> None:
    cm = CampaignMonitor(requests.Session(), f"http://127.0.0.1:{server.server_port}", ApiKey("key"))
    cm.abort()


def test_nobody_listening_is_a_matter_of_time() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        cm = CampaignMonitor(new_session(), f"http://127.0.0.1:{unused.getsockname()[1]}", ApiKey("key"))
        with pytest.raises(RetryLater):
            cm.systemdate()


def test_addresses_in_urls_are_not_logged_at_any_level(cm: CampaignMonitor, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger().setLevel(logging.DEBUG)
    with pytest.raises(RetryLater):
        cm.subscriber("l", "ann@example.com")
    assert "ann" not in caplog.text
