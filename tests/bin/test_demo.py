"""The demonstration's events: all of them can happen, among however few people."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sandbox.ehq
from sandbox.server import Server

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bin" / "lib"))

from demo import EVENTS, happens


@pytest.fixture(params=[1, 3, 200])
def ehq(request: pytest.FixtureRequest) -> Iterator[str]:
    with Server(sandbox.ehq.create_app(people=request.param)) as server:
        yield server.url


def test_each_event_happens_or_somebody_registers_instead(ehq: str) -> None:
    happened = [happens(ehq, what, action) for _, what, action in EVENTS]
    assert len(happened) == 25
    assert all("@" in address for address, _ in happened)
