"""python -m tests.model: the table of what was tried, out of var/model, for docs/evidence.md."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

RECORD = Path(__file__).parents[2] / "var" / "model"


def table(record: Path = RECORD) -> str:
    tried: Counter[str] = Counter()
    chunks = sorted(record.glob("*.json"))
    for chunk in chunks:
        tried.update(json.loads(chunk.read_text()))
    lines = [f"{tried.pop('histories', 0):,} histories in {len(chunks)} chunks that ended right.", ""]
    lines += ["| what | times |", "|---|---:|"]
    return "\n".join([*lines, *(f"| {what} | {n:,} |" for what, n in sorted(tried.items()))])


if __name__ == "__main__":
    print(table())
