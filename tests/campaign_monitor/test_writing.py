"""Writing people: imports, changes and leaving, from answers retyped after the wrappers' fixtures."""

import json
from typing import Any

import pytest
import responses
from responses import matchers

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.errors import Throttled
from relay.campaign_monitor.shapes import Entry, Imported
from relay.errors import Refused

from .conftest import API

LIST = "96c0bbdaa54760c8d9e62a2b7ffa2e13"
DONE = {
    "FailureDetails": [],
    "TotalUniqueEmailsSubmitted": 2,
    "TotalExistingSubscribers": 1,
    "TotalNewSubscribers": 1,
    "DuplicateEmailsInSubmission": [],
}


def refuse(net: responses.RequestsMock, method: str, url: str, code: int, status: int = 400) -> None:
    net.add(method, url, json={"Code": code, "Message": "…"}, status=status)


def sent(net: responses.RequestsMock) -> Any:
    return json.loads(net.calls[-1].request.body or "null")


def test_an_import_writes_people_without_waking_who_opted_out(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    net.post(f"{API}/subscribers/{LIST}/import.json", json=DONE, status=201)
    people = [Entry("a@example.com", "Ann", (("[suburb]", "Carlton"),)), Entry("b@example.com", consent="No")]
    assert cm.import_subscribers(LIST, people) == Imported(2, 1, 1, {})
    assert sent(net) == {
        "Subscribers": [
            {
                "EmailAddress": "a@example.com",
                "Name": "Ann",
                "CustomFields": [{"Key": "[suburb]", "Value": "Carlton"}],
                "ConsentToTrack": "Unchanged",
            },
            {"EmailAddress": "b@example.com", "CustomFields": [], "ConsentToTrack": "No"},
        ],
        "Resubscribe": False,
        "RestartSubscriptionBasedAutoresponders": False,
        "QueueSubscriptionBasedAutoResponders": False,
    }


def test_a_partly_failed_import_is_a_result_that_says_who(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    details = [
        {"EmailAddress": "X@Example", "Code": 1, "Message": "Invalid Email Address"},
        {"EmailAddress": "b@example.com", "Code": 429, "Message": "b@example.com was added too many times"},
    ]
    body = {"Code": 210, "Message": "Subscriber Import had some failures"}
    net.post(
        f"{API}/subscribers/{LIST}/import.json",
        json=body | {"ResultData": DONE | {"FailureDetails": details}},
        status=400,
    )
    done = cm.import_subscribers(LIST, [Entry("a@example.com"), Entry("X@Example"), Entry("b@example.com")])
    assert done.failures == {
        "x@example": (1, "Invalid Email Address"),
        "b@example.com": (429, "… was added too many times"),
    }
    assert (done.existing, done.new) == (1, 1)


def test_more_than_a_thousand_people_are_not_sent(cm: CampaignMonitor) -> None:
    with pytest.raises(ValueError):
        cm.import_subscribers(LIST, [Entry(f"{n}@example.com") for n in range(1001)])


def test_only_one_person_at_a_time_is_brought_back(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    with pytest.raises(ValueError):
        cm.import_subscribers(LIST, [Entry("a@example.com"), Entry("b@example.com")], resubscribe=True)
    net.post(f"{API}/subscribers/{LIST}/import.json", json=DONE, status=201)
    cm.import_subscribers(LIST, [Entry("a@example.com")], resubscribe=True)
    assert sent(net)["Resubscribe"] is True


def test_an_import_of_nobody_asks_nothing(cm: CampaignMonitor) -> None:
    assert cm.import_subscribers(LIST, []).submitted == 0


def test_an_import_that_could_not_be_read_is_refused_whole(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    refuse(net, "POST", f"{API}/subscribers/{LIST}/import.json", 400)
    with pytest.raises(Refused) as caught:
        cm.import_subscribers(LIST, [Entry("a@example.com")])
    assert caught.value.code == "400"


def test_a_changed_address_goes_from_the_query_to_the_body(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    match = [matchers.query_param_matcher({"email": "old+1@example.com"})]
    net.put(f"{API}/subscribers/{LIST}.json", body=b"", match=match)
    cm.update(LIST, "old+1@example.com", Entry("new@example.com", "Ann"))
    assert sent(net)["EmailAddress"] == "new@example.com"
    assert sent(net)["Resubscribe"] is False


@pytest.mark.parametrize("code", [201, 203, 211])
def test_a_change_that_is_refused_says_by_its_code_why(
    cm: CampaignMonitor, net: responses.RequestsMock, code: int
) -> None:
    refuse(net, "PUT", f"{API}/subscribers/{LIST}.json", code)
    with pytest.raises(Refused) as caught:
        cm.update(LIST, "old@example.com", Entry("new@example.com"))
    assert caught.value.code == str(code)


def test_a_person_changed_too_often_waits_alone(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    words = "Subscriber was added too many times too quickly, try again later."
    net.put(f"{API}/subscribers/{LIST}.json", json={"Code": 429, "Message": words}, status=429)
    with pytest.raises(Throttled) as caught:
        cm.update(LIST, "a@example.com", Entry("a@example.com"))
    assert caught.value.about_person


def test_leaving_is_a_delete_or_an_unsubscribe(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    net.delete(f"{API}/subscribers/{LIST}.json", match=[matchers.query_param_matcher({"email": "a@example.com"})])
    net.post(f"{API}/subscribers/{LIST}/unsubscribe.json")
    cm.delete(LIST, "a@example.com")
    cm.unsubscribe(LIST, "b@example.com")
    assert sent(net) == {"EmailAddress": "b@example.com"}


def test_who_is_not_on_the_list_cannot_leave_it(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    refuse(net, "DELETE", f"{API}/subscribers/{LIST}.json", 203)
    with pytest.raises(Refused) as caught:
        cm.delete(LIST, "a@example.com")
    assert caught.value.code == "203"


def test_an_address_nobody_can_write_is_asked_for_without_a_crash(
    cm: CampaignMonitor, net: responses.RequestsMock
) -> None:
    refuse(net, "GET", f"{API}/subscribers/{LIST}.json", 1)
    refuse(net, "POST", f"{API}/subscribers/{LIST}/unsubscribe.json", 1)
    with pytest.raises(Refused):
        cm.subscriber(LIST, "ann\ud800@example.com")
    with pytest.raises(Refused):
        cm.unsubscribe(LIST, "ann\ud800@example.com")
