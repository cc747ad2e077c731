"""The one place that knows every concrete part: settings in, parts out."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.tracebacks import ExceptionDictTransformer

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.errors import failed
from relay.campaign_monitor.oauth import ApiKey, OAuth, Tokens, TokenStore
from relay.campaign_monitor.session import new_session
from relay.domain.schedule import day
from relay.ehq.client import Ehq, Key, Login
from relay.ehq.dialect import dialect
from relay.errors import NeedsPerson
from relay.queue import Queue
from relay.settings import Settings, read_settings
from relay.store import connections, days
from relay.store.connections import Connection
from relay.store.database import Database
from relay.store.leases import claim
from relay.store.meters import Meters
from relay.store.secrets import Vault
from relay.sync.parts import Parts


def wire(settings: Settings | None = None) -> Parts:
    """All parts for one process. Opens no connection by itself. :raise Invalid: when settings cannot be used."""
    settings = settings or read_settings()
    logs(settings)
    database = Database(settings.database_url)
    vault = Vault(settings.relay_encryption_keys)
    session = new_session()
    meters = Meters(database)

    def observed(connection: Connection) -> Callable[[str, float, str], None]:
        def called(kind: str, seconds: float, outcome: str) -> None:
            meters.called(kind, seconds, outcome)
            today = day(connection.rules, time.time())
            meters.on_day(connection.id, today, days.FAILED_CALLS if failed(outcome) else days.CALLS)

        return called

    def campaign_monitor(connection: Connection, given: TokenStore | None = None) -> CampaignMonitor:
        if given is not None:
            tried = OAuth(given, settings.campaign_monitor_oauth_url)
            return CampaignMonitor(session, settings.campaign_monitor_api_url, tried, observe=observed(connection))
        if connection.cm_credential is None:
            raise NeedsPerson(
                "Campaign Monitor is not connected yet.",
                remedy="Connect it by a log-in or an API key, from the connection's settings.",
                code="not-connected",
            )
        stored = vault.unlock(connection.cm_credential)
        credential = (
            ApiKey(stored["api_key"])
            if "api_key" in stored
            else OAuth(StoredTokens(database, vault, connection.id), settings.campaign_monitor_oauth_url)
        )
        return CampaignMonitor(session, settings.campaign_monitor_api_url, credential, observe=observed(connection))

    def ehq(connection: Connection) -> Ehq:
        if connection.reads == "export":
            raise NeedsPerson(
                "This connection reads exports by hand, and has no access to EHQ's API.",
                remedy="Upload one on the connection's page Import.",
                code="export",
            )
        stored = vault.unlock(connection.ehq_credential)
        credential = Key(stored["token"]) if "token" in stored else Login(stored["login"], stored["password"])
        return Ehq(session, connection.ehq_url, credential, dialect(connection.rules.overrides or None))

    return Parts(settings, database, vault, Queue(settings.redis_url), campaign_monitor, ehq, session, meters)


class StoredTokens:
    """A connection's OAuth tokens in the database, both or none, renewed by one process at a time."""

    def __init__(self, database: Database, vault: Vault, connection_id: str) -> None:
        self.database, self.vault, self.connection_id = database, vault, connection_id

    def load(self) -> Tokens:
        with self.database.read() as tx:
            connection = connections.find(tx, self.connection_id)
        if connection is None or connection.cm_credential is None:
            raise NeedsPerson("This connection was removed.", code="not-connected")
        return Tokens(**self.vault.unlock(connection.cm_credential))

    def save(self, tokens: Tokens) -> None:
        locked = self.vault.lock(
            {
                "access_token": tokens.access_token,
                "refresh_token": tokens.refresh_token,
                "expires_at": tokens.expires_at,
            }
        )
        with self.database.write() as tx:
            connections.change(tx, self.connection_id, cm_credential=locked, cm_token_expires_at=tokens.expires_at)

    @contextmanager
    def refreshing(self) -> Iterator[bool]:
        with claim(self.database, f"tokens:{self.connection_id}") as lease:
            yield lease is not None


def logs(settings: Settings) -> None:
    """One line an event on standard error. Values that could name a person have no place in any log call."""
    json = settings.log_format == "json"
    plain = ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain_traceback)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # A traceback means a bug of ours; without local variables, which may be people's.
            *([structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))] if json else []),
            structlog.processors.JSONRenderer() if json else plain,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.log_level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
