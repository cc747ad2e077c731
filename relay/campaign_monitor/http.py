"""One call to Campaign Monitor: credential, timeouts, JSON both ways, and every way to fail as an error of ours.

No exception from here holds an address, a body or a URL, nor has one of requests' or orjson's as its context, for
theirs do. That is why failures are raised outside the `except` that noticed them.
"""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import orjson
import requests

from relay import __version__
from relay.campaign_monitor.errors import code_of, error, failure
from relay.campaign_monitor.session import abort, send
from relay.campaign_monitor.wire import decode
from relay.errors import RelayError

T = TypeVar("T")

Observe = Callable[[str, float, str], None]
"""(kind of call, seconds, outcome) of every request: the outcome is "ok" or the code of the failure."""

HEADERS = {
    "Accept": "application/json",
    "Content-Type": "application/json; charset=utf-8",
    "User-Agent": f"ehq-campaign-monitor-relay/{__version__}",
}


class Credential(Protocol):
    def header(self) -> str:
        """The value of Authorization."""

    def renew(self, used: str, code: str) -> bool:
        """After `code` for the header `used`: whether there is a newer one now, worth one more try."""


class Caller:
    """What all calls of one connection share. Made per connection; `session` is the process's own (`new_session`)."""

    def __init__(
        self,
        session: requests.Session,
        base_url: str,
        credential: Credential,
        *,
        timeouts: tuple[float, float] = (10, 120),
        observe: Observe | None = None,
    ) -> None:
        """`timeouts`: seconds to connect and to wait for each part of an answer. An import answers only when it is
        done, and 10 s were too few (createsend-php#27)."""
        self.session = session
        self.base_url = base_url.rstrip("/")
        self.credential = credential
        self.timeouts = timeouts
        self.observe = observe

    def abort(self) -> None:
        """End all calls of this process's session at once, with RetryLater; for SIGTERM."""
        abort(self.session)

    def call(
        self,
        kind: str,
        method: str,
        path: tuple[str, ...],
        read: Callable[[Any], T],
        *,
        params: Mapping[str, str | int] | None = None,
        body: Any = None,
        expected: Collection[int] = (),
    ) -> T:
        """`read` of the answer. `path` in parts, each quoted here. `expected`: Codes that are answers too."""
        url = "/".join([self.base_url, *(quote(part, safe="") for part in path)]) + ".json"
        data = None if body is None else orjson.dumps(body)

        def once(header: str) -> T:
            return self._observed(kind, lambda: self._send(method, url, params, data, expected, read, header))

        header = self.credential.header()
        try:
            return once(header)
        except RelayError as refused:
            # 120 and 122 as well: nobody knows what becomes of a token that another process has just renewed.
            if refused.code not in ("120", "121", "122") or not self.credential.renew(header, refused.code):
                raise
        return once(self.credential.header())

    def _observed(self, kind: str, attempt: Callable[[], T]) -> T:
        started, outcome = time.monotonic(), "bug"
        try:
            answer = attempt()
            outcome = "ok"
            return answer
        except RelayError as failed:
            outcome = failed.code
            raise
        finally:
            if self.observe:
                self.observe(kind, time.monotonic() - started, outcome)

    def _send(
        self,
        method: str,
        url: str,
        params: Mapping[str, str | int] | None,
        data: bytes | None,
        expected: Collection[int],
        read: Callable[[Any], T],
        header: str,
    ) -> T:
        headers = HEADERS | {"Authorization": header}
        response = send(self.session, method, url, self.timeouts, params=params, data=data, headers=headers)
        try:
            answer = decode(response.content)
        except ValueError:
            answer = ...  # no JSON value, so no reader takes it for one
        number = code_of(answer)
        if number not in expected and (number is not None or not 200 <= response.status_code < 300):
            raise failure(response.status_code, response.content, response.headers)
        try:
            return read(answer)
        except (KeyError, TypeError, ValueError, AttributeError):
            pass
        raise error("unreadable")


def text(answer: Any) -> str:
    """A bare JSON string: how Campaign Monitor answers with an id or a key (createsend-ruby#29)."""
    if isinstance(answer, str) and answer:
        return answer
    raise ValueError("no text")


def nothing(answer: Any) -> None:
    """An answer of no interest, usually empty; but a page of HTML is none, whoever sent it with a 200."""
    if answer is ...:
        raise ValueError("no answer")
