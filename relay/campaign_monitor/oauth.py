"""Credentials, and OAuth 2.0 as Campaign Monitor speaks it.

Its ways (https://www.campaignmonitor.com/api/v3-3/getting-started/): `type=web_server`, scopes separated by commas,
tokens of 14 days, no client secret on refresh. RFC 6749 clients stumble over these, Authlib's included, so the two
requests are made here. The status of an error is not documented: any body with "error" is one.
"""

import base64
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode

import requests

from relay.campaign_monitor.codes import WORDS, passes
from relay.campaign_monitor.errors import error, failure
from relay.campaign_monitor.session import send
from relay.campaign_monitor.wire import decode
from relay.errors import NeedsPerson, Refused

OAUTH_URL = "https://api.createsend.com/oauth"
TIMEOUTS = (10.0, 30.0)  # seconds to connect, to read


@dataclass(frozen=True, slots=True)
class Tokens:
    """`expires_at` in epoch seconds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float


class TokenStore(Protocol):
    """Where tokens outlive us; `save` stores all of them or none."""

    def load(self) -> Tokens: ...

    def save(self, tokens: Tokens) -> None: ...

    def refreshing(self) -> AbstractContextManager[bool]:
        """A lock over all processes. True: refresh now. False: another does or did; look at `load()`."""


class Given:
    """Tokens that an operator just gave, to be tried before they are kept; `tokens` is what to keep."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens

    def load(self) -> Tokens:
        return self.tokens

    def save(self, tokens: Tokens) -> None:
        self.tokens = tokens

    def refreshing(self) -> AbstractContextManager[bool]:
        return nullcontext(True)


class ApiKey:
    """An account's or client's key: HTTP Basic with any password. Encoded here, for requests takes only Latin-1."""

    def __init__(self, key: str) -> None:
        self._header = "Basic " + base64.b64encode(key.strip().encode() + b":x").decode()

    def header(self) -> str:
        return self._header

    def renew(self, used: str, code: str) -> bool:
        return False


class OAuth:
    """An operator's grant. Tokens are loaded for every call, so that what one process renews serves all."""

    def __init__(self, tokens: TokenStore, oauth_url: str = OAUTH_URL) -> None:
        self.tokens = tokens
        self.oauth_url = oauth_url

    def header(self) -> str:
        return _bearer(self.tokens.load())

    def renew(self, used: str, code: str = "121") -> bool:
        """Refresh once, under the lock, unless the stored token is no longer the one `used`."""
        if _bearer(self.tokens.load()) != used:
            return True
        if code != "121":
            return False
        with self.tokens.refreshing() as ours:
            tokens = self.tokens.load()
            if _bearer(tokens) != used:
                return True
            if not ours:
                raise error("renewing", wait=2)
            try:
                # A session of its own: to abort() this request could lose the only copy of a rotated token.
                with requests.Session() as session:
                    self.tokens.save(refresh(session, self.oauth_url, tokens))
            except NeedsPerson:
                # invalid_grant is also what comes second in a race, should the lock have been lost.
                if _bearer(self.tokens.load()) == used:
                    raise
        return True

    def keep_fresh(self, within: float = 2 * 86400) -> bool:
        """Refresh if the access token has less than `within` seconds left; whether it did. For the clock."""
        tokens = self.tokens.load()
        return tokens.expires_at - time.time() < within and self.renew(_bearer(tokens))


def authorize_url(
    oauth_url: str,
    client_id: str,
    redirect_uri: str,
    state: str,
    scopes: tuple[str, ...] = ("ManageLists", "ImportSubscribers"),
) -> str:
    """Where the operator's browser goes. `redirect_uri` exactly as registered."""
    query = {"client_id": client_id, "redirect_uri": redirect_uri, "scope": ",".join(scopes), "state": state}
    return f"{oauth_url.rstrip('/')}?{urlencode({'type': 'web_server'} | query)}"


def exchange(
    session: requests.Session, oauth_url: str, client_id: str, client_secret: str, redirect_uri: str, code: str
) -> Tokens:
    """Tokens for the `code` that came back with the operator."""
    form = {"client_id": client_id, "client_secret": client_secret, "redirect_uri": redirect_uri, "code": code}
    return _tokens(session, oauth_url, {"grant_type": "authorization_code", **form})


def refresh(session: requests.Session, oauth_url: str, tokens: Tokens) -> Tokens:
    """New tokens for old. The refresh token may change with each; without a new one the old one stays."""
    kept = tokens.refresh_token
    return _tokens(session, oauth_url, {"grant_type": "refresh_token", "refresh_token": kept}, kept)


def _bearer(tokens: Tokens) -> str:
    return f"Bearer {tokens.access_token}"


def _tokens(session: requests.Session, oauth_url: str, form: dict[str, str], kept: str = "") -> Tokens:
    """In the body, never in the query, which ends in logs. Raises NeedsPerson or RetryLater, nothing else."""
    response = send(session, "POST", f"{oauth_url.rstrip('/')}/token", TIMEOUTS, data=form)
    try:
        answer: Any = decode(response.content)
    except ValueError:
        answer = None
    if isinstance(answer, dict) and "error" in answer:
        word = str(answer["error"])
        raise error(word if word in WORDS else "server_error" if passes(response.status_code) else "oauth")
    if not 200 <= response.status_code < 300:
        failed = failure(response.status_code, response.content, response.headers)
        raise error("oauth") if isinstance(failed, Refused) else failed
    try:
        lifetime = float(answer.get("expires_in") or 14 * 86400)
        access: str = answer["access_token"]
        access.encode("ascii")  # no header carries anything else
        return Tokens(access, answer.get("refresh_token") or kept, time.time() + lifetime)
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    raise error("unreadable")
