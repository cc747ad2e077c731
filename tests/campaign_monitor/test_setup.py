"""Clients, lists, fields, segments and webhooks: the wire as in the official wrappers' fixtures, retyped."""

import json
from typing import Any

import pytest
import responses

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.shapes import Client, Field, ListDetails, ListName, Segment, SegmentName, Webhook, one_rule
from relay.errors import Refused

from .conftest import API


def sent(net: responses.RequestsMock) -> Any:
    return json.loads(net.calls[-1].request.body or "null")


def test_clients_and_lists_are_read_by_id_and_name(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    net.get(f"{API}/clients.json", json=[{"ClientID": "c1", "Name": "City of Yarra"}])
    net.get(f"{API}/clients/c1/lists.json", json=[{"ListID": "l1", "Name": "Residents"}])
    assert cm.clients() == [Client("c1", "City of Yarra")]
    assert cm.lists("c1") == [ListName("l1", "Residents")]


def test_of_a_client_only_the_time_zone_is_kept(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    zone = "(GMT+10:00) Canberra, Melbourne, Sydney"
    net.get(f"{API}/clients/c1.json", json={"ApiKey": "secret", "BasicDetails": {"TimeZone": zone}})
    assert cm.client_time_zone("c1") == zone


def test_a_list_is_made_so_that_opt_outs_hold_everywhere_and_nobody_is_mailed(
    cm: CampaignMonitor, net: responses.RequestsMock
) -> None:
    net.post(f"{API}/lists/c1.json", json="l1", status=201)
    assert cm.create_list("c1", "EHQ participants") == "l1"
    assert sent(net) == {
        "Title": "EHQ participants",
        "UnsubscribeSetting": "AllClientLists",
        "ConfirmedOptIn": False,
    }


def test_a_list_tells_its_settings_and_its_counts(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    details = {"ListID": "l1", "Title": "Residents", "UnsubscribeSetting": "OnlyThisList", "ConfirmedOptIn": False}
    net.get(f"{API}/lists/l1.json", json=details | {"UnsubscribePage": "", "ConfirmationSuccessPage": ""})
    net.get(f"{API}/lists/l1/stats.json", json={"TotalActiveSubscribers": 6, "TotalDeleted": 1})
    assert cm.list_details("l1") == ListDetails("l1", "Residents", "OnlyThisList", False)
    assert cm.stats("l1")["TotalActiveSubscribers"] == 6


def test_fields_come_with_their_keys_and_options(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    groups = {"FieldName": "My Groups", "Key": "[MyGroups]", "DataType": "MultiSelectMany", "FieldOptions": ["Youth"]}
    age = {"FieldName": "age", "Key": "[age]", "DataType": "Number", "FieldOptions": []}
    net.get(f"{API}/lists/l1/customfields.json", json=[groups, age])
    assert cm.fields("l1") == [
        Field("My Groups", "[MyGroups]", "MultiSelectMany", ("Youth",)),
        Field("age", "[age]", "Number"),
    ]


def test_a_field_is_made_hidden_and_answers_with_its_key(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    net.post(f"{API}/lists/l1/customfields.json", json="[MyGroups]", status=201)
    assert cm.create_field("l1", "My Groups", "MultiSelectMany", ["Youth"]) == "[MyGroups]"
    assert sent(net) == {
        "FieldName": "My Groups",
        "DataType": "MultiSelectMany",
        "Options": ["Youth"],
        "VisibleInPreferenceCenter": False,
    }


def test_options_are_added_beside_those_there_are(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    net.put(f"{API}/lists/l1/customfields/%5BMyGroups%5D/options.json")
    cm.add_options("l1", "[MyGroups]", ("Panel",))
    assert sent(net) == {"KeepExistingOptions": True, "Options": ["Panel"]}


def test_a_segment_is_made_read_changed_and_removed(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    made = {"Title": "Youth", "RuleGroups": [{"Rules": [{"RuleType": "[Groups]", "Clause": "EQUALS Youth"}]}]}
    net.post(f"{API}/segments/l1.json", json="s1", status=201)
    net.get(f"{API}/lists/l1/segments.json", json=[{"ListID": "l1", "SegmentID": "s1", "Title": "Youth"}])
    net.get(f"{API}/segments/s1.json", json=made | {"ActiveSubscribers": 12, "ListID": "l1", "SegmentID": "s1"})
    net.put(f"{API}/segments/s1.json")
    net.delete(f"{API}/segments/s1.json")
    assert cm.create_segment("l1", "Youth", "[Groups]", "EQUALS Youth") == "s1"
    assert sent(net) == made
    assert cm.segments("l1") == [SegmentName("s1", "Youth")]
    assert cm.segment("s1") == Segment("s1", "Youth", 12, one_rule("[Groups]", "EQUALS Youth"))
    cm.update_segment("s1", "Young people", "[Groups]", "EQUALS Youth")
    assert sent(net) == made | {"Title": "Young people"}
    cm.delete_segment("s1")


@pytest.mark.parametrize("code", [275, 277, 283])
def test_a_segment_refused_says_by_its_code_why(cm: CampaignMonitor, net: responses.RequestsMock, code: int) -> None:
    net.post(f"{API}/segments/l1.json", json={"Code": code, "Message": "…"}, status=400)
    with pytest.raises(Refused) as caught:
        cm.create_segment("l1", "Youth", "[Groups]", "EQUALS Youth")
    assert caught.value.code == str(code)


def test_a_webhook_is_made_listed_tested_revived_and_removed(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    hooks = f"{API}/lists/l1/webhooks"
    row = {"WebhookID": "w1", "Events": ["Deactivate"], "Url": "https://relay.example/x", "PayloadFormat": "Json"}
    net.post(f"{hooks}.json", json="w1", status=201)
    net.get(f"{hooks}.json", json=[row | {"Status": "Active"}, row | {"WebhookID": "w2", "Status": "Inactive"}])
    net.get(f"{hooks}/w1/test.json")
    net.put(f"{hooks}/w2/activate.json")
    net.delete(f"{hooks}/w1.json")
    assert cm.create_webhook("l1", "https://relay.example/x", ["Deactivate"]) == "w1"
    assert sent(net) == {"Events": ["Deactivate"], "Url": "https://relay.example/x", "PayloadFormat": "json"}
    assert cm.webhooks("l1") == [
        Webhook("w1", "https://relay.example/x", ("Deactivate",), True),
        Webhook("w2", "https://relay.example/x", ("Deactivate",), False),
    ]
    cm.test_webhook("l1", "w1")
    cm.activate_webhook("l1", "w2")
    cm.delete_webhook("l1", "w1")
