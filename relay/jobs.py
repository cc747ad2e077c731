"""What RQ runs. A job says where to look and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from relay.store.database import Unavailable
from relay.sync import work
from relay.sync.intake import members
from relay.sync.parts import Parts

log = structlog.get_logger()
_parts: list[Parts] = []
"""The worker's own parts, put here by `use` when it starts: RQ calls functions by name, with nothing but arguments."""


def use(parts: Parts) -> None:
    _parts[:] = [parts]


def live(connection_id: str) -> None:
    with _expected():
        work.visit(_parts[0], connection_id)


def step(run_id: int) -> None:
    with _expected():
        work.step(_parts[0], run_id)


def group(connection_id: str) -> None:
    with _expected():
        members.read_next(_parts[0], connection_id)


@contextmanager
def _expected() -> Iterator[None]:
    """A database that is away is one line in the log, not a traceback: the clock rings again when it is back."""
    try:
        yield
        _parts[0].meters.flush()
    except Unavailable as error:
        log.error("work put off", message=error.message, remedy=error.remedy)
