"""One line of the table."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass
class Row:
    """`ratio` is what the target is about, where the target is a ratio; `peer` says what it was measured beside."""

    name: str
    store: str
    ours: str
    peer: str
    ratio: str
    target: str
    reached: bool | None
    raw: Mapping[str, object]


def median(numbers: list[float]) -> float:
    ordered = sorted(numbers)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def percentile(numbers: list[float], part: float) -> float:
    ordered = sorted(numbers)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
