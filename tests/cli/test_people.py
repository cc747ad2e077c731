"""`relay person --sync`, `relay export`, `relay erase`: through a worker, each one JSON document."""

from __future__ import annotations

from relay.store import audit
from relay.store.connections import Connection
from relay.sync.parts import Parts
from tests.cli.conftest import Terminal
from tests.conftest import SimulatedCampaignMonitor, SimulatedEhq


def test_one_person_is_synced_told_of_erased_and_let_in_again(
    terminal: Terminal, worker: int, synced: Connection, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor, parts: Parts
) -> None:
    one, email = ehq.someone()
    cm.act("edit_field", email=email, field="EHQ ID", value="nobody")
    person = terminal.json("person", synced.id, email, "--sync")
    assert person["summary"] == "On the list and up to date."
    assert cm.subscribers()[email.lower()]["fields"]["EHQ ID"] == one

    document = terminal.json("export", synced.id, email)
    assert [found["ehq_id"] for found in document["people"]] == [one]

    gone = terminal.json("erase", synced.id, email)
    assert (gone["still_to_do"], gone["people"][0]["erased"]) == (0, True)
    assert gone["people"][0]["campaign_monitor"] == "Cleared and removed in Campaign Monitor."
    assert "ask EHQ's support" in gone["people"][0]["ehq"]
    assert cm.subscribers()[email.lower()]["state"] == "Deleted"
    assert terminal.run("export", synced.id, email, "--json").code == 1
    assert terminal.json("erase", synced.id, one, "--undo") == {"let_in": [one]}
    with parts.database.read() as tx:
        assert [entry.what for entry in audit.search(tx)][:2] == ["erased a person", "exported a person's data"]


def test_nobody_of_that_address_is_said_to_be_nobody(terminal: Terminal, connection: Connection) -> None:
    said = terminal.run("erase", connection.id, "nobody@example.org", "--json")
    assert (said.code, set(said.answer)) == (1, {"error", "remedy", "code"})
    assert "Nobody with this address" in said.err
