"""`python -m sandbox ehq --port P` and `python -m sandbox campaign-monitor --port P`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from typing import Any

from sandbox.faults import UnknownFault
from sandbox.server import Server


def fault(text: str) -> tuple[str, Any]:
    """`latency_ms=200`; the value is JSON where it can be, else a string."""
    name, mark, value = text.partition("=")
    if not mark:
        return name, True
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    ehq = kinds.add_parser("ehq", help="EngagementHQ: API key, login and password are all 'sandbox'")
    ehq.add_argument("--people", type=int, default=2000, help="how many to invent (default 2000)")
    ehq.add_argument("--seed", type=int, default=1, help="the same seed makes the same people")
    cm = kinds.add_parser("campaign-monitor", help="Campaign Monitor: API key, OAuth id and secret 'sandbox'")
    for one in (ehq, cm):
        one.add_argument("--port", type=int, required=True, help="0 takes any free one")
        one.add_argument("--host", default="127.0.0.1")
        one.add_argument("--fault", type=fault, action="append", default=[], metavar="NAME=VALUE")
    given = parser.parse_args(arguments)
    try:
        if given.kind == "ehq":
            from sandbox.ehq import create_app as create_ehq

            app = create_ehq(given.people, given.seed, **dict(given.fault))
        else:
            from sandbox.campaign_monitor import create_app as create_cm

            app = create_cm(**dict(given.fault))
        server = Server(app, given.port, given.host)
    except UnknownFault as error:
        parser.error(f"{error}; known: {', '.join(error.known)}")
    except (OSError, SystemExit) as error:
        print(f"sandbox: cannot listen on {given.host}:{given.port}: {error}", file=sys.stderr)
        return 1
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with server:
        print(f"{given.kind} simulator at {server.url}", file=sys.stderr, flush=True)
        ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
