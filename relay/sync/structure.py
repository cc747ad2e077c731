"""Custom fields, options and segments in CM: created, adopted, re-read and repaired (CM contract §6, §7.5)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import structlog

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.shapes import Field as CmField
from relay.campaign_monitor.shapes import one_rule
from relay.domain.mapping import BASE_FIELDS, Wanted
from relay.domain.names import free_name
from relay.errors import NeedsPerson, Refused
from relay.store import connections, structure
from relay.store.database import Tx
from relay.store.leases import Lease
from relay.store.structure import Field, Group
from relay.sync.parts import Parts
from relay.sync.picture import Picture

ALWAYS = {"activated": ("Yes", "No"), "blocked": ("Yes", "No")}
MULTI = ("MultiSelectOne", "MultiSelectMany")
MOST_NAMES = 20
log = structlog.get_logger()


def ensure(parts: Parts, cm: CampaignMonitor, lease: Lease, picture: Picture, people: Sequence[Wanted]) -> Picture:
    """The picture with every field and option that `people` need present in CM. No call when all are known to be."""
    needed: dict[str, set[str]] = {}
    for wanted in people:
        for source, value in wanted.fields.items():
            options = needed.setdefault(source, set())
            field = picture.fields.get(source)
            if field is not None and field.type in MULTI:
                options.update(value if isinstance(value, tuple) else (value,))
    missing = {
        source: options
        for source, options in needed.items()
        if (field := picture.fields.get(source)) and (field.key is None or not options <= set(field.options))
    }
    return make(parts, cm, lease, picture, missing) if missing else picture


def make(parts: Parts, cm: CampaignMonitor, lease: Lease, picture: Picture, needed: dict[str, set[str]]) -> Picture:
    """Creates or adopts the fields `needed` (source → options); a field of choices without any waits for its first."""
    connection = picture.connection
    list_id = connection.cm_list_id or ""
    there = cm.fields(list_id)
    # Base fields first: they win a clash of names (design §6).
    for source in sorted(needed, key=lambda source: (source not in BASE_FIELDS, picture.fields[source].id)):
        field = picture.fields[source]
        options = needed[source] | set(field.choices) | set(ALWAYS.get(source, ()))
        if source == "groups":
            options |= {group.option for group in picture.groups.values() if not group.deleted}
        if field.type in MULTI and not options:
            continue
        found = next((f for f in there if f.key == field.key), None)
        lease.check()
        if found is None:
            found, there = _create_or_adopt(cm, list_id, field, picture, there, sorted(options))
        if missing := sorted(options - set(found.options)) if field.type in MULTI else []:
            lease.check()
            cm.add_options(list_id, found.key, missing)
            there = cm.fields(list_id)
            found = next((f for f in there if f.key == found.key), found)
            if source == "groups":
                # The call may have dropped the rules of every segment on this field (CM contract §6).
                with parts.database.write() as tx:
                    connections.change(tx, connection.id, segments_due=True)
        with parts.database.write() as tx:
            structure.change_field(tx, field.id, name=found.name, key=found.key, options=list(found.options))
        picture = _again(parts, picture)
    return picture


def _create_or_adopt(
    cm: CampaignMonitor, list_id: str, field: Field, picture: Picture, there: Sequence[CmField], options: Sequence[str]
) -> tuple[CmField, list[CmField]]:
    """A field with the same name is adopted only with the same type and when no other source has it; else ` (2)`."""
    taken = {f.name.casefold() for f in picture.fields.values() if f.name and f.source != field.source}
    if field.source not in BASE_FIELDS:
        taken |= {name.casefold() for name, _ in BASE_FIELDS.values()}
    known = list(there)
    for _ in range(MOST_NAMES):
        name = free_name(field.label, taken)
        same = next((f for f in known if f.name.casefold() == name.casefold()), None)
        if same is not None and same.type == field.type:
            return same, known
        if same is None:
            try:
                key = cm.create_field(list_id, name, field.type, options if field.type in MULTI else ())
                made = CmField(name, key, field.type, tuple(options if field.type in MULTI else ()))
                return made, [*known, made]
            except Refused as error:
                if error.code == "254":  # CM takes no such name: the question's number is one it takes
                    field = replace(field, label=f"Question {field.source.removeprefix('answer:')}")
                    continue
                if error.code != "255":
                    raise NeedsPerson(
                        f"Campaign Monitor did not create the custom field {name!r}: {error.message}",
                        remedy=error.remedy,
                        code=error.code,
                    ) from None
                known = cm.fields(list_id)
                if any(f.name.casefold() == name.casefold() for f in known):
                    continue
        taken.add(name.casefold())
    raise NeedsPerson(
        f"No free name was found in Campaign Monitor for the field {field.label!r}.",
        remedy="Remove some of the custom fields of that name from the list, or leave the question out.",
        code="255",
    )


def forget(tx: Tx, picture: Picture) -> None:
    """What we knew of CM's fields no longer holds: the next look reads and makes them again."""
    for field in picture.fields.values():
        structure.change_field(tx, field.id, key=None, options=[])


def refresh(parts: Parts, cm: CampaignMonitor, picture: Picture) -> Picture:
    """Our table of fields as CM has them now: deleted by hand, retyped, renamed, options gone."""
    there = {f.key: f for f in cm.fields(picture.connection.cm_list_id or "")}
    with parts.database.write() as tx:
        for field in picture.fields.values():
            now = there.get(field.key or "")
            if field.key and (now is None or now.type != field.type):
                structure.change_field(tx, field.id, name=None, key=None, options=[])
            elif now and (now.name != field.name or now.options != field.options):
                structure.change_field(tx, field.id, name=now.name, options=list(now.options))
    return _again(parts, picture)


def due_segments(parts: Parts, cm: CampaignMonitor, lease: Lease, picture: Picture) -> None:
    """Between two looks at who waits: options of new groups, their segments, and whether the others kept their rules.

    One segment tells whether an options call drops rules here; only then are all of them read. A run reads all anyway.
    """
    picture = make(parts, cm, lease, picture, {"groups": set()}) if "groups" in picture.fields else picture
    field = picture.fields.get("groups")
    sample = next((g for g in picture.groups.values() if g.segment_id and not g.deleted), None)
    kept = True
    if field and field.key and sample and sample.segment_id:
        try:
            kept = cm.segment(sample.segment_id).rules == one_rule(field.key, f"EQUALS {sample.option}")
        except Refused:
            kept = False
    segments(parts, cm, lease, picture, everyone=not kept)
    with parts.database.write() as tx:
        connections.change(tx, picture.connection.id, segments_due=False)


def segments(parts: Parts, cm: CampaignMonitor, lease: Lease, picture: Picture, everyone: bool) -> Picture:
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
    return _again(parts, picture)


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


def _again(parts: Parts, picture: Picture) -> Picture:
    with parts.database.read() as tx:
        return Picture.load(tx, picture.connection)
