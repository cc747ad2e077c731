"""What the command line changes is in the audit log, too: as done by the command line, under the system's user name."""

import argparse
import getpass
from typing import Any

from relay.cli import commands, decisions, exporting, problems
from relay.store import audit, connections
from relay.store.connections import Connection
from relay.sync.parts import Parts

WHAT = {
    commands.add: "added a connection",
    commands.configure: "changed the settings",
    commands.pause: "paused the connection",
    commands.reconcile: "started a run",
    commands.reconnect: "gave new credentials",
    commands.remove: "removed the connection",
    commands.replay: "replayed deliveries",
    commands.resume: "resumed the connection",
    commands.rotate_keys: "encrypted everything anew",
    commands.rotate_secret: "made a webhook secret",
    commands.stop: "stopped a run",
    decisions.undo: "put back whom a run removed",
    exporting.import_csv: "uploaded an export",
    problems.acknowledge: "acknowledged a problem",
    problems.retry: "tried a problem's people again",
}
DECISIONS = {"approve": "let people go whom the brake held", "reject": "kept people whom the brake held"}


def acted(parts: Parts, options: argparse.Namespace) -> tuple[Any, int]:
    """Does what was asked, and notes it if it changed something. What is about people or users notes itself."""
    what = WHAT.get(options.act)
    if options.act is decisions.brake:
        what = next((said for name, said in DECISIONS.items() if getattr(options, name)), None)
    if what is None or getattr(options, "dry_run", False):
        answer: tuple[Any, int] = options.act(parts, options)
        return answer
    chosen = getattr(options, "connection", None)
    before = _shown(_find(parts, chosen))
    answer = options.act(parts, options)
    connection_id = chosen or (answer[0].get("connection") if isinstance(answer[0], dict) else None)
    after = _shown(_find(parts, connection_id))
    with parts.database.write() as tx:
        audit.add(tx, None, what, connection_id=connection_id, before=before, after=after, system_user=_me())
    return answer


def _find(parts: Parts, connection_id: str | None) -> Connection | None:
    if not connection_id or not connection_id.isprintable():
        return None
    with parts.database.read() as tx:
        return connections.find(tx, connection_id)


def _shown(connection: Connection | None) -> dict[str, Any]:
    """What may be changed and is no secret."""
    if connection is None:
        return {}
    names = ("name", "ehq_url", "cm_list_name", "state")
    return {**{name: getattr(connection, name) for name in names}, **connection.rules.model_dump(mode="json")}


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without an account, as in some containers
        return "unknown"
