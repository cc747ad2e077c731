"""Pages in a real browser: `browse("operator")` is a Playwright page of somebody logged in, over a served relay.

    def test_it(browse, connection):
        page = browse("operator")
        page.goto(f"/c/{connection.id}")
        axe(page)

`browse("viewer", js=False)`, `browse("admin", width=360)`, and `browse()` for nobody. What the browser complains about
(a script that fails, something the content security policy refuses) fails the test in the end.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, expect, sync_playwright

from relay.sync.parts import Parts
from relay.web import create_app
from sandbox.server import Server
from tests.conftest import session_of, user_of

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW = (
    "no Chromium to test pages with: `apt-get install chromium`, or `.venv/bin/playwright install chromium`, "
    "or name one in CHROMIUM"
)
PATIENCE_MS = 10_000
expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Site:
    """The relay's pages over HTTP. `url` has no slash at its end."""

    url: str
    app: Flask
    parts: Parts


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests of this process."""
    installed = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=installed, args=["--no-sandbox"])
        except Error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(HOW)
        yield browser
        browser.close()


@pytest.fixture
def site(parts: Parts) -> Iterator[Site]:
    apps: list[Flask] = []
    with Server(lambda environ, start: apps[0](environ, start)) as server:  # type: ignore[arg-type]
        ours = replace(parts, settings=parts.settings.model_copy(update={"relay_base_url": server.url}))
        apps.append(create_app(ours))
        yield Site(server.url, apps[0], ours)


@pytest.fixture
def browse(chromium: Browser, site: Site) -> Iterator[Callable[..., Page]]:
    contexts, complaints = [], []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:  # an error page of ours
            complaints.append(message.text)

    def new(role: str = "", *, width: int = 1280, js: bool = True, **more: Any) -> Page:
        context = chromium.new_context(
            base_url=site.url, viewport={"width": width, "height": 900}, java_script_enabled=js, **more
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        if role:
            cookie = session_of(site.app, user_of(site.parts, role))
            context.add_cookies([{"name": "session", "value": cookie, "url": site.url}])
        page = context.new_page()
        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield new
    for context in contexts:
        context.close()
    assert not complaints


def axe(page: Page) -> None:
    """Asserts that axe finds nothing to complain about on this page, as it is now."""
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    assert not found.violations_count, found.generate_report()


COVERED = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled)
  .filter((one) => !one.closest(".visually-hidden, .skip-link, [aria-hidden=true]"))
  .filter((one) => {
    one.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" });
    const box = [...one.getClientRects()].find((part) => part.width > 0) ?? one.getBoundingClientRect();
    const there = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    return !there || !(one.contains(there) || there.contains(one) || there.closest("label")?.control === one);
  })
  .map((one) => one.outerHTML.slice(0, 160))"""


def within_reach(page: Page) -> None:
    """Asserts that whatever can be pressed or filled in is to be seen once one scrolls to it, with nothing over it."""
    covered = page.evaluate(COVERED)
    assert not covered, "\n".join(covered)


def narrow_enough(page: Page) -> None:
    """Asserts that nothing sticks out sideways."""
    inside, outside = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert inside <= outside, f"{inside} px of page in a window of {outside}"
