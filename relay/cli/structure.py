"""`relay fields` and `relay groups`: what EHQ asks and whom it groups, and what became of it in Campaign Monitor."""

import argparse
from typing import Any

from relay.sync import form
from relay.sync.parts import Parts


def fields(parts: Parts, options: argparse.Namespace) -> tuple[Any, int]:
    return form.report(parts, options.connection), 0


def parsers(command: Any, sub: Any) -> None:
    text = "Each question and its field: names, kinds, what is cut or skipped."
    command(sub, "fields", fields, text).add_argument("connection", metavar="C")
