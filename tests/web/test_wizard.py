"""The set-up's pages: what they refuse, and that it changes nothing. That they work is shown in tests/e2e."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from relay.domain.rules import fingerprint
from relay.errors import NeedsPerson
from relay.store import audit, connections
from relay.store.connections import Connection
from relay.store.leases import claim
from relay.sync.connections import connect, destination, setup
from relay.sync.connections.audiences import audience_of
from relay.sync.parts import Parts
from tests.conftest import Relay, SimulatedCampaignMonitor, SimulatedEhq, Visitor

Visit = Callable[[str], Visitor]


@pytest.fixture
def operator(visit: Visit) -> Visitor:
    return visit("operator")


@pytest.fixture
def draft(parts: Parts, ehq: SimulatedEhq) -> Connection:
    return setup.begin(parts, "Bayside", ehq.url, {"token": "sandbox"})[0]


@pytest.fixture
def keyed(parts: Parts, draft: Connection) -> Connection:
    destination.give_key(parts, draft, "sandbox")
    return parts.connection(draft.id)


@pytest.fixture
def read(parts: Parts, relay: Relay, keyed: Connection) -> Connection:
    destination.new_list(parts, keyed, "Residents")
    setup.read(parts, parts.connection(keyed.id))
    relay.work()
    return parts.connection(keyed.id)


def everyone(parts: Parts) -> list[Connection]:
    with parts.database.read() as tx:
        return connections.everyone(tx)


def where(answer: Any) -> str:
    assert answer.status_code == 302, answer.text
    return urlsplit(answer.headers["Location"]).path


def test_an_address_and_a_key_that_work_begin_a_draft_and_the_audit_log_says_who(
    parts: Parts, operator: Visitor, ehq: SimulatedEhq
) -> None:
    form = {"name": "Bayside", "address": ehq.url, "how": "key", "key": "sandbox"}
    there = where(operator.post("/connect", form))
    (made,) = everyone(parts)
    assert there == f"/c/{made.id}/setup/campaign-monitor"
    with parts.database.read() as tx:
        (entry,) = audit.search(tx, connection_id=made.id)
    assert (entry.user_id, entry.what) == (operator.user.id if operator.user else 0, "began to set up a connection")
    assert "sandbox" not in str(entry.detail)
    assert where(operator.post("/connect", form)) == there, "clicked twice, or in two tabs"
    assert where(operator.post("/connect", {**form, "address": ehq.url.upper()})) == there, "typed otherwise"
    assert "had been begun already" in operator.get(there).text
    assert len(everyone(parts)) == 1


def test_a_site_that_needs_overrides_to_be_read_is_connected_with_them(
    parts: Parts, operator: Visitor, ehq: SimulatedEhq
) -> None:
    form = {"name": "Bayside", "address": f"{ehq.url}/api", "how": "key", "key": "sandbox", "document": ""}
    assert operator.post("/connect", form).status_code == 422, "its API is not where others have it"
    wrong = operator.post("/connect", {**form, "document": '{"overrides": {"path": {}}}'})
    assert wrong.status_code == 422
    assert "there is no section" in wrong.text
    assert everyone(parts) == []
    overrides = {"paths": {"api": "/v2"}}
    there = where(operator.post("/connect", {**form, "document": json.dumps({"overrides": overrides})}))
    (made,) = everyone(parts)
    assert there == f"/c/{made.id}/setup/campaign-monitor"
    assert made.rules.overrides == overrides
    page = operator.get(f"/c/{made.id}/setup/ehq").text
    assert "/v2" in page
    form |= {"key": "", "address": ehq.url}
    operator.post(f"/c/{made.id}/setup/ehq", {**form, "key": "sandbox", "document": ""})
    assert parts.connection(made.id).rules.overrides == {}


@pytest.mark.parametrize(
    ("differs", "said"),
    [
        ({"name": ""}, "needs a name"),
        ({"address": "haveyoursay"}, "as in a browser"),
        ({"address": "http://["}, "as in a browser"),
        ({"address": "https://x.example/\x1b", "how": "export"}, "as in a browser"),
        ({"address": "https://ada:word@x.example", "how": "export"}, "has a user name in it"),
        ({"address": "http://127.0.0.1:1"}, "cannot be reached"),
        ({"key": "wrong"}, "does not let this key"),
        ({"key": ""}, "An API key is needed"),
        ({"how": "login", "login": "x"}, "A log-in and its password are needed"),
        ({"how": "login", "login": "x", "password": "wrong"}, "did not accept the log-in"),
    ],
)
def test_what_is_wrong_with_ehq_is_named_and_nothing_is_kept(
    parts: Parts, operator: Visitor, ehq: SimulatedEhq, differs: dict[str, str], said: str
) -> None:
    page = operator.post("/connect", {"name": "B", "address": ehq.url, "how": "key", "key": "sandbox", **differs})
    assert page.status_code == 422
    assert said in page.text
    assert 'value="wrong"' not in page.text, "what was typed as a secret is not shown again"
    assert everyone(parts) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [("", "needs a name"), ("x" * 5000, "5,000 characters"), ("Old newsletter", "exists already")],
)
def test_a_list_name_that_cannot_be_is_refused(
    parts: Parts, operator: Visitor, keyed: Connection, name: str, said: str
) -> None:
    parts.campaign_monitor(keyed).create_list(keyed.cm_client_id or "", "Old newsletter")
    page = operator.post(f"/c/{keyed.id}/setup/list", {"name": name})
    assert page.status_code == 422
    assert said in page.text
    assert "--list" not in page.text
    assert parts.connection(keyed.id).cm_list_name is None


def test_an_existing_list_is_adopted_only_after_the_warning_said_what_is_touched(
    parts: Parts, operator: Visitor, keyed: Connection
) -> None:
    old = parts.campaign_monitor(keyed).create_list(keyed.cm_client_id or "", "Old newsletter")
    page = operator.get(f"/c/{keyed.id}/setup/list?list={old}")
    assert "What will not be touched" in page.text
    assert parts.connection(keyed.id).cm_list_id is None
    assert where(operator.post(f"/c/{keyed.id}/setup/list", {"adopt": old})) == f"/c/{keyed.id}/setup/read"
    assert parts.connection(keyed.id).cm_list_id == old


def test_a_list_of_nobodys_is_refused(parts: Parts, operator: Visitor, keyed: Connection) -> None:
    assert operator.post(f"/c/{keyed.id}/setup/list", {"adopt": "0" * 32}).status_code == 422
    assert operator.get(f"/c/{keyed.id}/setup/list?list=x").status_code == 422
    assert parts.connection(keyed.id).cm_list_id is None


def test_of_several_clients_one_is_chosen(
    parts: Parts, operator: Visitor, cm: SimulatedCampaignMonitor, draft: Connection
) -> None:
    cm.faults(clients=2)
    destination.give_key(parts, draft, "sandbox")
    there = f"/c/{draft.id}/setup/client"
    assert where(operator.get(f"/c/{draft.id}/setup")) == there
    first, second = destination.clients(parts, parts.connection(draft.id))
    text = operator.get(there).text
    assert first.name in text
    assert second.name in text
    assert operator.post(there, {"client": ""}).status_code == 422
    assert parts.connection(draft.id).cm_client_id is None
    assert where(operator.post(there, {"client": second.id})) == f"/c/{draft.id}/setup/list"
    assert parts.connection(draft.id).cm_client_id == second.id


STEPS = ("campaign-monitor", "client", "list", "read", "answers", "preview", "webhook")


@pytest.mark.parametrize("step", STEPS[1:])
def test_a_step_too_far_leads_to_the_one_that_is_missing(operator: Visitor, draft: Connection, step: str) -> None:
    assert where(operator.get(f"/c/{draft.id}/setup/{step}")) == f"/c/{draft.id}/setup/campaign-monitor"


def test_another_operator_goes_on_where_the_first_left(visit: Visit, read: Connection) -> None:
    other = visit("admin")
    assert where(other.get(f"/c/{read.id}/setup")) == f"/c/{read.id}/setup/answers"
    assert "Which answers travel" in other.get(f"/c/{read.id}/setup/answers").text


@pytest.mark.parametrize("step", STEPS)
def test_a_viewer_may_not_set_up(visit: Visit, draft: Connection, step: str) -> None:
    viewer = visit("viewer")
    assert viewer.get(f"/c/{draft.id}/setup/{step}").status_code == 403
    assert viewer.get("/connect").status_code == 403


@pytest.mark.parametrize("page", ["", "/fields", "/settings", "/setup"])
def test_a_viewer_sees_how_far_a_set_up_is_and_who_can_go_on(visit: Visit, draft: Connection, page: str) -> None:
    text = visit("viewer").client.get(f"/c/{draft.id}{page}", follow_redirects=True).text
    assert f"{draft.name} is being set up" in text
    assert "not connected yet" in text
    assert "An operator or an administrator can go on with it." in text
    assert "<form" not in text.partition("<main")[2]


@pytest.mark.parametrize("path", ["secret", "test", "on", "abandon", "list", "answers"])
def test_without_a_csrf_token_nothing_is_done(parts: Parts, operator: Visitor, read: Connection, path: str) -> None:
    assert operator.client.post(f"/c/{read.id}/setup/{path}").status_code == 400
    assert parts.connection(read.id) == read


def test_a_form_that_is_out_of_date_leads_back_to_its_page_and_nowhere_else(
    operator: Visitor, read: Connection
) -> None:
    def shown(came_from: str) -> str:
        return operator.client.post(f"/c/{read.id}/setup/list", headers={"Referer": came_from}).text

    assert f'href="http://localhost/c/{read.id}/setup/list"' in shown(f"http://localhost/c/{read.id}/setup/list")
    assert "elsewhere" not in shown("http://localhost.elsewhere.example/")


def test_a_connection_that_is_on_has_no_set_up_any_more(operator: Visitor, connection: Connection) -> None:
    assert where(operator.get(f"/c/{connection.id}/setup")) == f"/c/{connection.id}/runs"
    assert where(operator.post(f"/c/{connection.id}/setup/abandon")) == f"/c/{connection.id}/runs"


def test_one_click_leaves_out_what_looks_sensitive(parts: Parts, operator: Visitor, read: Connection) -> None:
    page = operator.get(f"/c/{read.id}/setup/answers").text
    assert "Looks sensitive: date of birth" in page
    assert "@" not in page.split("<main")[1], "no example is anybody's"
    travels = [part.split('"')[0] for part in page.split('name="travels" value="')[1:]]
    form = {"seen": fingerprint(read.rules), "audience": "everyone", "travels": travels, "leave_out": "marked"}
    assert where(operator.post(f"/c/{read.id}/setup/answers", form)) == f"/c/{read.id}/setup/answers"
    out = parts.connection(read.id).rules.fields_left_out
    assert out
    assert len(out) < len(travels)
    assert "All of those are left out" in operator.get(f"/c/{read.id}/setup/answers").text


def test_of_two_tabs_the_second_to_save_is_told_and_changes_nothing(
    parts: Parts, operator: Visitor, read: Connection
) -> None:
    form = {"seen": fingerprint(read.rules), "audience": "participants", "travels": []}
    assert where(operator.post(f"/c/{read.id}/setup/answers", form)) == f"/c/{read.id}/setup/preview"
    second = operator.post(f"/c/{read.id}/setup/answers", {**form, "audience": "everyone"})
    assert second.status_code == 422
    assert "Somebody changed these choices" in second.text
    assert audience_of(parts.connection(read.id).rules) == "participants"


def choose(relay: Relay, operator: Visitor, read: Connection) -> None:
    form = {"seen": fingerprint(read.rules), "audience": "everyone", "travels": []}
    assert where(operator.post(f"/c/{read.id}/setup/answers", form)) == f"/c/{read.id}/setup/preview"
    relay.work()


def test_the_secret_is_in_one_answer_only(relay: Relay, operator: Visitor, read: Connection) -> None:
    choose(relay, operator, read)
    page = operator.post(f"/c/{read.id}/setup/secret", {"seen": "0"})
    assert "whsec_" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert "whsec_" not in operator.get(f"/c/{read.id}/setup/webhook").text
    assert where(operator.post(f"/c/{read.id}/setup/secret", {"seen": "x"})) == f"/c/{read.id}/setup/webhook"


def test_a_test_event_that_reaches_nobody_is_explained(
    relay: Relay, parts: Parts, operator: Visitor, read: Connection
) -> None:
    choose(relay, operator, read)
    connect.rotate_secret(parts, read, 0)["webhook_secret"]
    page = operator.post(f"/c/{read.id}/setup/test")  # nobody listens at RELAY_BASE_URL here
    assert page.status_code == 422
    assert "Nobody answers at this address" in page.text
    assert "RELAY_BASE_URL" in page.text


def test_a_list_that_somebody_made_meanwhile_sends_back_to_its_name(
    relay: Relay, parts: Parts, operator: Visitor, read: Connection
) -> None:
    choose(relay, operator, read)
    parts.campaign_monitor(read).create_list(read.cm_client_id or "", "Residents")
    page = operator.post(f"/c/{read.id}/setup/on")
    assert page.status_code == 422
    assert "exists already" in page.text
    assert parts.connection(read.id).state == "setup"


@pytest.mark.parametrize(("secret", "said"), [(True, "within seconds"), (False, "compared once a day, until")])
def test_switching_on_promises_no_more_than_the_webhook_can_keep(
    parts: Parts, operator: Visitor, relay: Relay, read: Connection, secret: bool, said: str
) -> None:
    operator.post(
        f"/c/{read.id}/setup/answers", {"audience": "everyone", "time_zone": "UTC", "seen": fingerprint(read.rules)}
    )
    relay.work()
    if secret:
        connect.rotate_secret(parts, read, 0)["webhook_secret"]
    assert said in operator.client.get(where(operator.post(f"/c/{read.id}/setup/on"))).text


def test_giving_up_removes_the_draft_and_made_nothing(
    parts: Parts, operator: Visitor, read: Connection, cm: SimulatedCampaignMonitor
) -> None:
    assert where(operator.post(f"/c/{read.id}/setup/abandon")) == "/"
    assert everyone(parts) == []
    assert cm.sandbox("lists.json")["lists"] == []


def test_what_is_being_switched_on_is_not_given_up(parts: Parts, operator: Visitor, read: Connection) -> None:
    with claim(parts.database, f"setup:{read.id}"):
        assert operator.post(f"/c/{read.id}/setup/abandon").status_code == 503
    with parts.database.write() as tx:
        connections.change(tx, read.id, state="on")
    with pytest.raises(NeedsPerson):  # whoever read "setup" before
        connect.abandon(parts, read)
    assert [one.id for one in everyone(parts)] == [read.id]


@pytest.mark.parametrize(("path", "form"), [("settings/resume", {}), ("campaign-monitor", {"key": "sandbox"})])
def test_no_other_page_switches_a_draft_on(
    parts: Parts, operator: Visitor, keyed: Connection, cm: SimulatedCampaignMonitor, path: str, form: dict[str, str]
) -> None:
    made = parts.campaign_monitor(keyed).create_list(keyed.cm_client_id or "", "Residents")
    destination.adopt_list(parts, keyed, made)
    before = parts.connection(keyed.id)
    assert operator.post(f"/c/{keyed.id}/{path}", form).status_code == 302
    assert parts.connection(keyed.id) == before
    assert len(cm.sandbox("lists.json")["lists"]) == 1


def test_a_site_without_an_api_goes_from_its_list_to_uploading_exports(
    parts: Parts, operator: Visitor, cm: SimulatedCampaignMonitor
) -> None:
    operator.post("/connect", {"name": "Bayside", "address": "", "how": "export"})
    (made,) = everyone(parts)
    assert made.reads == "export"
    operator.post(f"/c/{made.id}/setup/campaign-monitor", {"key": "sandbox"})
    operator.post(f"/c/{made.id}/setup/list", {"name": "Residents"})
    for step in ("", "/read", "/answers", "/preview"):
        assert where(operator.get(f"/c/{made.id}/setup{step}")) == f"/c/{made.id}/setup/webhook"
    assert where(operator.post(f"/c/{made.id}/setup/on")) == f"/c/{made.id}/import"
    assert parts.connection(made.id).state == "on"
    assert cm.list("Residents")["subscribers"] == []


# Campaign Monitor by OAuth


def asked(operator: Visitor, connection: Connection) -> str:
    """The state with which Campaign Monitor is asked."""
    there = operator.post(f"/c/{connection.id}/campaign-monitor/authorize")
    assert there.status_code == 302
    return parse_qs(urlsplit(there.headers["Location"]).query)["state"][0]


def allowed(operator: Visitor, cm: SimulatedCampaignMonitor, connection: Connection) -> str:
    """The address that leads back after somebody agreed."""
    cm.faults(oauth_auto="allow")
    there = operator.post(f"/c/{connection.id}/campaign-monitor/authorize").headers["Location"]
    back = urlsplit(cm.session.get(there, allow_redirects=False).headers["Location"])
    return f"{back.path}?{back.query}"


def test_whoever_allows_it_goes_on_and_the_same_answer_is_taken_once(
    parts: Parts, operator: Visitor, draft: Connection, cm: SimulatedCampaignMonitor
) -> None:
    back = allowed(operator, cm, draft)
    assert operator.get(back).status_code == 200
    now = parts.connection(draft.id)
    assert (now.state, now.cm_list_id, bool(now.cm_client_id)) == ("setup", None, True)
    again = operator.get(back)
    assert again.status_code == 400
    assert "does not belong to a question of yours" in again.text


def test_an_answer_in_another_browser_is_no_answer(
    parts: Parts, visit: Visit, operator: Visitor, draft: Connection, cm: SimulatedCampaignMonitor
) -> None:
    assert visit("admin").get(allowed(operator, cm, draft)).status_code == 400
    assert parts.connection(draft.id).cm_credential is None


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ({"error": "access_denied"}, 200, "You did not allow it"),
        ({"error": "invalid_scope"}, 400, "did not agree"),
        ({"code": "made up"}, 409, "no longer accepts"),
    ],
)
def test_each_way_of_not_connecting_has_its_page_and_changes_nothing(
    parts: Parts, operator: Visitor, draft: Connection, answer: dict[str, str], status: int, said: str
) -> None:
    page = operator.get("/campaign-monitor/callback", query_string={**answer, "state": asked(operator, draft)})
    assert page.status_code == status
    assert said in page.text
    assert f"/c/{draft.id}/setup/campaign-monitor" in page.text
    assert parts.connection(draft.id).cm_credential is None


def test_a_log_in_that_may_not_manage_lists_is_told_and_not_kept(
    parts: Parts, operator: Visitor, draft: Connection, cm: SimulatedCampaignMonitor
) -> None:
    back = allowed(operator, cm, draft)
    cm.faults(code=60)
    page = operator.get(back)
    assert page.status_code == 403
    assert "may not do this" in page.text
    assert parts.connection(draft.id).cm_credential is None


def test_connecting_again_with_a_log_in_that_cannot_see_the_list_loses_nothing(
    parts: Parts, operator: Visitor, connection: Connection, cm: SimulatedCampaignMonitor
) -> None:
    back = allowed(operator, cm, connection)
    cm.faults(list_deleted=True)
    assert operator.get(back).status_code == 403
    assert parts.connection(connection.id) == connection
    wrong = operator.post(f"/c/{connection.id}/campaign-monitor", {"key": "another"})
    assert wrong.status_code == 422
    assert parts.connection(connection.id) == connection


def test_access_that_was_taken_back_in_the_middle_leads_to_giving_it_again(
    operator: Visitor, keyed: Connection, cm: SimulatedCampaignMonitor
) -> None:
    cm.faults(code=100)
    there = operator.get(f"/c/{keyed.id}/setup/list")
    assert where(there) == f"/c/{keyed.id}/setup/campaign-monitor"
    assert "The API key is not valid" in operator.get(f"/c/{keyed.id}/setup/campaign-monitor").text


def test_connecting_again_does_not_resume_what_a_person_paused(
    parts: Parts, operator: Visitor, connection: Connection, cm: SimulatedCampaignMonitor
) -> None:
    connect.pause(parts, connection)
    assert operator.get(allowed(operator, cm, connection)).status_code == 200
    now = parts.connection(connection.id)
    assert (now.state, now.cm_credential != connection.cm_credential) == ("paused", True)


def test_whoever_was_logged_out_meanwhile_connects_nothing(
    parts: Parts, operator: Visitor, draft: Connection, cm: SimulatedCampaignMonitor
) -> None:
    back = allowed(operator, cm, draft)
    with operator.client.session_transaction() as session:
        del session["_user_id"]
    assert operator.get(back).status_code == 403
    assert parts.connection(draft.id).cm_credential is None
