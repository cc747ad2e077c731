"""The one requests session of a process: kept alive, without cookies, silent, and able to end its calls at once."""

import logging
import socket
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from relay.campaign_monitor.errors import error


def new_session(pool: int = 10) -> requests.Session:
    """A session for all connections of this process; `pool` connections are kept open to each host."""
    session = requests.Session()
    # A cookie set for one account must not travel with the calls of another.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = Abortable(pool)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    # urllib3 logs addresses, and ours hold people's e-mail; all it has to say reaches us as exceptions.
    logging.getLogger("urllib3").setLevel(logging.CRITICAL + 1)
    return session


def send(
    session: requests.Session, method: str, url: str, timeouts: tuple[float, float], **rest: Any
) -> requests.Response:
    """The answer, whatever its status, with its body read; RetryLater when there is none. Redirects are answers."""
    try:
        # The callable does nothing, but keeps requests from writing a .netrc over our Authorization.
        return session.request(
            method, url, timeout=timeouts, allow_redirects=False, auth=lambda prepared: prepared, **rest
        )
    except requests.Timeout:
        problem = "timeout"
    except requests.RequestException:
        problem = "network"
    raise error(problem)


def abort(session: requests.Session) -> None:
    """End every call under way in `session`, in any thread and from a signal handler, and refuse new ones.

    A session not made by `new_session` can only be closed: its calls under way run until their timeouts."""
    for adapter in session.adapters.values():
        if isinstance(adapter, Abortable):
            adapter.abort()
        else:  # not for ours: closing takes a lock that the thread interrupted by a signal may hold
            adapter.close()


class Abortable(HTTPAdapter):
    """requests and urllib3 know no way to end a call from outside: close() reaches only idle connections. So we keep
    account of the open ones and shut their sockets down, which wakes whoever waits on them."""

    def __init__(self, pool: int) -> None:
        self.aborted = False
        self.open: set[HTTPConnection] = set()  # no lock: a signal handler may interrupt who holds it
        self.pools = _pools(self)
        super().__init__(pool_maxsize=pool)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self.pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self.pools
        return manager

    def opened(self, connection: HTTPConnection) -> None:
        self.open.add(connection)
        if self.aborted:
            shut(connection)

    def abort(self) -> None:
        self.aborted = True
        for connection in tuple(self.open):
            shut(connection)

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        if self.aborted:
            raise requests.ConnectionError("the process is stopping")
        return super().send(*args, **kwargs)


def _pools(adapter: Abortable) -> dict[str, type[HTTPConnectionPool]]:
    """urllib3's pools by scheme, of connections that tell `adapter` when they open and close."""

    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            adapter.opened(self)

        def close(self) -> None:
            adapter.open.discard(self)
            super().close()

    class Secure(Plain, HTTPSConnection):
        pass

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def shut(connection: HTTPConnection) -> None:
    """End `connection` below TLS: an SSLSocket's own shutdown is not made to be called from another thread."""
    try:
        socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
    except (OSError, TypeError):  # closed meanwhile, or TLS within a proxy's TLS, which is no socket
        pass
