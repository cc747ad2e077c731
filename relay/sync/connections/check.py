"""Asks everything the relay needs whether it answers, and says what to do where it does not."""

from collections.abc import Callable
from typing import Any

from relay.errors import RelayError
from relay.store import connections, migrate
from relay.store.connections import Connection
from relay.sync.exports.exports import last_read
from relay.sync.parts import Parts


def check(parts: Parts) -> list[dict[str, Any]]:
    """[{"check", "ok", "message"}], each one asked even when another failed."""
    results = [
        _ask("database", lambda: _migrations(parts)),
        _ask("queue", lambda: _queue(parts)),
    ]
    if not results[0]["ok"]:
        return results
    with parts.database.read() as tx:
        everyone = connections.everyone(tx)
    for connection in everyone:
        results.append(_ask(f"{connection.id}: EHQ", lambda c=connection: _ehq(parts, c)))  # type: ignore[misc]
        results.append(_ask(f"{connection.id}: Campaign Monitor", lambda c=connection: _cm(parts, c)))  # type: ignore[misc]
    return results


def _ask(name: str, question: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"check": name, "ok": True, "message": question()}
    except RelayError as error:
        return {"check": name, "ok": False, "message": str(error)}


def _migrations(parts: Parts) -> str:
    if migrate.current(parts.database):
        return "The database answers, and its schema is current."
    raise RelayError("The database's schema is not this version's.", remedy="Run `relay migrate`.")


def _queue(parts: Parts) -> str:
    lengths = parts.queue.lengths()
    if lengths is None:
        raise RelayError("The queue does not answer.", remedy="Is REDIS_URL right, and the server up?")
    return f"The queue answers; {lengths['live']} live and {lengths['bulk']} bulk rings wait."


def _ehq(parts: Parts, connection: Connection) -> str:
    return last_read(connection) if connection.reads == "export" else parts.ehq(connection).check()


def _cm(parts: Parts, connection: Connection) -> str:
    details = parts.campaign_monitor(connection).list_details(connection.cm_list_id or "")
    return f"Campaign Monitor answers for the list {details.title!r}."
