"""The command line as a person uses it: a process of its own, settings in its environment."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from relay.settings import Settings
from relay.sync.parts import Parts
from tests.cli import child

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([child.__name__, "pytest"])
ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


@dataclass
class Terminal:
    environ: dict[str, str]
    folder: Path

    def run(self, *words: str, given: str = "", **environ: str) -> Said:
        streams = [self.folder / name for name in ("in", "out", "err")]
        for stream, text in zip(streams, (given, "", ""), strict=True):
            stream.write_text(text)
        process = PROCESSES.Process(
            target=child.run, args=(words, {**self.environ, **environ}, str(self.folder), [*map(str, streams)])
        )
        process.start()
        process.join(60)
        code = process.exitcode
        process.kill()
        assert code is not None, f"{words} takes longer than a minute"
        said = Said(code, *(stream.read_text() for stream in streams[1:]))
        assert "Traceback" not in said.err, said.err
        return said

    def json(self, *words: str, **more: Any) -> Any:
        """The answer of a command that must succeed."""
        said = self.run(*words, "--json", **more)
        assert said.code == 0, said
        return said.answer


@pytest.fixture
def database_url(migrated: dict[str, Any], tmp_path: Path) -> str:
    """One kind of database is enough: what is tested here is the command line, and each command is a process."""
    shutil.copy(migrated["sqlite"], tmp_path / "relay.sqlite3")
    return f"sqlite:///{tmp_path / 'relay.sqlite3'}"


@pytest.fixture
def terminal(settings: Settings, parts: Parts, tmp_path: Path) -> Terminal:
    names = [*Settings.model_fields]
    names.remove("relay_encryption_keys")
    environ = {name.upper(): str(getattr(settings, name)) for name in names}
    environ["RELAY_ENCRYPTION_KEYS"] = ",".join(settings.relay_encryption_keys)
    return Terminal({"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ}, tmp_path)


@pytest.fixture
def worker(terminal: Terminal) -> Iterator[int]:
    """`python worker.py`, stopped by its id."""
    with subprocess.Popen(
        [sys.executable, str(ROOT / "worker.py")], env=terminal.environ, cwd=terminal.folder
    ) as process:
        yield process.pid
        process.terminate()
        process.wait(25)
