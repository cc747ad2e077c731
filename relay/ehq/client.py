"""EHQ's API, read page by page to its end (EHQ contract §1, §5.7)."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import requests

from relay.domain.participant import GroupNews, Patch
from relay.ehq import wire
from relay.ehq.dialect import Dialect, fold
from relay.ehq.resource import Unreadable, included_groups, read_group, read_user
from relay.errors import Incomplete, Invalid, NeedsPerson, RelayError, RetryLater

LARGEST_ANSWER = 50 * 1024 * 1024
LONGEST_WAIT_S = 3600.0
PIECE = 64 * 1024
MOST_PAGES = 20_000
TIMEOUTS = (10.0, 60.0)
CLEARLY = 0.5
"""An end before this part of what EHQ says it has is no end. A few may go while we read: the run judges those."""
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Login:
    login: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Key:
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a walk is: the page to ask for, its address when EHQ gave one, and what was seen so far."""

    page: int
    link: str | None = None
    first_id: str | None = None
    seen: int = 0
    size: int = 0
    """The longest page so far: what EHQ's own cap seems to be."""
    start_id: str | None = None
    """Who came first on the first page: when they come first again, the walk goes in circles."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Cursor":
        return cls(**stored)


@dataclass(frozen=True, slots=True)
class UsersPage:
    """`cursor` is None at the end. `unreadable` counts resources without an id. `total` as EHQ says, if it does."""

    people: list[Patch]
    cursor: Cursor | None
    total: int | None
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class GroupsPage:
    groups: list[GroupNews]
    cursor: Cursor | None
    total: int | None
    unreadable: int = 0


class Ehq:
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
        self.api = _address(base_url).removesuffix(api) + api
        self.host = urlsplit(self.api).netloc
        self._token: str | None = None

    def check(self) -> str:
        """A sentence about what was found. :raise RelayError: saying what is wrong and what to do."""
        page = self.users(None, size=1)
        found = f"{page.total} people" if page.total is not None else "people" if page.people else "nobody yet"
        return f"{self.host} answers and lists {found}."

    def users(self, cursor: Cursor | None, size: int | None = None) -> UsersPage:
        """The page at `cursor`, the first when None. :raise RetryLater: · NeedsPerson: · Incomplete:"""
        size = size or int(self.spoken.parameters["users_per_page"])
        body, here = self._page("users", cursor, size)
        items = self._data(body)
        names = included_groups(body.get("included") if isinstance(body, Mapping) else None)
        people, unreadable = _readable(items, lambda item: read_user(item, names, self.spoken))
        following, total = self._following(body, here, size, len(items), people[0].ehq_id if people else None)
        return UsersPage(people, following, total, unreadable)

    def groups(self, cursor: Cursor | None) -> GroupsPage:
        """Like `users`. A site without such a list (404 to its first page) has none."""
        size = int(self.spoken.parameters["groups_per_page"])
        if not self.spoken.paths["groups"]:
            return GroupsPage([], None, None)
        try:
            body, here = self._page("groups", cursor, size)
        except _NotThere:
            if cursor is not None:
                raise
            return GroupsPage([], None, None)
        items = self._data(body)
        groups, unreadable = _readable(items, read_group)
        following, total = self._following(body, here, size, len(items), groups[0].id if groups else None)
        return GroupsPage(groups, following, total, unreadable)

    # Paging.

    def _page(self, path: str, cursor: Cursor | None, size: int) -> tuple[Any, Cursor]:
        here = cursor or Cursor(int(self.spoken.parameters["first_page"]))
        names = self.spoken.parameters
        params = {names["page"]: str(here.page), names["per_page"]: str(size)}
        url = here.link or self.api + self.spoken.paths[path]
        return self._get(url, None if here.link else params), here

    def _data(self, body: Any) -> list[Any]:
        listed = body.get("data") if isinstance(body, Mapping) else body
        if not isinstance(listed, list):
            raise Incomplete(
                f"{self.host} answered a list of an unknown shape.",
                remedy="Does this site's API list people elsewhere? Set overrides.paths of the connection.",
                code="ehq-shape",
            )
        return listed

    def _following(
        self, body: Any, here: Cursor, size: int, count: int, first_id: str | None
    ) -> tuple[Cursor | None, int | None]:
        """The next page, by what EHQ says if it says anything, else until a page is empty (EHQ contract §5.7)."""
        meta = _meta(body)
        total = next((meta[k] for k in ("total", "total_count", "total_records") if k in meta), None)
        pages = next((meta[k] for k in ("total_pages", "pages", "page_count") if k in meta), None)
        seen = here.seen + count
        if first_id is not None and first_id in (here.first_id, here.start_id):
            raise Incomplete(
                f"{self.host} answers the same page again and again.",
                remedy="Does this site's API page in another way? Set overrides.parameters of the connection.",
                code="ehq-paging",
            )
        if here.page >= MOST_PAGES or (total is not None and seen > total * 2 + 1000):
            raise Incomplete(
                f"{self.host} lists more pages than it says it has; reading was stopped.",
                remedy="The next run tries again; if this stays, ask EHQ's support.",
                code="ehq-paging",
            )
        link = self._next_link(body)
        if count == 0 or (link is None and self._says_end(body, here, size, count, total, pages)):
            if total is not None and seen < total * CLEARLY:
                raise Incomplete(
                    f"{self.host} says that it lists {total}, and ended after {seen}.",
                    remedy="The next run tries again; if this stays, ask EHQ's support.",
                    code="ehq-paging",
                )
            return None, total
        start_id = here.start_id or (first_id if here.seen == 0 else None)
        return Cursor(here.page + 1, link, first_id, seen, max(here.size, count), start_id), total

    def _says_end(self, body: Any, here: Cursor, size: int, count: int, total: int | None, pages: int | None) -> bool:
        links = body.get("links") if isinstance(body, Mapping) else None
        if isinstance(links, Mapping) and "next" in links and not _href(links["next"]):
            return True  # there is a place for the next page, and it is empty
        if pages is not None:
            told = here.page - int(self.spoken.parameters["first_page"]) + 1 >= pages
        else:
            told = total is not None and here.seen + count >= total
        # Counts may be out of date. A page that is as long as pages get may not be the last: one more call tells.
        return told and count < (here.size or size)

    def _next_link(self, body: Any) -> str | None:
        """The address of the next page, on our own scheme and host. Never with our credential to another host: then
        pages are counted instead."""
        links = body.get("links") if isinstance(body, Mapping) else None
        link = _href(links.get("next")) if isinstance(links, Mapping) else ""
        if not link:
            return None
        try:
            ours, theirs = urlsplit(self.api), urlsplit(urljoin(f"{self.api}/", link))
        except ValueError:
            return None
        # Behind a proxy EHQ may think that it is plain http, on a port of its own.
        if theirs.hostname != ours.hostname or theirs.scheme not in ("http", "https"):
            return None
        return theirs._replace(scheme=ours.scheme, netloc=ours.netloc, fragment="").geturl()

    # Calls.

    def _get(self, url: str, params: Mapping[str, str] | None) -> Any:
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
        if status == 404:  # not _NotThere: that would be a site without groups
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
            kind = type(error).__name__
        raise RetryLater(
            f"{self.host} cannot be reached ({kind}).",
            remedy="The relay tries again by itself. Is the address right, and is the site up?",
            code="ehq-network",
        )

    def _read(self, status: int, headers: Mapping[str, str], body: bytes | None) -> Any:
        if not 200 <= status < 300:
            raise _failure(self.host, status, headers)
        if body is None:
            raise Incomplete(
                f"{self.host} answered more than {LARGEST_ANSWER // 2**20} MB in one page.",
                remedy="Set overrides.parameters.users_per_page of the connection to a smaller number.",
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


class _NotThere(NeedsPerson):
    """404: the path does not exist, or the credential may not see it."""


def _failure(host: str, status: int, headers: Mapping[str, str]) -> RelayError:
    if status == 429 or status >= 500 or status == 408:
        return RetryLater(
            f"{host} answers HTTP {status}.",
            remedy="The relay tries again by itself.",
            code=f"ehq-{status}",
            retry_after=_wait(headers.get("Retry-After", "")),
        )
    if status == 404:
        return _NotThere(
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
        remedy="Is the address right? Does its API page in another way? Then set overrides.parameters.",
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


def _address(base_url: str) -> str:
    base_url = base_url.strip().rstrip("/")
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not base_url.isprintable() or " " in base_url or parts.query or parts.fragment:
        raise Invalid(
            "The address of the EHQ site is not an address.", remedy="For example https://haveyoursay.example.gov.au"
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


def _href(link: Any) -> str:
    link = link.get("href") if isinstance(link, Mapping) else link
    return link if isinstance(link, str) else ""


def _meta(body: Any) -> dict[str, int]:
    meta = body.get("meta") if isinstance(body, Mapping) else None
    if not isinstance(meta, Mapping):
        return {}
    numbers = ((fold(str(key)), str(value)) for key, value in meta.items() if not isinstance(value, bool))
    return {key: int(value) for key, value in numbers if value.isascii() and value.isdecimal() and len(value) < 10}


def _readable(items: list[Any], read: Callable[[Any], Read]) -> tuple[list[Read], int]:
    """Those that can be read, and how many cannot: one bad resource must not lose the page."""
    good: list[Read] = []
    for item in items:
        try:
            good.append(read(item))
        except Unreadable:
            continue
    return good, len(items) - len(good)
