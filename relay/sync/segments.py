"""Each group's segment in CM, true to the group (CM contract §7)."""

from collections.abc import Iterable

import structlog

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.shapes import one_rule
from relay.domain.names import free_name
from relay.errors import Refused
from relay.store import structure
from relay.store.leases import Lease
from relay.store.structure import Group
from relay.sync.parts import Parts
from relay.sync.picture import Picture

log = structlog.get_logger()


def make(parts: Parts, cm: CampaignMonitor, lease: Lease, picture: Picture, everyone: bool) -> Picture:
    """Each group's segment, true to the group: made, adopted by title, renamed, its rule put back.

    `everyone` reads every segment; otherwise only groups without one are looked at. A segment that CM will not make
    is the group's problem, told on the group, and stops nothing else.
    """
    field = picture.fields.get("groups")
    if field is None or field.key is None:
        return picture
    list_id = picture.connection.cm_list_id or ""
    titles = titles_of(picture.groups.values())
    todo = [
        g for g in _by_age(picture.groups.values()) if everyone or g.segment_id is None or g.title != titles.get(g.id)
    ]
    todo = [g for g in todo if (g.option in field.options if not g.deleted else g.segment_id)]
    if not todo:
        return picture
    there = {s.id: s.title for s in cm.segments(list_id)}
    _out_of_the_way(cm, lease, field.key, picture.groups.values(), titles, there)
    owned = {g.segment_id for g in picture.groups.values() if g.segment_id}
    for group in sorted(todo, key=lambda group: not group.deleted):  # the deleted first: they free their titles
        lease.check()
        try:
            change = _segment(cm, list_id, field.key, group, titles.get(group.id, ""), there, owned)
        except Refused as error:
            change = {"problem": f"{error.message} {error.remedy}".strip()}
            log.warning("segment not made", connection=picture.connection.id, group=group.id, code=error.code)
        with parts.database.write() as tx:
            structure.change_group(tx, group.id, **change)
    return picture.reload(parts.database)


def _segment(
    cm: CampaignMonitor, list_id: str, key: str, group: Group, title: str, there: dict[str, str], owned: set[str]
) -> dict[str, str | None]:
    clause = f"EQUALS {group.option}"
    mine = group.segment_id if group.segment_id in there else None
    if group.deleted:
        if mine:
            cm.delete_segment(mine)
        return {"segment_id": None, "title": None, "problem": None}
    if mine is None:
        # One of that title that is nobody's yet is adopted: made by a call whose answer we never had, or by hand.
        mine = next((i for i, name in there.items() if name.casefold() == title.casefold() and i not in owned), None)
    if mine is None:
        mine = cm.create_segment(list_id, title, key, clause)
    else:
        now = cm.segment(mine)
        if now.title != title or now.rules != one_rule(key, clause):
            cm.update_segment(mine, title, key, clause)
    there[mine] = title
    owned.add(mine)
    return {"segment_id": mine, "title": title, "problem": None}


def _out_of_the_way(
    cm: CampaignMonitor, lease: Lease, key: str, groups: Iterable[Group], titles: dict[int, str], there: dict[str, str]
) -> None:
    """Groups that swap names, or take one another's: a title can only be given once it is free."""
    wanted = {title.casefold(): group_id for group_id, title in titles.items()}
    for group in groups:
        if group.segment_id not in there or group.deleted:
            continue
        owner = wanted.get(there[group.segment_id].casefold())
        if owner is not None and owner != group.id:
            lease.check()
            cm.update_segment(group.segment_id, group.option, key, f"EQUALS {group.option}")
            there[group.segment_id] = group.option


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
