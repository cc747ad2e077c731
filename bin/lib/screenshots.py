"""bin/screenshots: every page of the relay as a picture, 1280 and 360 pixels wide, for looking at."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import embedded
from environment import ROOT
from history import fill
from honcho.printer import Printer
from processes import Processes, stoppable
from scenes import AWAY, DOCS, EMPTY, SCENES, Scene

WIDTHS = (1280, 360)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
Places = dict[str, object]
Look = Callable[[Any, Scene, int], None]
"""What is done with a page that is open: (Playwright's page, the scene, the window's width in pixels)."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="bin/screenshots", description=__doc__)
    parser.add_argument("only", nargs="*", help="names of pictures; all if none is given")
    parser.add_argument("--docs", action="store_true", help="the few that README and the manuals show, in docs/images")
    parser.add_argument("--to", type=Path, default=ROOT / "var" / "screenshots", help="default: var/screenshots")
    parser.add_argument("--people", type=int, default=400, help="in the simulated EngagementHQ (default 400)")
    given = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    if given.docs:
        given.to, given.only = ROOT / "docs" / "images", DOCS
    given.to.mkdir(parents=True, exist_ok=True)
    sizes = [(1000, 640)] if given.docs else [(width, 800) for width in WIDTHS]

    def picture(page: Any, scene: Scene, width: int) -> None:
        """The whole page; for manuals its top."""
        name = f"{scene.name}.png" if given.docs else f"{scene.name}-{width}.png"
        page.screenshot(path=given.to / name, full_page=not given.docs)
        print(f"  {name}")

    with stoppable(), browser() as camera:
        for scene, why in look_at_all(camera, set(given.only), given.people, sizes, picture):
            print(f"  – {scene.name}: {why}")
    print(f"In {given.to}")
    return 0


def look_at_all(
    camera: Any, only: set[str], people: int, sizes: Sequence[tuple[int, int]], look: Look
) -> list[tuple[Scene, str]]:
    """Opens the scenes named by `only`, or all, in windows of these sizes; answers those that could not be, and why."""
    missing: list[tuple[Scene, str]] = []
    with world(camera, people) as (stage, take_away, opened):
        chosen = [[one for one in scenes if not only or one.name in only] for scenes in (EMPTY, SCENES, AWAY)]

        def all_of(scenes: Iterable[Scene], places: Places) -> None:
            for scene in scenes:
                for size in sizes:
                    try:
                        with opened(scene, places, size) as page:
                            look(page, scene, size[0])
                    except LookupError as error:
                        missing.append((scene, str(error.args[0])))
                        break

        all_of(chosen[0], {})
        places = stage() if chosen[1] or chosen[2] else {}
        all_of(chosen[1], places)
        take_away()
        all_of(chosen[2], places)
    return missing


@contextmanager
def world(camera: Any, people: int) -> Iterator[Any]:
    """(what connects and fills everything and answers the places, what takes the database away, what opens a scene),
    over a served relay."""
    import sandbox.campaign_monitor
    import sandbox.ehq
    from relay.settings import read_settings
    from relay.store import migrate
    from relay.web import create_app
    from relay.wiring import wire
    from sandbox.server import Server

    folder = Path(tempfile.mkdtemp(prefix="relay-pictures-", dir="/tmp"))  # a socket's path must be short
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        processes = Processes(Printer((folder / "log").open("w")))
        stack.callback(processes.stop)
        embedded.start(processes, folder / "queue.sock", folder / "queue")
        ehq = stack.enter_context(Server(sandbox.ehq.create_app(people=people)))
        cm = stack.enter_context(Server(sandbox.campaign_monitor.create_app()))
        apps: list[Any] = []
        site = stack.enter_context(Server(lambda environ, start: apps[0](environ, start)))
        settings = read_settings(
            {
                "RELAY_BASE_URL": site.url,
                "REDIS_URL": f"unix://{quote(str(folder / 'queue.sock'))}",
                "LOG_LEVEL": "ERROR",
                "CAMPAIGN_MONITOR_API_URL": f"{cm.url}/api/v3.3",
                "CAMPAIGN_MONITOR_OAUTH_URL": f"{cm.url}/oauth",
                "CAMPAIGN_MONITOR_CLIENT_ID": "sandbox",
                "CAMPAIGN_MONITOR_CLIENT_SECRET": "sandbox",
            },
            var=folder,
        )
        parts = wire(settings)
        stack.callback(parts.database.close)
        migrate.upgrade(parts.database)
        apps.append(create_app(parts))
        cookies = {role: log_in(apps[0], parts, role) for role in ("admin", "operator", "viewer")}

        def take_away() -> None:
            parts.database.close()
            for file in folder.glob("relay.sqlite3*"):
                file.unlink()
            (folder / "relay.sqlite3").mkdir()

        yield lambda: fill(parts, ehq.url), take_away, lambda *asked: opened(camera, site.url, cookies, *asked)


@contextmanager
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    installed = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=installed, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def log_in(app: Any, parts: Any, role: str) -> str:
    """A session's cookie, for a new user with this role."""
    from relay.sync import accounts

    name = {"admin": "Ada Okafor", "operator": "Olga Brandt", "viewer": "Vera Singh"}[role]
    email = f"{name.split()[0].lower()}@example.org"
    user = accounts.invite(parts, None, email, role, name)
    token = accounts.invitation_url(parts, user).rpartition("/")[2]
    user = accounts.accept(parts, token, name, "only for pictures")
    now = time.time()
    session = {"since": now, "seen": now, "_user_id": f"{user.id}.{user.round}"}
    return str(app.session_interface.get_signing_serializer(app).dumps(session))


@contextmanager
def opened(
    camera: Any, url: str, cookies: dict[str, str], scene: Scene, places: Places, size: tuple[int, int]
) -> Iterator[Any]:
    """:raise LookupError: when there is no such page, or nothing to show on it."""
    address = scene.address.format_map(places)
    context = camera.new_context(base_url=url, viewport={"width": size[0], "height": size[1]})
    try:
        if scene.role:
            context.add_cookies([{"name": "session", "value": cookies[scene.role], "url": url}])
        page = context.new_page()
        answer = page.goto(address)
        if answer is None or (answer.status == 404 and scene.name != "not-found"):
            raise LookupError("no such page")
        if scene.script:
            with page.expect_navigation():
                page.evaluate(scene.script)
        yield page
    finally:
        context.close()


if __name__ == "__main__":
    sys.exit(main())
