"""Connecting, by people in a browser: over real processes, and every way it can end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from relay.settings import Settings
from relay.store.connections import Connection
from relay.sync.connections import setup
from relay.sync.parts import Parts
from relay.web import create_app
from tests.conftest import KEY, Relay, SimulatedCampaignMonitor, SimulatedEhq, session_of, user_of
from tests.e2e.conftest import Site, axe

ROOT = Path(__file__).parents[2]
Browse = Callable[..., Page]


class Processes:
    """Web, worker and clock as they run in production."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.environment, self.log = environment, log
        self.running: list[subprocess.Popen[bytes]] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.environment |= {"PORT": str(port), "RELAY_BASE_URL": self.url, "WEB_CONCURRENCY": "1"}
        self.start("-m", "gunicorn", "app:app", "--bind", f"127.0.0.1:{port}")
        self.start("worker.py", "clock")
        self.worker = self.start("worker.py")
        give_up = time.monotonic() + 30
        while not self.answers():
            assert time.monotonic() < give_up, log.read_text()
            time.sleep(0.2)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            command = [sys.executable, *arguments]
            process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        self.running.append(process)
        return process

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/healthz", timeout=2).ok
        except requests.RequestException:
            return False

    def stop(self) -> None:
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            try:
                process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def processes(settings: Settings, parts: Parts, tmp_path: Path) -> Iterator[Processes]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "DATABASE_URL": settings.database_url.replace("postgresql+psycopg://", "postgresql://"),
        "REDIS_URL": settings.redis_url,
        "SECRET_KEY": settings.secret_key,
        "RELAY_ENCRYPTION_KEYS": KEY,
        "CAMPAIGN_MONITOR_API_URL": settings.campaign_monitor_api_url,
        "CAMPAIGN_MONITOR_OAUTH_URL": settings.campaign_monitor_oauth_url,
        "CAMPAIGN_MONITOR_CLIENT_ID": "sandbox",
        "CAMPAIGN_MONITOR_CLIENT_SECRET": "sandbox",
    }
    started = Processes(environment, tmp_path / "log")
    yield started
    started.stop()


@pytest.mark.parametrize("kind", ["postgresql" if os.environ.get("TEST_DATABASE_URL") else "sqlite"])
def test_from_the_first_page_to_a_synced_list_across_a_killed_worker(
    chromium: Browser, processes: Processes, parts: Parts, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor
) -> None:
    context = chromium.new_context(base_url=processes.url, viewport={"width": 1280, "height": 900})
    cookie = session_of(create_app(parts), user_of(parts, "operator"))
    context.add_cookies([{"name": "session", "value": cookie, "url": processes.url}])
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.goto("/")
    page.get_by_role("link", name="Connect EHQ to Campaign Monitor").click()
    axe(page)
    page.get_by_label("A name for this connection").fill("Bayside")
    page.get_by_label("Address of the site").fill(ehq.url)
    page.locator("#key").fill("sandbox")
    page.get_by_role("button", name="Check this").click()

    axe(page)
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Log in to Campaign Monitor").click()
    opened.value.get_by_role("button", name="Allow access").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Which list?")
    assert opened.value.is_closed()

    axe(page)
    page.get_by_label("Name of the new list").fill("Residents")
    page.get_by_role("button", name="Use this name").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Which answers travel")
    axe(page)
    page.get_by_role("button", name="Leave out everything that looks sensitive").click()
    expect(page.get_by_text("All of those are left out")).to_be_visible()
    page.get_by_role("button", name="See what would happen").click()
    expect(page.get_by_text("would join")).to_be_visible()
    axe(page)
    page.get_by_role("link", name="This is right").click()
    axe(page)
    page.get_by_role("button", name="Make the secret").click()
    secret = page.get_by_label("Secret", exact=True).input_value()
    address = page.get_by_label("Address", exact=True).input_value()
    axe(page)
    page.get_by_role("link", name="I have copied it").click()
    page.get_by_role("button", name="Send a test event").click()
    expect(page.get_by_text("was found genuine")).to_be_visible()
    axe(page)
    ehq.send_to(address, secret)
    ehq.register(confirmed=True)
    expect(page.get_by_text("first delivery came in")).to_be_visible()

    cm.faults(import_s_per_1000=200)  # time to kill somebody in, also on a busy machine
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="Writing to Campaign Monitor")).to_have_attribute(
        "aria-current", "step", timeout=30_000
    )
    processes.worker.kill()
    processes.worker.wait()
    processes.start("worker.py")
    page.reload()
    expect(page.get_by_role("progressbar")).to_be_visible()
    axe(page)
    expect(page.get_by_text("Complete", exact=True)).to_be_visible(timeout=60_000)
    expect(page.get_by_role("link", name=re.compile("joined the list"))).to_be_visible()
    axe(page)
    belongs = {a["email"].lower() for a in ehq.people().values() if a["subscribed"] and not a["blocked"]}
    assert cm.active("Residents") == belongs
    context.close()


@pytest.fixture
def draft(parts: Parts, ehq: SimulatedEhq) -> Connection:
    return setup.begin(parts, "Bayside", ehq.url, {"token": "sandbox"})[0]


def test_whoever_cancels_at_campaign_monitor_is_told_and_may_try_again(browse: Browse, draft: Connection) -> None:
    page = browse("operator")
    page.goto(f"/c/{draft.id}/setup")
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Log in to Campaign Monitor").click()
    window = opened.value
    window.get_by_role("button", name="Cancel").click()
    expect(window.get_by_role("heading", level=1)).to_contain_text("You did not allow it")
    axe(window)
    window.close()
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Log in to Campaign Monitor").click()
    opened.value.get_by_role("button", name="Allow access").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Which list?")


def test_without_javascript_on_a_telephone(browse: Browse, draft: Connection, relay: Relay, site: Site) -> None:
    page = browse("operator", js=False, width=360)
    page.goto(f"/c/{draft.id}/setup")
    page.get_by_role("button", name="Log in to Campaign Monitor").click()
    page.get_by_role("button", name="Allow access").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Campaign Monitor is connected")
    page.get_by_role("link", name="Go on").click()
    page.get_by_role("button", name="Use this name").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Reading both systems")
    relay.work()
    page.goto(f"/c/{draft.id}/setup")
    page.get_by_role("button", name="See what would happen").click()
    relay.work()
    page.goto(f"/c/{draft.id}/setup/preview")
    page.get_by_role("link", name="This is right").click()
    page.get_by_role("button", name="Switch on").click()
    relay.work()
    page.goto(f"/c/{draft.id}/runs")
    expect(page.get_by_text("First run")).to_be_visible()
    assert site.parts.connection(draft.id).state == "on"


def test_access_taken_back_is_given_again_and_the_run_goes_on(
    browse: Browse, synced: Connection, relay: Relay, site: Site, cm: SimulatedCampaignMonitor
) -> None:
    page = browse("operator")
    page.goto(f"/c/{synced.id}/campaign-monitor")
    axe(page)
    page.get_by_role("button", name="Log in to Campaign Monitor").click()
    page.get_by_role("button", name="Allow access").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Campaign Monitor is connected")
    axe(page)
    cm.faults(token_revoked=True)
    run = relay.reconcile(site.parts.connection(synced.id))
    page.goto(f"/c/{synced.id}/runs/{run.id}")
    expect(page.get_by_role("alert")).to_contain_text("taken back")
    axe(page)
    page.get_by_role("link", name="Connect Campaign Monitor again").click()
    page.get_by_role("button", name="Log in to Campaign Monitor").click()
    page.get_by_role("button", name="Allow access").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Campaign Monitor is connected")
    now = site.parts.connection(synced.id)
    assert (now.state, now.cm_list_id) == ("on", synced.cm_list_id)
    relay.work()
    page.goto(f"/c/{synced.id}/runs/{run.id}")
    expect(page.get_by_text("Complete", exact=True)).to_be_visible()
