"""Progress in the terminal: of a run its phase, people, rate and time left; of other long work, how much is done."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from relay.errors import RelayError
from relay.store import deliveries, runs
from relay.store.runs import Run
from relay.sync.parts import Parts
from relay.sync.runs.progress import NOBODY_S, SHARE, WORDS

LOOK_S = 0.3


def watch(parts: Parts, run_id: int) -> Run:
    """Follows the run to its end, which may be made by any worker. Ctrl-C stops the watching, not the run."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    told = 0.0
    with Progress(*columns, console=console, transient=not sys.stderr.isatty()) as progress:
        task = progress.add_task("Waiting for a worker", total=None, rate="")
        phase, began, begun_with = "", time.monotonic(), 0
        while True:
            with parts.database.read() as tx:
                run = runs.find(tx, run_id)
            if run is None:
                raise RelayError("The run is gone: was its connection removed?")
            if run.phase != phase:
                phase, began, begun_with = run.phase, time.monotonic(), _done(run)
                progress.reset(task, total=None, completed=0)
            done, total = _done(run), run.counts.get(SHARE.get(phase, ("", ""))[1])
            rate = (done - begun_with) / max(time.monotonic() - began, 0.1)
            words = WORDS.get(phase, phase)
            if run.problem and run.state == "running":
                words = f"{words}: {run.problem['message']} Trying again"
            shown = f"{rate:,.0f} people/s" if rate >= 1 else ""
            progress.update(task, description=words, completed=done, total=total, rate=shown)
            if run.state != "running":
                break
            if time.time() - run.stepped_at > NOBODY_S and not run.problem and time.monotonic() - told > NOBODY_S:
                told = time.monotonic()
                console.print("No worker has taken the next step yet. Is `python worker.py` running, and the clock?")
            time.sleep(LOOK_S)
    if run.problem:
        how = f" `relay brake {run.connection_id}` does it." if run.state == "braked" else ""
        console.print(f"{run.problem['message']} {run.problem['remedy']}{how}", highlight=False, markup=False)
    return run


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """For work that goes through many things: hears how many are done, of how many."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=not sys.stderr.isatty()) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def watch_replay(parts: Parts, connection_id: str) -> None:
    """Until workers have taken in all that is replayed. Ctrl-C stops the watching, not the replay."""
    total = 0
    with bar("Taking deliveries in again") as tell:
        while True:
            with parts.database.read() as tx:
                left = deliveries.replayed(tx, connection_id)
            total = max(total, left)
            tell(total - left, total)
            if not left:
                return
            time.sleep(LOOK_S)


def _done(run: Run) -> int:
    return int(run.counts.get(SHARE.get(run.phase, ("", ""))[0], 0))
