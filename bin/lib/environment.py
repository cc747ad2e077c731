"""The environment the relay's processes get: what the shell says, then `.env`, then what is kept in var/."""

import base64
import fcntl
import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from honcho.environ import parse

ROOT = Path(__file__).resolve().parents[2]
RUNNING = "running.json"
SOCKET_LIMIT = 100  # bytes; the kernel allows 108 (Linux) or 104 (macOS) for the path of a unix socket

# Never taken from the shell or .env for a demonstration: it must not meet the real database, or real accounts.
OURS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "RELAY_", "CAMPAIGN_MONITOR_")


def data_folder(demo: bool) -> Path:
    folder = ROOT / "var" / "demo" if demo else ROOT / "var"
    folder.mkdir(parents=True, exist_ok=True)
    (ROOT / "var").chmod(0o700)
    return folder


def environment(data: Path, demo: bool) -> dict[str, str]:
    """Everything but the port and the address of the pages, which only a running copy knows."""
    shell = {name: value for name, value in os.environ.items() if value}
    if demo:
        made = {name: value for name, value in shell.items() if not name.startswith(OURS)}
    else:
        made = {**dotenv(ROOT / ".env"), **shell}
    defaults = {  # the names that relay/settings.py looks for in var/, so that `python -m relay` finds the same
        "DATABASE_URL": f"sqlite:///{data / 'relay.sqlite3'}",  # four slashes with the path's own: absolute
        "REDIS_URL": f"unix://{quote(str(socket_path(data)))}",
        "SECRET_KEY": kept(data / "secret-key"),
        "RELAY_ENCRYPTION_KEYS": kept(data / "encryption-keys"),
    }
    for name, value in defaults.items():
        if name not in made and f"{name}_FILE" not in made:
            made[name] = value
    if told := running(data):
        made.setdefault("RELAY_BASE_URL", told["address"])
        made |= told["simulated"]
    return made


def uses_embedded_queue(data: Path, made: dict[str, str]) -> bool:
    return made.get("REDIS_URL") == f"unix://{quote(str(socket_path(data)))}"


def dotenv(path: Path) -> dict[str, str]:
    values: dict[str, str] = {}
    if path.exists():
        for number, line in enumerate(path.read_text().splitlines(), 1):
            try:
                values |= parse(line)
            except ValueError as error:
                sys.exit(
                    f"{path}, line {number}: {error}. Write NAME=value, or NAME='value' around spaces, quotes and #."
                )
    return values


def kept(path: Path) -> str:
    """A random key, made once: losing it makes stored credentials unreadable. Any 32 random bytes are a Fernet key."""
    with locked(path.parent):
        if not path.exists():
            write_private(path, base64.urlsafe_b64encode(os.urandom(32)).decode())
    return path.read_text().strip()


def socket_path(data: Path) -> Path:
    """Beside the data; in a private folder for temporary files when that path is too long for a socket, or has a
    blank in it: RQ asks the server for its clients, and redis-py cannot read a blank in the answer."""
    path = data / "queue.sock"
    if len(str(path)) <= SOCKET_LIMIT and quote(str(path)) == str(path):
        return path
    note = data / "socket-folder"
    with locked(data):
        try:
            folder = Path(note.read_text())
            seen = folder.lstat()
            ours = stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.getuid() and not seen.st_mode & 0o077
        except OSError:
            ours = False
        if not ours:  # mkdtemp makes it for this user alone, under a name nobody can foresee
            short = len(tempfile.gettempdir()) <= SOCKET_LIMIT - 40
            folder = Path(tempfile.mkdtemp(prefix="relay-", dir=None if short else "/tmp"))
            write_private(note, str(folder))
    return folder / "queue.sock"


def write_private(path: Path, text: str) -> None:
    """All of it or nothing, and never readable for others, not even for a moment."""
    handle, fresh = tempfile.mkstemp(dir=path.parent)  # mode 600
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(fresh).replace(path)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class AlreadyRunning(Exception):
    pass


@contextmanager
def only_copy(data: Path) -> Iterator[Path]:
    """One relay per folder. The kernel lets go of the lock when its holder ends, however it ends."""
    path = data / RUNNING
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning from None
        file.truncate(0)
        yield path
        file.truncate(0)


def running(data: Path) -> dict[str, Any]:
    """What the running copy wrote about itself; empty when none runs, or when it still starts."""
    try:
        told = json.loads((data / RUNNING).read_text())
        os.kill(told["pid"], 0)
    except PermissionError:
        return dict(told)
    except (OSError, ValueError, KeyError):
        return {}
    return dict(told)
