"""`relay fields` and `relay groups`: what EHQ asks and whom it groups, and what became of it in Campaign Monitor."""

import argparse
from typing import Any

from relay.sync.parts import Parts
from relay.sync.structure import form, groups


def fields(parts: Parts, options: argparse.Namespace) -> tuple[Any, int]:
    return form.report(parts, options.connection), 0


def list_groups(parts: Parts, options: argparse.Namespace) -> tuple[Any, int]:
    connection = parts.connection(options.connection)
    if options.forget:
        return {"connection": connection.id, "forgotten": groups.forget(parts, connection, options.forget)}, 0
    return groups.report(parts, connection.id), 0


def parsers(command: Any, sub: Any) -> None:
    text = "Each question and its field: names, kinds, what is cut or skipped."
    command(sub, "fields", fields, text).add_argument("connection", metavar="C")
    of_groups = command(sub, "groups", list_groups, "Each group and its segment.")
    of_groups.add_argument("connection", metavar="C")
    of_groups.add_argument("--forget", metavar="ID", nargs="+", help="these are gone from EHQ: delete their segments")
