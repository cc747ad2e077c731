"""Prepares `.venv` and runs one command in it. Run by any Python 3.11 or newer, with nothing but its standard library.

`.venv/ready.json` remembers what was installed, so that the next start only compares three hashes. It is taken away
before an installation begins and written after it ended: one that was interrupted is noticed, and begun anew.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import pwd
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
READY = VENV / "ready.json"

COMMANDS = {  # what runs, and whether it needs the development requirements
    "run": ("start.py", False),
    "relay": ("command_line.py", False),
    "bench": ("figures.py", False),
    "screenshots": ("screenshots.py", True),
    "test": ("run_tests.py", True),
    "lint": ("checks.py", True),
    "requirements": ("compile_requirements.py", False),
}


def main() -> None:
    command, arguments = sys.argv[1], sys.argv[2:]
    script, development = COMMANDS[command]
    set_the_table()
    wanted = ["requirements.txt", "requirements-dev.txt"][: 1 + development]
    try:
        prepare(wanted)
    except KeyboardInterrupt:
        sys.exit("Interrupted. The next start begins the installation anew.")
    except OSError as error:
        sys.exit(f"Could not prepare {VENV}: {error}")
    sys.stdout.flush()
    os.execv(PYTHON, [str(PYTHON), str(Path(__file__).with_name(script)), *arguments])


def set_the_table() -> None:
    """What every command may rely on, however bare the environment was."""
    # Never more open than 022 (others could change what we run), never so closed that we lock ourselves out.
    mask = os.umask(0o022)
    os.umask((mask | 0o022) & 0o077)
    home = os.environ.get("HOME")
    if not home or not os.access(home, os.W_OK):
        with contextlib.suppress(KeyError):  # a user id without an account, as in some containers
            home = pwd.getpwuid(os.getuid()).pw_dir
        os.environ["HOME"] = home if home and os.access(home, os.W_OK) else str(VENV)
    os.environ["PATH"] = f"{PYTHON.parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["VIRTUAL_ENV"] = str(VENV)
    os.environ["PYTHONUTF8"] = "1"  # an empty environment has no locale either


def prepare(wanted: list[str]) -> None:
    digests = {name: hashlib.sha256((ROOT / name).read_bytes()).hexdigest() for name in wanted}
    if missing(digests) == []:
        return
    with alone() as lock:
        due = missing(digests)  # another start may have installed it while this one waited
        if due == []:
            return
        install(due, digests, lock)


def missing(digests: dict[str, str]) -> list[str] | None:
    """Which files still have to be installed; None: `.venv` is not there, not whole, or of another place or Python."""
    try:
        known = json.loads(READY.read_text())
        if known["root"] != str(ROOT) or known["python"] != os.path.realpath(PYTHON) or not PYTHON.exists():
            return None
        return [name for name, digest in digests.items() if known["files"].get(name) != digest]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def install(due: list[str] | None, digests: dict[str, str], lock: int) -> None:
    known: dict[str, str] = {}
    if due is None:
        say(f"Preparing .venv with Python {sys.version.split()[0]}: once, about a minute.")
        create()
        due = list(digests)
    else:
        say("The requirements changed: bringing .venv up to date.")
        known = json.loads(READY.read_text())["files"]
    READY.unlink(missing_ok=True)
    for name in due:
        pip_install(name, lock)
        known[name] = digests[name]
    record = {"root": str(ROOT), "python": os.path.realpath(PYTHON), "files": known}
    fresh = READY.with_suffix(".new")
    fresh.write_text(json.dumps(record))
    fresh.replace(READY)


def create() -> None:
    if VENV.is_symlink():
        VENV.unlink()
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False)
    if made.returncode == 0:
        return
    # Debian and Ubuntu ship Python without ensurepip. A pip or uv that is there already can stand in for it.
    shutil.rmtree(VENV, ignore_errors=True)
    bare = [sys.executable, "-m", "venv", "--without-pip", str(VENV)]
    if installer() and subprocess.run(bare, capture_output=True, check=False).returncode == 0:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    sys.exit(
        f"{made.stdout}{made.stderr}\n{sys.executable} could not make a virtual environment (see above). "
        f"On Debian and Ubuntu: apt-get install {version}-venv. Without root: install uv "
        "(https://docs.astral.sh/uv/) or another Python 3.11 or newer, and start again."
    )


def installer() -> list[str] | None:
    """A command that installs into .venv although it has no pip of its own."""
    if shutil.which("uv"):
        return ["uv", "pip", "install", "--python", str(PYTHON)]
    known = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False)
    return [sys.executable, "-m", "pip", "--python", str(PYTHON), "install"] if known.returncode == 0 else None


def pip_install(name: str, lock: int) -> None:
    """Exactly what the file pins: it names every package there is to install, and the hash of each."""
    has_pip = any(VENV.glob("lib/python*/site-packages/pip"))
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    command = command if has_pip else installer() or command
    pins = sum("==" in line for line in (ROOT / name).read_text().splitlines())
    tail: deque[str] = deque(maxlen=25)
    seen = 0
    with subprocess.Popen(
        [*command, "--require-hashes", "--no-deps", "-r", str(ROOT / name)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", cwd=ROOT,
        pass_fds=[lock],  # pip keeps the lock while it lives, even if we are killed
    ) as process:  # fmt: skip
        assert process.stdout
        for line in process.stdout:
            tail.append(line)
            if line.startswith(("Collecting ", "Requirement already satisfied: ")):
                seen += 1
                progress(f"{name}: {seen} of at most {pins} packages fetched")
            elif line.startswith("Installing collected packages"):
                progress(f"{name}: installing {seen} packages …")
    progress("")
    if process.returncode != 0:
        sys.exit(
            f"{''.join(tail)}\nInstalling {name} failed (see above); it needs a way to a package index, and 200 MB of "
            "disk. The next start tries again."
        )


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def alone() -> Iterator[int]:
    """One installation at a time. The lock is on the folder itself: no file to leave behind, freed by the kernel."""
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another start is installing; waiting for it …")
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(folder)


if __name__ == "__main__":
    main()
