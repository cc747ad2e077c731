"""Ingest, ingest ceiling, answer: the relay's door beside two doors that do less, under the same gunicorn."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import redis

from bench.load import Load, Sent
from bench.row import Row, median
from bench.world import Relay, World

INGEST, CEILING, ANSWER = "ingest", "ingest ceiling", "answer"
ROWS = (INGEST, CEILING, ANSWER)
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
RATE = 200


@dataclass
class Asked:
    """What one round of load found, and the processor time (µs a webhook) that the door's processes took for it: that
    moves less with what else the machine is doing than the rate does. 0 where the system does not tell."""

    sent: Sent
    cpu_us: float


class Doors:
    """All of them at once, asked in turn: what disturbs one disturbs the others as well."""

    def __init__(self, world: World, stores: Sequence[str]) -> None:
        self.queue = redis.Redis.from_url(url := world.queue_url())
        self.relays = [Relay(world, store) for store in stores]
        for relay in self.relays:
            relay.serve()
        env = {"PEER_SECRET": SECRET, "PEER_REDIS_URL": url}
        self.at = {
            "verify": (world.serve("verify", "bench.peers.verify_only:app", env) + "/webhooks/ehq/bench", SECRET),
            "enqueue": (world.serve("enqueue", "bench.peers.enqueue:app", env) + "/webhooks/ehq/bench", SECRET),
            **{relay.store: (relay.hook, relay.secret) for relay in self.relays},
        }
        names = {"verify": "verify", "enqueue": "enqueue"} | {store: f"web {store}" for store in stores}
        self.pids = {name: world.pid(process) for name, process in names.items()}
        self.next = 0

    def ask(self, name: str, seconds: float, rate: float = 0.0) -> Asked:
        url, secret = self.at[name]
        count = int(seconds * (rate or 6000))
        load = Load(url, secret, self.next, count, seconds, rate=rate)
        self.next += count
        before = cpu_seconds(self.pids[name])
        sent = load.run()
        took = cpu_seconds(self.pids[name]) - before
        self.queue.flushdb()  # nobody takes the plain queue's jobs out, so that only its door is measured
        return Asked(sent, took / sum(sent.answered.values()) * 1e6)

    def rounds(self, names: Sequence[str], rounds: int, seconds: float, rate: float = 0.0) -> dict[str, list[Asked]]:
        for name in names:
            self.ask(name, 1.0, rate)  # warm
        found: dict[str, list[Asked]] = {name: [] for name in names}
        for number in range(rounds):
            turn = number % len(names)
            for name in (*names[turn:], *names[:turn]):
                found[name].append(self.ask(name, seconds, rate))
        return found


def cpu_seconds(pid: int) -> float:
    """Of a process and all below it; 0 where the system does not tell (only Linux does)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        tasks = Path(f"/proc/{pid}/task").iterdir()
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return 0.0
    mine = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return mine + sum(cpu_seconds(child) for child in children)


def measure(wanted: Sequence[str], stores: Sequence[str], postgres: str | None, quick: bool) -> list[Row]:
    rows: list[Row] = []
    with World(20, postgres) as world:
        doors = Doors(world, stores)
        if INGEST in wanted or CEILING in wanted:
            full = doors.rounds(("enqueue", "verify", *stores), 4 if quick else 8, 2.0 if quick else 4.0)
            for store in stores:
                if INGEST in wanted:
                    rows.append(_ingest(INGEST, store, full, "enqueue", "verifies, queue.enqueue", 1.0))
                if CEILING in wanted:
                    rows.append(_ingest(CEILING, store, full, "verify", "only verifies", 0.45))
        if ANSWER in wanted:
            calm = doors.rounds(("verify", *stores), 3 if quick else 6, 4.0 if quick else 10.0, RATE)
            rows += [_answer(store, calm) for store in stores]
    return rows


def _ingest(name: str, store: str, full: dict[str, list[Asked]], peer: str, what: str, target: float) -> Row:
    ours, theirs = ([one.sent.rate for one in full[who]] for who in (store, peer))
    cost, their_cost = (median([one.cpu_us for one in full[who]]) for who in (store, peer))
    ratio = median([a / b for a, b in zip(ours, theirs, strict=True)])
    return Row(
        name,
        store,
        ours=f"{median(ours):,.0f}/s ({cost:,.0f} µs)",
        peer=f"{median(theirs):,.0f}/s ({their_cost:,.0f} µs; {what})",
        ratio=f"{ratio:.2f}",
        target=f"≥ {target}",
        reached=ratio >= target,
        raw={"ours": ours, "peer": theirs, "ratio": ratio, "ours_cpu_us": cost, "peer_cpu_us": their_cost},
    )


def _answer(store: str, calm: dict[str, list[Asked]]) -> Row:
    ours, theirs = ([one.sent.p99_ms for one in calm[who]] for who in (store, "verify"))
    ratio = median([a / b for a, b in zip(ours, theirs, strict=True)])
    return Row(
        ANSWER,
        store,
        ours=f"p99 {median(ours):.1f} ms",
        peer=f"{median(theirs):.1f} ms (only verifies)",
        ratio=f"{ratio:.2f}",
        target="≤ 3",
        reached=ratio <= 3,
        raw={"ours_ms": ours, "peer_ms": theirs, "ratio": ratio},
    )
