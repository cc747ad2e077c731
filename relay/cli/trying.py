"""`relay connection try`: a document on something that was captured, before it is put to work."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from relay.cli.commands import Answer, Options
from relay.errors import Invalid
from relay.store import audit
from relay.sync.connections import trial
from relay.sync.parts import Parts


def parsers(command: Any, actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    one = command(actions, "try", attempt, "What would these rules make of a captured delivery? Nothing is changed.")
    one.add_argument("connection", metavar="C")
    what = one.add_mutually_exclusive_group(required=True)
    what.add_argument("--delivery", metavar="ID", help="one that was stored")
    what.add_argument("--body", metavar="FILE", help="JSON of an event, a person or a page (also --json FILE)")
    what.add_argument("--signature", metavar="FILE", help="a whole request: headers, an empty line, the body")
    one.add_argument("--document", metavar="FILE", help="rules, or overrides alone (default: those there are)")


def spelled(given: Sequence[str]) -> list[str]:
    """Here, and nowhere else, `--json` may be followed by a file; without one it asks for an answer in JSON."""
    words = list(given)
    if words[:2] == ["connection", "try"] and not {"--delivery", "--signature", "--body"} & set(words):
        for place, word in enumerate(words[:-1]):
            if word == "--json" and (words[place + 1] == "-" or not words[place + 1].startswith("-")):
                words[place] = "--body"
                break
    return words


def attempt(parts: Parts, options: Options) -> Answer:
    connection = parts.connection(options.connection)
    document = None
    if options.document:
        try:
            document = orjson.loads(_text(options.document))
        except orjson.JSONDecodeError as error:
            raise Invalid(f"{options.document} is not JSON: {error}.") from None
    if options.signature:
        answer = trial.signature(parts, connection, _text(options.signature).decode("utf-8", "replace"), document)
        return answer, 0 if answer["genuine"] else 1
    if options.delivery:
        answer = trial.delivery(parts, connection, options.delivery, document)
        with parts.database.write() as tx:
            what, key = "revealed what a delivery says", options.delivery[:100]
            audit.add(tx, None, what, connection_id=connection.id, delivery=key)
    else:
        answer = trial.body(parts, connection, _text(options.body), document)
    return answer, 1 if any(one["problem"] for one in answer["results"]) else 0


def _text(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise Invalid(f"{name} cannot be read ({error.strerror}).") from None
