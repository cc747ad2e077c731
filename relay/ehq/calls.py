"""Calls to one EHQ site: credentials, and what each way of failing means (EHQ contract §1)."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests

from relay.ehq import wire
from relay.ehq.dialect import Dialect
from relay.errors import Incomplete, Invalid, NeedsPerson, RelayError, RetryLater

LARGEST_ANSWER = 50 * 1024 * 1024
LONGEST_WAIT_S = 3600.0
PIECE = 64 * 1024
TIMEOUTS = (10.0, 60.0)


@dataclass(frozen=True, slots=True)
class Login:
    login: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Key:
    token: str = field(repr=False)


class Caller:
    """One site. `base_url` is the address of the site, with or without the path of the API."""

    def __init__(
        self,
        session: requests.Session,
        base_url: str,
        credential: Login | Key,
        spoken: Dialect,
        *,
        timeouts: tuple[float, float] = TIMEOUTS,
    ) -> None:
        """:raise Invalid: when `base_url` is not an address of a site."""
        self.session, self.credential, self.spoken, self.timeouts = session, credential, spoken, timeouts
        api = spoken.paths["api"].rstrip("/")
        self.api = site_address(base_url).removesuffix(api) + api
        self.host = urlsplit(self.api).netloc
        self._token: str | None = None

    def get(self, url: str, params: Mapping[str, str] | None) -> Any:
        status, headers, body = self._send("GET", url, params=params, headers=self._authorised())
        if status in (401, 403, 404) and isinstance(self.credential, Login):
            self._token = None  # perhaps it only ran out; a missing login may also answer 404 (EHQ contract §1.1)
            status, headers, body = self._send("GET", url, params=params, headers=self._authorised())
        return self._read(status, headers, body)

    def _authorised(self) -> dict[str, str]:
        if isinstance(self.credential, Key):
            key = self.credential.token.strip()
            if not _sendable(key):
                raise NeedsPerson(
                    f"The key for {self.host} is empty or has characters that no key has.",
                    remedy="Copy the API key into this connection's settings again.",
                    code="ehq-login",
                )
            return {"X-API-Token": key}
        if self._token is None:
            self._token = self._log_in(self.credential)
        return {"Authorization": f"Bearer {self._token}"}

    def _log_in(self, credential: Login) -> str:
        attributes = {"login": credential.login, "password": credential.password}
        url = self.api + self.spoken.paths["tokens"]
        status, headers, body = self._send("POST", url, json={"data": {"attributes": attributes}})
        if status in (400, 401, 403, 422):
            raise NeedsPerson(
                f"{self.host} did not accept the log-in (HTTP {status}).",
                remedy="Check login and password of the EHQ administrator in this connection's settings.",
                code="ehq-login",
            )
        if status == 404:  # not NotThere: that would be a site without groups
            raise NeedsPerson(
                f"{self.host} has no log-in for programs here (HTTP 404).",
                remedy="Is this EHQ's address, and is its API switched on?",
                code="ehq-404",
            )
        answer = self._read(status, headers, body)
        for name in ("data", "attributes", "token"):
            answer = answer.get(name) if isinstance(answer, Mapping) else None
        if not isinstance(answer, str) or not _sendable(answer):
            raise NeedsPerson(
                f"{self.host} answered the log-in without a token.",
                remedy="Is this EHQ's address?",
                code="ehq-login",
            )
        return answer

    def _send(self, method: str, url: str, **arguments: Any) -> tuple[int, Mapping[str, str], bytes | None]:
        """Status, headers and body; None for a body that is too large."""
        arguments["headers"] = {"Accept": "application/json", **arguments.get("headers", {})}
        try:
            # The callable does nothing, but keeps requests from writing a .netrc over our Authorization.
            with self.session.request(
                method,
                url,
                timeout=self.timeouts,
                allow_redirects=False,
                stream=True,
                auth=lambda prepared: prepared,
                **arguments,
            ) as response:
                return response.status_code, response.headers, _bounded(response)
        except (requests.RequestException, UnicodeError, OSError) as error:
            # The exception's own text has the address with its parameters: its kind is enough.
            why = _why(error)
        raise RetryLater(
            f"{self.host} {why}.",
            remedy="The relay tries again by itself. Is the address right, and is the site up?",
            code="ehq-network",
        )

    def _read(self, status: int, headers: Mapping[str, str], body: bytes | None) -> Any:
        if not 200 <= status < 300:
            raise _failure(self.host, status, headers)
        if body is None:
            raise Incomplete(
                f"{self.host} answered more than {LARGEST_ANSWER // 2**20} MB in one page.",
                remedy="Ask for smaller pages under Overrides (overrides.parameters.users_per_page).",
                code="ehq-large",
            )
        try:
            return wire.loads(body)
        except ValueError:
            page = b"<html" in body[:2000].lower() or b"<!doctype" in body[:2000].lower()
        raise Incomplete(
            f"{self.host} answered {'a web page' if page else 'something'} instead of data.",
            remedy="Is this the address of an EngagementHQ site with its API switched on?",
            code="ehq-html",
        )


class NotThere(NeedsPerson):
    """404: the path does not exist, or the credential may not see it."""


def _why(error: Exception) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "shows no certificate that can be trusted"
    return "does not answer in time" if isinstance(error, requests.Timeout) else "cannot be reached"


def _failure(host: str, status: int, headers: Mapping[str, str]) -> RelayError:
    if status == 429 or status >= 500 or status == 408:
        return RetryLater(
            f"{host} answers HTTP {status}.",
            remedy="The relay tries again by itself.",
            code=f"ehq-{status}",
            retry_after=_wait(headers.get("Retry-After", "")),
        )
    if status == 404:
        return NotThere(
            f"{host} does not know this address (HTTP 404).",
            remedy="Is it an EngagementHQ site, and may this key or log-in read participants?",
            code="ehq-404",
        )
    if status in (401, 403):
        return NeedsPerson(
            f"{host} does not let this key or log-in read participants (HTTP {status}).",
            remedy="Give the connection the key or log-in of a Site Administrator; others see only part of the people.",
            code=f"ehq-{status}",
        )
    if 300 <= status < 400:
        return NeedsPerson(
            f"{host} sends us on to another address (HTTP {status}).",
            remedy="Use the site's own final address, with https.",
            code="ehq-redirect",
        )
    return Incomplete(
        f"{host} answers HTTP {status}.",
        remedy="Is the address right? If its API pages in another way, say how under Overrides (overrides.parameters).",
        code=f"ehq-{status}",
    )


def _wait(told: str) -> float | None:
    """Retry-After, in seconds or as a date; None when it cannot be used."""
    try:
        wait = float(told)
    except ValueError:
        try:
            wait = parsedate_to_datetime(told).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return min(max(wait, 0.0), LONGEST_WAIT_S) if math.isfinite(wait) else None


def site_address(base_url: str) -> str:
    """As it is kept and shown. :raise Invalid: when it is none, or holds a user name, which everybody would see."""
    base_url = base_url.strip().rstrip("/")
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not base_url.isprintable() or " " in base_url or parts.query or parts.fragment:
        raise Invalid(
            "The address of the EHQ site is not an address.",
            remedy="Write it as in a browser, for example https://haveyoursay.example.gov.au",
            code="address",
        )
    if "@" in parts.netloc:
        raise Invalid(
            "The address of the EHQ site has a user name in it.",
            remedy="Give the address alone, and the log-in or the key by itself.",
        )
    return base_url


def _sendable(token: str) -> bool:
    return bool(token) and token.isascii() and token.isprintable() and " " not in token


def _bounded(response: requests.Response) -> bytes | None:
    pieces, size = [], 0
    for piece in response.iter_content(PIECE):
        size += len(piece)
        if size > LARGEST_ANSWER:
            return None
        pieces.append(piece)
    return b"".join(pieces)
