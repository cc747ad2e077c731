"""bin/test: the checks of bin/lint, then every test. Exit status: the worst of both."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import embedded
from environment import OURS, ROOT
from honcho.printer import Printer
from processes import Processes, Stopped, stoppable

MEMORY, ROOM = Path("/dev/shm"), 1 << 30
"""A disk of memory, where there is one with a GiB free: every commit of SQLite's waits for the disk."""
AT_ONCE = min((os.cpu_count() or 2) + 1, 8)
"""Test processes: one more than processors, as there is always one that waits for a timer, a browser or an answer. Each
takes half a GiB, and a database of Redis (tests/conftest.py)."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="bin/test",
        description=__doc__,
        epilog="Everything else goes to pytest; with a path or -k among it, bin/lint is left out. "
        "TEST_DATABASE_URL: a PostgreSQL database to test on as well. TEST_REDIS_URL: a Redis to use in place of the "
        "embedded one. Both are emptied.",
    )
    parser.add_argument("--long", action="store_true", help="also what takes minutes (tests marked `long`)")
    given, more = parser.parse_known_args()
    ci = os.environ.get("CI") == "true"
    if ci and not os.environ.get("TEST_DATABASE_URL"):
        print("CI=true, but TEST_DATABASE_URL is not set: the tests have to run on PostgreSQL too.", file=sys.stderr)
        return 2
    os.chdir(ROOT)
    lint = 0
    if not more:
        lint = subprocess.run([sys.executable, str(Path(__file__).with_name("checks.py"))], check=False).returncode
    folder = Path(tempfile.mkdtemp(prefix="relay-test-", dir=None if len(tempfile.gettempdir()) < 60 else "/tmp"))
    processes = Processes(Printer((folder / "log").open("w")))
    try:
        with stoppable():
            embedded.start(processes, folder / "redis.sock", folder / "queue")
            return max(lint, pytest(environment(folder / "redis.sock"), given.long, more))
    except Stopped as stopped:
        return 128 + stopped.number
    except (RuntimeError, OSError) as error:
        print(f"{error}\n{(folder / 'log').read_text()}", file=sys.stderr)
        return 1
    finally:
        processes.stop()
        shutil.rmtree(folder, ignore_errors=True)


def environment(socket: Path) -> dict[str, str]:
    """No setting of a real relay reaches a test; the embedded queue is there even where another one is given."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    env["TEST_EMBEDDED_REDIS_URL"] = f"unix://{quote(str(socket))}"
    env.setdefault("TEST_REDIS_URL", env["TEST_EMBEDDED_REDIS_URL"])
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
        env.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    return env


def pytest(env: dict[str, str], long: bool, more: list[str]) -> int:
    chosen = [] if long else ["-m", "not long"]
    # Ctrl-C is pytest's: it then sums up what it has seen. Ours is only to outlive it.
    signal.signal(signal.SIGINT, lambda *_: None)
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-n", str(AT_ONCE), "--dist", "worksteal", *chosen, *more], env=env
    )
    try:
        return process.wait()
    finally:
        process.terminate()


if __name__ == "__main__":
    sys.exit(main())
