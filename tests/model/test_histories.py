"""Whatever happens, and in whatever order: after complete runs the list is right, and no opt-out was ever revived."""

from __future__ import annotations

import ast
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import get_state_machine_test

from relay.sync.runs import comparing
from tests.model import machine
from tests.model.machine import ByHand, Histories

CHUNKS, HISTORIES, STEPS = 12, 20, 20
FIRST, LONG, LONG_CHUNK, LONG_STEPS = 5000, 10_000, 25, 30
RECORD = Path(__file__).parents[2] / "var" / "model"


def play(number: int, histories: int = HISTORIES, steps: int = STEPS) -> None:
    """Some histories, the same ones for the same number."""
    shrinks = (Phase.shrink,) if os.environ.get("MODEL_SHRINK") else ()
    chosen = settings(
        max_examples=histories,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate, *shrinks],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    world = machine.world(number)
    before = dict(world.tried)
    kind = ByHand if number // 2 % 4 == 3 else Histories
    kind.place = world
    test = get_state_machine_test(kind, settings=chosen)
    seed(number)(test)()
    record(number, steps, {what: n - before.get(what, 0) for what, n in sorted(world.tried.items())})


def record(number: int, steps: int, tried: dict[str, int]) -> None:
    """What this chunk tried, for the table in docs/evidence.md and so that a long search can go on where it ended."""
    RECORD.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = RECORD / f"{steps}-{number:04}.json"
    name.write_text(json.dumps({what: n for what, n in tried.items() if n}, indent=1, ensure_ascii=False))


@pytest.fixture(scope="module", autouse=True)
def one_world() -> Iterator[None]:
    """In which a run compares five people at a time, and writes in between, as it does where there are thousands."""
    with pytest.MonkeyPatch.context() as smaller:
        smaller.setattr(comparing, "COMPARED", 5)
        yield
    while machine.WORLDS:
        machine.WORLDS.popitem()[1].close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", range(CHUNKS))
def test_after_any_history_the_list_is_right_and_no_opt_out_was_ever_revived(number: int) -> None:
    play(number)


@pytest.mark.long
@pytest.mark.timeout(0)
def test_ten_thousand_histories(capsys: pytest.CaptureFixture[str]) -> None:
    """Goes on where it ended: chunks recorded in var/model are done. MODEL_MINUTES ends it earlier, as a pass."""
    ends = time.monotonic() + 60 * float(os.environ.get("MODEL_MINUTES", "inf"))
    chunks = range(FIRST, FIRST + LONG // LONG_CHUNK)
    for done, number in enumerate(chunks):
        if not (RECORD / f"{LONG_STEPS}-{number:04}.json").exists():
            if time.monotonic() > ends:
                break
            play(number, LONG_CHUNK, LONG_STEPS)
        with capsys.disabled():
            print(f"\r{(done + 1) * LONG_CHUNK:,} of {LONG:,} histories", end="", file=sys.stderr, flush=True)


def test_the_oracle_imports_nothing_of_the_relay_nor_of_the_simulators() -> None:
    tree = ast.parse((Path(__file__).parent / "oracle.py").read_text())
    names = {one.module or "" for one in ast.walk(tree) if isinstance(one, ast.ImportFrom)}
    names |= {alias.name for one in ast.walk(tree) if isinstance(one, ast.Import) for alias in one.names}
    assert {name.partition(".")[0] for name in names} <= {"__future__", "collections", "typing"}
