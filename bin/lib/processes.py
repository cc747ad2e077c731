"""Starts processes, prints what they say, and stops them: in reverse order, in bounded time, none left behind.

honcho reads the Procfile and `.env` and prints the lines. Its manager is not used: it stops everything at once, kills
after five seconds (a worker may need twenty for the call it is in), and leaves the children running when killed itself.
"""

import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from honcho.colour import get_colours
from honcho.printer import Message, Printer

SHORT_S = 5.0
"""Who lives for less ends again: something is wrong that starting it again does not mend."""


class Stopped(BaseException):
    """Ctrl-C, SIGTERM, or the terminal was closed."""

    def __init__(self, number: int) -> None:
        self.number = number


@dataclass
class Ended:
    name: str
    status: int

    def __str__(self) -> str:
        how = f"exit status {self.status}" if self.status >= 0 else f"killed by {signal.Signals(-self.status).name}"
        return f"{self.name} ended by itself ({how})"


@dataclass
class One:
    name: str
    process: "subprocess.Popen[bytes]"
    patience: float
    printing: threading.Thread | None = None


class Processes:
    def __init__(self, printer: Printer) -> None:
        self._printer, self._colours = printer, get_colours()
        self._printer.width = len("sandbox")
        self._printing = threading.Lock()
        self._all: list[One] = []
        self._ended: queue.Queue[Ended] = queue.Queue()
        self._hurry = threading.Event()
        self._starting, self._stopping = threading.Lock(), False

    def start(
        self,
        name: str,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        patience: float = 10,
        terminal: bool = False,
        watched: bool = True,
        again: bool = False,
    ) -> "One":
        """`patience`: seconds from SIGTERM to SIGKILL. `terminal`: it writes there itself. `watched`: see `ended`.
        `again`: should it end by itself, it is started again, unless it had just been started."""
        anew = partial(self._spawn, name, command, env, patience, terminal)
        one = anew()
        if watched:
            threading.Thread(target=self._watch, args=(one, anew if again else None), daemon=True).start()
        return one

    def _spawn(
        self, name: str, command: Sequence[str], env: Mapping[str, str] | None, patience: float, terminal: bool
    ) -> "One":
        process = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=None if terminal else subprocess.PIPE,
            stderr=None if terminal else subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches us alone, so that the order of stopping is ours
            preexec_fn=die_with_parent,
        )
        one = One(name, process, patience)
        self._all.append(one)
        if process.stdout:
            one.printing = threading.Thread(target=self._print, args=(one, next(self._colours)), daemon=True)
            one.printing.start()
        return one

    def run(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> int:
        """Start, wait for its end and its last line, return its exit status."""
        one = self.start(name, command, env, watched=False)
        status = one.process.wait()
        if one.printing:
            one.printing.join(timeout=2)
        return status

    def ended(self, wait: float | None = None) -> Ended | None:
        """The first process that ended; None when `wait` seconds passed without."""
        try:
            return self._ended.get(timeout=wait)
        except queue.Empty:
            return None

    def stop(self) -> None:
        """The last one started goes first. A second Ctrl-C meanwhile kills what is left."""
        before = {number: signal.signal(number, lambda *_: self._hurry.set()) for number in STOPPING}
        with self._starting:
            self._stopping = True
        for one in reversed(self._all):
            self._stop(one)
        for number, handler in before.items():
            signal.signal(number, handler)

    def _stop(self, one: One) -> None:
        one.process.terminate()
        for _ in range(int(one.patience * 20)):
            if self._hurry.is_set():
                break
            try:
                one.process.wait(0.05)
                break
            except subprocess.TimeoutExpired:
                continue
        try:  # itself if it did not listen, and what it may have left behind in its group
            os.killpg(one.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        one.process.wait()

    def _print(self, one: One, colour: str) -> None:
        assert one.process.stdout
        for line in one.process.stdout:
            self._line(one, line, colour)

    def _line(self, one: One, line: bytes, colour: str = "0") -> None:
        try:
            with self._printing:
                self._printer.write(Message("line", line, datetime.now(), one.name, colour))  # noqa: DTZ005
        except (OSError, ValueError):
            pass  # nobody reads what we print any more; the process must not wait for that

    def _watch(self, one: One, anew: Callable[[], One] | None) -> None:
        """In one thread for all lives of a process: Linux tells it to stop when the thread that started it is gone."""
        while True:
            began = time.monotonic()
            ended = Ended(one.name, one.process.wait())
            with self._starting:
                if not anew or self._stopping or time.monotonic() < began + SHORT_S:
                    break
                self._line(one, f"{ended}; it is started again.\n".encode())
                one = anew()
        self._ended.put(ended)


STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stoppable() -> Iterator[None]:
    def stop(number: int, _: object) -> None:
        raise Stopped(number)

    for number in STOPPING:
        signal.signal(number, stop)
    yield


# Looked up before any fork. PyDLL, because a call through CDLL would let go of the interpreter's lock in the child.
_prctl = ctypes.PyDLL(None).prctl if sys.platform == "linux" else None


def die_with_parent() -> None:
    """Run in the child: be told to stop when bin/run is gone, even by `kill -9`. Linux only."""
    if _prctl:
        _prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
