"""Each group's segment in CM, true to the group (CM contract §7)."""

import time
from collections.abc import Iterable, Mapping

import structlog

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.shapes import one_rule
from relay.domain.names import free_name
from relay.errors import Refused, RetryLater
from relay.store import connections, structure
from relay.store.leases import Lease
from relay.store.structure import Field, Group
from relay.sync.parts import Parts
from relay.sync.picture import Picture
from relay.sync.structure import kept_rules

MOST_NAMES = 5
BUSY, CLOSED, LIMIT = ("278", "287"), ("284", "285", "286"), "283"
BUSY_S, LONG_BUSY_S = 2.0, 30.0
log = structlog.get_logger()


def mend(parts: Parts, cm: CampaignMonitor, lease: Lease, picture: Picture) -> Picture:
    """After an options call, which may have cost every segment on that field its rules (then it holds everybody): one
    tells whether it did here, and only then are all read. Where a probe found that rules stay, none is."""
    field = picture.fields.get("groups")
    sample = next((g for g in picture.groups.values() if g.segment_id and not g.deleted), None)
    kept = True
    if field and field.key and sample and sample.segment_id and not kept_rules.safe(picture.connection):
        try:
            kept = cm.segment(sample.segment_id).rules == one_rule(field.key, f"EQUALS {sample.option}")
        except Refused:
            kept = False
        except RetryLater as error:
            if error.code not in BUSY:
                raise
            kept = False
    return make(parts, cm, lease, picture, everyone=not kept)


def make(parts: Parts, cm: CampaignMonitor, lease: Lease, picture: Picture, everyone: bool) -> Picture:
    """Each group's segment, true to the group: made, adopted by title, renamed, its rule put back.

    `everyone` reads every segment; otherwise only those of groups without one, or with a problem. A segment that CM
    will not make is the group's problem, told on the group, and stops nothing else; one that CM is busy with is looked
    at again soon.
    """
    kept_rules.restore(parts, cm, lease, picture.connection.id)
    titles = titles_of(picture.groups.values())
    field = picture.fields.get("groups")
    todo = [] if field is None or field.key is None else _todo(field, picture, titles, everyone)
    busy = False
    if todo and field and field.key:
        shelf = _Shelf(cm, picture, field.key)
        shelf.make_room(lease, titles)
        for group in sorted(todo, key=lambda group: not group.deleted):  # the deleted first: they free their titles
            lease.check()
            try:
                change = shelf.delete(group) if group.deleted else shelf.true(group, titles[group.id])
            except Refused as error:
                change = {"problem": f"{error.message} {error.remedy}".strip()}
                log.warning("segment not made", connection=picture.connection.id, group=group.id, code=error.code)
            except RetryLater as error:
                if error.code not in BUSY:
                    raise
                busy = True
                continue
            if change != {name: getattr(group, name) for name in change}:
                with parts.database.write() as tx:
                    structure.change_group(tx, group.id, **change)
    with parts.database.write() as tx:
        again = (LONG_BUSY_S if picture.connection.segments_after else BUSY_S) + time.time()
        connections.change(tx, picture.connection.id, segments_due=busy, segments_after=again if busy else None)
    return picture.reload(parts.database)


def _todo(field: Field, picture: Picture, titles: Mapping[int, str], everyone: bool) -> list[Group]:
    groups = _by_age(picture.groups.values())
    chosen = [g for g in groups if everyone or g.segment_id is None or g.problem or g.title != titles.get(g.id)]
    return [g for g in chosen if (g.option in field.options if not g.deleted else g.segment_id)]


class _Shelf:
    """The segments of one list, as one pass over the groups finds and leaves them."""

    def __init__(self, cm: CampaignMonitor, picture: Picture, key: str) -> None:
        self.cm, self.key, self.list_id = cm, key, picture.connection.cm_list_id or ""
        self.groups = list(picture.groups.values())
        self.owned = {g.segment_id for g in self.groups if g.segment_id}
        self.closed: set[str] = set()
        self.limit: Refused | None = None
        self.look()

    def look(self) -> None:
        self.there = {s.id: s.title for s in self.cm.segments(self.list_id)}

    def find(self, title: str) -> str | None:
        """One of that title that is nobody's yet: made by a call whose answer we never had, or by hand."""
        same = (i for i, name in self.there.items() if _fold(name) == _fold(title))
        return next((i for i in same if i not in self.owned and i not in self.closed), None)

    def delete(self, group: Group) -> dict[str, str | None]:
        if group.segment_id in self.there:
            try:
                self.cm.delete_segment(group.segment_id)
            except Refused as error:
                if error.code != "271":
                    raise
            self.there.pop(group.segment_id, None)
        return {"segment_id": None, "title": None, "problem": None}

    def true(self, group: Group, name: str) -> dict[str, str | None]:
        """:raise Refused: when CM takes no such segment under any title, or no more of them."""
        clause = f"EQUALS {group.option}"
        mine = group.segment_id if group.segment_id in self.there else None
        # Whoever has a segment can take nobody else's title; without one a segment by hand may be what is looked for.
        taken = {title.casefold() for other, title in self.there.items() if other != mine} if mine else set()
        for _ in range(MOST_NAMES):
            title = free_name(name, taken, longest=250)
            found = mine or self.find(title)
            try:
                made = self._write(found, title, clause)
            except Refused as error:
                if error.code == "275":  # somebody's since we looked, or one that we may not take
                    self.look()
                    if mine or not self.find(title):
                        taken.add(title.casefold())
                elif error.code in CLOSED and found and not mine:
                    self.closed.add(found)
                    taken.add(title.casefold())
                elif error.code == "271" and found:
                    self.there.pop(found, None)
                    mine = None
                else:
                    self.limit = error if error.code == LIMIT else self.limit
                    raise
                continue
            self.there[made] = title
            self.owned.add(made)
            return {"segment_id": made, "title": title, "problem": None}
        raise Refused("Every title for this segment is taken.", remedy="Rename yours in Campaign Monitor.", code="275")

    def _write(self, found: str | None, title: str, clause: str) -> str:
        if found is None:
            if self.limit:
                raise self.limit  # one refusal a pass is enough
            return self.cm.create_segment(self.list_id, title, self.key, clause)
        now = self.cm.segment(found)
        if now.title != title or now.rules != one_rule(self.key, clause):
            self.cm.update_segment(found, title, self.key, clause)
        return found

    def make_room(self, lease: Lease, titles: Mapping[int, str]) -> None:
        """Groups that swap names, or take one another's: a title can only be given once it is free."""
        wanted = {_fold(title): group_id for group_id, title in titles.items()}
        for group in self.groups:
            if group.segment_id not in self.there or group.deleted:
                continue
            owner = wanted.get(_fold(self.there[group.segment_id]))
            if owner is not None and owner != group.id:
                lease.check()
                try:
                    self.cm.update_segment(group.segment_id, group.option, self.key, f"EQUALS {group.option}")
                    self.there[group.segment_id] = group.option
                except (Refused, RetryLater) as error:
                    if isinstance(error, RetryLater) and error.code not in BUSY:
                        raise


def _fold(title: str) -> str:
    return " ".join(title.split()).casefold()


def titles_of(groups: Iterable[Group]) -> dict[int, str]:
    """The segment's title by our id of the group: its name; of two groups with one name the older keeps it."""
    taken: set[str] = set()
    titles = {}
    for group in _by_age(groups):
        if not group.deleted:
            titles[group.id] = free_name(group.name, taken, longest=250)
            taken.add(titles[group.id].casefold())
    return titles


def _by_age(groups: Iterable[Group]) -> list[Group]:
    return sorted(
        groups, key=lambda g: (not g.ehq_id.isdecimal(), int(g.ehq_id) if g.ehq_id.isdecimal() else 0, g.ehq_id)
    )
