"""Health, problems, fields and settings of a connection: who may, what is shown first, and that two tabs do no harm."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from relay.domain.rules import Rules
from relay.store import audit, connections, participants, runs
from relay.store.connections import Connection
from relay.sync.connections.effect import effect
from relay.sync.parts import Parts
from tests.conftest import Relay, SimulatedCampaignMonitor, SimulatedEhq, Visitor

Visit = Callable[[str], Visitor]

TEAM = {"role": "site_admin"}


def seen(text: str) -> str:
    found = re.search(r'name="seen" value="(\w+)"', text)
    assert found
    return found[1]


def rules(parts: Parts, connection: Connection) -> dict[str, object]:
    return parts.connection(connection.id).rules.model_dump(mode="json")


PAGES = ("", "/problems", "/fields", "/settings")
POSTS = (
    "/problems/again", "/problems/acknowledge", "/fields", "/settings/audience", "/settings/name", "/settings/pause",
    "/settings/resume", "/settings/secret", "/settings/probe", "/settings/ehq", "/settings/disconnect",
)  # fmt: skip


def test_a_viewer_sees_every_page_and_changes_nothing(parts: Parts, visit: Visit, synced: Connection) -> None:
    viewer = visit("viewer")
    for page in PAGES:
        assert viewer.get(f"/c/{synced.id}{page}").status_code == 200, page
        assert viewer.get(f"/c/nobody{page}").status_code == 404, page
    for path in POSTS:
        assert viewer.post(f"/c/{synced.id}{path}").status_code == 403, path
    assert visit("operator").post(f"/c/{synced.id}/settings/disconnect").status_code == 403
    assert parts.connection(synced.id).rules == synced.rules


def test_health_shows_the_way_of_a_change_and_what_is_behind_it(
    parts: Parts, visit: Visit, relay: Relay, ehq: SimulatedEhq, synced: Connection
) -> None:
    text = visit("viewer").get(f"/c/{synced.id}").text
    assert "Everybody is up to date" in text
    assert "Nothing has arrived yet" in text
    assert "stands still" in text  # no clock runs in this test
    assert "by API key" in text
    assert "@" not in re.sub(r"https?://\S+|c•••@e•••\.com", "", text)
    one, _ = ehq.someone()
    ehq.act("answer", id=one, question=12, value="3090", silent=True)
    assert relay.reconcile(synced).state == "completed"
    text = visit("viewer").get(f"/c/{synced.id}").text
    assert "webhook seems off" in text
    assert "found 1 change" in text
    assert "webhook seems to be off" in visit("viewer").get(f"/c/{synced.id}/problems").text


def test_refused_people_are_tried_again_and_acknowledged(parts: Parts, visit: Visit, synced: Connection) -> None:
    with parts.database.write() as tx:
        (first, *_) = participants.after(tx, synced.id, 0, 1)
        participants.change(tx, [first.id], refused_code="1", refused_for="x", refused_at=time.time())
    operator, address = visit("operator"), f"/c/{synced.id}/problems"
    text = operator.get(address).text
    assert "does not accept this e-mail address" in text
    assert "1 person" in text
    operator.post(f"{address}/acknowledge", {"problem": "refused:1"})
    assert "Acknowledged" in operator.get(address).text
    operator.post(f"{address}/again", {"problem": "refused:1"})
    with parts.database.read() as tx:
        assert participants.counts(tx, synced.id)["refused"] == {}
    assert "no such problem" in operator.post(f"{address}/again", {"problem": "odd"}, follow_redirects=True).text


def test_a_question_left_out_is_shown_first_then_saved_and_everybody_compared(
    parts: Parts, visit: Visit, synced: Connection
) -> None:
    operator, address = visit("operator"), f"/c/{synced.id}/fields"
    text = operator.get(address).text
    shown = re.findall(r'name="shown" value="([^"]+)"', text)
    sent = {"seen": seen(text), "shown": shown, "on": [one for one in shown if one != "12"]}
    there = operator.post(address, sent).headers["Location"]
    assert there.startswith(f"{address}/effect?shown=12&seen="), "no other question, and nothing that is long"
    looked = operator.get(there)
    assert "Nothing is saved yet" in looked.text
    assert re.search(r"Change</dt><dd>[1-9]\d* people", looked.text)
    assert rules(parts, synced)["fields_left_out"] == []
    saved = operator.post(address, {**sent, "sure": "yes"})
    assert saved.status_code == 302
    assert rules(parts, synced)["fields_left_out"] == ["12"]
    with parts.database.read() as tx:
        (run,) = runs.under_way(tx, synced.id)
    assert (run.trigger, run.phase) == ("change", "compare")
    assert "It is so already" in operator.get(there).text, "come back to"
    assert operator.get(there.replace("shown=12", "shown=11")).status_code == 409
    stale = operator.post(address, {**sent, "on": shown[:1], "sure": "yes"})  # another tab, opened before
    assert stale.status_code == 409
    assert rules(parts, synced)["fields_left_out"] == ["12"]


def test_settings_change_what_they_show_and_leave_the_rest(parts: Parts, visit: Visit, connection: Connection) -> None:
    operator, address = visit("operator"), f"/c/{connection.id}/settings"
    start = rules(parts, connection)
    version = seen(operator.get(address).text)
    operator.post(f"{address}/brake", {"seen": version, "people": "7", "percent": "2.5"})
    assert rules(parts, connection) == {**start, "brake": {**start["brake"], "people": 7, "percent": 2.5}}  # type: ignore[dict-item]
    late = operator.post(f"{address}/opt-outs", {"seen": version, "opt_outs": "unsubscribe"})
    assert late.status_code == 409
    assert rules(parts, connection)["opt_outs"] == "remove"
    for section, sent in (
        ("brake", {"people": "many", "percent": "1"}),
        ("brake", {"people": "-1", "percent": "1"}),
        ("schedule", {"time_zone": "Mars/Olympus", "daily_at": ""}),
        ("schedule", {"time_zone": "UTC", "daily_at": "25:00"}),
        ("tracking", {"consent_to_track": "perhaps"}),
    ):
        now = seen(operator.get(address).text)
        assert operator.post(f"{address}/{section}", {"seen": now, **sent}).status_code == 422, section
    assert operator.post(f"{address}/odd").status_code == 404
    with parts.database.read() as tx:
        (entry, *_) = audit.search(tx, connection_id=connection.id, limit=5)
    assert entry.what == "changed the settings"


def test_a_new_secret_is_shown_once_and_the_old_one_stays_valid(
    parts: Parts, visit: Visit, connection: Connection
) -> None:
    operator, address = visit("operator"), f"/c/{connection.id}/settings"
    form = {"made": "1"}
    text = operator.post(f"{address}/secret", form).text
    secret = re.search(r"whsec_[\w+/=]+", text)
    assert secret
    assert secret[0] in operator.post(f"{address}/secret", form).text, "clicked twice"
    after = operator.get(address).text
    assert secret[0] not in after
    assert "stays valid until" in after
    assert len(parts.vault.unlock(parts.connection(connection.id).webhook_secrets)) == 2
    late = operator.post(f"{address}/secret", {"made": "0"}, follow_redirects=True)
    assert "whsec_" not in late.text
    assert "Make another if it was not copied" in late.text
    assert 'name="made" value="2"' in late.text


def test_paused_renamed_given_a_wrong_key_and_disconnected(parts: Parts, visit: Visit, connection: Connection) -> None:
    admin, address = visit("admin"), f"/c/{connection.id}/settings"
    for _ in range(2):  # a double click
        admin.post(f"{address}/pause")
    assert parts.connection(connection.id).state == "paused"
    admin.post(f"{address}/resume")
    assert parts.connection(connection.id).state == "on"
    assert admin.post(f"{address}/name", {"name": "x" * 5000}).status_code == 422
    assert admin.post(f"{address}/name", {"name": "Bay\x1bside"}).status_code == 422
    admin.post(f"{address}/name", {"name": "Bay <b>side</b>"})
    assert "Bay &lt;b&gt;side" in admin.get(address).text
    before = parts.connection(connection.id).ehq_credential
    assert admin.post(f"{address}/ehq", {"key": "wrong"}).status_code == 422
    assert parts.connection(connection.id).ehq_credential == before
    assert admin.post(f"{address}/ehq", {"key": "sandbox"}).status_code == 302
    assert admin.post(f"{address}/disconnect", {"name": "another"}).status_code == 422
    assert admin.post(f"{address}/disconnect", {"name": "bay <b>side</b>"}).status_code == 302
    with parts.database.read() as tx, pytest.raises(AttributeError):
        connections.find(tx, connection.id).id  # type: ignore[union-attr]  # noqa: B018


def test_what_waits_for_a_person_is_not_said_to_be_paused(parts: Parts, visit: Visit, connection: Connection) -> None:
    problem = {"code": "100", "message": "Campaign Monitor refused the key.", "remedy": "Connect it again."}
    with parts.database.write() as tx:
        connections.change(tx, connection.id, state="needs_person", problem=problem)
    operator, address = visit("operator"), f"/c/{connection.id}/settings"
    operator.post(f"{address}/pause")
    text = operator.get(address).text
    assert "Paused." not in text
    assert "It was not paused: it waits for a person already. Campaign Monitor refused the key." in text
    assert "Connect it again." in text
    now = parts.connection(connection.id)
    assert (now.state, now.problem) == ("needs_person", problem)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/c/{}/settings/name", {"name": "a\0b"}),
        ("/c/{}/overrides/try", {"document": "{}", "delivery": "\0"}),
        ("/connect", {"name": "B", "address": "https://x.example/\0", "how": "export"}),
    ],
)
def test_a_character_that_no_database_takes_is_refused_wherever_it_is_sent(
    visit: Visit, connection: Connection, path: str, form: dict[str, str]
) -> None:
    page = visit("operator").post(path.format(connection.id), form)
    assert page.status_code == 400
    assert "nobody can type" in page.text


def test_of_many_people_a_part_that_is_spread_over_all_is_looked_at(parts: Parts, synced: Connection) -> None:
    with parts.database.write() as tx:
        everyone = participants.after(tx, synced.id, 0, 100)
        for person in everyone[40:]:
            participants.save_known(tx, [(person.id, replace(person.known, values=person.known.values | TEAM))], str)
    narrower = Rules(audience={"roles": ["participant", "project_admin"]})  # type: ignore[arg-type]
    part = effect(parts, synced, narrower, most=20)
    assert (part.looked, part.everyone, part.whole) == (20, 60, False)
    assert 0 < part.leaves < 10
    whole = effect(parts, synced, narrower)
    assert whole.whole
    assert whole.leaves > 10


def test_an_audience_of_chosen_roles_is_set_on_the_page(parts: Parts, visit: Visit, synced: Connection) -> None:
    operator, address = visit("operator"), f"/c/{synced.id}/settings"
    form = {"seen": seen(operator.get(address).text), "audience": "own", "roles": ["no role of EngagementHQ's"]}
    assert "needs a role" in operator.post(f"{address}/audience", form).text
    form |= {"roles": []}
    assert "Choose at least one" in operator.post(f"{address}/audience", form).text
    form |= {"roles": ["site_admin", "participant"], "activated_only": "yes"}
    assert "Nothing is saved yet" in operator.post(f"{address}/audience", form, follow_redirects=True).text
    operator.post(f"{address}/audience", {**form, "sure": "yes"})
    assert rules(parts, synced)["audience"] == {"roles": ["participant", "site_admin"], "activated_only": True}
    page = operator.get(address).text
    assert re.search(r'value="own" checked', page)
    assert [bool(re.search(rf'id="role-{one}"[^>]* checked', page)) for one in ("site_admin", "hub_admin")] == [
        True,
        False,
    ]


def test_a_site_read_by_exports_goes_over_to_the_api_with_an_address_given_in_the_settings(
    parts: Parts, visit: Visit, relay: Relay, ehq: SimulatedEhq
) -> None:
    made = relay.connect(ehq, ehq_url="", ehq_credential={}, reads="export")
    operator, address = visit("operator"), f"/c/{made.id}/settings"
    assert "Address of the site" in operator.get(address).text
    missing = operator.post(f"{address}/ehq", {"address": "", "key": "sandbox"})
    assert missing.status_code == 422
    assert "is not an address" in missing.text
    assert operator.post(f"{address}/ehq", {"address": ehq.url, "key": "sandbox"}).status_code == 302
    now = parts.connection(made.id)
    assert (now.reads, now.ehq_url) == ("api", ehq.url)
    assert "Address of the site" not in operator.get(address).text


def test_what_campaign_monitor_leaves_open_is_found_out_on_a_page(
    visit: Visit, synced: Connection, cm: SimulatedCampaignMonitor
) -> None:
    cm.faults(options_drop_rules=False)
    visitor = visit("operator")
    assert "two invented addresses" in visitor.get(f"/c/{synced.id}/settings").text, "what would be done is said first"
    assert visitor.post(f"/c/{synced.id}/settings/probe").status_code == 302
    assert "Segments keep their rules when a field gets an option." in visitor.get(f"/c/{synced.id}/settings").text
    cm.faults(status=500)
    refused = visitor.post(f"/c/{synced.id}/settings/probe")
    assert refused.status_code == 422
    assert "Campaign Monitor was not tried." in refused.text
