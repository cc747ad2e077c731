"""`relay import-csv`: an export of EHQ's participants, read by a run in place of EHQ's API."""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from relay.cli import commands
from relay.cli.commands import Answer, Options
from relay.cli.watch import watch
from relay.domain.sensitive import sensitive
from relay.errors import Invalid
from relay.store.connections import Connection
from relay.store.exports import Export
from relay.sync.exports import exports
from relay.sync.exports.uploads import Kind, Manifest, Upload, read_manifest
from relay.sync.health import status
from relay.sync.parts import Parts


def parsers(command: Any, sub: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    one = command(sub, "import-csv", import_csv, "Read the participant export that any EHQ administrator can make.")
    one.add_argument("connection", metavar="C")
    one.add_argument("files", metavar="FILE", nargs="*", help="ZIP or CSV files of participants")
    one.add_argument("--groups", metavar="NAME=FILE", action="append", default=[], help="the export of one group")
    one.add_argument("--team", metavar="FILE", action="append", default=[], help="site and hub administrators")
    one.add_argument("--people", metavar="N", type=int, help="how many participants EHQ shows: makes the set complete")
    one.add_argument("--manifest", metavar="FILE", help='{"people": n, "files": {name: n}, "groups": {name: n}}')
    one.add_argument("--made-at", metavar="T", help="when EHQ made it (default: when its oldest file was written)")
    one.add_argument("--dry-run", action="store_true", help="keep nothing; show what would be")
    one.add_argument("--wait", action="store_true", help="show progress and print the counts")


def import_csv(parts: Parts, options: Options) -> Answer:
    connection = parts.connection(options.connection)
    if connection.cm_list_id is None and not options.dry_run:
        parts.campaign_monitor(connection)  # says what is missing
    manifest = _manifest(options)
    with ExitStack() as stack:
        uploads, written = [], []
        for kind, group, name in _named(options):
            path = Path(name)
            uploads.append(Upload(path.name, stack.enter_context(_opened(path)), kind, group))
            written.append(path.stat().st_mtime)
        made_at = commands.moment(options.made_at) or min(written, default=None)
        export = exports.stage(parts, connection, uploads, manifest, made_at)
    sensitive_ones = _sensitive(parts, connection, export)
    run = exports.start(parts, connection, export, dry=options.dry_run)
    if sensitive_ones:
        print(f"relay: New, and sensitive by their words: {'; '.join(sensitive_ones)}.", file=sys.stderr)
        print("relay: Their answers travel unless fields_left_out names them.", file=sys.stderr)
    for sentence in (*export.summary["incomplete_because"], *export.summary["warnings"]):
        print(f"relay: {sentence}", file=sys.stderr)
    if not export.summary["complete"]:
        print("relay: So this is not taken for the whole export, and nobody is removed for absence.", file=sys.stderr)
    if not options.wait:
        return {"run": run.id, "state": run.state, "export": dict(export.summary)}, 0
    ended = watch(parts, run.id)
    return status.run_report(ended), commands.ENDS.get(ended.state, 1)


def _sensitive(parts: Parts, connection: Connection, export: Export) -> list[str]:
    """Questions that are new, look sensitive, and are not left out."""
    out = {name.strip().lower() for name in connection.rules.fields_left_out}
    new = exports.undecided(parts, connection, export)
    return [label for label in new if sensitive(label) and label.strip().lower() not in out]


def _named(options: Options) -> list[tuple[Kind, str, str]]:
    """(kind, group, path) of every file that was named."""
    named: list[tuple[Kind, str, str]] = [("participants", "", name) for name in options.files]
    named += [("team", "", name) for name in options.team]
    for word in options.groups:
        group, equals, name = word.partition("=")
        if not equals or not group.strip() or not name:
            raise Invalid("--groups takes a name and a file.", remedy='For example --groups "Female Only=female.zip".')
        named.append(("group", group, name))
    if not named:
        raise Invalid("No file was given.", remedy="Give the ZIP, or the CSV files, that EHQ made.")
    return named


def _manifest(options: Options) -> Manifest:
    document: Any = {}
    if options.manifest:
        with _opened(Path(options.manifest)) as file:
            try:
                document = orjson.loads(file.read())
            except orjson.JSONDecodeError:
                raise Invalid("The manifest is not JSON.") from None
    if options.people is not None and isinstance(document, dict):
        document["people"] = options.people
    return read_manifest(document)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise Invalid(f"{path} cannot be read ({error.strerror}).") from None
