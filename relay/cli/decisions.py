"""What a person decides about a run: the brake, an undo."""

import argparse
import sys
import time
from typing import Any

from relay.sync.parts import Parts
from relay.sync.runs import brake as brakes
from relay.sync.runs import undo as undoing

LOOK_S = 1.0
NEEDS_A_PERSON = 3


def brake(parts: Parts, options: argparse.Namespace) -> tuple[Any, int]:
    connection = parts.connection(options.connection)
    waits = brakes.waiting(parts, connection)
    if options.approve or options.reject:
        run = options.run or (waits or {}).get("run")
        if run is None:
            return {"run": None}, 0
        decide = brakes.approve if options.approve else brakes.reject
        return decide(parts, connection, run), 0
    return waits or {"run": None}, NEEDS_A_PERSON if waits else 0


def undo(parts: Parts, options: argparse.Namespace) -> tuple[Any, int]:
    connection = parts.connection(options.connection)
    answer = undoing.undo(parts, connection, options.run, dry=options.dry_run)
    while options.wait and answer["waiting"] and not options.dry_run:
        print(f"{answer['waiting']} people are still being put back.", file=sys.stderr)
        time.sleep(LOOK_S)
        answer = {**undoing.undo(parts, connection, options.run, dry=True), "dry_run": False}
    return answer, 0


def parsers(command: Any, sub: Any) -> None:
    made = command(sub, "brake", brake, "Whom the brake holds on the list; decide about them.")
    made.add_argument("connection", metavar="C")
    decision = made.add_mutually_exclusive_group()
    decision.add_argument("--approve", action="store_true", help="let exactly those go whom the run counted")
    decision.add_argument("--reject", action="store_true", help="keep them on the list")
    made.add_argument("--run", type=int, help="the run decided about (default: the one that waits)")

    made = command(sub, "undo", undo, "Put back exactly those whom a run removed.")
    made.add_argument("connection", metavar="C")
    made.add_argument("run", metavar="RUN", type=int)
    made.add_argument("--dry-run", action="store_true", help="only say who would come back, and who cannot")
    made.add_argument("--wait", action="store_true", help="until everyone who can be put back is")
