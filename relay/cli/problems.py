"""What stands in the way on a connection, and what a person does about it."""

import argparse
from typing import Any

from relay.sync.health import problems
from relay.sync.health.causes import Problem
from relay.sync.parts import Parts

Answer = tuple[Any, int]
SHOWN = ("state", "title", "remedy", "affected", "unit", "first_seen", "last_seen", "acknowledged_by")


def listed(parts: Parts, options: argparse.Namespace) -> Answer:
    found = problems.everything(parts, parts.connection(options.connection))
    return [shown(problem) for problem in found if options.all or problem.state != "resolved"], 0


def shown(problem: Problem) -> dict[str, Any]:
    fields = {name: getattr(problem, name) for name in SHOWN}
    return {"problem": problem.key, **fields, "can_retry": bool(problem.again)}


def retry(parts: Parts, options: argparse.Namespace) -> Answer:
    key = f"refused:{options.code}" if options.code else options.problem
    return problems.again(parts, parts.connection(options.connection), key), 0


def acknowledge(parts: Parts, options: argparse.Namespace) -> Answer:
    done = problems.acknowledge(parts, parts.connection(options.connection), options.problem, "command line")
    return shown(done), 0


def parsers(command: Any, sub: Any) -> None:
    made = command(sub, "problems", listed, "What stands in the way, by cause, and what to do.")
    made.add_argument("connection", metavar="C")
    made.add_argument("--all", action="store_true", help="also what was resolved in the last 30 days")
    made = command(sub, "retry", retry, "Try everyone again whom a problem holds up.")
    made.add_argument("connection", metavar="C")
    meant = made.add_mutually_exclusive_group(required=True)
    meant.add_argument("problem", metavar="PROBLEM", nargs="?", help="as `relay problems` names it")
    meant.add_argument("--code", help="everyone whom Campaign Monitor refused with this code")
    made = command(sub, "acknowledge", acknowledge, "Say that a problem is known.")
    made.add_argument("connection", metavar="C")
    made.add_argument("problem", metavar="PROBLEM")
