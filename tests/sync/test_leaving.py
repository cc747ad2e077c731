"""Whoever leaves EHQ leaves Campaign Monitor at once, whatever else is going on."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from relay.store import connections, participants
from relay.sync import work
from relay.sync.connections import connect, credentials
from relay.sync.intake import apply
from relay.sync.upsert import write
from tests.conftest import Live


def journal(live: Live, since: int = 0) -> list[dict[str, Any]]:
    """What the list saw, in order: added, updated, deleted, with the time."""
    return list(live.cm.sandbox(f"arrivals.json?since={since}&limit=10000")["arrivals"])


def imports_between(live: Live, start: float, end: float) -> int:
    """How many imports Campaign Monitor obeyed in between."""
    return len({a["at"] for a in journal(live) if a["what"] in ("added", "updated") and start < a["at"] < end})


def left_at(live: Live, email: str) -> float:
    return float(next(a["at"] for a in journal(live) if a["what"] == "deleted" and a["email"].lower() == email))


@pytest.fixture
def slow(live: Live, monkeypatch: pytest.MonkeyPatch) -> Live:
    """Imports of five people that take a while each."""
    monkeypatch.setattr(write, "AT_ONCE", 5)
    live.cm.faults(only_paths="import", latency_ms=1200)
    return live


def leaves_when(live: Live, one: str, some: set[str]) -> list[float]:
    """In a thread: `one` unsubscribes as soon as one of `some` is on the list; the time then."""
    at: list[float] = []

    def watch() -> None:
        while not some & live.cm.active():
            time.sleep(0.02)
        live.ehq.act("unsubscribe", id=one)
        live.ehq.delivered()
        at.append(time.time())

    threading.Thread(target=watch, daemon=True).start()
    return at


def test_a_leaver_waits_for_one_import_of_a_run_at_most(slow: Live) -> None:
    one, email = slow.ehq.someone()
    new = {slow.ehq.register(silent=True)[1].lower() for _ in range(25)}
    asked = leaves_when(slow, one, new)
    slow.run()
    assert imports_between(slow, asked[0], left_at(slow, email)) <= 1


def test_a_leaver_waits_for_one_import_of_a_burst_at_most(slow: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "AT_ONCE", 5)
    one, email = slow.ehq.someone()
    slow.ehq.act("register", count=25)
    slow.ehq.act("unsubscribe", id=one)
    slow.ehq.delivered()
    began = time.time()
    slow.relay.settle(slow.connection)
    assert imports_between(slow, began, left_at(slow, email)) <= 1
    slow.agrees()


def test_a_crowd_of_leavers_goes_before_any_long_import(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "SINGLY", 2)
    monkeypatch.setattr(write, "SHORT", 1)
    began = time.time()
    leavers = [live.ehq.someone(n) for n in range(7)]
    live.ehq.act("register", count=20)
    for one, _ in leavers:
        live.ehq.act("block", id=one)
    live.arrives()
    happened = [a["what"] for a in journal(live) if a["at"] > began]
    last = len(happened) - 1 - happened[::-1].index("deleted")
    assert happened[:last].count("added") <= 3, "one newcomer in each look beside two leavers"
    live.agrees()


def test_a_leaver_does_not_wait_until_a_hold_is_over(live: Live) -> None:
    one, email = live.ehq.someone()
    hold(live, "later", 60)
    _, new = live.ehq.register()
    live.ehq.act("unsubscribe", id=one)
    live.ehq.delivered()
    look(live)
    assert live.state(email) == "Deleted"
    assert live.relay.parts.connection(live.connection.id).held_until is None, "it works again, for everybody"
    live.arrives()
    assert live.state(new) == "Active"


def test_a_leaver_who_finds_campaign_monitor_still_away_waits_with_the_others(live: Live) -> None:
    one, email = live.ehq.someone()
    hold(live, "later", 60)
    live.cm.faults(status=503)
    live.ehq.act("unsubscribe", id=one)
    live.ehq.delivered()
    live.cm.forget_calls()
    look(live)
    assert 1 <= sum(live.cm.calls()["calls"].values()) <= 2
    assert not work.waits(live.relay.parts, live.connection.id)
    live.cm.faults(status=None)
    hold(live, "later", 0)
    live.arrives()
    assert live.state(email) == "Deleted"


def test_a_leaver_leaves_although_the_connection_waits_for_a_person(live: Live) -> None:
    one, email = live.ehq.someone()
    hold(live, "needs", 60)
    with live.relay.parts.database.write() as tx:
        connections.change(tx, live.connection.id, state="needs_person")
    live.ehq.act("block", id=one)
    live.ehq.delivered()
    look(live)
    assert live.state(email) == "Deleted"


def test_whoever_was_written_too_often_leaves_all_the_same(live: Live) -> None:
    one, email = live.ehq.someone()
    live.ehq.act("answer", id=one, question=12, value="3001")
    live.ehq.delivered()
    with live.relay.parts.database.write() as tx:
        (person,) = participants.one(tx, live.connection.id, one)
        participants.hold_back(tx, person, 600)
    live.ehq.act("unsubscribe", id=one)
    live.ehq.delivered()
    look(live)
    assert live.state(email) == "Deleted"


@pytest.mark.parametrize("code", [901, 50, 304, 172, 250, 400, 1, 253])
def test_a_leaver_whom_campaign_monitor_refuses_for_a_while_waits_and_leaves(live: Live, code: int) -> None:
    one, email = live.ehq.someone()
    live.cm.faults(code=code)
    live.ehq.act("unsubscribe", id=one)
    live.ehq.delivered()
    look(live)
    now = live.relay.status(live.connection)
    assert (now["waiting"], now["refused"]) == (1, {})
    assert "correct their e-mail address" not in live.relay.person(live.connection, one)["summary"]
    live.cm.faults(code=None)
    credentials.resume(live.relay.parts, live.relay.parts.connection(live.connection.id))
    pause_is_over(live, one)
    look(live)
    assert live.state(email) == "Deleted"
    live.agrees()


@pytest.mark.parametrize("act", ["unsubscribe", "block", "delete"])
def test_a_pause_holds_no_leaver(live: Live, act: str) -> None:
    one, email = live.ehq.someone()
    connect.pause(live.relay.parts, live.connection)
    live.ehq.act(act, id=one)
    live.ehq.delivered()
    look(live)
    assert live.state(email) == "Deleted"


def look(live: Live) -> None:
    """A worker looks, rung or not: the door rings only after it has answered."""
    live.relay.parts.queue.ring(live.connection.id, always=True)
    live.relay.work()


def pause_is_over(live: Live, one: str) -> None:
    with live.relay.parts.database.write() as tx:
        (person,) = participants.one(tx, live.connection.id, one)
        participants.change(tx, [person.id], held_until=None)


def hold(live: Live, word: str, seconds: float) -> None:
    """Campaign Monitor failed just now."""
    problem = {"message": word, "remedy": "", "code": "500", "since": time.time()}
    with live.relay.parts.database.write() as tx:
        connections.change(tx, live.connection.id, held_until=time.time() + seconds, held_times=3, problem=problem)


@pytest.mark.parametrize("by", ["webhook", "run"])
def test_a_date_from_the_future_holds_up_no_opt_out(live: Live, by: str) -> None:
    one, email = live.ehq.someone()
    attributes = {**live.ehq.person(one), "updated-at": "2031-01-01T00:00:00Z"}
    live.happens("event", type="participant.updated", data={"type": "users", "id": one, "attributes": attributes})
    live.happens("unsubscribe", id=one, silent=by == "run")
    if by == "run":
        live.run()
    assert live.state(email) == "Deleted"


def test_a_number_typed_over_theirs_by_hand_keeps_nobody_on_the_list(live: Live) -> None:
    (one, email), (other, _) = live.ehq.someone(0), live.ehq.someone(1)
    live.cm.act("edit_field", email=email, field="EHQ ID", value=other)
    live.happens("unsubscribe", id=one)
    assert live.state(email) == "Deleted"
    live.agrees()
