"""python -m bench (bin/bench): measures, prints one table, and writes it to var/bench.json.

Everything runs on this machine's loopback, in a temporary folder that is removed, and ends by itself.
"""

import argparse
import json
import os
import platform
import sys
import time
from dataclasses import asdict

from processes import Stopped, stoppable
from rich.console import Console
from rich.table import Table

from bench import ROOT, arrivals, door, million, pages, runs
from bench.row import Row

PARTS = (door, arrivals, runs, pages)
ALL = tuple(name for part in PARTS for name in part.ROWS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bin/bench", description=__doc__, epilog=f"Rows: {', '.join(ALL)}.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="which rows (default: all); see below")
    parser.add_argument("--million", action="store_true", help="a million people instead (--quick: 20,000); an hour")
    parser.add_argument("--quick", action="store_true", help="a fifth to a tenth of the people, fewer rounds")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--sqlite-only", action="store_true")
    where.add_argument(
        "--postgres",
        metavar="URL",
        default=os.environ.get("TEST_DATABASE_URL"),
        help="a server on which databases may be made and dropped (default: TEST_DATABASE_URL)",
    )
    given = parser.parse_args()
    parts = (million,) if given.million else PARTS
    known = tuple(name for part in parts for name in part.ROWS)
    if unknown := set(given.rows) - set(known):
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    postgres = None if given.sqlite_only else given.postgres
    if not postgres and not given.sqlite_only:
        print("No --postgres URL and no TEST_DATABASE_URL: measured on SQLite only.", file=sys.stderr)
    stores = ["PostgreSQL", "SQLite"] if postgres else ["SQLite"]
    rows: list[Row] = []
    failed = False
    os.chdir(ROOT)
    with stoppable():
        try:
            for part in parts:
                wanted = [name for name in part.ROWS if name in (given.rows or known)]
                if not wanted:
                    continue
                print(f"Measuring {', '.join(wanted)} …", file=sys.stderr, flush=True)
                try:
                    rows += part.measure(wanted, stores, postgres, given.quick)
                except Exception as error:
                    failed = True
                    print(f"{', '.join(wanted)}: {type(error).__name__}: {error}", file=sys.stderr)
        except Stopped as stopped:
            return 128 + stopped.number
        finally:
            if rows:
                write(rows, given.quick)
    show(rows)
    return 1 if failed else 0


def write(rows: list[Row], quick: bool) -> None:
    machine = {"system": platform.platform(), "python": platform.python_version(), "cpus": os.cpu_count()}
    found = {"at": time.time(), "quick": quick, "machine": machine, "load": os.getloadavg()}
    path = ROOT / "var" / "bench.json"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(json.dumps({**found, "rows": [asdict(row) for row in rows]}, indent=1, ensure_ascii=False) + "\n")


def show(rows: list[Row]) -> None:
    table = Table(show_lines=False)
    for title in ("row", "store", "ours", "peer or floor", "ratio", "target", "reached"):
        table.add_column(title)
    for row in rows:
        reached = "" if row.reached is None else "yes" if row.reached else "no"
        table.add_row(row.name, row.store, row.ours, row.peer, row.ratio, row.target, reached)
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(table)


if __name__ == "__main__":
    sys.exit(main())
