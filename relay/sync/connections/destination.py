"""The half of a set-up that is about Campaign Monitor: its key, the client, and the list."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from relay.campaign_monitor.shapes import Client, ListDetails, ListName
from relay.domain.rules import Rules
from relay.domain.schedule import zone_in
from relay.errors import Invalid, RelayError, RetryLater
from relay.store import connections, runs
from relay.store.connections import Connection
from relay.store.leases import claim
from relay.sync.connections import credentials
from relay.sync.connections.lists import adoptable, free_title, the_client
from relay.sync.parts import Parts

READING_ENDS_S = 8.0


def forgetting(parts: Parts, connection: Connection, values: Mapping[str, Any], *, forget: bool) -> None:
    """Changes a draft. `forget`: what was read says nothing of the system chosen now; whoever reads just now ends."""
    if not forget:
        with parts.database.write() as tx:
            connections.change(tx, connection.id, **values)
        return
    with parts.database.write() as tx:
        for run in runs.under_way(tx, connection.id):
            runs.finish(tx, run.id, "stopped")
    ends = time.monotonic() + READING_ENDS_S
    while True:
        with claim(parts.database, f"run:{connection.id}") as lease:
            if lease is not None:
                with parts.database.write() as tx:
                    connections.change(tx, connection.id, **values)
                    runs.forget_people(tx, connection.id)
                return
        if time.monotonic() > ends:
            raise RetryLater("EHQ is being read just now.", remedy="Try again in a moment.", code="busy")
        time.sleep(0.2)


def give_key(parts: Parts, connection: Connection, api_key: str) -> None:
    """:raise RelayError: when it does not work; then nothing was changed."""
    if not api_key.strip():
        raise Invalid("There is no key here.", remedy="Paste the API key.", code="100")
    locked = parts.vault.lock({"api_key": api_key.strip()})
    cm = parts.campaign_monitor(replace(connection, cm_credential=locked))
    cm.clients()
    new = {"cm_credential": locked, "cm_token_expires_at": None, "cm_account": credentials.account(cm)}
    with parts.database.write() as tx:
        connections.change(tx, connection.id, **new)
    settle_client(parts, parts.connection(connection.id))


def clients(parts: Parts, connection: Connection) -> list[Client]:
    return parts.campaign_monitor(connection).clients()


def settle_client(parts: Parts, connection: Connection) -> None:
    """After a credential was given: the only client is chosen, and one that this log-in cannot see is given up."""
    there = clients(parts, connection)
    ids = [client.id for client in there]
    if connection.cm_client_id not in ids:
        _take_client(parts, connection, ids[0] if len(ids) == 1 else None)


def choose_client(parts: Parts, connection: Connection, client_id: str) -> None:
    chosen = the_client(clients(parts, connection), client_id)
    if chosen.id != connection.cm_client_id:
        _take_client(parts, connection, chosen.id)


def _take_client(parts: Parts, connection: Connection, client_id: str | None) -> None:
    values: dict[str, Any] = {"cm_client_id": client_id, "cm_list_id": None, "cm_list_name": None}
    if client_id and connection.rules.time_zone == Rules().time_zone:
        zone = _zone(parts, connection, client_id)
        values["rules"] = {**connection.rules.model_dump(mode="json"), "time_zone": zone}
    forgetting(parts, connection, values, forget=connection.cm_list_id is not None)


def _zone(parts: Parts, connection: Connection, client_id: str) -> str:
    """Where the client's clocks are, as a first guess for the connection's."""
    try:
        return zone_in(parts.campaign_monitor(connection).client_time_zone(client_id)) or "UTC"
    except RelayError:  # a client's own key may not ask
        return "UTC"


def lists(parts: Parts, connection: Connection) -> list[ListName]:
    return sorted(
        parts.campaign_monitor(connection).lists(connection.cm_client_id or ""), key=lambda item: item.name.casefold()
    )


def new_list(parts: Parts, connection: Connection, name: str) -> None:
    """Remembers the name of a list to be made when the connection is switched on; it must be free."""
    _set_list(parts, connection, None, free_title(lists(parts, connection), name))


def adopt_list(parts: Parts, connection: Connection, list_id: str) -> None:
    chosen = adoptable(parts, connection, lists(parts, connection), list_id)
    _set_list(parts, connection, chosen.id, chosen.name)


def look_at_list(parts: Parts, connection: Connection, list_id: str) -> tuple[ListDetails, int]:
    """A list that may be adopted, and how many active people are on it."""
    adoptable(parts, connection, lists(parts, connection), list_id)
    cm = parts.campaign_monitor(connection)
    return cm.list_details(list_id), cm.stats(list_id).get("TotalActiveSubscribers", 0)


def _set_list(parts: Parts, connection: Connection, list_id: str | None, name: str) -> None:
    values = {"cm_list_id": list_id, "cm_list_name": name}
    forgetting(parts, connection, values, forget=list_id != connection.cm_list_id)
