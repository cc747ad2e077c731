"""The client and the simulator agree, over real HTTP. They share no code, so neither can repeat the other's mistake."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.oauth import ApiKey, OAuth, Tokens, authorize_url, exchange
from relay.campaign_monitor.session import new_session
from relay.campaign_monitor.shapes import STATES, Entry, one_rule
from relay.errors import NeedsPerson, Refused, RetryLater
from sandbox.campaign_monitor import create_app
from sandbox.server import Server


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(create_app()) as server:
        yield server


@pytest.fixture
def faults(server: Server) -> Any:
    return server.app.extensions["sandbox"].faults  # type: ignore[attr-defined]


@pytest.fixture
def cm(server: Server) -> CampaignMonitor:
    return CampaignMonitor(new_session(), f"{server.url}/api/v3.3", ApiKey("sandbox"))


@pytest.fixture
def client_id(cm: CampaignMonitor) -> str:
    return cm.clients()[0].id


@pytest.fixture
def list_id(cm: CampaignMonitor, client_id: str) -> str:
    return cm.create_list(client_id, "Residents")


def test_an_account_is_found_and_a_list_made_once(cm: CampaignMonitor, client_id: str, list_id: str) -> None:
    assert cm.systemdate()
    assert cm.client_time_zone(client_id).startswith("(GMT")
    assert [one.id for one in cm.lists(client_id)] == [list_id]
    assert cm.list_details(list_id).unsubscribe_setting == "AllClientLists"
    assert cm.stats(list_id)["TotalActiveSubscribers"] == 0
    with pytest.raises(Refused) as caught:
        cm.create_list(client_id, "Residents")
    assert caught.value.code == "250"


def test_people_are_imported_read_changed_and_removed(cm: CampaignMonitor, list_id: str) -> None:
    key = cm.create_field(list_id, "Home suburb", "Text")
    groups = cm.create_field(list_id, "Groups", "MultiSelectMany", ["Youth"])
    cm.add_options(list_id, groups, ["Panel"])
    assert {field.key: field.options for field in cm.fields(list_id)} == {key: (), groups: ("Youth", "Panel")}

    values = ((key, "Carlton"), (groups, "Youth"), (groups, "Panel"))
    done = cm.import_subscribers(list_id, [Entry("ann+1@example.com", "Ann", values), Entry("bob@example.com")])
    assert (done.submitted, done.new, done.failures) == (2, 2, {})
    ann = cm.subscriber(list_id, "ann+1@example.com")
    assert ann is not None
    assert (ann.name, ann.state, ann.fields["homesuburb"]) == ("Ann", "Active", ("Carlton",))
    assert set(ann.fields["groups"]) == {"Youth", "Panel"}

    clears = ((key, ""), (groups, "Panel"))
    cm.update(list_id, "ann+1@example.com", Entry("ann@example.com", None, ((groups, "Youth"),), clears))
    ann = cm.subscriber(list_id, "ann@example.com")
    assert ann is not None
    assert (ann.name, dict(ann.fields)) == ("Ann", {"groups": ("Youth",)})
    assert cm.subscriber(list_id, "ann+1@example.com") is None

    cm.delete(list_id, "ann@example.com")
    assert [cm.page(list_id, state, 1).total for state in STATES] == [1, 0, 0, 0, 1]


def test_who_unsubscribed_is_suppressed_and_not_brought_back(cm: CampaignMonitor, client_id: str, list_id: str) -> None:
    cm.import_subscribers(list_id, [Entry("ann@example.com"), Entry("bob@example.com")])
    cm.unsubscribe(list_id, "Ann@example.com")
    done = cm.import_subscribers(list_id, [Entry("ann@example.com"), Entry("no address"), Entry("bob@example.com")])
    assert done.failures["no address"][0] == 1
    assert done.failures["ann@example.com"][0] in (204, 206)
    assert [one.email for one in cm.suppression_page(client_id, 1).people] == ["ann@example.com"]


def test_many_people_come_in_pages(cm: CampaignMonitor, list_id: str) -> None:
    cm.import_subscribers(list_id, [Entry(f"p{n:03}@example.com") for n in range(25)])
    pages = [cm.page(list_id, "Active", n, size=10) for n in (1, 2, 3)]
    assert [len(page.people) for page in pages] == [10, 10, 5]
    assert {(page.pages, page.total) for page in pages} == {(3, 25)}


@pytest.mark.parametrize("call", ["update", "delete", "unsubscribe"])
def test_who_is_not_there_is_203(cm: CampaignMonitor, list_id: str, call: str) -> None:
    more = (Entry("x@example.com"),) if call == "update" else ()
    with pytest.raises(Refused) as caught:
        getattr(cm, call)(list_id, "nobody@example.com", *more)
    assert caught.value.code == "203"


def test_a_segment_keeps_the_rule_it_was_made_with(cm: CampaignMonitor, list_id: str) -> None:
    with pytest.raises(Refused) as caught:
        cm.create_segment(list_id, "Youth", "[Groups]", "EQUALS Youth")
    assert caught.value.code == "277"
    groups = cm.create_field(list_id, "Groups", "MultiSelectMany", ["Youth"])
    cm.import_subscribers(list_id, [Entry("ann@example.com", None, ((groups, "Youth"),)), Entry("bob@example.com")])
    id = cm.create_segment(list_id, "Youth", groups, "EQUALS Youth")
    assert cm.segment(id).rules == one_rule(groups, "EQUALS Youth")
    with pytest.raises(Refused) as caught:
        cm.create_segment(list_id, "Youth", groups, "EQUALS Youth")
    assert caught.value.code == "275"
    cm.update_segment(id, "Young people", groups, "EQUALS Youth")
    assert [(one.id, one.title) for one in cm.segments(list_id)] == [(id, "Young people")]
    cm.delete_segment(id)
    assert cm.segments(list_id) == []


def test_a_webhook_is_made_switched_on_and_removed(cm: CampaignMonitor, list_id: str) -> None:
    id = cm.create_webhook(list_id, "http://127.0.0.1:9/x", ["Deactivate", "Update"])
    cm.activate_webhook(list_id, id)
    assert [(hook.id, hook.active) for hook in cm.webhooks(list_id)] == [(id, True)]
    with pytest.raises(Refused) as caught:
        cm.test_webhook(list_id, id)
    assert caught.value.code == "610"
    cm.delete_webhook(list_id, id)
    assert cm.webhooks(list_id) == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"html_500": True}, RetryLater),
        ({"status": 503}, RetryLater),
        ({"drop_connection": True}, RetryLater),
        ({"code": 278}, RetryLater),
        ({"code": 60}, NeedsPerson),
        ({"code": 400}, Refused),
        ({"list_deleted": True}, NeedsPerson),
    ],
)
def test_a_bad_day_is_told_apart(
    cm: CampaignMonitor, list_id: str, faults: Any, fault: dict[str, Any], kind: type[Exception]
) -> None:
    faults.set(**fault)
    with pytest.raises(kind):
        cm.stats(list_id)


def test_a_byte_order_mark_is_no_bad_day(cm: CampaignMonitor, list_id: str, faults: Any) -> None:
    faults.set(bom=True)
    assert cm.stats(list_id)["TotalActiveSubscribers"] == 0


def test_an_unknown_key_needs_a_person(server: Server) -> None:
    with pytest.raises(NeedsPerson) as caught:
        CampaignMonitor(new_session(), f"{server.url}/api/v3.3", ApiKey("wrong")).clients()
    assert caught.value.code == "100"


class Store:
    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens

    def load(self) -> Tokens:
        return self.tokens

    def save(self, tokens: Tokens) -> None:
        self.tokens = tokens

    @contextmanager
    def refreshing(self) -> Iterator[bool]:
        yield True


def granted(server: Server) -> Store:
    """Tokens after an operator's consent, which the simulator gives by itself."""
    back = "http://relay.example/callback"
    url = authorize_url(f"{server.url}/oauth", "8998879", back, "state+1")
    answer = requests.get(url, allow_redirects=False, timeout=5)
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert query["state"] == ["state+1"]
    return Store(exchange(new_session(), f"{server.url}/oauth", "8998879", "sandbox", back, query["code"][0]))


def test_an_operators_grant_is_used_and_renewed(server: Server, faults: Any) -> None:
    faults.set(oauth_auto="allow")
    store = granted(server)
    first = store.tokens
    assert first.expires_at > time.time() + 86400
    cm = CampaignMonitor(new_session(), f"{server.url}/api/v3.3", OAuth(store, f"{server.url}/oauth"))
    assert cm.clients()
    faults.set(token_expired=True)
    assert cm.clients()
    assert store.tokens.access_token != first.access_token
    faults.set(token_revoked=True)
    with pytest.raises(NeedsPerson) as caught:
        cm.clients()
    assert caught.value.code == "122"


@pytest.mark.parametrize("status", [200, 400])
def test_a_grant_that_is_gone_asks_to_connect_again(server: Server, faults: Any, status: int) -> None:
    faults.set(oauth_auto="allow", token_expired="always", oauth_error_status=status)
    store = granted(server)
    store.tokens = Tokens(store.tokens.access_token, "forgotten", 0)
    with pytest.raises(NeedsPerson) as caught:
        CampaignMonitor(new_session(), f"{server.url}/api/v3.3", OAuth(store, f"{server.url}/oauth")).clients()
    assert caught.value.code == "invalid_grant"
