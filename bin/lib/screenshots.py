"""bin/screenshots: every page of the relay as a picture, 1280 and 360 pixels wide, for looking at."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
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
    with stoppable(), world(given.people) as (stage, take_away, take_all):
        wanted = set(given.only)
        chosen = [[one for one in scenes if not wanted or one.name in wanted] for scenes in (EMPTY, SCENES, AWAY)]
        widths = () if given.docs else WIDTHS
        take_all(chosen[0], {}, given.to, widths)
        places = stage() if chosen[1] or chosen[2] else {}
        take_all(chosen[1], places, given.to, widths)
        take_away()
        take_all(chosen[2], places, given.to, widths)
    print(f"In {given.to}")
    return 0


@contextmanager
def world(people: int) -> Iterator[Any]:
    """(what connects and fills everything and answers the places, what takes the database away, what takes pictures),
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
        camera = stack.enter_context(browser())
        cookies = {role: log_in(apps[0], parts, role) for role in ("admin", "operator", "viewer")}

        def take_all(scenes: Iterable[Scene], places: Places, to: Path, widths: Sequence[int]) -> None:
            for scene in scenes:
                take(camera, site.url, scene, places, cookies, to, widths)

        def take_away() -> None:
            parts.database.close()
            for file in folder.glob("relay.sqlite3*"):
                file.unlink()
            (folder / "relay.sqlite3").mkdir()

        yield lambda: fill(parts, ehq.url), take_away, take_all


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


def take(
    camera: Any, url: str, scene: Scene, places: Places, cookies: dict[str, str], to: Path, widths: Sequence[int]
) -> None:
    """The whole page in these widths; without any, its top as manuals show it."""
    try:
        address = scene.address.format_map(places)
    except KeyError as missing:
        print(f"  – {scene.name}: there is no {missing.args[0]}")
        return
    for width, height in [(width, 800) for width in widths] or [(1000, 640)]:
        context = camera.new_context(base_url=url, viewport={"width": width, "height": height})
        if scene.role:
            context.add_cookies([{"name": "session", "value": cookies[scene.role], "url": url}])
        page = context.new_page()
        answer = page.goto(address)
        if answer is None or (answer.status == 404 and scene.name != "not-found"):
            print(f"  – {scene.name}: no such page yet")
            context.close()
            return
        if scene.script:
            with page.expect_navigation():
                page.evaluate(scene.script)
        name = f"{scene.name}-{width}.png" if widths else f"{scene.name}.png"
        page.screenshot(path=to / name, full_page=bool(widths))
        sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        print(f"  {name}" + (f": {sideways} px too wide" if sideways > 0 else ""))
        context.close()


if __name__ == "__main__":
    sys.exit(main())
