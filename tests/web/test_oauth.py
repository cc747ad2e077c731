"""Campaign Monitor is connected by OAuth: a link, its consent page, and back."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from relay.errors import NeedsPerson
from relay.store import audit
from relay.store.connections import Connection
from relay.sync.connections import connect, credentials, probe
from relay.sync.parts import Parts
from tests.conftest import Relay, SimulatedCampaignMonitor, SimulatedEhq


@pytest.fixture
def unconnected(relay: Relay, ehq: SimulatedEhq) -> Connection:
    return relay.connect(ehq, cm_api_key=None, list_name="Residents")


@pytest.fixture
def browser(app: Flask, cm: SimulatedCampaignMonitor) -> FlaskClient:
    return app.test_client()


def consent(browser: FlaskClient, cm: SimulatedCampaignMonitor, link: str) -> str:
    """Follows the link to Campaign Monitor, agrees there, and answers the address that leads back."""
    cm.faults(oauth_auto="allow")
    there = browser.get(urlsplit(link).path)
    assert there.status_code == 302
    back = cm.session.get(there.headers["Location"], allow_redirects=False)
    parts = urlsplit(back.headers["Location"])
    return f"{parts.path}?{parts.query}"


def test_consent_connects_creates_the_list_and_the_first_run_fills_it(
    relay: Relay,
    parts: Parts,
    unconnected: Connection,
    browser: FlaskClient,
    cm: SimulatedCampaignMonitor,
) -> None:
    page = browser.get(consent(browser, cm, credentials.authorize_url(parts, unconnected.id)))
    assert page.status_code == 200
    assert "Connected" in page.text
    with parts.database.read() as tx:
        (entry,) = audit.search(tx, connection_id=unconnected.id)
    assert (entry.what, entry.user_id, entry.detail) == ("connected Campaign Monitor", None, {"how": "OAuth, by link"})
    connection = parts.connection(unconnected.id)
    assert (connection.state, connection.cm_list_name) == ("on", "Residents")
    assert connection.cm_account == "clerk@example.com"
    assert relay.reconcile(connection).state == "completed"
    assert cm.active("Residents")


def test_what_is_being_set_up_cannot_be_paused_and_its_link_still_leads_to_the_list(
    parts: Parts, unconnected: Connection, browser: FlaskClient, cm: SimulatedCampaignMonitor
) -> None:
    with pytest.raises(NeedsPerson, match="not set up yet"):
        connect.pause(parts, unconnected)
    assert browser.get(consent(browser, cm, credentials.authorize_url(parts, unconnected.id))).status_code == 200
    assert parts.connection(unconnected.id).state == "on"


def test_an_answer_with_a_forged_state_changes_nothing(
    parts: Parts, unconnected: Connection, browser: FlaskClient, cm: SimulatedCampaignMonitor
) -> None:
    back = consent(browser, cm, credentials.authorize_url(parts, unconnected.id))
    page = browser.get(back.replace("state=", "state=forged"))
    assert page.status_code == 400
    assert parts.connection(unconnected.id).state == "setup"


def test_the_same_answer_is_taken_once(
    parts: Parts, unconnected: Connection, browser: FlaskClient, cm: SimulatedCampaignMonitor
) -> None:
    back = consent(browser, cm, credentials.authorize_url(parts, unconnected.id))
    assert browser.get(back).status_code == 200
    assert browser.get(back).status_code == 400


def test_whoever_cancels_is_told_so_and_offered_to_try_again(
    parts: Parts, unconnected: Connection, browser: FlaskClient
) -> None:
    link = credentials.authorize_url(parts, unconnected.id)
    browser.get(urlsplit(link).path)
    with browser.session_transaction() as session:
        state = session["campaign_monitor"]["state"]
    page = browser.get("/campaign-monitor/callback", query_string={"error": "access_denied", "state": state})
    assert "nothing was connected" in page.text
    assert "Try again" in page.text
    assert parts.connection(unconnected.id).state == "setup"


def test_a_link_that_was_changed_leads_nowhere(parts: Parts, unconnected: Connection, browser: FlaskClient) -> None:
    link = urlsplit(credentials.authorize_url(parts, unconnected.id)).path
    assert browser.get(link + "x").status_code == 404


def test_an_expired_token_is_renewed_once_and_the_run_goes_on(
    relay: Relay, parts: Parts, unconnected: Connection, browser: FlaskClient, cm: SimulatedCampaignMonitor
) -> None:
    browser.get(consent(browser, cm, credentials.authorize_url(parts, unconnected.id)))
    connection = parts.connection(unconnected.id)
    cm.faults(token_expired=True)
    assert relay.reconcile(connection).state == "completed"
    assert parts.connection(connection.id).cm_credential != connection.cm_credential


def test_a_revoked_token_needs_a_person_and_connecting_anew_goes_on_with_the_same_list(
    relay: Relay, parts: Parts, unconnected: Connection, browser: FlaskClient, cm: SimulatedCampaignMonitor
) -> None:
    browser.get(consent(browser, cm, credentials.authorize_url(parts, unconnected.id)))
    connection = parts.connection(unconnected.id)
    relay.reconcile(connection)
    cm.faults(token_revoked=True)
    run = relay.reconcile(connection)
    assert run.state == "needs_person"
    assert parts.connection(connection.id).state == "needs_person"
    page = browser.get(consent(browser, cm, credentials.authorize_url(parts, connection.id)))
    assert page.status_code == 200
    again = parts.connection(connection.id)
    assert (again.state, again.cm_list_id) == ("on", connection.cm_list_id)
    assert relay.reconcile(again).state == "completed"


@pytest.mark.parametrize("rotates", [True, False], ids=["rotates", "stays"])
def test_access_that_ran_out_is_renewed_whether_or_not_the_refresh_token_rotates(
    relay: Relay,
    parts: Parts,
    unconnected: Connection,
    browser: FlaskClient,
    cm: SimulatedCampaignMonitor,
    rotates: bool,
) -> None:
    cm.faults(rotate_refresh=rotates)
    browser.get(consent(browser, cm, credentials.authorize_url(parts, unconnected.id)))
    for _ in range(2):  # the second time by what the first one brought
        time.sleep(0.01)
        cm.faults(token_expired=True)
        assert parts.campaign_monitor(parts.connection(unconnected.id)).systemdate()
    answer = probe.probe(parts, parts.connection(unconnected.id))
    assert answer["switches"]["refresh_token"] == ("rotates" if rotates else "stays")
    assert answer["unanswered"] == {}
    assert parts.campaign_monitor(parts.connection(unconnected.id)).systemdate()
