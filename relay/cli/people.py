"""One person: why they are on the list or not, sync now, what we hold about them, and forgetting them."""

import argparse
import sys
import time
from typing import Any

from relay.store import audit, participants
from relay.store.connections import Connection
from relay.sync.parts import Parts
from relay.sync.people import asked, explain
from relay.sync.people import erase as erasing

Answer = tuple[Any, int]
Options = argparse.Namespace
LOOK_S, PATIENCE_S = 0.5, 60.0


def person(parts: Parts, options: Options) -> Answer:
    connection = parts.connection(options.connection)
    found = explain.people(parts, connection, options.who)
    if not found:
        raise erasing.nobody()
    code = 0
    if options.sync:
        asked.sync_now(parts, connection, [one["id"] for one in found])
        code = 1 if _wait(parts, connection, [one["id"] for one in found]) else 0
        found = explain.people(parts, connection, options.who)
    _noted(parts, connection, [one["id"] for one in found], "looked at a person's data")
    return (found[0] if len(found) == 1 else found), code


def export(parts: Parts, options: Options) -> Answer:
    connection = parts.connection(options.connection)
    found = erasing.export(parts, connection, options.who)
    _noted(parts, connection, [one["id"] for one in found["people"]], "exported a person's data")
    return found, 0


def erase(parts: Parts, options: Options) -> Answer:
    connection = parts.connection(options.connection)
    with parts.database.read() as tx:
        people = erasing.meant(participants.one(tx, connection.id, options.who), options.who)
    if not people:
        raise erasing.nobody()
    if options.undo:
        for one in people:
            erasing.let_in(parts, connection, one)
        return {"let_in": [one.known.ehq_id for one in people if one.known.erased]}, 0
    ids = [one.id for one in people]
    _noted(parts, connection, [one.id for one in erasing.ask_to_erase(parts, connection, people)], "erased a person")
    left = _wait(parts, connection, ids)
    return {"people": erasing.report(parts, connection, ids), "still_to_do": left}, 1 if left else 0


def _noted(parts: Parts, connection: Connection, ids: list[int], what: str) -> None:
    with parts.database.write() as tx:
        for our_id in ids:
            audit.add(tx, None, what, connection_id=connection.id, participant_id=our_id)


def _wait(parts: Parts, connection: Connection, ids: list[int]) -> int:
    """Until a worker has done it; how many it has not done after a minute."""
    give_up, left = time.monotonic() + PATIENCE_S, len(ids)
    while True:
        with parts.database.read() as tx:
            left = sum(1 for one in participants.by_our_ids(tx, connection.id, ids) if one.asked)
        if not left:
            return 0
        if time.monotonic() > give_up:
            print(
                "relay: No worker has done it yet; it stays on record and is done as soon as one can. "
                "Is `python worker.py` running? Does the connection have a problem (`relay status`)?",
                file=sys.stderr,
            )
            return left
        time.sleep(LOOK_S)


def parsers(command: Any, sub: Any) -> None:
    made = command(sub, "person", person, "Why is this person on the list, or not?")
    made.add_argument("--sync", action="store_true", help="read, compare and write this person now")
    out = command(sub, "export", export, "Everything that is held here about a person, as one document.")
    gone = command(sub, "erase", erase, "Forget a person here and clear them in Campaign Monitor.")
    gone.add_argument("--undo", action="store_true", help="let what EHQ says of an erased account count again")
    for one in (made, out, gone):
        one.add_argument("connection", metavar="C")
        one.add_argument("who", metavar="EMAIL|ID")
