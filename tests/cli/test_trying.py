"""`relay connection try`."""

from __future__ import annotations

import json

from relay.store.connections import Connection
from tests.cli.conftest import Terminal
from tests.conftest import Live
from tests.sync.test_trial import DOCUMENT, EVENT


def test_a_document_is_tried_on_pasted_json_and_on_a_stored_delivery(terminal: Terminal, live: Live) -> None:
    c = live.connection.id
    (terminal.folder / "event.json").write_text(json.dumps(EVENT))
    (terminal.folder / "document.json").write_text(json.dumps(DOCUMENT))
    assert terminal.run("connection", "try", c, "--json", "event.json").code == 1, "it could not be read yet"
    tried = terminal.json("connection", "try", c, "--json", "event.json", "--document", "document.json")
    assert tried["results"][0]["person"]["email"] == "althea@example.com"
    assert "tenant" in tried["results"][0]["unused"]
    live.ehq.register()
    live.arrives()
    (delivery, *_) = terminal.json("deliveries", c)
    assert terminal.json("connection", "try", c, "--delivery", delivery["delivery"])["results"][0]["person"]
    said = terminal.run("connection", "try", c, "--signature", "-", given="X-Signature: x\n\n{}")
    assert said.code == 1
    assert "webhook-signature is missing" in said.out


def test_wrong_usage_is_2(terminal: Terminal, connection: Connection) -> None:
    assert terminal.run("connection", "try", connection.id).code == 2
