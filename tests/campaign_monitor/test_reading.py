"""Reading people, one and by pages, from answers retyped after the official wrappers' recorded fixtures."""

from typing import Any

import pytest
import responses
from responses import matchers

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.shapes import Subscriber
from relay.errors import RetryLater

from .conftest import API

LIST = "96c0bbdaa54760c8d9e62a2b7ffa2e13"
PERSON = {
    "EmailAddress": "Ann@example.com",
    "Name": "Ann Example",
    "Date": "2026-01-05 10:28:00",
    "ListJoinedDate": "2026-01-05 10:28:00",
    "State": "Active",
    "ReadsEmailWith": "",
    "CustomFields": [
        {"Key": "Home suburb", "Value": "Carlton"},
        {"Key": "[Groups]", "Value": "Panel"},
        {"Key": "Groups", "Value": "Youth"},
        {"Key": "age", "Value": ""},
        {"Key": "visits", "Value": 3},
    ],
    "ConsentToTrack": "",
}
READ = Subscriber(
    "Ann@example.com",
    "Ann Example",
    "Active",
    {"homesuburb": ("Carlton",), "groups": ("Panel", "Youth"), "visits": ("3",)},
    "2026-01-05 10:28:00",
    "",
)


def test_a_subscriber_is_read_with_all_choices_of_a_field(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    query = {"email": "ann+news@example.com", "includetrackingpreference": "true"}
    net.get(f"{API}/subscribers/{LIST}.json", json=PERSON, match=[matchers.query_param_matcher(query)])
    assert cm.subscriber(LIST, "ann+news@example.com") == READ
    assert "ann%2Bnews%40example.com" in (net.calls[0].request.url or "")


def test_nobody_of_that_address_is_no_failure(
    cm: CampaignMonitor, net: responses.RequestsMock, seen: list[tuple[str, float, str]]
) -> None:
    net.get(f"{API}/subscribers/{LIST}.json", json={"Code": 203, "Message": "Subscriber Not In List"}, status=400)
    assert cm.subscriber(LIST, "b@example.com") is None
    assert [(kind, outcome) for kind, _, outcome in seen] == [("subscriber", "ok")]


def paged(rows: list[Any], pages: int = 1) -> dict[str, Any]:
    return {
        "Results": rows,
        "ResultsOrderedBy": "email",
        "OrderDirection": "asc",
        "PageNumber": 1,
        "PageSize": 1000,
        "RecordsOnThisPage": len(rows),
        "TotalNumberOfRecords": len(rows),
        "NumberOfPages": pages,
    }


def test_a_list_is_read_by_state_in_pages_ordered_by_address(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    net.get(f"{API}/lists/{LIST}/active.json", json=paged([PERSON]))
    page = cm.page(LIST, "Active", 1)
    assert page.people == [READ]
    assert (page.page, page.pages, page.total) == (1, 1, 1)
    assert net.calls[0].request.params == {  # type: ignore[attr-defined]
        "page": "1",
        "pagesize": "1000",
        "orderfield": "email",
        "orderdirection": "asc",
        "includetrackingpreference": "true",
    }


@pytest.mark.parametrize("pages", [0, 1])
def test_an_empty_list_has_no_page_or_one(cm: CampaignMonitor, net: responses.RequestsMock, pages: int) -> None:
    net.get(f"{API}/lists/{LIST}/deleted.json", json=paged([], pages))
    assert cm.page(LIST, "Deleted", 1).people == []


def test_a_page_that_is_no_page_is_asked_for_again_later(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    net.get(f"{API}/lists/{LIST}/active.json", json={"Results": None})
    with pytest.raises(RetryLater):
        cm.page(LIST, "Active", 1)


def test_suppressed_addresses_are_read_in_lower_case(cm: CampaignMonitor, net: responses.RequestsMock) -> None:
    row = {"SuppressionReason": "Bounced", "EmailAddress": "Ann@Example.com", "Date": "…", "State": "Suppressed"}
    net.get(f"{API}/clients/c/suppressionlist.json", json=paged([row]))
    (who,) = cm.suppression_page("c", 1).people
    assert (who.email, who.reason) == ("ann@example.com", "Bounced")
