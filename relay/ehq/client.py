"""EHQ's API, read page by page to its end (EHQ contract §1, §5.7)."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urljoin, urlsplit

from relay.domain.participant import GroupNews, Patch
from relay.ehq.calls import Caller, Key, Login, NotThere
from relay.ehq.dialect import fold
from relay.ehq.resource import Unreadable, included_groups, read_group, read_member, read_user
from relay.errors import Incomplete

MOST_PAGES = 20_000
CLEARLY = 0.5
"""An end before this part of what EHQ says it has is no end. A few may go while we read: the run judges those."""
Read = TypeVar("Read")


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
    listed: bool = True
    """False for a site that has no such list: then a group that is in none of its pages means nothing."""


@dataclass(frozen=True, slots=True)
class MembersPage:
    """Ids of some of those in one group; the rest as in `UsersPage`."""

    ids: list[str]
    cursor: Cursor | None
    total: int | None
    unreadable: int = 0


class Ehq(Caller):
    """One site's people and groups."""

    def check(self) -> str:
        """A sentence about what was found. :raise RelayError: saying what is wrong and what to do."""
        page = self.users(None, size=1)
        found = f"{page.total:,} people" if page.total is not None else "people" if page.people else "nobody yet"
        return f"{self.host} answers and lists {found}."

    def users(self, cursor: Cursor | None, size: int | None = None) -> UsersPage:
        """The page at `cursor`, the first when None. :raise RetryLater: · NeedsPerson: · Incomplete:"""
        size = size or int(self.spoken.parameters["users_per_page"])
        body, here = self._page(self.spoken.paths["users"], cursor, size)
        items = self._data(body)
        names = included_groups(body.get("included") if isinstance(body, Mapping) else None)
        people, unreadable = _readable(items, lambda item: read_user(item, names, self.spoken))
        following, total = self._following(body, here, size, len(items), people[0].ehq_id if people else None)
        return UsersPage(people, following, total, unreadable)

    def groups(self, cursor: Cursor | None) -> GroupsPage:
        """Like `users`. A site without such a list (404 to its first page) has none."""
        size = int(self.spoken.parameters["groups_per_page"])
        if not self.spoken.paths["groups"]:
            return GroupsPage([], None, None, listed=False)
        try:
            body, here = self._page(self.spoken.paths["groups"], cursor, size)
        except NotThere:
            if cursor is not None:
                raise
            return GroupsPage([], None, None, listed=False)
        items = self._data(body)
        groups, unreadable = _readable(items, read_group)
        following, total = self._following(body, here, size, len(items), groups[0].id if groups else None)
        return GroupsPage(groups, following, total, unreadable)

    def members(self, group_id: str, cursor: Cursor | None) -> MembersPage:
        """Like `users`, of one group. :raise NotThere: when this site does not offer it, or has no such group."""
        size = int(self.spoken.parameters["users_per_page"])
        path = self.spoken.paths["members"]
        if not path or not group_id.strip("."):  # dots would be taken for another path
            raise NotThere(f"{self.host} does not list who is in this group.", code="ehq-404")
        body, here = self._page(path.replace("{id}", quote(group_id, safe="")), cursor, size)
        items = self._data(body)
        ids, unreadable = _readable(items, read_member)
        following, total = self._following(body, here, size, len(items), ids[0] if ids else None)
        return MembersPage(ids, following, total, unreadable)

    # Paging.

    def _page(self, path: str, cursor: Cursor | None, size: int) -> tuple[Any, Cursor]:
        here = cursor or Cursor(int(self.spoken.parameters["first_page"]))
        names = self.spoken.parameters
        params = {names["page"]: str(here.page), names["per_page"]: str(size)}
        url = here.link or self.api + path
        return self.get(url, None if here.link else params), here

    def _data(self, body: Any) -> list[Any]:
        listed = body.get("data") if isinstance(body, Mapping) else body
        if not isinstance(listed, list):
            raise Incomplete(
                f"{self.host} answered a list of an unknown shape.",
                remedy="Does this site's API list people elsewhere? Say where under Overrides (overrides.paths).",
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
                remedy="Does this site's API page in another way? Say how under Overrides (overrides.parameters).",
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


__all__ = ["Cursor", "Ehq", "GroupsPage", "Key", "Login", "UsersPage"]
