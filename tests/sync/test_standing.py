"""How a connection is doing, in a word: the most urgent thing, and only that."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from rq import Worker
from rq.serializers import JSONSerializer

from relay.queue import Queue
from relay.store import connections, days
from relay.store.connections import Connection
from relay.store.runs import Run
from relay.sync.health import problems
from relay.sync.health.standing import Look, Standing, Waiting, look, standing
from relay.sync.parts import Parts
from tests.conftest import Live, Relay

NOW = 1795530496.0
NOBODY = Waiting(0, 0, None)
TROUBLE = {"message": "Campaign Monitor took our token back.", "remedy": "Connect it anew."}


PLAIN = Connection(**dict.fromkeys(Connection.__slots__) | {"id": "x", "state": "on"})  # type: ignore[arg-type]


def run(state: str = "completed", dry: bool = False) -> Run:
    return Run(
        id=1,
        connection_id="x",
        trigger="clock",
        dry=dry,
        state=state,
        phase="done",
        cursor={},
        counts={},
        started_at=NOW,
        stepped_at=NOW,
        finished_at=None,
        problem=None,
        decision=None,
    )


@pytest.mark.parametrize(
    ("values", "waiting", "last", "running", "braked", "word", "how"),
    [
        ({}, NOBODY, run(), None, 0, "On", "good"),
        ({}, Waiting(3, 0, NOW - 2), run(), None, 0, "On", "good"),
        ({}, Waiting(3, 0, NOW - 90), run(), None, 0, "Catching up", "busy"),
        ({}, Waiting(0, 9, NOW - 90), run(), None, 0, "Catching up", "busy"),
        ({}, NOBODY, None, None, 0, "On", "good"),
        ({}, NOBODY, None, run("running"), 0, "First sync", "busy"),
        ({}, NOBODY, run(), run("running"), 0, "Catching up", "busy"),
        ({}, NOBODY, run(), run("running", dry=True), 0, "On", "good"),
        ({}, NOBODY, run("incomplete"), None, 0, "On", "warning"),
        ({}, Waiting(3, 0, NOW - 90), run("needs_person"), None, 0, "Needs you", "bad"),
        ({}, NOBODY, run("needs_person"), run("running"), 0, "Catching up", "busy"),
        ({}, Waiting(3, 0, NOW - 90), run("braked"), None, 21, "Needs you", "bad"),
        ({"held_until": NOW + 9, "problem": TROUBLE}, Waiting(3, 0, NOW - 90), run(), None, 0, "Held", "warning"),
        ({"state": "paused"}, Waiting(3, 0, NOW - 90), run(), None, 0, "Paused", "off"),
        ({"state": "needs_person", "problem": TROUBLE}, NOBODY, run(), None, 21, "Needs you", "bad"),
        ({"state": "setup"}, NOBODY, None, run("running", dry=True), 0, "Setting up", "off"),
    ],
)
def test_the_most_urgent_thing_is_said(
    values: dict[str, Any],
    waiting: Waiting,
    last: Run | None,
    running: Run | None,
    braked: int,
    word: str,
    how: str,
) -> None:
    said = standing(replace(PLAIN, **values), waiting, last, running, braked, now=NOW)
    assert (said.word, said.kind) == (word, how)
    assert said.sentence.endswith(".")
    assert how in ("good", "busy") or said.remedy


def test_what_needs_a_person_says_what_happened_and_what_to_do() -> None:
    said = standing(replace(PLAIN, state="needs_person", problem=TROUBLE), NOBODY, None, None)
    assert (said.sentence, said.remedy) == (TROUBLE["message"], TROUBLE["remedy"])


def test_a_card_sees_who_waits_and_the_runs(relay: Relay, parts: Parts, synced: Connection) -> None:
    seen: Look = look(parts, parts.connection(synced.id))
    assert (seen.standing.word, seen.waiting, seen.running) == ("On", NOBODY, None)
    assert seen.last
    assert seen.last.state == "completed"
    with parts.database.write() as tx:
        connections.change(tx, synced.id, held_until=time.time() + 60, problem=TROUBLE)
    assert look(parts, parts.connection(synced.id)).standing.word == "Held"


def test_where_something_is_late_it_is_told_which_process_is_missing(parts: Parts, synced: Connection) -> None:
    with parts.database.write() as tx:
        connections.change(tx, synced.id, next_run_at=time.time() - 90)

    def said() -> tuple[str, str]:
        now = look(parts, parts.connection(synced.id)).standing
        return now.word, now.sentence

    assert said() == ("Needs you", "Nothing moves: no worker runs. Nothing is lost.")
    worker = Worker(list(parts.queue.queues.values()), connection=parts.queue.redis, serializer=JSONSerializer)
    worker.register_birth()
    assert said() == ("Needs you", "Nothing moves: the clock stands still. Nothing is lost.")
    with parts.database.write() as tx:
        days.beat(tx, "clock", time.time())
    assert said()[0] == "On"
    away = replace(parts, queue=Queue("redis://127.0.0.1:9"))
    assert look(away, parts.connection(synced.id)).standing.sentence.startswith("Nothing moves: the queue does not")


def test_nobody_asks_for_processes_where_nothing_is_late(parts: Parts, synced: Connection) -> None:
    assert look(parts, parts.connection(synced.id)).standing.word == "On"


def test_a_run_that_ehq_refused_is_told_with_its_remedy_until_one_can_read(live: Live) -> None:
    def said() -> Standing:
        return look(live.relay.parts, live.relay.parts.connection(live.connection.id)).standing

    live.ehq.faults(status=403)
    assert live.run().state == "needs_person"
    now = said()
    assert (now.word, now.kind) == ("Needs you", "bad")
    assert "does not let this key or log-in read participants (HTTP 403)" in now.sentence
    assert now.remedy.startswith("Give the connection the key or log-in of a Site Administrator")
    live.ehq.faults(status=None)
    live.run()
    assert said().kind == "good"


def test_open_problems_are_pointed_at(live: Live) -> None:
    parts = live.relay.parts
    live.ehq.register(email="x@")
    live.arrives()

    def said() -> Standing:
        problems.note(parts, parts.connection(live.connection.id))
        return look(parts, parts.connection(live.connection.id)).standing

    for problem in problems.everything(parts, parts.connection(live.connection.id)):
        if problem.kind != "refused":
            problems.acknowledge(parts, parts.connection(live.connection.id), problem.key, "jo")
    assert (said().kind, said().sentence) == ("warning", "Everybody is up to date. 1 problem is open.")
    problems.acknowledge(parts, parts.connection(live.connection.id), "refused:1", "jo")
    assert (said().kind, said().sentence) == ("good", "Everybody is up to date.")
