"""Campaign Monitor fails (500) whenever one person's data is in a call: everybody else passes all the same."""

from __future__ import annotations

import pytest

from relay.store import connections, hints, participants, runs
from relay.store.person import Person
from relay.sync.people import asked
from relay.sync.people import erase as erasing
from relay.sync.runs.start import start_run
from relay.sync.upsert.visits import waits
from tests.conftest import Live

IMPORT = "POST subscribers/{id}/import"


@pytest.fixture
def crowd(live: Live) -> list[tuple[str, str]]:
    """Eight who just registered; the third spoils every import that she is in."""
    people = [live.ehq.register() for _ in range(8)]
    live.cm.faults(spoils=[people[2][1]])
    live.ehq.delivered()
    return people


def looks(live: Live, times: int = 4) -> None:
    """A worker looks, each time after the pause that the last one made."""
    for _ in range(times):
        with live.relay.parts.database.write() as tx:
            connections.change(tx, live.connection.id, held_until=None)
        live.relay.parts.queue.ring(live.connection.id, always=True)
        live.relay.work()


def pause_is_over(live: Live, one: str) -> None:
    with live.relay.parts.database.write() as tx:
        (person,) = participants.one(tx, live.connection.id, one)
        participants.change(tx, [person.id], held_until=None)


def test_after_a_few_failures_she_alone_waits(live: Live, crowd: list[tuple[str, str]]) -> None:
    looks(live)
    assert [live.state(email) for _, email in crowd] == ["Active", "Active", None, *["Active"] * 5]
    now = live.relay.status(live.connection)
    assert (now["waiting"], now["problem"]) == (1, None)


def test_when_she_has_waited_often_enough_she_is_refused_and_it_says_why(
    live: Live, crowd: list[tuple[str, str]]
) -> None:
    one, email = crowd[2]
    for _ in range(4):
        looks(live)
        pause_is_over(live, one)
        live.ehq.register()
        live.ehq.delivered()
    looks(live)
    assert live.relay.status(live.connection)["refused"] == {"spoils": 1}
    assert "fails over and over" in live.relay.person(live.connection, one)["summary"]
    live.cm.faults(spoils=None)
    live.happens("answer", id=one, question=12, value="3055")
    assert live.state(email) == "Active"
    live.agrees()


def test_who_is_alone_does_not_hold_the_connection_for_ever(live: Live, crowd: list[tuple[str, str]]) -> None:
    looks(live)
    pause_is_over(live, crowd[2][0])
    looks(live)
    assert live.relay.parts.connection(live.connection.id).held_until is None
    _, email = live.ehq.register()
    live.ehq.delivered()
    looks(live, 1)
    assert live.state(email) == "Active"


def test_who_cannot_leave_waits_alone_and_leaves_once_it_passes(live: Live) -> None:
    (one, stuck), (two, _) = live.ehq.someone(0), live.ehq.someone(1)
    live.cm.faults(spoils=[stuck])
    live.ehq.act("unsubscribe", id=one)
    live.ehq.delivered()
    for _ in range(5):  # however often: whoever leaves is never given up
        looks(live, 2)
        pause_is_over(live, one)
        live.ehq.register()
        live.ehq.delivered()
    live.ehq.act("unsubscribe", id=two)
    live.ehq.delivered()
    looks(live, 2)
    now = live.relay.status(live.connection)
    assert (now["waiting"], now["refused"], now["problem"]) == (1, {}, None)
    live.cm.faults(spoils=None)
    pause_is_over(live, one)
    looks(live, 1)
    live.agrees()


def test_who_cannot_move_waits_alone_and_is_refused_in_the_end(live: Live) -> None:
    one, before = live.ehq.someone(0)
    live.cm.faults(spoils=[before])
    live.ehq.act("change_email", id=one, new_email="moved@example.org", confirmed=True)
    live.ehq.delivered()
    for _ in range(5):
        looks(live, 2)
        pause_is_over(live, one)
        live.ehq.register()
        live.ehq.delivered()
    looks(live, 2)
    now = live.relay.status(live.connection)
    assert (now["waiting"], now["refused"], now["problem"]) == (0, {"spoils": 1}, None)


def known(live: Live, one: str) -> Person:
    with live.relay.parts.database.read() as tx:
        return participants.one(tx, live.connection.id, one)[0]


def alone_in_it(live: Live, one: str) -> None:
    """Whoever comes meanwhile is on the list with the first look, and in the end nothing is said of the connection."""
    for _ in range(3):
        looks(live, 2)
        _, newcomer = live.ehq.register()
        live.ehq.delivered()
        looks(live, 1)
        assert live.state(newcomer) == "Active"
        pause_is_over(live, one)
    looks(live, 1)
    now = live.relay.parts.connection(live.connection.id)
    assert (now.problem, now.held_until) == (None, None)
    assert not waits(live.relay.parts, live.connection.id), "a worker would look again at once, for ever"


def test_who_cannot_be_synced_now_waits_alone_and_is_once_it_passes(live: Live) -> None:
    one, stuck = live.ehq.someone(0)
    live.cm.faults(spoils=[stuck])
    asked.sync_now(live.relay.parts, live.connection, [known(live, one).id])
    alone_in_it(live, one)
    assert known(live, one).asked == "sync"
    live.cm.faults(spoils=None)
    pause_is_over(live, one)
    looks(live, 1)
    assert known(live, one).asked is None


def test_who_cannot_be_erased_waits_alone_and_is_once_it_passes(live: Live) -> None:
    one, stuck = live.ehq.someone(0)
    live.cm.faults(spoils=[stuck])
    erasing.ask_to_erase(live.relay.parts, live.connection, [known(live, one)])
    alone_in_it(live, one)
    with live.relay.parts.database.write() as tx:
        participants.hold_back(tx, known(live, one), 600)
    assert "did not remove them, and is asked again" in live.relay.person(live.connection, one)["summary"]
    live.cm.faults(spoils=None)
    pause_is_over(live, one)
    looks(live, 1)
    assert known(live, one).known.erased
    assert live.state(stuck) == "Deleted"


def test_who_cannot_be_read_again_delays_neither_others_nor_what_campaign_monitor_says_of_them(live: Live) -> None:
    (one, stuck), (two, other) = live.ehq.someone(0), live.ehq.someone(1)
    live.cm.faults(spoils=[stuck])
    live.cm.act("unsubscribe", email=other)
    live.cm.act("bounce", email=stuck)
    with live.relay.parts.database.write() as tx:
        hints.give(tx, [known(live, one).id], {})
        hints.give(tx, [known(live, two).id], {})
    looks(live, 1)
    assert known(live, two).held.state == "Unsubscribed"
    alone_in_it(live, one)
    live.cm.faults(spoils=None)
    pause_is_over(live, one)
    looks(live, 1)
    assert known(live, one).held.state == "Bounced"


def test_while_nobody_passes_it_is_campaign_monitor_and_a_few_calls_say_so(live: Live) -> None:
    people = [live.ehq.register() for _ in range(40)]
    live.cm.faults(status=500)
    live.ehq.delivered()
    looks(live, 3)
    live.cm.forget_calls()
    looks(live, 1)
    assert live.cm.calls()["calls"][IMPORT] < 15
    live.cm.faults(status=None)
    looks(live, 1)
    assert {live.state(email) for _, email in people} == {"Active"}, "nobody was made to wait longer"


def test_a_run_finds_her_too(live: Live) -> None:
    people = [live.ehq.register(silent=True) for _ in range(6)]
    live.cm.faults(spoils=[people[0][1]])
    run, _ = start_run(live.relay.parts, live.connection.id, trigger="person")
    for _ in range(4):
        with live.relay.parts.database.write() as tx:
            now = runs.find(tx, run.id)
            assert now is not None
            if now.problem:
                runs.hold(tx, run.id, {**now.problem, "until": 0.0})
        live.relay.parts.queue.step(run.id)
        live.relay.work()
    with live.relay.parts.database.read() as tx:
        ended = runs.find(tx, run.id)
    assert ended is not None
    assert ended.state == "completed"
    assert [live.state(email) for _, email in people] == [None, *["Active"] * 5]


def test_who_cannot_be_read_after_an_import_does_not_hold_the_connection(live: Live) -> None:
    """All who are new in it are read, where CM knew one of them."""
    one, stuck = live.ehq.register(email="own@example.org", subscribed=False)
    live.arrives()
    live.cm.act("subscribe", email=stuck)
    live.ehq.act("subscribe", id=one)
    two, other = live.ehq.register()
    live.ehq.delivered()
    live.cm.faults(only_paths=r"subscribers/[^/]+\.json", status=500)
    looks(live, 1)
    assert live.state(other) == "Active"
    later, _ = live.ehq.someone(3)
    live.ehq.act("answer", id=later, question=12, value="3888")
    live.ehq.delivered()
    looks(live, 1)
    now = live.relay.status(live.connection)
    assert (now["waiting"], now["problem"]) == (2, None)
    live.cm.faults(only_paths=None, status=None)
    pause_is_over(live, one)
    pause_is_over(live, two)
    live.relay.settle(live.connection)
    assert live.subscriber(stuck)["fields"]["EHQ ID"] == one
    live.agrees()
