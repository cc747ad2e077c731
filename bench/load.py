"""The load generator, in a process of its own: what it is to send stands in JSON on its standard input.

Everything is signed before the first byte leaves. It then sends over connections that stay open, either as fast as
the answers come (`rate` 0) or at moments thrown in advance (`rate` a second, Poisson), whether or not answers came:
there, latency counts from the moment at which a request was due.
"""

import json
import random
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from bench import ROOT
from bench.events import request

PATIENCE_S = 20.0


@dataclass
class Load:
    """`first` and `count`: which invented people (bench/events.py). It ends after `seconds`, or when all are sent."""

    url: str
    secret: str
    first: int
    count: int
    seconds: float
    connections: int = 32
    rate: float = 0.0
    tell: bool = False  # when whose webhook was sent

    def start(self) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert process.stdin
        process.stdin.write(json.dumps(asdict(self)) + "\n")
        process.stdin.flush()
        return process

    def run(self) -> "Sent":
        return finished(self.start(), self.seconds)


@dataclass
class Sent:
    seconds: float
    rate: float
    answered: dict[str, int]
    p50_ms: float
    p99_ms: float
    began: float
    when: dict[str, float] = field(default_factory=dict)


def finished(process: "subprocess.Popen[str]", seconds: float) -> Sent:
    """What it has to say. Anything but a 202 spoils the figure."""
    try:
        said, _ = process.communicate(timeout=seconds + 2 * PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise RuntimeError("The load generator did not end.") from None
    if process.returncode:
        raise RuntimeError(f"The load generator ended with {process.returncode}.")
    sent = Sent(**json.loads(said))
    if set(sent.answered) != {"202"}:
        raise RuntimeError(f"Answers that are not 202: {sent.answered}.")
    return sent


class Wire:
    """One connection: what was sent last, and what came back so far."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent = 0.0
        self.read = b""

    def send(self, data: bytes, due: float) -> None:
        self.sent = due
        self.socket.sendall(data)

    def answered(self) -> str | None:
        """The status, once the whole answer is there."""
        data = self.read = self.read + self.socket.recv(65536) if self.read else self.socket.recv(65536)
        if not data:
            raise ConnectionError("The server hung up.")
        head = data.find(b"\r\n\r\n")
        if head < 0:
            return None
        length = data.lower().find(b"content-length:", 0, head)
        if len(data) < head + 4 + int(data[length + 15 : data.find(b"\r\n", length)]):
            return None
        self.read = b""
        return data[9:12].decode()


def send(load: Load) -> Sent:
    where = urlsplit(load.url)
    prepared = [
        request(where.netloc, where.path, load.secret, number) for number in range(load.first, load.first + load.count)
    ]
    address = (where.hostname or "", where.port or 80)
    wires = [Wire(address) for _ in range(load.connections)]
    answered: Counter[str] = Counter()
    took: list[float] = []
    when: dict[str, float] = {}
    clock = time.perf_counter
    began, wall = clock(), time.time()
    dice = random.Random(load.first)
    moments, at = deque[float](), began
    for _ in prepared:
        at += dice.expovariate(load.rate) if load.rate else 0.0
        moments.append(at)
    free, busy, place = deque(wires), 0, 0
    selector = selectors.DefaultSelector()
    for wire in wires:
        selector.register(wire.socket, selectors.EVENT_READ, wire)
    ends = began + load.seconds

    def stop(*_: object) -> None:
        nonlocal ends
        ends = min(ends, clock())

    signal.signal(signal.SIGTERM, stop)
    while True:
        now = clock()
        while free and place < len(prepared) and moments[place] <= now < ends:
            wire, (email, data) = free.popleft(), prepared[place]
            if load.tell:
                when[email] = wall + now - began
            wire.send(data, moments[place] if load.rate else clock())
            place += 1
            busy += 1
        more = place < len(prepared) and now < ends
        if not busy and not more:
            break
        if now > ends + PATIENCE_S:
            raise TimeoutError(f"{busy} answers are missing.")
        # Polling counts in whole milliseconds: before a moment that is closer than that it only looks.
        wait = moments[place] - now if more and free else 1.0
        for key, _ in selector.select(max(0.0, wait - 0.001)):
            if status := key.data.answered():
                took.append(clock() - key.data.sent)
                answered[status] += 1
                free.append(key.data)
                busy -= 1
    seconds = clock() - began
    took.sort()
    p50, p99 = (took[min(len(took) - 1, int(len(took) * part))] * 1000 for part in (0.5, 0.99))
    return Sent(seconds, len(took) / seconds, dict(answered), p50, p99, wall, when)


def main() -> None:
    spec: dict[str, Any] = json.loads(sys.stdin.readline())
    print(json.dumps(asdict(send(Load(**spec)))))


if __name__ == "__main__":
    main()
