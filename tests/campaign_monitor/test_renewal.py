"""An access token is renewed once, by one of many processes, and never lost."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import requests
import responses

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.errors import ExpiredToken
from relay.campaign_monitor.oauth import OAuth, Tokens
from relay.errors import NeedsPerson, RetryLater

from .conftest import API

URL = "https://cm.example/oauth"
DATE = f"{API}/systemdate.json"
NEW = {"access_token": "new+b==", "expires_in": 1209600, "refresh_token": "R2+c=="}
EXPIRED = {"Code": 121, "Message": "Expired OAuth Token"}


class Store:
    """Tokens in memory. `meanwhile`: what another process saves while we wait for the lock."""

    def __init__(self, *, ours: bool = True, meanwhile: Tokens | None = None, expires_in: float = 0) -> None:
        self.tokens = Tokens("old", "R1", time.time() + expires_in)
        self.ours = ours
        self.meanwhile = meanwhile
        self.held = False

    def load(self) -> Tokens:
        return self.tokens

    def save(self, tokens: Tokens) -> None:
        assert self.held
        self.tokens = tokens

    @contextmanager
    def refreshing(self) -> Iterator[bool]:
        self.tokens = self.meanwhile or self.tokens
        self.held = self.ours
        yield self.ours
        self.held = False


def bearers(net: responses.RequestsMock) -> list[str]:
    """The credentials of all calls but those to the token endpoint, in order."""
    return [c.request.headers["Authorization"] for c in net.calls if (c.request.url or "").startswith(API)]


def test_an_expired_token_is_renewed_once_and_the_call_repeated(
    make: Callable[..., CampaignMonitor], net: responses.RequestsMock, seen: list[tuple[str, float, str]]
) -> None:
    store = Store()
    net.get(DATE, json=EXPIRED, status=401)
    net.post(f"{URL}/token", json=NEW)
    net.get(DATE, json={"SystemDate": "x"})
    assert make(OAuth(store, URL)).systemdate() == "x"
    assert bearers(net) == ["Bearer old", "Bearer new+b=="]
    assert store.tokens.refresh_token == "R2+c=="
    assert [outcome for *_, outcome in seen] == ["121", "ok"]


def test_a_token_that_expires_twice_is_tried_later(
    make: Callable[..., CampaignMonitor], net: responses.RequestsMock
) -> None:
    net.get(DATE, json=EXPIRED, status=401)
    net.post(f"{URL}/token", json=NEW)
    with pytest.raises(ExpiredToken):
        make(OAuth(Store(), URL)).systemdate()
    assert len(bearers(net)) == 2


@pytest.mark.parametrize("ours", [True, False])
def test_what_another_process_renewed_while_we_waited_is_used(
    make: Callable[..., CampaignMonitor], net: responses.RequestsMock, ours: bool
) -> None:
    net.get(DATE, json=EXPIRED, status=401)
    net.get(DATE, json={"SystemDate": "x"})
    assert make(OAuth(Store(ours=ours, meanwhile=Tokens("theirs", "R9", 0)), URL)).systemdate() == "x"
    assert bearers(net) == ["Bearer old", "Bearer theirs"]


def test_while_another_process_renews_the_call_waits(
    make: Callable[..., CampaignMonitor], net: responses.RequestsMock
) -> None:
    net.get(DATE, json=EXPIRED, status=401)
    with pytest.raises(RetryLater) as caught:
        make(OAuth(Store(ours=False), URL)).systemdate()
    assert caught.value.retry_after


def test_a_token_that_died_because_another_process_renewed_it_is_replaced(
    make: Callable[..., CampaignMonitor], net: responses.RequestsMock
) -> None:
    store = Store()

    def die(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        store.tokens = Tokens("theirs", "R9", 0)
        return 401, {}, '{"Code":122,"Message":"Revoked OAuth Token"}'

    net.add_callback("GET", DATE, die)
    net.get(DATE, json={"SystemDate": "x"})
    assert make(OAuth(store, URL)).systemdate() == "x"
    assert bearers(net) == ["Bearer old", "Bearer theirs"]


@pytest.mark.parametrize("code", [120, 122])
def test_a_token_that_was_taken_back_needs_a_person_and_is_not_renewed(
    make: Callable[..., CampaignMonitor], net: responses.RequestsMock, code: int
) -> None:
    net.get(DATE, json={"Code": code, "Message": "…"}, status=401)
    with pytest.raises(NeedsPerson):
        make(OAuth(Store(), URL)).systemdate()
    assert len(net.calls) == 1


def test_a_refused_refresh_needs_a_person(make: Callable[..., CampaignMonitor], net: responses.RequestsMock) -> None:
    net.get(DATE, json=EXPIRED, status=401)
    net.post(f"{URL}/token", json={"error": "invalid_grant"})
    with pytest.raises(NeedsPerson) as caught:
        make(OAuth(Store(), URL)).systemdate()
    assert caught.value.code == "invalid_grant"


def test_a_refresh_lost_to_another_process_is_no_failure(net: responses.RequestsMock) -> None:
    store = Store()

    def lose(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        store.tokens = Tokens("theirs", "R9", 0)
        return 400, {}, '{"error":"invalid_grant"}'

    net.add_callback("POST", f"{URL}/token", lose)
    assert OAuth(store, URL).renew("Bearer old")
    assert store.tokens.access_token == "theirs"


def test_the_clock_renews_what_has_less_than_two_days_left(net: responses.RequestsMock) -> None:
    net.post(f"{URL}/token", json=NEW)
    assert not OAuth(Store(expires_in=3 * 86400), URL).keep_fresh()
    assert OAuth(Store(expires_in=86400), URL).keep_fresh()
    assert len(net.calls) == 1
