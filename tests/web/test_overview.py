"""The health of a connection: each system has a card, and the card of one that fails says what is to be done."""

from __future__ import annotations

import re
from collections.abc import Callable

from relay.store import connections
from tests.conftest import Live, Visitor

Visit = Callable[[str], Visitor]


def card(text: str, title: str) -> tuple[str, str]:
    """(how it is, what it says)"""
    found = re.search(rf'card-plain card-(\w+)">\s*<h2 class="card-title">{title}</h2>(.*?)</section>', text, re.DOTALL)
    assert found, text
    return found[1], found[2]


def test_where_ehq_lets_nobody_in_its_card_says_what_to_do(visit: Visit, live: Live) -> None:
    there = f"/c/{live.connection.id}"
    assert card(visit("viewer").get(there).text, "EngagementHQ[^<]*s API")[0] == "good"
    live.ehq.faults(status=401)
    assert live.run().state == "needs_person"
    kind, text = card(visit("viewer").get(there).text, "EngagementHQ[^<]*s API")
    assert kind == "bad"
    assert "does not let this key or log-in read participants (HTTP 401)" in text
    assert "Give the connection the key or log-in of a Site Administrator" in text
    live.ehq.faults(status=None)
    live.run()
    assert card(visit("viewer").get(there).text, "EngagementHQ[^<]*s API")[0] == "good"


def test_campaign_monitors_trouble_with_notices_is_on_its_card(visit: Visit, live: Live) -> None:
    problem = {"message": "It could not reach the relay.", "remedy": "Open the way.", "code": "610", "since": 5.0}
    with live.relay.parts.database.write() as tx:
        connections.change(tx, live.connection.id, cm_hook_problem=problem)
    kind, text = card(visit("viewer").get(f"/c/{live.connection.id}").text, "Campaign Monitor")
    assert kind == "warning"
    assert "noticed by the next run, not at once. It could not reach the relay. Open the way." in text
    with live.relay.parts.database.write() as tx:
        connections.change(tx, live.connection.id, cm_hook_problem=None)
    kind, text = card(visit("viewer").get(f"/c/{live.connection.id}").text, "Campaign Monitor")
    assert kind == "good"
    assert "noticed at once" in text
