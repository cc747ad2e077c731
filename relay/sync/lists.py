"""Which list of Campaign Monitor a connection keeps: created under a free name, or adopted."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from relay.errors import NeedsPerson, Refused
from relay.store import connections
from relay.store.connections import Connection
from relay.sync.parts import Parts


@dataclass(frozen=True, slots=True)
class Wish:
    """What `relay connection add` was asked for."""

    name: str
    ehq_url: str
    ehq_credential: Mapping[str, str]
    cm_api_key: str | None = None
    cm_client_id: str | None = None
    list_name: str | None = None
    list_id: str | None = None


def choose_list(parts: Parts, draft: Connection, wish: Wish) -> Connection:
    """`draft` with its client, and its list created or adopted."""
    cm = parts.campaign_monitor(draft)
    clients = cm.clients()
    chosen = [c for c in clients if c.id == draft.cm_client_id] if draft.cm_client_id else clients
    if len(chosen) != 1:
        names = "; ".join(f"{c.name} ({c.id})" for c in clients) or "none"
        wrong = "is not one of this account's clients" if draft.cm_client_id else "must be chosen: there are several"
        raise NeedsPerson(
            f"The Campaign Monitor client {wrong}. There are: {names}.",
            remedy="Give its id with --cm-client-id.",
            code="client",
        )
    client = chosen[0].id
    lists = {item.id: item.name for item in cm.lists(client)}
    if wish.list_id:
        if wish.list_id not in lists:
            raise NeedsPerson(
                f"There is no list {wish.list_id!r} under this client.",
                remedy="Look its id up in Campaign Monitor.",
                code="101",
            )
        list_id, title = wish.list_id, lists[wish.list_id]
        taken = next((c for c in _all(parts) if c.cm_list_id == list_id), None)
        if taken is not None:
            raise NeedsPerson(
                f"The list {title!r} is kept by the connection {taken.id!r} already.",
                remedy="Two connections would undo each other's work: choose another list.",
                code="list-taken",
            )
    else:
        title = " ".join((wish.list_name or wish.name).split())
        same = next((i for i, name in lists.items() if name.casefold() == title.casefold()), None)
        if same is not None:
            raise NeedsPerson(
                f"A list named {title!r} exists already ({same}).",
                remedy=f"Choose another --list-name, or keep that list in step with --list-id {same}: "
                "people whom the relay did not put there are left alone.",
                code="250",
            )
        try:
            list_id = cm.create_list(client, title)
        except Refused as error:
            raise NeedsPerson(
                f"Campaign Monitor did not create the list: {error.message}", remedy=error.remedy
            ) from None
    return replace(draft, cm_client_id=client, cm_list_id=list_id, cm_list_name=title, state="on")


def _all(parts: Parts) -> list[Connection]:
    with parts.database.read() as tx:
        return connections.everyone(tx)
