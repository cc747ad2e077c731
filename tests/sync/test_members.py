"""A hint that a group's members changed makes the relay read that group, and no more."""

from __future__ import annotations

import time
from typing import Any

import pytest

from relay import clock
from relay.store import connections, members, runs, structure
from relay.store.runs import Run
from relay.sync import work
from relay.sync.connections import connect, credentials
from relay.wiring import logs
from tests.conftest import Live
from tests.sync.test_absence import begin_to_read, go_on

PANEL = "Youth advisory panel [30]"
MEMBERS = "GET /api/v2/groups/30/users"


def changes(live: Live, action: str, who: str) -> None:
    """Somebody comes or goes in EHQ, which tells only that something did."""
    live.ehq.act(action, group="30", id=who, silent=True)
    hint(live)


def hint(live: Live) -> None:
    live.ehq.act("event", type="group.membership_changed", data={"type": "groups", "id": "30"})
    live.ehq.delivered()


def asked(live: Live) -> dict[str, int]:
    """What EHQ's API was asked since the last look."""
    made: dict[str, int] = live.ehq.calls()["calls"]
    live.ehq.forget_calls()
    return made


def panel(live: Live) -> set[str]:
    """Who is in the group in Campaign Monitor."""
    return {email for email, s in live.cm.subscribers().items() if PANEL in (s["fields"].get("Groups") or ())}


def outsider(live: Live, number: int = 0) -> tuple[str, str]:
    """(id, address) of somebody on the list who is not in the group."""
    people = [live.ehq.someone(n) for n in range(9)]
    return [(i, email) for i, email in people if email.lower() not in panel(live)][number]


def an_hour_passes(live: Live) -> None:
    """The pause between two readings of one group is over."""
    with live.relay.parts.database.write() as tx:
        for group in structure.all_groups(tx, live.connection.id):
            members.put_off(tx, group, 0.0)


def all_runs(live: Live) -> list[Run]:
    with live.relay.parts.database.read() as tx:
        return runs.latest(tx, live.connection.id, 10)


def test_a_hint_reads_that_group_alone_and_carries_out_who_came_and_who_went(live: Live) -> None:
    before = panel(live)
    one, email = outsider(live)
    asked(live)
    changes(live, "group_add", one)
    live.arrives()
    assert panel(live) == before | {email.lower()}
    assert asked(live) == {MEMBERS: 1}
    an_hour_passes(live)
    changes(live, "group_remove", one)
    live.arrives()
    assert panel(live) == before
    assert asked(live) == {MEMBERS: 1}
    assert len(all_runs(live)) == 1
    live.agrees()


def test_many_hints_about_one_group_are_one_reading(live: Live) -> None:
    asked(live)
    for _ in range(5):
        hint(live)
    live.arrives()
    assert asked(live) == {MEMBERS: 1}
    hint(live)
    live.arrives()
    assert asked(live) == {}, "it was read a moment ago"
    an_hour_passes(live)
    clock.tick(live.relay.parts)
    live.relay.work()
    assert asked(live) == {MEMBERS: 1}, "but the hint is not forgotten"


def test_a_large_group_is_read_page_by_page(live: Live) -> None:
    joiners = [outsider(live, n) for n in range(4)]
    live.ehq.faults(page_cap=2)
    asked(live)
    for one, _ in joiners:
        live.ehq.act("group_add", group="30", id=one, silent=True)
    hint(live)
    live.arrives()
    assert {email.lower() for _, email in joiners} < panel(live)
    assert set(asked(live)) == {MEMBERS}


def test_a_webhook_received_after_the_reading_began_knows_better(live: Live) -> None:
    one, email = outsider(live)
    changes(live, "group_add", one)
    live.arrives()
    live.happens("group_remove", group="30", id=one)
    assert email.lower() not in panel(live)


def test_a_run_afterwards_agrees_with_what_was_read(live: Live) -> None:
    one, email = outsider(live)
    changes(live, "group_add", one)
    live.arrives()
    run = live.run()
    assert (run.state, run.counts.get("written", 0)) == ("completed", 0)
    live.ehq.act("group_remove", group="30", id=one, silent=True)
    assert live.run().state == "completed"
    assert email.lower() not in panel(live)


def test_a_run_that_reads_everybody_answers_the_hints_before_it(live: Live) -> None:
    connect.pause(live.relay.parts, live.connection)
    hint(live)
    work.visit(live.relay.parts, live.connection.id)
    live.relay.work()
    asked(live)
    credentials.resume(live.relay.parts, live.relay.parts.connection(live.connection.id))
    go_on(live, begin_to_read(live))
    live.relay.work()
    clock.tick(live.relay.parts)
    live.relay.work()
    assert MEMBERS not in asked(live)


def test_members_of_whom_nothing_is_known_yet_are_kept_for_when_they_are_heard_of(live: Live) -> None:
    one, email = live.ehq.register(silent=True)
    changes(live, "group_add", one)
    live.arrives()
    assert live.state(email) is None
    live.happens("answer", id=one, question=12, value="3001")
    assert email.lower() in panel(live)


@pytest.mark.parametrize("status", [403, 404])
def test_where_a_site_does_not_list_members_the_run_comes_sooner_and_it_is_said_once(
    live: Live, status: int, capfd: pytest.CaptureFixture[str], time_machine: Any
) -> None:
    logs(live.relay.parts.settings)  # to what is standard error now
    live.ehq.faults(members_status=status)
    tomorrow = time.time() + 86400
    with live.relay.parts.database.write() as tx:
        connections.change(tx, live.connection.id, next_run_at=tomorrow)
    for _ in range(2):
        time_machine.move_to(time.time() + 3700)
        hint(live)
        live.arrives()
    assert (live.relay.parts.connection(live.connection.id).next_run_at or tomorrow) < tomorrow - 70000
    assert capfd.readouterr().err.count("group not read") == 1


def test_a_site_that_fails_for_a_moment_is_asked_again(live: Live) -> None:
    one, email = outsider(live)
    live.ehq.faults(members_status=503)
    changes(live, "group_add", one)
    live.arrives()
    assert email.lower() not in panel(live)
    live.ehq.faults(members_status=None)
    an_hour_passes(live)
    clock.tick(live.relay.parts)
    live.relay.work()
    live.arrives()
    assert email.lower() in panel(live)
