"""`relay problems`, `relay retry`, `relay acknowledge`."""

from __future__ import annotations

import time

from relay.store import participants
from relay.store.connections import Connection
from relay.sync.parts import Parts
from tests.cli.conftest import Terminal


def test_a_problem_is_listed_acknowledged_and_tried_again(
    terminal: Terminal, parts: Parts, connection: Connection
) -> None:
    assert terminal.json("problems", connection.id) == []
    with parts.database.write() as tx:
        participants.add_stubs(tx, connection.id, ["1"])
        (one,) = participants.after(tx, connection.id, 0, 1)
        participants.change(tx, [one.id], refused_code="1", refused_for="x", refused_at=time.time())
    (problem,) = terminal.json("problems", connection.id)
    assert (problem["problem"], problem["affected"], problem["state"]) == ("refused:1", 1, "open")
    assert terminal.json("acknowledge", connection.id, "refused:1")["state"] == "acknowledged"
    assert terminal.json("retry", connection.id, "--code", "1") == {"problem": "refused:1", "tried": 1}
    assert terminal.run("retry", connection.id, "refused:1").code == 1
    assert terminal.run("retry", connection.id).code == 2
