"""What RQ runs. A job says where to look and nothing else."""

from relay.sync import work
from relay.sync.parts import Parts

_parts: list[Parts] = []
"""The worker's own parts, put here by `use` when it starts: RQ calls functions by name, with nothing but arguments."""


def use(parts: Parts) -> None:
    _parts[:] = [parts]


def live(connection_id: str) -> None:
    work.visit(_parts[0], connection_id)


def step(run_id: int) -> None:
    work.step(_parts[0], run_id)
