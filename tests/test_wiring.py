"""The parts as wired: what several processes share."""

from __future__ import annotations

import threading
from urllib.parse import parse_qs, urlsplit

import pytest

from relay.campaign_monitor.oauth import Tokens
from relay.errors import RelayError
from relay.store.connections import Connection
from relay.sync.connections import credentials
from relay.sync.parts import Parts
from relay.wiring import StoredTokens, wire
from tests.conftest import NOWHERE, Relay, SimulatedCampaignMonitor, SimulatedEhq, Simulator

PROCESSES = 6


@pytest.fixture
def by_oauth(relay: Relay, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor) -> Connection:
    """Bayside with its Campaign Monitor connected by OAuth."""
    parts, back = relay.parts, f"{NOWHERE}/back"
    connection = relay.connect(ehq, cm_api_key=None, list_name="Residents")
    cm.faults(oauth_auto="allow")
    told = cm.session.get(credentials.consent_url(parts, back, "state"), allow_redirects=False).headers["Location"]
    return credentials.finish_oauth(parts, connection.id, back, parse_qs(urlsplit(told).query)["code"][0])


@pytest.mark.parametrize("rotates", [True, False], ids=["rotates", "stays"])
def test_of_several_processes_whose_token_ran_out_at_the_same_moment_one_renews_it(
    parts: Parts,
    by_oauth: Connection,
    cm: SimulatedCampaignMonitor,
    simulators: tuple[Simulator, Simulator],
    rotates: bool,
) -> None:
    cm.faults(rotate_refresh=rotates)
    before = issued(simulators[1])
    used = f"Bearer {stored(parts, by_oauth).access_token}"
    processes = [wire(parts.settings) for _ in range(PROCESSES)]
    together = threading.Barrier(PROCESSES)
    outcomes: list[str] = []

    def renew(process: Parts) -> None:
        credential = process.campaign_monitor(by_oauth).credential
        together.wait()
        try:
            outcomes.append("renewed" if credential.renew(used, "121") else "not renewed")
        except RelayError as error:
            outcomes.append(error.code)
        process.database.close()

    threads = [threading.Thread(target=renew, args=(process,)) for process in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == PROCESSES
    assert set(outcomes) <= {"renewed", "renewing"}, "who did not renew takes the new one, or tries again in a moment"
    assert "renewed" in outcomes
    assert issued(simulators[1]) == before + 1
    assert parts.campaign_monitor(parts.connection(by_oauth.id)).systemdate()


def issued(cm: Simulator) -> int:
    """How many access tokens there are, or were."""
    return sum(grant.kind == "access" for grant in cm.state.tokens.values())


def stored(parts: Parts, connection: Connection) -> Tokens:
    return StoredTokens(parts.database, parts.vault, connection.id).load()
