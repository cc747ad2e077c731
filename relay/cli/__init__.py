"""The command line: `relay …`. Standard output is for answers, standard error for progress and messages.

Exit codes: 0 done, 1 it could not, 2 wrong usage, 3 needs a person.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

import orjson

from relay.cli import commands, decisions, exporting, noted, people, problems, runs, structure, trying, users
from relay.cli.show import show
from relay.errors import Invalid, NeedsPerson, RelayError
from relay.sync.runs import drift
from relay.wiring import wire

Parser = argparse.ArgumentParser


TYPED = {
    "address": "For example --name Bayside --ehq-url https://haveyoursay.example.gov.au",
    "client": "Give its id with --cm-client-id.",
    "250": "Choose another --list-name, or keep that list in step with --list-id and its id.",
    "nothing": "Give --ehq-token, --ehq-login and --ehq-password, or --cm-api-key.",
}
"""What to type, where others have something to click; by the failure's code."""


class Told(Parser):
    def error(self, message: str) -> NoReturn:
        """What was typed is wrong: a failure like any other, so that --json answers it, too."""
        self.print_usage(sys.stderr)
        raise Invalid(f"{message}.", remedy=f"`{self.prog} --help` explains it.", code="usage")


def main(arguments: Sequence[str] | None = None) -> int:
    given = trying.spelled(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given  # wherever it stands
    try:
        options = parser().parse_args([word for word in given if word != "--json"])
        parts = wire()
        answer, code = noted.acted(parts, options)
    except RelayError as error:
        remedy = TYPED.get(error.code, error.remedy)
        if as_json:
            with _read_to_the_end():
                print(orjson.dumps({"error": error.message, "remedy": remedy, "code": error.code}).decode())
        print(f"relay: {error.message} {remedy}".strip(), file=sys.stderr)
        return 2 if isinstance(error, Invalid) else 3 if isinstance(error, NeedsPerson) else 1
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        return 130
    with _read_to_the_end():
        if as_json:
            print(orjson.dumps(answer, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode())
        else:
            show(answer)
    return int(code)


@contextmanager
def _read_to_the_end() -> Iterator[None]:
    """Or not: whoever reads, like `head`, may have enough. What was asked for is done all the same."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end


def parser() -> Parser:
    top: Parser = Told(prog="relay", description="Keeps a Campaign Monitor list in step with an EngagementHQ site.")
    top.epilog = "Every command takes --json: standard output is then exactly one JSON document."
    sub = top.add_subparsers(required=True, metavar="COMMAND")

    def command(parent: "argparse._SubParsersAction[Parser]", name: str, act: object, text: str) -> Parser:
        made = parent.add_parser(name, help=text, description=text)
        made.set_defaults(act=act)
        return made

    command(sub, "migrate", commands.migrate, "Bring the database to this version.")
    check = command(sub, "check", commands.check, "Ask everything the relay needs whether it answers.")
    check.add_argument("--probe", metavar="C", help="find out what C's Campaign Monitor does, on a list made for it")
    check.add_argument("--yes", action="store_true", help="go on with the probe, which writes to the account")

    connection = sub.add_parser("connection", help="Add, change and list connections.").add_subparsers(
        required=True, metavar="ACTION"
    )
    add = command(connection, "add", commands.add, "Connect an EHQ site to a Campaign Monitor list.")
    add.add_argument("--name", required=True)
    add.add_argument("--ehq-url", help="address of the site")
    add.add_argument("--csv", action="store_true", help="no access to EHQ's API: exports are read by hand")
    reconnect = command(connection, "reconnect", commands.reconnect, "New credentials for the same site and list.")
    reconnect.add_argument("connection", metavar="C")
    reconnect.add_argument("--ehq-url", default="", help="for a connection that only read exports until now")
    for one in (add, reconnect):
        one.add_argument("--ehq-token", help="API key (X-API-Token)")
        one.add_argument("--ehq-login", help="log-in of a site administrator")
        one.add_argument("--ehq-password")
        one.add_argument("--cm-api-key", help="API key of the Campaign Monitor account or client")
    add.add_argument("--cm-client-id", help="needed when the account has several clients")
    which = add.add_mutually_exclusive_group()
    which.add_argument("--list-name", help="of the list to create (default: the connection's name)")
    which.add_argument("--list-id", help="an existing list; people the relay did not put there are left alone")
    add.add_argument("--rules", metavar="FILE", help="rules to begin with, as for configure")
    configure = command(connection, "configure", commands.configure, "Replace a connection's rules by a JSON document.")
    configure.add_argument("connection", metavar="C")
    configure.add_argument("file", metavar="FILE", help="- for standard input")
    configure.add_argument("--dry-run", action="store_true", help="save nothing; say what it would do to people")
    configure.add_argument("--yes", action="store_true", help="its overrides are right, though a run stopped")
    trying.parsers(command, connection)
    command(connection, "list", commands.list_connections, "All connections.")
    for name, act, text in (
        ("show", commands.show_connection, "One connection with its rules."),
        ("authorize", commands.authorize, "A link with which someone connects Campaign Monitor by OAuth."),
        ("pause", commands.pause, "Write nothing more, except that leavers leave."),
        ("resume", commands.resume, "Go on after a pause or a problem."),
        ("rotate-secret", commands.rotate_secret, "A new webhook secret; the old one stays valid for a day."),
        ("remove", commands.remove, "Forget the connection and everyone in it; the list stays."),
    ):
        command(connection, name, act, text).add_argument("connection", metavar="C")

    reconcile = command(sub, "reconcile", commands.reconcile, "Start a run, or join the one under way.")
    reconcile.add_argument("connection", metavar="C")
    reconcile.add_argument(
        "--dry-run", action="store_true", help="write nothing to Campaign Monitor; show what would be"
    )
    reconcile.add_argument("--wait", action="store_true", help="show progress and print the counts")

    stop = command(sub, "stop", commands.stop, "End the run under way; what it did stays. The next one starts anew.")
    stop.add_argument("connection", metavar="C")

    shown = command(sub, "runs", runs.show_runs, "The last runs; or what one of them repaired, and why.")
    shown.add_argument("connection", metavar="C")
    shown.add_argument("run", metavar="N", nargs="?", type=int, help="of one run: whom it repaired")
    shown.add_argument("--cause", choices=tuple(drift.MEANINGS), metavar="CAUSE", help="only this cause of drift")
    shown.add_argument("--limit", type=int, default=20, help="runs, or people (default: 20)")

    status = command(sub, "status", commands.status, "Who waits, who is refused, how the last run went.")
    status.add_argument("connection", metavar="C", nargs="?")

    people.parsers(command, sub)
    structure.parsers(command, sub)

    deliveries = command(sub, "deliveries", commands.deliveries, "What arrived.")
    deliveries.add_argument("connection", metavar="C")
    deliveries.add_argument("--state", choices=("waiting", "applied", "quarantined"))
    deliveries.add_argument("--since", help="ISO 8601 time, or a span such as 2h or 3d")
    deliveries.add_argument("--limit", type=int, default=50)

    replay = command(sub, "replay", commands.replay, "Apply deliveries once more.")
    replay.add_argument("connection", metavar="C")
    chosen = replay.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--delivery", metavar="ID")
    chosen.add_argument("--state", choices=("applied", "quarantined"))
    chosen.add_argument("--since")
    replay.add_argument("--dry-run", action="store_true", help="only say what it would do, and to how many")
    replay.add_argument("--wait", action="store_true", help="show progress until workers have taken them in")

    decisions.parsers(command, sub)
    user = sub.add_parser("user", help="Who may log in to the pages.").add_subparsers(required=True, metavar="ACTION")
    users.commands(user, command)

    exporting.parsers(command, sub)
    problems.parsers(command, sub)
    command(sub, "rotate-keys", commands.rotate_keys, "Encrypt what is stored with the first of RELAY_ENCRYPTION_KEYS.")
    command(sub, "rebuild-queue", commands.rebuild_queue, "Ring again for everything that waits.")
    return top
