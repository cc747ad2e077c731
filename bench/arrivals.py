"""Freshness, burst, live during burst: from a webhook that was sent to a person who is readable in CM."""

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from redis import Redis
from rq import Queue

from bench import ROOT
from bench.events import registration
from bench.load import PATIENCE_S, Load, finished
from bench.row import Row, median, percentile
from bench.world import Arrivals, Relay, World, tell

FRESHNESS, BURST, LIVE = "freshness", "burst", "live during burst"
ROWS = (FRESHNESS, BURST, LIVE)
CM_MS, IMPORT_S = 200, 1.0
LIVE_RATE = 2.0
LIVE_S = 120.0


def measure(wanted: Sequence[str], stores: Sequence[str], postgres: str | None, quick: bool) -> list[Row]:
    rows: list[Row] = []
    people = 2_000 if quick else 10_000
    with World(200, postgres) as world:
        peer = None
        if BURST in wanted:
            world.slow(cm_ms=CM_MS, import_s_per_1000=IMPORT_S)
            peer = _one_call_each(world, 40 if quick else 200)
        for number, store in enumerate(stores):
            world.slow()
            relay = Relay(world, store)
            relay.serve()
            relay.work()
            relay.reconcile()  # fields and segments are there, as on any day but the first
            first = (number + 1) * 1_000_000
            world.slow(cm_ms=CM_MS)
            _fresh(relay, first, 2)  # warm
            if FRESHNESS in wanted:
                rows.append(_freshness(relay, first + 1000, 20 if quick else 60))
            if BURST in wanted or LIVE in wanted:
                world.slow(cm_ms=CM_MS, import_s_per_1000=IMPORT_S)
                rows += [row for row in _burst(relay, first + 100_000, people, peer) if row.name in wanted]
            relay.rest()
    return sorted(rows, key=lambda row: ROWS.index(row.name))


def _fresh(relay: Relay, first: int, count: int) -> list[float]:
    """Seconds from sent to readable, of people who register one now and then."""
    arrivals = Arrivals(relay.world.cm, relay.list_id)
    load = Load(relay.hook, relay.secret, first, count, count * 4.0, connections=4, rate=1.5, tell=True)
    sent = load.run()
    arrivals.wait(sent.when, 60)
    return [arrivals.at[email] - at for email, at in sent.when.items()]


def _freshness(relay: Relay, first: int, count: int) -> Row:
    took = _fresh(relay, first, count)
    p95 = percentile(took, 0.95)
    floor = CM_MS / 1000
    return Row(
        FRESHNESS,
        relay.store,
        ours=f"p95 {p95:.2f} s (p50 {median(took):.2f})",
        peer=f"{floor:.2f} s (one call to CM)",
        ratio=f"{p95 / floor:.1f}",
        target="p95 ≤ 1 s",
        reached=p95 <= 1.0,
        raw={"seconds": took},
    )


def _burst(relay: Relay, first: int, people: int, peer: float | None) -> list[Row]:
    """Everyone at once; and a few more, one by one, from the moment at which it is under way."""
    arrivals = Arrivals(relay.world.cm, relay.list_id)
    limit = 60 + people / 50
    crowd = Load(relay.hook, relay.secret, first, people, limit)
    more = Load(relay.hook, relay.secret, first + people, int(LIVE_RATE * limit), limit, 2, rate=LIVE_RATE, tell=True)
    emails = {registration(number)[0] for number in range(first, first + people)}
    sending, singly = crowd.start(), more.start()
    try:
        sent = finished(sending, limit)
        arrivals.wait(emails, limit)
    finally:
        singly.terminate()  # it then sends no more, and tells what it did
    alone = finished(singly, limit)
    arrivals.wait(alone.when, limit)
    began, last = sent.began, max(arrivals.at[email] for email in emails)
    ours = last - began
    floor = people / 1000 * (IMPORT_S + CM_MS / 1000)
    during = [arrivals.at[email] - at for email, at in alone.when.items() if began + 0.5 < at < last]
    rows = []
    if peer is not None:
        theirs = peer * people
        rows.append(
            Row(
                BURST,
                relay.store,
                ours=f"{people:,} in {ours:.1f} s (taken in {sent.seconds:.1f})",
                peer=f"{theirs:,.0f} s (forking, a call each); floor {floor:.0f} s",
                ratio=f"{theirs / ours:.0f}",
                target="≥ 50",
                reached=theirs / ours >= 50,
                raw={"ours_s": ours, "taken_s": sent.seconds, "peer_s": theirs, "floor_s": floor},
            )
        )
    if during:
        p95 = percentile(during, 0.95)
        rows.append(
            Row(
                LIVE,
                relay.store,
                ours=f"p95 {p95:.2f} s (p50 {median(during):.2f}, {len(during)} sent)",
                peer=f"{CM_MS / 1000:.2f} s (one call to CM)",
                ratio=f"{p95 / CM_MS * 1000:.1f}",
                target="p95 ≤ 5 s",
                reached=p95 <= 5.0,
                raw={"seconds": during},
            )
        )
    return rows


def _one_call_each(world: World, jobs: int) -> float:
    """Seconds a person by RQ's own worker, between the first and the last call: its start is not counted."""
    url = world.queue_url()
    queue = Queue("peer", connection=Redis.from_url(url))
    made = tell(f"{world.cm}/api/v3.3/lists/{client(world)}.json", {"Title": "One call each"})
    for number in range(jobs):
        subscriber: dict[str, Any] = {
            "EmailAddress": registration(number)[0],
            "ConsentToTrack": "Unchanged",
            "Resubscribe": False,
        }
        address = f"{world.cm}/api/v3.3/subscribers/{made}.json"
        queue.enqueue("bench.peers.one_call_each.add", address, subscriber)
    arrivals = Arrivals(world.cm, made)
    rq = [sys.executable, "-c", "from rq.cli import main; main()"]
    subprocess.run(
        [*rq, "worker", "--url", url, "--burst", "--quiet", "--path", str(ROOT), "peer"],
        cwd=ROOT,
        check=True,
        timeout=60 + jobs,
    )
    arrivals.wait({registration(number)[0] for number in range(jobs)}, PATIENCE_S)
    return (max(arrivals.at.values()) - min(arrivals.at.values())) / (jobs - 1)


def client(world: World) -> str:
    return str(tell(f"{world.cm}/api/v3.3/clients.json", None, "GET")[0]["ClientID"])
