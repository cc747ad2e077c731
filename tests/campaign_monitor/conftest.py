"""A client over a faked network; the client itself is real."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import responses

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.oauth import ApiKey
from relay.campaign_monitor.session import new_session

API = "https://cm.example/api/v3.3"


@pytest.fixture
def net() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def seen() -> list[tuple[str, float, str]]:
    """What was observed of every request."""
    return []


@pytest.fixture
def make(seen: list[tuple[str, float, str]]) -> Callable[..., CampaignMonitor]:
    def build(credential: Any = None, base_url: str = API) -> CampaignMonitor:
        return CampaignMonitor(
            new_session(), base_url, credential or ApiKey("key"), observe=lambda *call: seen.append(call)
        )

    return build


@pytest.fixture
def cm(make: Callable[..., CampaignMonitor]) -> CampaignMonitor:
    return make()
