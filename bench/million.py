"""A million people: the first sync, a run that finds nothing, and one that finds 1 % changed, beside their floors.

The floor is what no program that asks the same questions can do without: pages read one after the other, and imports.
"""

import itertools
import sys
import time
from collections.abc import Sequence
from typing import Any

import requests

from bench.row import Row
from bench.runs import _bare, _peak, _worked
from bench.world import Relay, World, ask, tell, web

FIRST, SAME, CHANGED = "million: first sync", "million: unchanged run", "million: run with 1 % changed"
ROWS = (FIRST, SAME, CHANGED)
PEOPLE, QUICK = 1_000_000, 20_000
STATES = ("active", "unconfirmed", "unsubscribed", "bounced", "deleted")
AT_ONCE = 1000
MOVING = "joined_days"
MOST_MB = 400.0


def measure(wanted: Sequence[str], stores: Sequence[str], postgres: str | None, quick: bool) -> list[Row]:
    people = QUICK if quick else PEOPLE
    rows = []
    for store in stores:  # a world each: two lists of a million would measure the simulator's memory
        say(f"inventing {people:,} people for {store}")
        with World(people, postgres) as world:
            hold_still(world)
            relay = Relay(world, store)
            first = one_run(relay)
            bare = _bare(world)
            rows.append(row(FIRST, store, people, first, bare))
            pages = read_pages(world, relay.list_id)
            rows.append(row(SAME, store, people, one_run(relay), pages))
            change(world, people // 100)
            floor = read_pages(world, relay.list_id) + bare / 100
            rows.append(row(CHANGED, store, people, one_run(relay), floor))
    return rows


def hold_still(world: World) -> None:
    """A group whose members leave by the passing of time would change between two runs: it keeps those it has."""
    moving = next(group for group in ask(f"{world.ehq}/sandbox/people.json?id=0")["groups"] if MOVING in group["rule"])
    members: list[int] = []
    for page in itertools.count(1):
        query = {"page": page, "per_page": AT_ONCE}
        address = f"{world.ehq}/api/v2/groups/{moving['id']}/users"
        reply = get(address, params=query, headers={"X-API-Token": "sandbox"})
        members += [int(one["id"]) for one in reply["data"]]
        if reply["links"]["next"] is None:
            break
    for what in ({"action": "group_rule", "rule": {"members": True}}, {"action": "group_add", "id": members}):
        tell(f"{world.ehq}/sandbox/act", {**what, "group": moving["id"], "silent": True})


def one_run(relay: Relay) -> dict[str, float]:
    """A whole run by a worker of its own: {"s", "mb", "ehq_calls", "cm_calls", "writes", "processor_s", "imports"}."""
    calls = [f"{url}/sandbox/calls.json" for url in (relay.world.ehq, relay.world.cm)]
    for url in calls:
        tell(url, None, "DELETE")
    pid = relay.work()
    took = relay.reconcile()
    ehq, cm = (ask(url) for url in calls)
    found = {"s": took, "mb": _peak(pid), "ehq_calls": ehq["total"], "cm_calls": cm["total"], "writes": cm["writes"]}
    found["processor_s"] = _worked(pid)
    relay.rest()
    imports = sum(n for call, n in cm["calls"].items() if call.endswith("/import"))
    say(f"{relay.store}: {took:.0f} s ({found['processor_s']:.0f} s worked), {found['mb']:.0f} MB, {imports} imports")
    return {**found, "imports": imports}


def row(name: str, store: str, people: int, run: dict[str, float], floor: float) -> Row:
    ratio = run["s"] / floor
    calls = run["ehq_calls"] + run["cm_calls"]
    told = f"{people:,}: {run['s']:.0f} s ({run['processor_s']:.0f} s worked), {run['mb']:.0f} MB, {calls:.0f} calls"
    say(f"{name}, {store}: floor {floor:.0f} s")
    kept = (run["writes"] == 0 if name == SAME else True) and run["mb"] <= MOST_MB
    return Row(
        name,
        store,
        ours=f"{told}, {run['writes']:.0f} of them writes",
        peer=f"{floor:.0f} s (pages{'' if name == SAME else ' and imports'})",
        ratio=f"{ratio:.2f}",
        target=f"≤ {MOST_MB:.0f} MB" + (", 0 writes" if name == SAME else ""),
        reached=kept,
        raw={**run, "people": people, "floor_s": floor, "ratio": ratio},
    )


def read_pages(world: World, list_id: str) -> float:
    """Seconds of reading every page of both sides and doing nothing with them."""
    began = time.monotonic()
    for page in itertools.count(1):
        query: dict[str, Any] = {"page": page, "per_page": AT_ONCE}
        reply = get(f"{world.ehq}/api/v2/users", params=query, headers={"X-API-Token": "sandbox"})
        if reply["links"]["next"] is None:
            break
    for state in STATES:
        for page in itertools.count(1):
            query = {"page": page, "pagesize": AT_ONCE}
            url = f"{world.cm}/api/v3.3/lists/{list_id}/{state}.json"
            if page >= get(url, params=query, auth=("sandbox", "x"))["NumberOfPages"]:
                break
    return time.monotonic() - began


def get(url: str, **more: Any) -> Any:
    reply: requests.Response = web.get(url, timeout=300, **more)
    reply.raise_for_status()
    return reply.json()


def change(world: World, count: int) -> None:
    """Somebody's postcode changes, and EHQ tells nobody."""
    for start in range(0, count, AT_ONCE):
        some = min(AT_ONCE, count - start)
        what = {"action": "answer", "count": some, "question": 12, "value": f"{start % 9000 + 1000}", "silent": True}
        reply = web.post(f"{world.ehq}/sandbox/act", json=what, timeout=300)
        reply.raise_for_status()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
