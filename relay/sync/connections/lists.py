"""Which list of Campaign Monitor a connection keeps: created under a free name, or adopted."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from relay.campaign_monitor.shapes import Client, ListName
from relay.domain.mapping import BASE_FIELDS
from relay.domain.rules import Rules
from relay.errors import Invalid, NeedsPerson, Refused
from relay.store import connections
from relay.store.connections import Connection
from relay.sync.parts import Parts

CHOSEN = ("cm_client_id", "cm_list_id", "cm_list_name", "list_unread", "next_run_at", "state")
EHQ_ID = BASE_FIELDS["ehq_id"][0]
LONGEST_TITLE = 100
"""Characters of a new list's name: more is no name that anyone could pick out in Campaign Monitor."""


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
    reads: str = "api"
    rules: Rules = field(default_factory=Rules)


def choose_list(parts: Parts, draft: Connection, wish: Wish) -> Connection:
    """`draft` with its client, and its list created or adopted. One to which an earlier connection wrote, as its fields
    show, is read by a run at once."""
    cm = parts.campaign_monitor(draft)
    client = the_client(cm.clients(), draft.cm_client_id).id
    lists = cm.lists(client)
    if wish.list_id:
        adopted = adoptable(parts, draft, lists, wish.list_id)
        list_id, title = adopted.id, adopted.name
        written = any(field.name == EHQ_ID for field in cm.fields(list_id))
        draft = replace(draft, list_unread=written, next_run_at=time.time() if written else draft.next_run_at)
    else:
        title = free_title(lists, wish.list_name or wish.name)
        try:
            list_id = cm.create_list(client, title)
        except Refused as error:
            raise NeedsPerson(
                f"Campaign Monitor did not create the list: {error.message}", remedy=error.remedy, code=error.code
            ) from None
    return replace(draft, cm_client_id=client, cm_list_id=list_id, cm_list_name=title, state="on")


def taken(ready: Connection) -> dict[str, Any]:
    """What `choose_list` found out about a connection, as it is stored."""
    return {name: getattr(ready, name) for name in CHOSEN}


def the_client(clients: Sequence[Client], wanted: str | None) -> Client:
    """The one that is wanted, or the only one. :raise NeedsPerson: "client", naming those there are."""
    chosen = [client for client in clients if client.id == wanted] if wanted else clients
    if len(chosen) != 1:
        names = "; ".join(f"{c.name} ({c.id})" for c in clients) or "none"
        wrong = "is not one of this account's clients" if wanted else "must be chosen: there are several"
        raise NeedsPerson(
            f"The Campaign Monitor client {wrong}. There are: {names}.",
            remedy="Choose one of them.",
            code="client",
        )
    return chosen[0]


def adoptable(parts: Parts, draft: Connection, lists: Sequence[ListName], list_id: str) -> ListName:
    """:raise NeedsPerson: "101" when the client has no such list, "list-taken" when another connection keeps it."""
    found = next((item for item in lists if item.id == list_id), None)
    if found is None:
        raise NeedsPerson(
            f"There is no list {list_id!r} under this client.",
            remedy="It may have been deleted in Campaign Monitor: choose another.",
            code="101",
        )
    with parts.database.read() as tx:
        keepers = [c for c in connections.everyone(tx) if c.cm_list_id == list_id and c.id != draft.id]
    if keepers:
        raise NeedsPerson(
            f"The list {found.name!r} is kept by the connection {keepers[0].id!r} already.",
            remedy="Two connections would undo each other's work: choose another list.",
            code="list-taken",
        )
    return found


def free_title(lists: Sequence[ListName], title: str) -> str:
    """`title` as it will be written. :raise Invalid: when it is none · NeedsPerson: "250" when it is taken."""
    title = " ".join(title.split())
    if not title or not title.isprintable():
        raise Invalid("A list needs a name, of characters that can be seen.", remedy="Type one.", code="251")
    if len(title) > LONGEST_TITLE:
        raise Invalid(
            f"This name has {len(title):,} characters; {LONGEST_TITLE} are enough for a list's name.",
            remedy="Choose a shorter one.",
            code="list-name",
        )
    same = next((item.id for item in lists if item.name.casefold() == title.casefold()), None)
    if same is not None:
        raise NeedsPerson(
            f"A list named {title!r} exists already ({same}).",
            remedy="Choose another name, or keep the existing list in step instead: people whom the relay did not put "
            "there are left alone.",
            code="250",
        )
    return title
