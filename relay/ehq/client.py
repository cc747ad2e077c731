"""EHQ's API, read page by page to its end (EHQ contract §1, §5.7)."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import orjson
import requests

from relay.domain.participant import GroupNews, Patch
from relay.ehq.dialect import Dialect, fold
from relay.ehq.resource import Unreadable, read_group, read_user
from relay.errors import Incomplete, NeedsPerson, RelayError, RetryLater

LARGEST_ANSWER = 50 * 1024 * 1024
MOST_PAGES = 20_000
TIMEOUTS = (10.0, 60.0)
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Login:
    login: str
    password: str


@dataclass(frozen=True, slots=True)
class Key:
    token: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a walk is: the page to ask for, its address when EHQ gave one, and what was seen so far."""

    page: int
    link: str | None = None
    first_id: str | None = None
    seen: int = 0
    size: int = 0
    """The longest page so far: what EHQ's own cap seems to be."""

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
        observe: Callable[[str, float, str], None] | None = None,
    ) -> None:
        self.session, self.credential, self.spoken, self.timeouts = session, credential, spoken, timeouts
        api = spoken.paths["api"].rstrip("/")
        self.api = base_url.rstrip("/").removesuffix(api) + api
        self.host = urlsplit(self.api).netloc
        self.observe = observe
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
        included = body.get("included") if isinstance(body, Mapping) else None
        included = included if isinstance(included, list) else []
        people, unreadable = _readable(_data(body), lambda item: read_user(item, included, self.spoken))
        ids = [patch.ehq_id for patch in people]
        following, total = self._following(body, here, size, len(_data(body)), ids[0] if ids else None)
        return UsersPage(people, following, total, unreadable)

    def groups(self, cursor: Cursor | None) -> GroupsPage:
        """Like `users`. A site without such a list (404) has none."""
        size = int(self.spoken.parameters["groups_per_page"])
        if not self.spoken.paths["groups"]:
            return GroupsPage([], None, None)
        try:
            body, here = self._page("groups", cursor, size)
        except _NotThere:
            return GroupsPage([], None, None)
        groups, unreadable = _readable(_data(body), read_group)
        following, total = self._following(body, here, size, len(_data(body)), groups[0].id if groups else None)
        return GroupsPage(groups, following, total, unreadable)

    # Paging.

    def _page(self, path: str, cursor: Cursor | None, size: int) -> tuple[Any, Cursor]:
        here = cursor or Cursor(int(self.spoken.parameters["first_page"]))
        names = self.spoken.parameters
        params = {names["page"]: str(here.page), names["per_page"]: str(size)}
        url = here.link or self.api + self.spoken.paths[path]
        return self._get(url, None if here.link else params), here

    def _following(
        self, body: Any, here: Cursor, size: int, count: int, first_id: str | None
    ) -> tuple[Cursor | None, int | None]:
        """The next page, by what EHQ says if it says anything, else until a page is empty (EHQ contract §5.7)."""
        meta = _meta(body)
        total = next((meta[k] for k in ("total", "total_count", "total_records") if k in meta), None)
        pages = next((meta[k] for k in ("total_pages", "pages", "page_count") if k in meta), None)
        seen = here.seen + count
        if first_id is not None and first_id == here.first_id:
            raise Incomplete(
                f"{self.host} answers the same page again and again.",
                remedy="Does this site's API page in another way? Set overrides.parameters of the connection.",
            )
        if here.page >= MOST_PAGES or (total is not None and seen > total * 2 + 1000):
            raise Incomplete(f"{self.host} lists more pages than it says it has; reading was stopped.")
        link = self._next_link(body)
        if count == 0 or (link is None and self._says_end(body, seen, total, pages, here.page)):
            return None, total
        return Cursor(here.page + 1, link, first_id, seen, max(here.size, count)), total

    @staticmethod
    def _says_end(body: Any, seen: int, total: int | None, pages: int | None, page: int) -> bool:
        links = body.get("links") if isinstance(body, Mapping) else None
        if isinstance(links, Mapping) and "next" in links:
            return True  # there is a place for the next page, and it is empty
        if pages is not None:
            return page >= pages
        return total is not None and seen >= total

    def _next_link(self, body: Any) -> str | None:
        links = body.get("links") if isinstance(body, Mapping) else None
        link = links.get("next") if isinstance(links, Mapping) else None
        link = link.get("href") if isinstance(link, Mapping) else link
        if not isinstance(link, str) or not link:
            return None
        if link.startswith("/"):
            parts = urlsplit(self.api)
            return f"{parts.scheme}://{parts.netloc}{link}"
        # Never with our credential to another host; then pages are counted instead.
        return (
            link if urlsplit(link).netloc == self.host and urlsplit(link).scheme == urlsplit(self.api).scheme else None
        )

    # Calls.

    def _get(self, url: str, params: Mapping[str, str] | None) -> Any:
        headers = self._authorised()
        response = self._send("GET", url, params=params, headers=headers)
        if response.status_code in (401, 403, 404) and isinstance(self.credential, Login):
            self._token = None  # perhaps it only ran out; a missing login may also answer 404 (EHQ contract §1.1)
            response = self._send("GET", url, params=params, headers=self._authorised())
        return self._read(response)

    def _authorised(self) -> dict[str, str]:
        if isinstance(self.credential, Key):
            return {"X-API-Token": self.credential.token}
        if self._token is None:
            attributes = {"login": self.credential.login, "password": self.credential.password}
            url = self.api + self.spoken.paths["tokens"]
            response = self._send("POST", url, json={"data": {"attributes": attributes}})
            if response.status_code in (400, 401, 403, 422):
                raise NeedsPerson(
                    f"{self.host} did not accept the log-in (HTTP {response.status_code}).",
                    remedy="Check login and password of the EHQ administrator in this connection's settings.",
                    code="ehq-login",
                )
            answer = self._read(response)
            data = answer.get("data") if isinstance(answer, Mapping) else None
            token = (data.get("attributes") or {}).get("token") if isinstance(data, Mapping) else None
            if not isinstance(token, str) or not token.isascii():
                raise NeedsPerson(
                    f"{self.host} answered the log-in without a token.",
                    remedy="Is this EHQ's address?",
                    code="ehq-login",
                )
            self._token = token
        return {"Authorization": f"Bearer {self._token}"}

    def _send(self, method: str, url: str, **arguments: Any) -> requests.Response:
        arguments["headers"] = {"Accept": "application/json", **arguments.get("headers", {})}
        try:
            return self.session.request(method, url, timeout=self.timeouts, allow_redirects=False, **arguments)
        except (requests.RequestException, UnicodeError, OSError) as error:
            # The exception's own text has the address with its parameters: its kind is enough.
            failure = RetryLater(
                f"{self.host} cannot be reached ({type(error).__name__}).",
                remedy="The relay tries again by itself. Is the address right, and is the site up?",
                code="ehq-network",
            )
        raise failure

    def _read(self, response: requests.Response) -> Any:
        status = response.status_code
        if 200 <= status < 300 and len(response.content) <= LARGEST_ANSWER:
            try:
                return orjson.loads(response.content.removeprefix(b"\xef\xbb\xbf"))
            except orjson.JSONDecodeError:
                pass
            page = b"<html" in response.content[:2000].lower()
            raise Incomplete(
                f"{self.host} answered {'a web page' if page else 'something'} instead of data.",
                remedy="Is this the address of an EngagementHQ site with its API switched on?",
                code="ehq-html",
            )
        raise _failure(self.host, status, response.headers)


class _NotThere(NeedsPerson):
    """404: the path does not exist, or the credential may not see it."""


def _failure(host: str, status: int, headers: Mapping[str, str]) -> RelayError:
    if status == 429 or status >= 500 or status == 408:
        try:
            wait = min(float(headers.get("Retry-After", "")), 3600.0)
        except ValueError:
            wait = None
        return RetryLater(
            f"{host} answers HTTP {status}.",
            remedy="The relay tries again by itself.",
            code=f"ehq-{status}",
            retry_after=wait,
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
    return Incomplete(f"{host} answers HTTP {status}.", remedy="Is the address right?", code=f"ehq-{status}")


def _data(body: Any) -> list[Any]:
    listed = body.get("data") if isinstance(body, Mapping) else body
    if not isinstance(listed, list):
        raise Incomplete("EHQ answered a list of an unknown shape.", remedy="Set overrides.paths of the connection.")
    return listed


def _meta(body: Any) -> dict[str, int]:
    meta = body.get("meta") if isinstance(body, Mapping) else None
    if not isinstance(meta, Mapping):
        return {}
    return {fold(str(k)): v for k, v in meta.items() if isinstance(v, int) and not isinstance(v, bool) and v >= 0}


def _readable(items: list[Any], read: Callable[[Any], Read]) -> tuple[list[Read], int]:
    """Those that can be read, and how many cannot: one bad resource must not lose the page."""
    good: list[Read] = []
    for item in items:
        try:
            good.append(read(item))
        except Unreadable:
            continue
    return good, len(items) - len(good)
