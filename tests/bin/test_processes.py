"""What bin/run does with its processes."""

from __future__ import annotations

import io
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from honcho.printer import Printer

sys.path.append(str(Path(__file__).resolve().parents[2] / "bin" / "lib"))

import processes
from processes import Processes

ENDS_AT_ONCE = "pass"


@pytest.fixture
def some() -> Iterator[Processes]:
    made = Processes(Printer(io.StringIO()))
    yield made
    for one in made._all:
        one.process.kill()


def until(true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_a_process_that_is_killed_is_started_again(
    some: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "SHORT_S", 0.0)
    lives = tmp_path / "lives"
    code = f"import time; open({str(lives)!r}, 'a').write('x'); time.sleep(60)"
    some.start("worker", [sys.executable, "-c", code], again=True)
    until(lambda: lives.exists() and lives.read_text() == "x")
    some._all[0].process.kill()
    until(lambda: lives.read_text() == "xx")
    some._all[1].process.kill()
    until(lambda: lives.read_text() == "xxx")
    assert some.ended(wait=0.5) is None
    assert some._all[2].process.poll() is None, "it goes on"


def test_one_that_ends_as_soon_as_it_is_started_is_told_instead(some: Processes) -> None:
    some.start("worker", [sys.executable, "-c", ENDS_AT_ONCE], again=True)
    ended = some.ended(wait=20)
    assert ended
    assert (ended.name, ended.status) == ("worker", 0)


def test_one_that_is_not_to_be_started_again_is_told(some: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "SHORT_S", 0.0)
    some.start("demo", [sys.executable, "-c", ENDS_AT_ONCE])
    assert some.ended(wait=20)


def test_whoever_stopped_some_processes_can_be_stopped_afterwards(some: Processes) -> None:
    some.start("short", [sys.executable, "-c", ENDS_AT_ONCE], {})
    before = [signal.getsignal(number) for number in processes.STOPPING]
    some.stop()
    assert [signal.getsignal(number) for number in processes.STOPPING] == before
