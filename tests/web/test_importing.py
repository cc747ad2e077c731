"""The pages that read an export: upload, look, apply or throw away."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
import requests

from relay.domain.sensitive import sensitive
from relay.store import audit, exports, participants
from relay.store.connections import Connection
from relay.web import LARGEST_FORM
from tests.conftest import Relay, SimulatedCampaignMonitor, SimulatedEhq, Visitor

Visit = Callable[[str], Visitor]


@pytest.fixture
def by_hand(relay: Relay, ehq: SimulatedEhq) -> Connection:
    return relay.connect(ehq, ehq_url="", ehq_credential={}, reads="export")


def file(ehq: SimulatedEhq, path: str = "export.zip", name: str = "export.zip") -> tuple[io.BytesIO, str]:
    return io.BytesIO(requests.get(f"{ehq.url}/sandbox/{path}", timeout=10).content), name


def upload(who: Visitor, connection: Connection, **form: Any) -> Any:
    return who.post(f"/c/{connection.id}/import", form, content_type="multipart/form-data")


def test_an_export_is_uploaded_looked_at_and_applied(
    visit: Visit, relay: Relay, by_hand: Connection, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor
) -> None:
    operator = visit("operator")
    women = file(ehq, "export.zip?group=Female Only", "women.zip")
    there = upload(
        operator, by_hand, files=[file(ehq)], people="56", **{"group-1": "Female Only", "group-file-1": [women]}
    ).headers["Location"]
    assert "Reading" in operator.get(there).text or "Preparing" in operator.get(there).text
    relay.reconcile(by_hand, dry=True)  # joins the one under way
    page = operator.get(there).text
    assert "These files are the whole export" in page
    assert "would join" in page
    assert "Female Only" in page
    assert cm.active() == set()
    person = next(iter(ehq.people().values()))
    assert person["email"] not in page
    first, second = (operator.post(f"{there}/apply").headers["Location"] for _ in range(2))
    assert first == second, "a double click is one run"
    relay.reconcile(by_hand)
    assert "Complete" in operator.get(first).text
    assert cm.segments()["Female Only"] > 0
    assert operator.get(there).status_code == 404, "and the people in it are gone"
    with relay.parts.database.read() as tx:
        assert exports.waiting(tx, by_hand.id) == []
        assert [entry.what for entry in audit.search(tx, limit=2)] == ["applied an export", "uploaded an export"]
    assert "the last one is of" in operator.get("/").text


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({}, "Choose the files"),
        ({"files": [(b"Name\nx\n", "names.csv")]}, "no column Email"),
        ({"people": "many"}, "must be a number"),
        ({"made_at": "noon"}, "date and a time"),
        ({"group-1": "Female Only"}, "Group 1 has no file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_used_is_said_at_its_field(
    visit: Visit, by_hand: Connection, form: dict[str, Any], says: str, relay: Relay
) -> None:
    files = {"files": [(io.BytesIO(content), name) for content, name in form["files"]]} if "files" in form else {}
    answer = upload(visit("operator"), by_hand, **{**form, **files})
    assert answer.status_code == 422
    assert says in answer.text
    with relay.parts.database.read() as tx:
        assert exports.waiting(tx, by_hand.id) == []


def test_only_an_upload_may_be_large_and_only_as_the_page_sends_it(
    visit: Visit, by_hand: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator, large = visit("operator"), b"Name\n" + b"x\n" * (LARGEST_FORM // 2)
    assert "no column Email" in upload(operator, by_hand, files=[(io.BytesIO(large), "large.csv")]).text
    monkeypatch.setattr(operator.app.view_functions["importing.upload"], "takes", 2**20)
    answer = upload(operator, by_hand, files=[(io.BytesIO(large), "large.csv")])
    assert answer.status_code == 413
    assert "an export can be uploaded in parts" in answer.text
    answer = operator.post(f"/c/{by_hand.id}/import", {"people": "56"})
    assert answer.status_code == 415
    assert "nothing was read" in answer.text


def test_an_incomplete_export_says_why_and_can_be_thrown_away(
    visit: Visit, relay: Relay, by_hand: Connection, ehq: SimulatedEhq
) -> None:
    operator = visit("operator")
    there = upload(operator, by_hand, files=[file(ehq)], people="1,000").headers["Location"]
    relay.reconcile(by_hand, dry=True)
    assert "EHQ shows 1,000 participants, and these files list 56." in operator.get(there).text
    assert "An export waits for you" in operator.get(f"/c/{by_hand.id}/import").text
    assert "thrown away" in operator.post(f"{there}/discard", follow_redirects=True).text
    assert operator.get(there).status_code == 404


def test_viewers_and_other_connections_see_nothing_of_it(
    visit: Visit, relay: Relay, by_hand: Connection, ehq: SimulatedEhq
) -> None:
    there = upload(visit("operator"), by_hand, files=[file(ehq)]).headers["Location"]
    assert visit("viewer").get(there).status_code == 403
    assert "/import" not in visit("viewer").get(f"/c/{by_hand.id}/runs").text
    other = relay.connect(ehq, "Other")
    assert visit("operator").get(there.replace(by_hand.id, other.id)).status_code == 404


def test_before_the_first_export_is_applied_one_decides_which_answers_travel_and_who_is_on_the_list(
    visit: Visit, relay: Relay, by_hand: Connection, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor
) -> None:
    operator = visit("operator")
    there = upload(operator, by_hand, files=[file(ehq)], team=[file(ehq, "team.csv", "team.csv")]).headers["Location"]
    relay.reconcile(by_hand, dry=True)
    page = operator.get(there).text
    assert "Looks sensitive" in page
    labels = [html.unescape(one) for one in re.findall(r'name="shown" value="([^"]+)"', page)]
    marked = [label for label in labels if sensitive(label)]
    assert marked
    version = re.search(r'name="seen" value="(\w+)"', page)
    assert version
    form = {"seen": version[1], "shown": labels, "on": labels, "audience": "own", "roles": ["participant"]}
    assert operator.post(f"{there}/apply", {**form, "seen": "of another tab"}).headers["Location"] == there
    assert relay.parts.connection(by_hand.id).rules == by_hand.rules
    operator.post(f"{there}/look", {**form, "leave_out": "marked"})
    relay.reconcile(by_hand, dry=True)
    page = operator.get(there).text
    assert "All of those are left out" in page
    assert not relay.parts.connection(by_hand.id).remap_due, "nobody is known: the import is what compares"
    on = [label for label in labels if label not in marked]
    version = re.search(r'name="seen" value="(\w+)"', page)
    assert version
    operator.post(f"{there}/apply", {**form, "seen": version[1], "on": on})
    relay.reconcile(by_hand)
    team = {a["email"].lower() for a in ehq.people().values() if a["role-name"] != "participant"}
    assert cm.active()
    assert not cm.active() & team
    names = {name.strip("[]") for one in cm.subscribers().values() for name in one["fields"]}
    assert not names & set(marked)
    with relay.parts.database.read() as tx:
        kept = {q for p in participants.after(tx, by_hand.id, 0, 100) for q in p.known.values.get("answers") or ()}
    assert kept
    assert not kept & set(marked)
