"""Counts by day, and what silence of EHQ's webhook means."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from relay.domain.rules import Rules
from relay.domain.schedule import day
from relay.store import days, deliveries, runs
from relay.store.runs import Run
from relay.sync.health.silence import judge
from tests.conftest import Live


def counted(live: Live) -> dict[str, int]:
    live.relay.parts.meters.flush(now=True)
    today = day(Rules(), time.time())
    with live.relay.parts.database.read() as tx:
        return days.since(tx, live.connection.id, today).get(today, {})


def test_arrivals_runs_drift_and_calls_are_counted_by_day(live: Live) -> None:
    before = counted(live)
    assert before[days.RUNS] == 1
    assert before[days.CALLS] > 3
    assert set(before) == {days.RUNS, days.CALLS}  # a first run finds everybody new: no drift
    for _ in range(3):
        live.ehq.register()
    live.ehq.act("event", type="odd.thing", data={"type": "users", "id": "1", "attributes": {}})
    live.arrives()
    assert counted(live)[days.ARRIVED] == 4
    with live.relay.parts.database.write() as tx:
        deliveries.take_again(tx, [d.id for d in deliveries.search(tx, live.connection.id)])
    live.relay.settle(live.connection)
    assert counted(live)[days.ARRIVED] == 4  # what is replayed arrived once
    one, _ = live.ehq.someone()
    live.ehq.act("answer", id=one, question=12, value="3090", silent=True)
    live.run(dry=True)
    live.run()
    now = counted(live)
    assert (now[days.RUNS], now["never delivered by EHQ"]) == (2, 1)


RUN = Run(1, "c", "clock", False, "completed", "done", {}, {}, 0.0, 0.0, 0.0, None, None)


def run(started_at: float, untold: int = 0, **more: Any) -> Run:
    counts = {"causes": {"never delivered by EHQ": untold, "changed by hand in CM": 5}} if untold else {}
    return replace(RUN, started_at=started_at, finished_at=started_at + 5, **{"counts": counts, **more})


@pytest.mark.parametrize(
    ("last", "latest", "kind"),
    [
        (None, [], "none"),
        (50.0, [], "speaks"),
        (None, [run(100, counts={"first_run": True, "causes": {"first seen": 9}})], "none"),
        (None, [run(200), run(100)], "none"),
        (None, [run(200, 3), run(100)], "off"),
        (50.0, [run(200, 3), run(100)], "off"),
        (50.0, [run(200), run(100)], "speaks"),
        (150.0, [run(200, 3), run(100)], "some"),
        (250.0, [run(200, 3), run(100)], "some"),
        (50.0, [run(300, state="incomplete"), run(250, 9, trigger="change"), run(200, 3), run(100)], "off"),
        (50.0, [run(300, 3, counts={"causes": {"changed by hand in CM": 5}}), run(200)], "speaks"),
    ],
)
def test_silence_is_judged_by_what_runs_find(last: float | None, latest: list[Run], kind: str) -> None:
    assert judge(last, 0.0, latest).kind == kind


def test_counts_of_removed_connections_and_of_long_ago_are_forgotten(live: Live) -> None:
    with live.relay.parts.database.write() as tx:
        days.add(tx, live.connection.id, "2020-01-01", {days.ARRIVED: 2})
        days.add(tx, live.connection.id, "2020-01-01", {days.ARRIVED: 3})
        assert days.since(tx, live.connection.id, "2019-12-31")["2020-01-01"] == {days.ARRIVED: 5}
        days.purge(tx, "2020-01-02")
        assert "2020-01-01" not in days.since(tx, live.connection.id, "2019-12-31")
        runs.remove_connection(tx, live.connection.id)
        assert days.since(tx, live.connection.id, "") == {}
