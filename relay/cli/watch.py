"""A run's progress in the terminal: phase, people, rate, time left."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from relay.errors import RelayError
from relay.store import runs
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


def _done(run: Run) -> int:
    return int(run.counts.get(SHARE.get(run.phase, ("", ""))[0], 0))
