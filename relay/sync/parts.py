"""What the work needs: one of each a process, made in wiring.py and handed in."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import requests

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.oauth import TokenStore
from relay.ehq.client import Ehq
from relay.errors import NeedsPerson
from relay.queue import Queue
from relay.settings import Settings
from relay.store import connections
from relay.store.connections import Connection
from relay.store.database import Database
from relay.store.meters import Meters
from relay.store.secrets import Vault


class ToCampaignMonitor(Protocol):
    def __call__(self, connection: Connection, given: TokenStore | None = None) -> CampaignMonitor:
        """A client with the connection's own credential, or with one that is only tried."""


@dataclass(frozen=True)
class Parts:
    """`campaign_monitor` and `ehq` make a connection's client; `stopping` is set when the process is told to end."""

    settings: Settings
    database: Database
    vault: Vault
    queue: Queue
    campaign_monitor: ToCampaignMonitor
    ehq: Callable[[Connection], Ehq]
    session: requests.Session
    meters: Meters
    stopping: threading.Event = field(default_factory=threading.Event)

    def connection(self, connection_id: str) -> Connection:
        """:raise NeedsPerson: when there is none of that name."""
        with self.database.read() as tx:
            found = connections.find(tx, connection_id)
        if found is None:
            raise NeedsPerson(
                f"There is no connection {connection_id!r}.",
                remedy="It may have been removed: look which there are.",
                code="unknown",
            )
        return found
