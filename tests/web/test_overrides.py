"""The page of what a site does differently: tried on what was captured, then saved."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from relay.store import audit, participants
from relay.store.connections import Connection
from relay.sync.parts import Parts
from tests.conftest import Live, Relay, Visitor
from tests.sync.test_trial import DOCUMENT, EVENT, captured

Visit = Callable[[str], Visitor]
WANTED = json.dumps({"overrides": DOCUMENT})


def version(who: Visitor, there: str) -> str:
    return who.get(there).text.partition('name="version" value="')[2].partition('"')[0]


def test_a_document_is_tried_masked_and_then_saved(visit: Visit, connection: Connection, parts: Parts) -> None:
    operator, there = visit("operator"), f"/c/{connection.id}/overrides"
    assert "standard" in operator.get(there).text
    page = operator.post(f"{there}/try", {"document": "{}", "pasted": json.dumps(EVENT)}).text
    assert "is unknown" in page
    page = operator.post(f"{there}/try", {"document": WANTED, "pasted": json.dumps(EVENT)}).text
    found = page.partition('id="found"')[2].partition("Does its proof hold")[0]
    assert "participant.registered" in found
    assert "data.attributes.favourite-colour" in found
    assert "a•••@e•••.com" in found
    assert "althea@example.com" not in found
    assert parts.connection(connection.id).rules.overrides == {}
    now = version(operator, there)
    looked = operator.post(there, {"document": WANTED, "version": now})
    assert "Nothing is saved yet" in looked.text
    assert parts.connection(connection.id).rules.overrides == {}
    saved = operator.post(there, {"document": WANTED, "version": now, "sure": "yes"}, follow_redirects=True)
    assert "Saved" in saved.text
    assert parts.connection(connection.id).rules.overrides == DOCUMENT
    lost = operator.post(there, {"document": "{}", "version": now})
    assert lost.status_code == 409
    assert "As it is now" in lost.text
    assert parts.connection(connection.id).rules.overrides == DOCUMENT, "the second of two tabs changes nothing"


def test_a_delivery_that_arrived_is_tried_and_seeing_it_is_in_the_audit_log(visit: Visit, live: Live) -> None:
    live.ehq.register(email="seen@example.com")
    live.arrives()
    operator, there = visit("operator"), f"/c/{live.connection.id}/overrides"
    page = operator.get(there).text
    key = page.partition('<option value="msg_')[2].partition('"')[0]
    form = {"document": "{}", "delivery": f"msg_{key}"}
    assert "seen@example.com" not in operator.post(f"{there}/try", form).text
    assert "seen@example.com" in operator.post(f"{there}/try", {**form, "reveal": "yes"}).text
    with live.relay.parts.database.read() as tx:
        (entry,) = audit.search(tx, what="revealed what a delivery says")
        (person,) = participants.one(tx, live.connection.id, "seen@example.com")
    assert f"msg_{key}" in str(entry)
    assert entry.participant_id == person.id


def test_a_proof_is_checked(visit: Visit, connection: Connection, relay: Relay) -> None:
    operator, there = visit("operator"), f"/c/{connection.id}/overrides"
    good = operator.post(f"{there}/proof", {"document": "{}", "request": captured(relay)}).text
    assert "It is genuine" in good
    other = operator.post(f"{there}/proof", {"document": "{}", "request": captured(relay, "hmac_body")}).text
    assert "set authentication.profile" in other
    assert relay.secret not in good + other


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("{", "not JSON"),
        ('{"audience": {}}', "and nothing else"),
        ('{"overrides": {"attributes": {"mail": ["x"]}}}', "there is no &#39;mail&#39;"),
        ('{"authentication": {"profile": "none"}}', "authentication.profile"),
    ],
)
def test_a_wrong_document_is_said_at_its_field_and_kept_in_it(
    visit: Visit, connection: Connection, parts: Parts, document: str, says: str
) -> None:
    there = f"/c/{connection.id}/overrides"
    answer = visit("operator").post(there, {"document": document, "version": ""})
    assert answer.status_code == 422
    assert says in answer.text
    assert 'id="document-error"' in visit("operator").post(f"{there}/try", {"document": document, "pasted": "{}"}).text
    assert parts.connection(connection.id).rules == connection.rules


def test_it_is_for_operators(visit: Visit, connection: Connection) -> None:
    assert visit("viewer").get(f"/c/{connection.id}/overrides").status_code == 403


WRONG = json.dumps({"overrides": {"attributes": {"subscribed": ["unconfirmed"]}}})


def test_what_overrides_do_to_people_is_shown_before_they_are_saved_by_what_is_known_and_by_what_ehq_says(
    visit: Visit, live: Live
) -> None:
    operator, there = visit("operator"), f"/c/{live.connection.id}/overrides"
    mistyped = json.dumps({"overrides": {"roles": {"site_admin": ["participant"]}}})
    page = operator.post(there, {"document": mistyped, "version": version(operator, there)}).text
    assert "Of all 60 people" in page
    assert "Nothing is saved yet" in page
    page = operator.post(there, {"document": WRONG, "version": version(operator, there)}).text
    stored, _, anew = page.partition("By what EngagementHQ says")
    assert "Leave the list</dt><dd>0 people" in stored
    gone = re.search(r"of them as unsubscribed or blocked in EngagementHQ</dt><dd>(\d+) people", anew)
    assert gone
    assert int(gone[1]) > 20
    live.ehq.faults(status=503)
    page = operator.post(there, {"document": WRONG, "version": version(operator, there)}).text
    assert "EngagementHQ could not be read by the new document" in page


def test_a_run_that_asks_whether_overrides_are_right_is_answered_on_their_page(visit: Visit, live: Live) -> None:
    operator, there = visit("operator"), f"/c/{live.connection.id}/overrides"
    operator.post(there, {"document": WRONG, "version": version(operator, there), "sure": "yes"})
    run = live.run()
    assert run.state == "needs_person"
    assert "read EngagementHQ rightly" in operator.get(there).text
    for page in ("", f"/runs/{run.id}"):
        assert "Look at the overrides" in operator.get(f"/c/{live.connection.id}{page}").text
    late = operator.post(f"{there}/right", {"version": "of another tab"}, follow_redirects=True)
    assert "nothing was confirmed" in late.text
    before = live.cm.active()
    operator.post(f"{there}/right", {"version": version(operator, there)})
    live.relay.settle(live.connection)
    assert len(live.cm.active()) < len(before) / 2
    assert "read EngagementHQ rightly" not in operator.get(there).text
