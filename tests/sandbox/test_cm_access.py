"""Who is let into Campaign Monitor: API key, OAuth, ids that are not yours. Contract §1."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

BACK = "https://relay.example.com/callback"


def ask(cm: Any, **changes: str) -> requests.Response:
    wanted = {
        "type": "web_server",
        "client_id": "sandbox",
        "redirect_uri": BACK,
        "scope": "ManageLists,ImportSubscribers",
        "state": "s/t=1",
    }
    return requests.get(cm.url + "/oauth", params=wanted | changes, allow_redirects=False, timeout=5)


def told(reply: requests.Response) -> dict[str, str]:
    assert reply.status_code == 302
    assert reply.headers["Location"].startswith(BACK)
    return {name: values[0] for name, values in parse_qs(urlsplit(reply.headers["Location"]).query).items()}


def token(cm: Any, **sent: str) -> requests.Response:
    return requests.post(cm.url + "/oauth/token", data=sent, timeout=5)


def exchange(cm: Any, code: str, **changes: str) -> requests.Response:
    sent = {"client_id": "sandbox", "client_secret": "sandbox", "redirect_uri": BACK, "code": code}
    return token(cm, grant_type="authorization_code", **(sent | changes))


def connect(cm: Any) -> dict[str, Any]:
    cm.faults(oauth_auto="allow")
    pair: dict[str, Any] = exchange(cm, told(ask(cm))["code"]).json()
    return pair


def bearer(cm: Any, access: str) -> tuple[int, int]:
    reply = requests.get(cm.root + "/systemdate.json", headers={"Authorization": f"Bearer {access}"}, timeout=5)
    return reply.status_code, 0 if reply.ok else reply.json()["Code"]


def test_credentials_are_looked_at_before_the_path(cm: Any) -> None:
    for auth in (None, ("wrong", "x")):
        reply = requests.get(cm.root + "/nowhere.json", auth=auth, timeout=5)
        assert (reply.status_code, reply.json()["Code"]) == (401, 100)
    assert cm.call("GET", "/nowhere.json").status_code == 404
    assert cm.call("GET", "/clients").status_code == 404  # without .json it would be XML


def test_ids_that_are_not_yours(cm: Any) -> None:
    for path, code in [(f"/clients/{'0' * 32}/lists.json", 102), (f"/lists/{'0' * 32}.json", 101)]:
        reply = cm.call("GET", path)
        assert (reply.status_code, reply.json()["Code"]) == (401, code)


def test_clients_and_their_zone(cm: Any) -> None:
    details = cm.get(f"/clients/{cm.client}.json")
    assert details["BasicDetails"]["TimeZone"] == "(GMT+10:00) Canberra, Melbourne, Sydney"
    assert details["ApiKey"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", cm.get("/systemdate.json")["SystemDate"])
    cm.faults(clients=3)
    assert len(cm.get("/clients.json")) == 3


def test_a_person_consents_on_a_page_that_works_without_scripts(cm: Any) -> None:
    page = ask(cm)
    assert page.status_code == 200
    assert "<script" not in page.text
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
    allowed = requests.post(cm.url + "/oauth", data=fields | {"allow": "1"}, allow_redirects=False, timeout=5)
    assert set(told(allowed)) == {"code", "state"}
    assert told(allowed)["state"] == "s/t=1"
    fields.pop("allow")
    refused = requests.post(cm.url + "/oauth", data=fields | {"cancel": "1"}, allow_redirects=False, timeout=5)
    assert told(refused)["error"] == "access_denied"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"type": ""}, "invalid_request"),
        ({"client_id": ""}, "unknown_client"),
        ({"scope": "ManageLists ImportSubscribers"}, "unknown_scope"),
    ],
)
def test_a_malformed_request_is_sent_back(cm: Any, changes: dict[str, str], error: str) -> None:
    assert told(ask(cm, **changes))["error"] == error


def test_without_an_address_to_go_back_to_there_is_only_a_page(cm: Any) -> None:
    assert ask(cm, redirect_uri="").status_code == 400


def test_a_code_is_good_once(cm: Any) -> None:
    cm.faults(oauth_auto="allow")
    code = told(ask(cm))["code"]
    assert exchange(cm, code, client_secret="wrong").json()["error"] == "invalid_client"
    pair = exchange(cm, code).json()
    assert set(pair) == {"access_token", "expires_in", "refresh_token"}
    assert pair["expires_in"] == 1_209_600
    assert "+" in pair["access_token"]
    assert bearer(cm, pair["access_token"]) == (200, 0)
    assert exchange(cm, code).json()["error"] == "invalid_grant"


def test_a_refresh_replaces_both_tokens_and_the_old_ones_die(cm: Any) -> None:
    old = connect(cm)
    new = token(cm, grant_type="refresh_token", refresh_token=old["refresh_token"]).json()
    assert bearer(cm, new["access_token"]) == (200, 0)
    assert bearer(cm, old["access_token"]) == (401, 121)
    again = token(cm, grant_type="refresh_token", refresh_token=old["refresh_token"])
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_a_refresh_token_may_also_stay(cm: Any) -> None:
    old = connect(cm)
    cm.faults(rotate_refresh=False)
    new = token(cm, grant_type="refresh_token", refresh_token=old["refresh_token"]).json()
    assert new["refresh_token"] == old["refresh_token"]
    assert bearer(cm, old["access_token"]) == (200, 0)


def test_tokens_expire_are_revoked_and_unknown(cm: Any) -> None:
    assert bearer(cm, "never issued") == (401, 120)
    cm.faults(token_lifetime_s=-1)
    assert bearer(cm, connect(cm)["access_token"]) == (401, 121)
    cm.faults(token_lifetime_s=None)
    pair = connect(cm)
    cm.faults(token_expired=True)
    assert bearer(cm, pair["access_token"]) == (401, 121)
    fresh = token(cm, grant_type="refresh_token", refresh_token=pair["refresh_token"]).json()
    assert bearer(cm, fresh["access_token"]) == (200, 0)  # a refresh heals expiry ...
    cm.faults(token_revoked=True)
    assert bearer(cm, fresh["access_token"]) == (401, 122)
    healed = token(cm, grant_type="refresh_token", refresh_token=fresh["refresh_token"])
    assert healed.json()["error"] == "invalid_grant"  # ... but not revocation
    assert bearer(cm, connect(cm)["access_token"]) == (200, 0)


def test_the_status_of_a_token_error_is_unknown_and_so_a_switch(cm: Any) -> None:
    cm.faults(oauth_error_status=200)
    reply = token(cm, grant_type="refresh_token", refresh_token="nothing")
    assert (reply.status_code, reply.json()["error"]) == (200, "invalid_grant")
