"""One call: what is sent, what is observed, and what no exception lets out."""

import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import responses

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.oauth import ApiKey
from relay.campaign_monitor.shapes import Entry
from relay.errors import NeedsPerson, RelayError, RetryLater

from .conftest import API

ANN = "ann@example.com"
DATE = f"{API}/systemdate.json"


def test_a_call_carries_its_credential_and_asks_for_json(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    net.get(DATE, json={"SystemDate": "2026-01-05 10:28:00"})
    assert cm.systemdate() == "2026-01-05 10:28:00"
    headers = net.calls[0].request.headers
    assert headers["Authorization"] == "Basic a2V5Ong="
    assert headers["Accept"] == "application/json"
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["User-Agent"].startswith("ehq-campaign-monitor-relay/")


def test_a_pasted_key_with_blanks_or_odd_characters_is_sent_all_the_same(
    make: Callable[..., CampaignMonitor], net: responses.RequestsMock
) -> None:
    net.get(DATE, json={"SystemDate": "x"})
    assert make(ApiKey(" clé\u200b\n")).systemdate() == "x"


def test_a_netrc_does_not_replace_the_credential(
    cm: CampaignMonitor, net: responses.RequestsMock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    net.get(DATE, json={"SystemDate": "x"})
    cm.systemdate()
    assert net.calls[0].request.headers["Authorization"] == "Basic a2V5Ong="


def test_a_byte_order_mark_before_an_answer_is_no_trouble(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    net.get(DATE, body=b'\xef\xbb\xbf{"SystemDate":"x"}')
    assert cm.systemdate() == "x"


def test_a_redirect_is_not_followed(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    net.get(DATE, status=302, headers={"Location": "https://elsewhere.example/"})
    with pytest.raises(NeedsPerson):
        cm.systemdate()
    assert len(net.calls) == 1


@pytest.mark.parametrize("body", ["<html>Log in to the Wi-Fi</html>", "[]", "7", "null", ""])
def test_a_200_that_is_not_campaign_monitors_is_no_success(
    cm: CampaignMonitor, net: responses.RequestsMock, body: str
) -> None:
    net.get(DATE, body=body)
    with pytest.raises(RetryLater) as caught:
        cm.systemdate()
    assert caught.value.code == "unreadable"


def test_not_even_for_a_call_that_expects_nothing(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    net.delete(f"{API}/segments/s.json", body="<html>Log in to the Wi-Fi</html>")
    with pytest.raises(RetryLater):
        cm.delete_segment("s")


def test_an_error_is_one_whatever_its_status(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    net.get(DATE, json={"Code": 100, "Message": "Invalid API Key"}, status=200)
    with pytest.raises(NeedsPerson):
        cm.systemdate()


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (requests.ReadTimeout(f"/x?email={ANN}"), "timeout"),
        (requests.ConnectTimeout(f"/x?email={ANN}"), "timeout"),
        (requests.ConnectionError(f"/x?email={ANN}"), "network"),
        (requests.exceptions.ChunkedEncodingError(ANN), "network"),
    ],
)
def test_a_failing_network_is_tried_again_later(
    cm: CampaignMonitor, net: responses.RequestsMock, problem: Exception, code: str
) -> None:
    net.get(f"{API}/subscribers/l.json", body=problem)
    with pytest.raises(RetryLater) as caught:
        cm.subscriber("l", ANN)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "answer",
    [
        {"body": requests.ConnectionError(ANN)},
        {"body": f"<p>{ANN}</p>", "status": 502},
        {"body": f"<p>{ANN}</p>", "status": 200},
        {"json": {"Code": 987, "Message": ANN}, "status": 400},
        {"json": {"EmailAddress": ANN, "CustomFields": [{}]}},
    ],
)
@pytest.mark.parametrize("call", ["subscriber", "import"])
def test_no_failure_tells_whom_it_was_about(
    cm: CampaignMonitor, net: responses.RequestsMock, answer: dict[str, Any], call: str
) -> None:
    net.get(f"{API}/subscribers/l.json", **answer)
    net.post(f"{API}/subscribers/l/import.json", **answer)
    with pytest.raises(RelayError) as caught:
        cm.subscriber("l", ANN) if call == "subscriber" else cm.import_subscribers("l", [Entry(ANN)])
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert "ann@" not in shown
    assert caught.value.__context__ is None


def test_every_request_is_observed_with_its_outcome(
    cm: CampaignMonitor, net: responses.RequestsMock, seen: list[tuple[str, float, str]]
) -> None:
    net.get(DATE, json={"SystemDate": "x"})
    net.get(DATE, json={"Code": 287, "Message": "…"}, status=400)
    net.get(DATE, status=503)
    net.get(DATE, body=requests.ConnectionError())
    for _ in range(4):
        with suppress(RetryLater):
            cm.systemdate()
    assert [outcome for *_, outcome in seen] == ["ok", "287", "http-503", "network"]
    assert all(kind == "systemdate" and seconds >= 0 for kind, seconds, _ in seen)


def test_an_id_cannot_lead_to_another_path(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    net.get(f"{API}/lists/..%2Fclients%3F/stats.json", json={"TotalActiveSubscribers": 3})
    assert cm.stats("../clients?") == {"TotalActiveSubscribers": 3}
