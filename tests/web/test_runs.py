"""The pages of runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest

from relay.store import audit, participants, runs
from relay.store.connections import Connection
from relay.sync import work
from relay.sync.parts import Parts
from relay.web.csvs import csv_lines
from tests.conftest import Relay, SimulatedCampaignMonitor, SimulatedEhq, Visitor

Visit = Callable[[str], Visitor]


def under_way(parts: Parts, connection: Connection) -> list[int]:
    with parts.database.read() as tx:
        return [run.id for run in runs.under_way(tx, connection.id)]


def test_run_now_clicked_twice_is_one_run(parts: Parts, visit: Visit, connection: Connection) -> None:
    operator = visit("operator")
    first, second = (operator.post(f"/c/{connection.id}/runs").headers["Location"] for _ in range(2))
    assert first == second
    assert len(under_way(parts, connection)) == 1
    page = operator.get(first).text
    assert "Preparing custom fields" in page
    assert 'http-equiv="refresh"' in page, "without JavaScript it reloads itself"


def test_the_receipt_says_what_was_done_to_how_many_and_why_and_hides_who(
    visit: Visit, relay: Relay, synced: Connection, ehq: SimulatedEhq
) -> None:
    viewer = visit("viewer")
    ehq_id, email = ehq.someone()
    ehq.act("unsubscribe", id=ehq_id)
    run = relay.reconcile(synced)
    page = viewer.get(f"/c/{synced.id}/runs/{run.id}").text
    assert "left the list" in page
    assert "Never delivered by EHQ" in page
    people = viewer.get(f"/c/{synced.id}/runs/{run.id}/people?what=left").text
    assert ehq_id in people
    assert email not in people
    assert "Nothing matches" in viewer.get(f"/c/{synced.id}/runs/{run.id}/people?what=moved").text
    for name in ("what", "cause"):
        assert viewer.get(f"/c/{synced.id}/runs/{run.id}/people?{name}=%00").status_code == 200


def test_what_it_would_do_changes_nothing(
    visit: Visit, relay: Relay, synced: Connection, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor
) -> None:
    ehq.act("unsubscribe")
    before, operator = cm.active(), visit("operator")
    there = operator.post(f"/c/{synced.id}/runs", {"dry": "yes"}).headers["Location"]
    relay.work()
    page = operator.get(there).text
    assert "would leave" in page
    assert "Do it: run now" in page
    assert cm.active() == before


def test_stop_and_go_on(parts: Parts, visit: Visit, relay: Relay, connection: Connection) -> None:
    operator = visit("operator")
    run, _ = work.start_run(parts, connection.id, trigger="person")
    there = f"/c/{connection.id}/runs/{run.id}"
    for _ in range(2):
        operator.post(f"{there}/stop")
    assert "Go on where it was" in operator.get(there).text
    for _ in range(2):
        operator.post(f"{there}/go-on")
    relay.work()
    assert "Complete" in operator.get(there).text


@pytest.mark.parametrize("path", ["", "/people", "/undo"])
def test_a_run_of_another_connection_is_not_there(
    visit: Visit, relay: Relay, ehq: SimulatedEhq, connection: Connection, parts: Parts, path: str
) -> None:
    other = relay.connect(ehq, "Other")
    run, _ = work.start_run(parts, other.id, trigger="person")
    operator = visit("operator")
    assert operator.get(f"/c/{connection.id}/runs/{run.id}{path}").status_code == 404
    assert operator.get(f"/c/{connection.id}/runs/{10**30}{path}").status_code == 404
    assert operator.post(f"/c/{connection.id}/runs/{run.id}/stop").status_code == 404
    assert under_way(parts, other) == [run.id]


@pytest.mark.parametrize("path", ["", "/1/stop", "/1/go-on", "/1/refused.csv", "/1/brake", "/1/undo"])
def test_a_viewer_starts_and_stops_nothing(visit: Visit, connection: Connection, parts: Parts, path: str) -> None:
    assert visit("viewer").post(f"/c/{connection.id}/runs{path}").status_code == 403
    assert under_way(parts, connection) == []


def test_who_was_refused_is_a_file_for_operators_and_the_audit_log_knows(
    parts: Parts, visit: Visit, relay: Relay, connection: Connection, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor
) -> None:
    ehq_id, email = ehq.someone()
    cm.faults(refuse={email: 1})
    run = relay.reconcile(connection)
    operator = visit("operator")
    answer = operator.post(f"/c/{connection.id}/runs/{run.id}/refused.csv")
    _heads, row = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert (row[0], row[1], row[2]) == (ehq_id, email.lower(), "1")
    assert "Ask the person to correct" in row[4]
    with parts.database.read() as tx:
        assert audit.search(tx, what="downloaded who was refused")


@pytest.mark.parametrize("cell", ["=1+1", "+61", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    *_, line = csv_lines(["a"], [[cell]])
    assert next(csv.reader(io.StringIO(line, newline="")))[0] == f"'{cell}"


def test_the_brakes_question_is_asked_and_answered(
    parts: Parts, visit: Visit, relay: Relay, synced: Connection, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor
) -> None:
    from relay.sync.connections import connect

    connect.configure(parts, synced, {"brake": {"people": 0, "percent": 0}})
    gone, _ = ehq.someone()
    with parts.database.write() as tx:
        (person,) = participants.one(tx, synced.id, gone)
        participants.change(tx, [person.id], absent_runs=5)
    ehq.act("delete", id=gone)
    run = relay.reconcile(parts.connection(synced.id))
    assert run.state == "braked"
    there, operator = f"/c/{synced.id}/runs/{run.id}", visit("operator")
    assert "Shall they leave?" in operator.get(there).text
    assert f'href="{there}">Look at the run' in operator.get(f"/c/{synced.id}").text
    assert "An operator can decide" in visit("viewer").get(there).text
    before = cm.active()
    for _ in range(2):
        operator.post(f"{there}/brake", {"decision": "approve"})
    relay.settle(synced)
    assert len(cm.active()) == len(before) - 1
    assert "Shall they leave?" not in operator.get(there).text


def test_an_operator_puts_back_whom_a_run_removed_and_a_viewer_may_not(
    parts: Parts, visit: Visit, relay: Relay, synced: Connection, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor
) -> None:
    ehq_id, email = ehq.someone()
    ehq.act("delete", id=ehq_id, silent=True)
    relay.reconcile(synced)
    there = f"/c/{synced.id}/runs/{relay.reconcile(synced).id}/undo"
    assert cm.subscribers()[email.lower()]["state"] == "Deleted"
    viewer, operator = visit("viewer"), visit("operator")
    assert (viewer.get(there).status_code, viewer.post(there).status_code) == (403, 403)
    assert "Put 1 person back" in operator.get(there).text
    assert cm.subscribers()[email.lower()]["state"] == "Deleted", "nobody pressed it yet"
    page = operator.post(there, follow_redirects=True).text
    assert "1 person is being put back on the list." in page
    relay.settle(synced)
    assert cm.subscribers()[email.lower()]["state"] == "Active"
    assert cm.violations() == []
    with parts.database.read() as tx:
        assert audit.search(tx, connection_id=synced.id, limit=1)[0].what == "put back whom a run removed"


def test_a_receipt_says_in_plain_words_what_was_lost_or_could_not_be_told(
    parts: Parts, visit: Visit, relay: Relay, synced: Connection
) -> None:
    viewer = visit("viewer")
    with parts.database.read() as tx:
        (first,) = runs.latest(tx, synced.id)
    text = viewer.get(f"/c/{synced.id}/runs/{first.id}").text
    assert first.counts["values_cut"] == 1
    assert "1 answer, longer than Campaign Monitor holds" in text
    assert "counted nobody as absent" not in text
    run, _ = work.start_run(parts, synced.id, trigger="person")
    lost = {"ehq_unreadable": 2, "groups_unlisted": 1, "groups_missing": 5, "values_skipped": 1, "groups_gone": 1}
    with parts.database.write() as tx:
        runs.step(tx, run, "done", {}, lost)
        runs.finish(tx, run.id, "completed")
    text = viewer.get(f"/c/{synced.id}/runs/{run.id}").text
    for said in (
        "2 entries of EngagementHQ&#39;s could not be read",
        "this run counted nobody as absent",
        "did not list all of its groups, so none was counted as gone",
        "5 groups were found nowhere in EngagementHQ, more than a run deletes by itself",
        "1 answer that Campaign Monitor would not hold",
        "1 group that EngagementHQ has no more",
    ):
        assert said in text


def test_a_decision_that_somebody_made_otherwise_before_says_what_can_be_done_on_a_page(
    parts: Parts, visit: Visit, synced: Connection
) -> None:
    run, _ = work.start_run(parts, synced.id, trigger="person")
    with parts.database.write() as tx:
        counts = {"braked": 3, "absent": 3, "outside": 0, "of_on_list": 40}
        runs.step(tx, run, "done", {}, counts)
        runs.finish(tx, run.id, "braked", {"message": "3 people are missing.", "remedy": "Decide.", "code": "brake"})
    there, operator = f"/c/{synced.id}/runs/{run.id}", visit("operator")
    operator.post(f"{there}/brake", {"decision": "approve"})
    text = operator.post(f"{there}/brake", {"decision": "reject"}, follow_redirects=True).text
    assert f"Run {run.id} was approved already. Whoever left can be put back, by an undo of this run." in text
    assert "relay undo" not in text
