"""Whether it was we who removed whoever was at an address before: else *Deleted* is Campaign Monitor's own word."""

from collections.abc import Mapping
from datetime import UTC, datetime

from relay.store import asked, removals
from relay.store.connections import Connection
from relay.store.database import Tx
from relay.store.secrets import Vault

ZONES_S = 15 * 3600.0
"""CM gives times in the client's zone, which may be 14 hours from ours; and our two clocks may differ."""


def before(tx: Tx, vault: Vault, connection: Connection, since: Mapping[str, str]) -> set[str]:
    """Those of these addresses from which we removed somebody: who was erased since, or has another address, or of a
    connection that is no more. `since`: address → since when CM says *Deleted*, as `Subscriber.date` has it.

    A connection that is no more did not see who was removed from its list after it: a later removal is not ours.
    """
    marks = {mark: address for address in since for mark in vault.marks(address)}
    ours = {marks[mark] for mark in asked.marked(tx, connection.id, marks)}
    for mark, at in removals.of(tx, connection.cm_list_id, marks).items():
        if (deleted_at := _moment(since[marks[mark]])) is not None and deleted_at <= at + ZONES_S:
            ours.add(marks[mark])
    return ours


def _moment(date: str) -> float | None:
    try:
        return datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
