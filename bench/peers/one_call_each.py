"""RQ the plain way: one job a person, one call a job, in RQ's own worker, which forks for each."""

from typing import Any

import requests


def take(connection: str, body: bytes) -> None:
    """What peers/enqueue.py puts into the queue; only the door is measured there, so nobody takes it out."""


def add(url: str, subscriber: dict[str, Any]) -> None:
    requests.post(url, json=subscriber, auth=("sandbox", "x"), timeout=30).raise_for_status()
