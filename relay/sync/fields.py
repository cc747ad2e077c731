"""Custom fields and options in CM: created, adopted, read again (CM contract §6)."""

from collections.abc import Sequence
from dataclasses import replace

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.shapes import Field as CmField
from relay.domain.mapping import BASE_FIELDS, Wanted
from relay.domain.names import free_name
from relay.errors import NeedsPerson, Refused
from relay.store import connections, structure
from relay.store.database import Tx
from relay.store.leases import Lease
from relay.store.structure import Field
from relay.sync.parts import Parts
from relay.sync.picture import Picture

ALWAYS = {"activated": ("Yes", "No"), "blocked": ("Yes", "No")}
MULTI = ("MultiSelectOne", "MultiSelectMany")
MOST_NAMES = 20


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
        picture = picture.reload(parts.database)
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
    return picture.reload(parts.database)
