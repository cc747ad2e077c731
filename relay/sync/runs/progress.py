"""How far a run is, from what the database says of it: the same in a terminal, on a page, and after any restart."""

import time
from dataclasses import dataclass

from relay.store import connections, runs
from relay.store.connections import Connection
from relay.store.runs import Run
from relay.sync.parts import Parts

WORDS = {
    "fields": "Preparing custom fields",
    "groups": "Reading groups from EHQ",
    "ehq": "Reading people from EHQ",
    "campaign_monitor": "Reading the list from Campaign Monitor",
    "compare": "Comparing",
    "write": "Writing to Campaign Monitor",
    "segments": "Making segments true",
    "verify": "Reading back",
    "done": "Done",
}
SHARE = {
    "ehq": ("ehq_read", "ehq_total", "ehq"),
    "compare": ("compared", "ehq_read", "compare"),
    "write": ("written", "to_write", "compare"),
}
"""phase → the counts of people done and of people in all, and in which phase the first of them were done."""
NOBODY_S = 15.0
GO_ON_S = 86400.0
"""A run that was stopped may go on for a day; later it would rest on what was read too long ago."""
STOPPED = "stopped"
"""Code of a run that a person stopped."""


@dataclass(frozen=True, slots=True)
class Progress:
    """`steps` are (words, "done" | "now" | "next"). `total`, `rate` (people a second) and `left_s` may be unknown."""

    steps: list[tuple[str, str]]
    words: str
    done: int
    total: int | None
    rate: float | None
    left_s: float | None
    nobody: bool
    """Nobody takes the next step: is a worker there?"""

    @property
    def percent(self) -> int:
        return min(100, 100 * self.done // self.total) if self.total else 0


def progress(run: Run) -> Progress:
    now = time.time()
    names = phases(run)
    here = names.index(run.phase) if run.phase in names else len(names)
    over = run.state == "completed" or run.phase == "done"
    steps = [
        (WORDS[name], "done" if over or i < here else "now" if i == here else "next") for i, name in enumerate(names)
    ]
    counted, of, since = SHARE.get(run.phase, ("", "", ""))
    done, total = int(run.counts.get(counted, 0)), run.counts.get(of)
    began = run.counts.get("began", {}).get(since)
    rate = done / max(now - began, 0.5) if began and done and run.state == "running" else None
    left = (total - done) / rate if rate and total and total > done else None
    nobody = run.state == "running" and not run.problem and now - run.stepped_at > NOBODY_S
    return Progress(steps, WORDS.get(run.phase, run.phase), done, total, rate, left, nobody)


def phases(run: Run) -> list[str]:
    """What this run goes through: a dry run ends before it writes, one after a change begins by comparing."""
    names = [name for name in WORDS if name != "done"]
    began = run.counts.get("began", {})
    if began and "fields" not in began and run.phase != "fields":
        names = names[names.index("compare") :]
    if run.dry and run.trigger == "export":  # what it reads is compared at once, and kept nowhere
        return ["fields", "groups", "campaign_monitor", "ehq"]
    return names[: names.index("compare") + 1] if run.dry else names


def stop(parts: Parts, connection: Connection) -> Run | None:
    """Ends the run under way after its present step; None when there is none. What it did stays, and does no harm."""
    with parts.database.write() as tx:
        under_way = runs.under_way(tx, connection.id)
        for run in under_way:
            runs.finish(tx, run.id, "stopped", {"message": "Stopped by a person.", "remedy": "", "code": STOPPED})
        return runs.find(tx, under_way[0].id) if under_way else None


def can_go_on(run: Run, newest: bool) -> bool:
    return newest and run.state in runs.UNFINISHED and time.time() - run.stepped_at < GO_ON_S


def go_on(parts: Parts, run: Run) -> bool:
    """A run that was stopped goes on where it was; False when another began meanwhile, or it rests on too old a
    reading."""
    with parts.database.write() as tx:
        latest = runs.latest(tx, run.connection_id)
        fit = bool(latest) and can_go_on(latest[0], latest[0].id == run.id) and runs.take_up(tx, run.id)
    if fit:
        parts.queue.step(run.id)
    return fit


def take_up(parts: Parts, connection_id: str) -> None:
    """The connection is on, and its access good: the run that ended because they were not goes on where it was, or the
    next one begins at once. What a person stopped stays so."""
    with parts.database.read() as tx:
        last = runs.latest(tx, connection_id, dry=False)
    if not last or last[0].state not in runs.UNFINISHED or (last[0].problem or {}).get("code") == STOPPED:
        return
    if not go_on(parts, last[0]):
        with parts.database.write() as tx:
            connections.change(tx, connection_id, next_run_at=time.time())
