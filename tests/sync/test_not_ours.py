"""People whom the relay did not put on the list are left alone; a list that exists is adopted, not emptied."""

from __future__ import annotations

import pytest

from relay.errors import NeedsPerson
from relay.sync.connections import connect
from tests.conftest import Live, Relay, SimulatedCampaignMonitor, SimulatedEhq


def list_id(cm: SimulatedCampaignMonitor, name: str = "Bayside") -> str:
    return str(cm.list(name)["id"])


def test_a_stranger_stays_untouched_and_is_counted(live: Live) -> None:
    live.cm.act("subscribe", email="stranger@example.com", name="A stranger")
    before = live.subscriber("stranger@example.com")
    run = live.run()
    assert run.counts["left_alone"] == 1
    assert live.subscriber("stranger@example.com") == before


def test_a_stranger_who_registers_becomes_ours_and_leaves_like_everybody(live: Live) -> None:
    live.cm.act("subscribe", email="later@example.com")
    one, _ = live.ehq.register(email="later@example.com")
    live.arrives()
    assert live.subscriber("later@example.com")["fields"]["EHQ ID"] == one
    live.happens("unsubscribe", id=one)
    assert live.state("later@example.com") == "Deleted"


def test_an_existing_list_is_brought_in_step_and_its_own_people_stay(
    relay: Relay, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor
) -> None:
    old = relay.connect(ehq, name="Old list")
    cm.act("subscribe", list="Old list", email="stranger@example.com")
    _, ours = ehq.someone()
    cm.act("subscribe", list="Old list", email=ours.upper())
    connect.remove(relay.parts, old)
    connection = relay.connect(ehq, list_id=list_id(cm, "Old list"))
    assert relay.reconcile(connection).state == "completed"
    there = cm.subscribers("Old list")
    assert there["stranger@example.com"]["state"] == "Active"
    assert there[ours]["fields"]["EHQ ID"]
    cm.forget_calls()
    relay.reconcile(connection)
    assert cm.calls()["writes"] == 0


def test_a_connection_made_again_knows_its_people_and_lets_them_leave(live: Live) -> None:
    """Also those about whom there is nothing to write, since the list agrees already."""
    silent, silent_email = live.ehq.register(imported=True)
    live.arrives()
    connect.remove(live.relay.parts, live.connection)
    again = live.relay.connect(live.ehq, list_id=list_id(live.cm))
    assert live.relay.reconcile(again).state == "completed"
    live.cm.forget_calls()
    assert live.relay.reconcile(again).state == "completed"
    assert live.cm.calls()["writes"] == 0
    one, email = live.ehq.someone()
    live.ehq.act("unsubscribe", id=[one, silent])
    assert live.relay.reconcile(again).state == "completed"
    assert (live.state(email), live.state(silent_email)) == ("Deleted", "Deleted")


def test_one_list_is_not_kept_by_two_connections(live: Live) -> None:
    with pytest.raises(NeedsPerson, match="kept by the connection"):
        live.relay.connect(live.ehq, name="Second", list_id=list_id(live.cm))
