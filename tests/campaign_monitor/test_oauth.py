"""Campaign Monitor's OAuth: what is asked for, and what every answer means."""

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses

from relay.campaign_monitor.oauth import Tokens, authorize_url, exchange, refresh
from relay.errors import NeedsPerson, RelayError, RetryLater

URL = "https://cm.example/oauth"
NEW = {"access_token": "new+b==", "expires_in": 1209600, "refresh_token": "R2+c=="}


def form(net: responses.RequestsMock) -> dict[str, list[str]]:
    """The last form sent to the token endpoint."""
    (*_, last) = (call.request for call in net.calls if (call.request.url or "") == f"{URL}/token")
    return parse_qs(str(last.body))


def test_an_operator_is_sent_with_the_parameters_campaign_monitor_insists_on() -> None:
    url = urlsplit(authorize_url(f"{URL}/", "8998879", "https://relay.example/cm/callback", "s3cret"))
    assert url.path == "/oauth"
    assert parse_qs(url.query) == {
        "type": ["web_server"],
        "client_id": ["8998879"],
        "redirect_uri": ["https://relay.example/cm/callback"],
        "scope": ["ManageLists,ImportSubscribers"],
        "state": ["s3cret"],
    }


def test_a_code_becomes_tokens_and_the_secret_stays_out_of_the_query(net: responses.RequestsMock) -> None:
    net.post(f"{URL}/token", json=NEW)
    tokens = exchange(requests.Session(), URL, "8998879", "secret", "https://relay.example/cb", "c+1")
    assert (tokens.access_token, tokens.refresh_token) == ("new+b==", "R2+c==")
    assert tokens.expires_at == pytest.approx(time.time() + 1209600, abs=5)
    assert form(net)["code"] == ["c+1"]
    assert form(net)["client_secret"] == ["secret"]
    assert "secret" not in repr(tokens) + (net.calls[0].request.url or "")
    assert "new" not in repr(tokens)


def test_a_refresh_without_a_new_refresh_token_keeps_the_old(net: responses.RequestsMock) -> None:
    net.post(f"{URL}/token", json={"access_token": "new"})
    tokens = refresh(requests.Session(), URL, Tokens("old", "R1", 0))
    assert (tokens.access_token, tokens.refresh_token) == ("new", "R1")
    assert tokens.expires_at > time.time() + 86400
    assert form(net) == {"grant_type": ["refresh_token"], "refresh_token": ["R1"]}


@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_an_error_is_one_whatever_its_status(net: responses.RequestsMock, status: int) -> None:
    body = {"error": "invalid_grant", "error_description": "Specified refresh_token was invalid or expired"}
    net.post(f"{URL}/token", json=body, status=status)
    with pytest.raises(NeedsPerson) as caught:
        refresh(requests.Session(), URL, Tokens("old", "R1", 0))
    assert caught.value.code == "invalid_grant"
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"body": requests.ConnectionError("R1")}, RetryLater),
        ({"body": requests.ReadTimeout("R1")}, RetryLater),
        ({"body": "<html>", "status": 502}, RetryLater),
        ({"body": "<html>", "status": 200}, RetryLater),
        ({"json": {}, "status": 200}, RetryLater),
        ({"json": {"access_token": "ключ"}, "status": 200}, RetryLater),
        ({"json": {"access_token": None}, "status": 200}, RetryLater),
        ({"json": {"error": "server_error"}, "status": 200}, RetryLater),
        ({"json": {"error": "odd"}, "status": 503}, RetryLater),
        ({"json": {"error": "invalid_client"}, "status": 400}, NeedsPerson),
        ({"body": "<html>", "status": 400}, RetryLater),
        ({"body": "<html>", "status": 404}, NeedsPerson),
    ],
)
def test_what_may_pass_is_tried_later_and_what_will_not_needs_a_person(
    net: responses.RequestsMock, answer: dict[str, Any], kind: type[RelayError]
) -> None:
    net.post(f"{URL}/token", **answer)
    with pytest.raises(kind) as caught:
        refresh(requests.Session(), URL, Tokens("old", "R1", 0))
    assert "R1" not in str(caught.value)
    assert caught.value.__context__ is None
