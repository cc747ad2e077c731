"""The brake and the undo from the command line."""

from __future__ import annotations

from relay.sync.connections import connect
from tests.cli.conftest import Terminal
from tests.conftest import Live
from tests.sync.test_absence import vanish


def test_the_brake_is_shown_with_3_until_somebody_decides_and_the_run_can_be_undone(
    terminal: Terminal, live: Live
) -> None:
    one = live.connection.id
    assert terminal.json("brake", one) == {"run": None}
    connect.configure(live.relay.parts, live.connection, {"brake": {"people": 1, "percent": 0}})
    gone = vanish(live, 0, 1)
    live.run()
    run = live.run().id
    said = terminal.run("brake", one, "--json")
    assert (said.code, said.answer["run"], said.answer["people"], said.answer["held"]) == (3, run, 2, 2)
    assert terminal.run("brake", one, "--approve", "--reject").code == 2
    approved = terminal.json("brake", one, "--approve", "--run", str(run))
    assert approved == {"run": run, "decision": "approved", "people": 2, "let_go": 2}
    assert terminal.run("brake", one, "--reject", "--run", str(run), "--json").code == 1
    live.relay.settle(live.connection)
    assert {live.state(email) for email in gone} == {"Deleted"}
    assert terminal.json("undo", one, str(run), "--dry-run")["waiting"] == 2
    terminal.json("undo", one, str(run))
    live.relay.settle(live.connection)
    assert terminal.json("undo", one, str(run), "--dry-run")["back"] == 2
    assert {live.state(email) for email in gone} == {"Active"}
    assert terminal.run("undo", one, "999", "--json").code == 1
