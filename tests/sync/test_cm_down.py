"""When Campaign Monitor cannot be reached, everyone waits, and goes on by themselves; what needs a person says so."""

from __future__ import annotations

import time
from typing import Any

import pytest
import sqlalchemy as sa

from relay import clock
from relay.store import connections, participants
from relay.store.tables import fields
from relay.sync.connections import credentials
from tests.conftest import Live


def tries(live: Live) -> None:
    live.relay.parts.queue.ring(live.connection.id, always=True)
    live.relay.work()


def held(live: Live) -> float:
    """How long the last pause was made."""
    now = live.relay.parts.connection(live.connection.id)
    assert now.problem is not None
    return (now.held_until or 0.0) - now.problem["since"]


@pytest.mark.parametrize(
    "fault",
    [{"status": 500}, {"status": 503}, {"html_500": True}, {"drop_connection": True}, {"code": 500}],
    ids=lambda fault: "".join(fault),
)
def test_everyone_waits_and_is_released_by_the_clock(live: Live, fault: dict[str, Any]) -> None:
    live.cm.faults(**fault)
    _, email = live.ehq.register()
    live.ehq.delivered()
    tries(live)
    assert 0 < held(live) <= 1.1
    now = live.relay.status(live.connection)
    assert now["waiting"] == 1
    assert now["problem"]["message"]
    live.cm.faults(**dict.fromkeys(fault))
    give_up = time.monotonic() + 10
    while live.state(email) is None and time.monotonic() < give_up:
        live.relay.parts.queue.redis.flushdb()  # the clock rings by what the database says
        clock.tick(live.relay.parts)
        live.relay.work()
        time.sleep(0.1)
    assert live.state(email) == "Active"
    assert live.relay.status(live.connection)["problem"] is None


def test_pauses_double_up_to_a_minute_and_are_forgotten_at_the_first_success(live: Live) -> None:
    live.cm.faults(status=500)
    _, email = live.ehq.register()
    live.ehq.delivered()
    pauses = []
    for _ in range(8):
        tries(live)
        pauses.append(held(live))
        with live.relay.parts.database.write() as tx:
            connections.change(tx, live.connection.id, held_until=None)
    assert pauses[0] <= 1.1
    assert all(later > before * 0.9 for before, later in zip(pauses[1:5], pauses[3:7], strict=True))
    assert 25 < max(pauses) <= 61
    live.cm.faults(status=None)
    tries(live)
    assert live.state(email) == "Active"
    live.cm.faults(status=500)
    live.ehq.register()
    live.ehq.delivered()
    tries(live)
    assert held(live) <= 1.1


def test_a_call_obeyed_whose_answer_was_lost_is_repeated_without_harm(live: Live) -> None:
    live.cm.faults(drop_connection="after", only_paths="import")
    _, email = live.ehq.register()
    live.ehq.delivered()
    tries(live)
    live.cm.faults(drop_connection=None, only_paths=None)
    live.arrives()
    assert live.state(email) == "Active"
    live.agrees()


def test_a_removal_obeyed_whose_answer_was_lost_is_known_to_be_ours(live: Live) -> None:
    one, email = live.ehq.someone()
    live.cm.faults(drop_connection="after", only_paths=r"subscribers/\w+\.json$")
    live.ehq.act("unsubscribe", id=one)
    live.ehq.delivered()
    tries(live)
    live.cm.faults(drop_connection=None, only_paths=None)
    live.arrives()
    live.happens("subscribe", id=one)
    assert live.state(email) == "Active"
    live.agrees()


def test_a_run_that_meets_an_outage_goes_on_where_it_was(live: Live) -> None:
    live.ehq.act("register", count=3, silent=True)
    live.cm.faults(status={"value": 503, "times": 3})
    assert live.run().state == "completed"
    live.agrees()


def test_one_persons_data_that_cannot_be_read_there_is_found_and_the_others_join(live: Live) -> None:
    live.cm.faults(code={"value": 400, "times": 1}, only_paths="import")
    people = [live.ehq.register()[1] for _ in range(4)]
    live.arrives()
    assert {live.state(email) for email in people} == {"Active"}


def test_a_revoked_access_needs_a_person_and_goes_on_after_resuming(live: Live) -> None:
    live.cm.faults(code=100)
    _, email = live.ehq.register()
    live.ehq.delivered()
    tries(live)
    now = live.relay.status(live.connection)
    assert (now["state"], now["waiting"], now["problem"]["code"]) == ("needs_person", 1, "100")
    assert now["problem"]["remedy"]
    assert live.run().state == "needs_person"
    live.cm.faults(code=None)
    credentials.resume(live.relay.parts, live.relay.parts.connection(live.connection.id))
    live.arrives()
    assert live.state(email) == "Active"


def test_a_list_deleted_by_hand_needs_a_person(live: Live) -> None:
    live.cm.faults(list_deleted=True)
    live.ehq.register()
    live.ehq.delivered()
    tries(live)
    now = live.relay.status(live.connection)
    assert (now["state"], now["problem"]["code"]) == ("needs_person", "101")
    assert now["waiting"] == 1


def test_leavers_who_cannot_be_reached_wait_and_leave_afterwards(live: Live) -> None:
    people = [live.ehq.someone(n) for n in range(3)]
    live.cm.faults(status=502)
    live.ehq.act("block", id=[one for one, _ in people])
    live.ehq.delivered()
    tries(live)
    assert live.relay.status(live.connection)["waiting"] == 3
    live.cm.faults(status=None)
    live.arrives()
    assert {live.state(email) for _, email in people} == {"Deleted"}


@pytest.mark.parametrize("refused", [False, True], ids=["", "after one that EHQ refused"])
def test_whom_a_run_left_waiting_is_written_without_another_run(live: Live, refused: bool) -> None:
    one, email = live.ehq.someone()
    live.ehq.act("answer", id=one, question=12, value="3055", silent=True)
    live.cm.faults(throttle_s=1000)  # CM takes nobody twice so soon
    assert live.run().state == "completed"
    assert live.relay.status(live.connection)["waiting"] == 1
    live.cm.faults(throttle_s=None)
    if refused:
        live.ehq.faults(status=403)
        assert live.run().state == "needs_person"
    with live.relay.parts.database.write() as tx:
        (person,) = participants.one(tx, live.connection.id, one)
        participants.change(tx, [person.id], held_until=None)  # the pause is over
    live.relay.settle(live.connection)
    assert live.subscriber(email)["fields"]["What is your postcode?"] == "3055"


def test_a_mistake_of_ours_holds_the_connection_and_says_whose_it_is(live: Live) -> None:
    def options_are(what: Any) -> None:
        with live.relay.parts.database.write() as tx:
            tx.execute(sa.update(fields).values(options=what))

    options_are(7)  # which nobody expects
    _, email = live.ehq.register()
    live.ehq.delivered()
    tries(live)
    assert held(live) > 0, "it is not made again at once"
    problem = live.relay.parts.connection(live.connection.id).problem or {}
    assert "on our side" in problem["message"]
    assert "log" in problem["remedy"]
    options_are([])
    live.arrives()
    assert live.state(email) == "Active"
    assert live.relay.status(live.connection)["problem"] is None
