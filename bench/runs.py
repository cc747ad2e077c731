"""First sync, and the daily run when nothing changed."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import ROOT
from bench.arrivals import client
from bench.row import Row
from bench.world import Relay, World, ask, tell

FIRST, DAILY = "first sync", "daily run unchanged"
ROWS = (FIRST, DAILY)
PAGE_MS, IMPORT_S = 100, 1.0
MEGABYTE = 1024.0


def measure(wanted: Sequence[str], stores: Sequence[str], postgres: str | None, quick: bool) -> list[Row]:
    people = 10_000 if quick else 100_000
    small = {}
    if DAILY in wanted:
        with World(people // 10, postgres) as world:
            for store in stores:
                relay = Relay(world, store)
                relay.work()
                relay.reconcile()
                small[store] = _daily(relay)[1]
                relay.rest()
    rows = []
    with World(people, postgres) as world:
        world.slow()
        relays = [Relay(world, store) for store in stores]
        peer = None
        for relay in relays:
            world.slow(PAGE_MS if FIRST in wanted else 0, PAGE_MS if FIRST in wanted else 0, IMPORT_S)
            if FIRST not in wanted:
                world.slow()
            relay.work()
            took = relay.reconcile()
            if FIRST in wanted:
                peer = peer or _bare(world)
                rows.append(_first(relay.store, people, took, peer))
            relay.rest()
            if DAILY in wanted:
                rows += _unchanged(relay, people, small[relay.store])
    return sorted(rows, key=lambda row: ROWS.index(row.name))


def _first(store: str, people: int, ours: float, peer: float) -> Row:
    ratio = ours / peer
    return Row(
        FIRST,
        store,
        ours=f"{people:,} in {ours:.0f} s",
        peer=f"{peer:.0f} s (reads, imports, keeps nothing)",
        ratio=f"{ratio:.2f}",
        target="≤ 1.5",
        reached=ratio <= 1.5,
        raw={"ours_s": ours, "peer_s": peer, "ratio": ratio},
    )


def _unchanged(relay: Relay, people: int, small: float) -> list[Row]:
    relay.world.slow()
    writes, peak = _daily(relay)
    ratio = peak / small if small else 0.0
    told = f"writes {writes}; peak {peak:.0f} MB" if peak else f"writes {writes}; peak unknown here"
    reached = writes == 0 and (not peak or (peak <= 200 and ratio <= 1.1))
    return [
        Row(
            DAILY,
            relay.store,
            ours=told,
            peer=f"{small:.0f} MB ({people // 10:,} people)",
            ratio=f"{ratio:.2f}",
            target="0; ≤ 200 MB, ≤ 1.10",
            reached=reached,
            raw={"writes": writes, "peak_mb": peak, "peak_mb_of_a_tenth": small},
        )
    ]


def _daily(relay: Relay) -> tuple[int, float]:
    """Writes to CM, and the most memory (MB) of a worker that did this run and nothing else."""
    pid = relay.work()
    tell(f"{relay.world.cm}/sandbox/calls.json", None, "DELETE")
    relay.reconcile()
    writes, peak = int(ask(f"{relay.world.cm}/sandbox/calls.json")["writes"]), _peak(pid)
    relay.rest()
    return writes, peak


def _peak(pid: int) -> float:
    """MB; 0 where the system does not tell (only Linux does)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / MEGABYTE for line in lines if line.startswith("VmHWM:")), 0.0)


def _worked(pid: int) -> float:
    """Seconds of processor time, of all its threads; 0 where the system does not tell (only Linux does)."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def _bare(world: World) -> float:
    """Seconds of peers/bare_sync.py, into a list that is ready for it."""
    made = tell(f"{world.cm}/api/v3.3/lists/{client(world)}.json", {"Title": "Bare sync"})
    site = ask(f"{world.ehq}/sandbox/people.json?id=0")
    fields: list[tuple[str, str, list[str]]] = [(name, "Text", []) for name in ("EHQ ID", "Role", "Activated", "Tags")]
    fields += [("Joined", "Date", []), ("Groups", "MultiSelectMany", [g["attributes"]["name"] for g in site["groups"]])]
    kinds = {"radio": "MultiSelectOne", "checkbox": "MultiSelectMany", "date": "Date"}
    for question in site["questions"]:
        kind = kinds.get(question["type"], "Text")
        fields.append((f"Q{question['id']}", kind, question["options"] if kind.startswith("Multi") else []))
    for name, kind, options in fields:
        field = {"FieldName": name, "DataType": kind, "Options": options}
        tell(f"{world.cm}/api/v3.3/lists/{made}/customfields.json", field)
    command = [sys.executable, "-m", "bench.peers.bare_sync", world.ehq, world.cm, made]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=3600)
    if done.returncode:
        raise RuntimeError(f"bare_sync.py ended with {done.returncode}: {done.stderr[-500:]}")
    return float(json.loads(done.stdout)["seconds"])
