"""Custom fields and options in CM: created, adopted, read again (CM contract §6)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import structlog

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.shapes import Field as CmField
from relay.domain.mapping import BASE_FIELDS, Wanted
from relay.domain.names import free_name
from relay.errors import Refused, RetryLater
from relay.store import connections, participants, structure
from relay.store.database import Tx
from relay.store.leases import Lease
from relay.store.structure import FORMER, Field
from relay.sync.parts import Parts
from relay.sync.picture import Picture
from relay.sync.structure import kept_rules, segments
from relay.sync.structure.form import MOST_OPTIONS, add_choices

ALWAYS = {"activated": ("Yes", "No"), "blocked": ("Yes", "No")}
MULTI = ("MultiSelectOne", "MultiSelectMany")
MOST_NAMES = 20
NOT_ALL = "Campaign Monitor did not keep every option of this field. Are there options that differ only in case?"
TOO_MANY = (
    f"More than {MOST_OPTIONS:,} different answers to this question. Those that came later are skipped. "
    "Ask for a text in EHQ instead of a choice, or leave the question out."
)
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
    if not missing:
        return picture
    picture = make(parts, cm, lease, picture, missing)
    if any(source in picture.fields and picture.fields[source].problem for source in missing):
        # Whoever is about to be written is looked at again, without what CM does not take.
        raise RetryLater("Campaign Monitor does not take one of the fields; everyone goes on without it.", code="field")
    return picture


def make(parts: Parts, cm: CampaignMonitor, lease: Lease, picture: Picture, needed: dict[str, set[str]]) -> Picture:
    """Creates or adopts the fields `needed` (source → options); a field of choices without any waits for its first.

    A field, or an option, that CM does not take is the field's problem, told on the field: its values are skipped
    until a run finds that CM takes it, and nobody waits for it.
    """
    there = cm.fields(picture.connection.cm_list_id or "")
    _drop_former(parts, picture, there)
    # Base fields first: they win a clash of names (design §6).
    for source in sorted(needed, key=lambda source: (source not in BASE_FIELDS, picture.fields[source].id)):
        field = picture.fields[source]
        options = needed[source] | set(field.choices) | set(ALWAYS.get(source, ()))
        if source == "groups":
            options |= {group.option for group in picture.groups.values() if not group.deleted}
        # What an earlier connection wrote there is ours to clear.
        ours = picture.connection.list_unread and any((f.name, f.type) == (field.label, field.type) for f in there)
        if field.type in MULTI and not options and not ours:
            continue
        try:
            found, there = _true(parts, cm, lease, picture, field, options, there)
            change: dict[str, Any] = {
                "name": found.name,
                "key": found.key,
                "options": list(found.options),
                "problem": None,
            }
            if field.type in MULTI and not options <= set(found.options):
                change["problem"] = NOT_ALL if len(found.options) < MOST_OPTIONS else TOO_MANY
        except Refused as error:
            if error.code == "253":
                raise
            change = {"problem": f"{error.message} {error.remedy}".strip()}
        if change["problem"]:
            log.warning("field not taken whole", connection=field.connection_id, field=field.id)
        elif change == {"name": field.name, "key": field.key, "options": list(field.options), "problem": field.problem}:
            continue
        with parts.database.write() as tx:
            structure.change_field(tx, field.id, **change)
            if change["problem"] and source.startswith("answer:"):
                add_choices(tx, field, sorted(options))  # for the next run to try again
        picture = picture.reload(parts.database)
        if source == "groups" and field.options and tuple(change.get("options", ())) != field.options:
            picture = segments.mend(parts, cm, lease, picture)
    return picture


def _true(
    parts: Parts,
    cm: CampaignMonitor,
    lease: Lease,
    picture: Picture,
    field: Field,
    options: set[str],
    there: list[CmField],
) -> tuple[CmField, list[CmField]]:
    """One field as CM has it after it was made or given what it lacked of `options`, and all fields of the list."""
    list_id = picture.connection.cm_list_id or ""
    if field.source not in BASE_FIELDS:
        options = set(sorted(options)[:MOST_OPTIONS])
    found = next((f for f in there if f.key == field.key), None)
    lease.check()
    if found is None:
        found, there = _create_or_adopt(cm, list_id, field, picture, there, sorted(options))
    missing = sorted(options - set(found.options)) if field.type in MULTI else []
    if field.source not in BASE_FIELDS:
        missing = missing[: max(0, MOST_OPTIONS - len(found.options))]
    if missing:
        lease.check()
        if field.source == "groups":  # the call may cost our segments their rules: should we die, they are looked at
            with parts.database.write() as tx:
                connections.change(tx, field.connection_id, segments_due=True)
        with kept_rules.kept(parts, cm, lease, picture, found.key, found.name):
            cm.add_options(list_id, found.key, missing)
        there = cm.fields(list_id)
        found = next((f for f in there if f.key == found.key), found)
    return found, there


def _drop_former(parts: Parts, picture: Picture, there: Iterable[CmField]) -> None:
    """A field from before its question changed its kind, deleted by hand since, has nothing left to be moved."""
    keys = {field.key for field in there}
    gone = [f for f in picture.fields.values() if f.source.startswith(FORMER) and f.key not in keys]
    if gone:
        with parts.database.write() as tx:
            for field in gone:
                structure.drop_field(tx, field.id)


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
                    raise
                known = cm.fields(list_id)
                if any(f.name.casefold() == name.casefold() for f in known):
                    continue
        taken.add(name.casefold())
    raise Refused(
        "Every name for this field is taken in Campaign Monitor.",
        remedy="Remove some of the custom fields of that name from the list, or leave the question out.",
        code="255",
    )


def forget(tx: Tx, picture: Picture) -> None:
    """What we knew of CM's fields no longer holds: the next look reads and makes them again."""
    for field in picture.fields.values():
        if not field.source.startswith(FORMER):
            structure.change_field(tx, field.id, key=None, options=[])


def refresh(parts: Parts, cm: CampaignMonitor, picture: Picture) -> Picture:
    """Our table of fields as CM has them now: deleted by hand, retyped, renamed, options gone."""
    there = {f.key: f for f in cm.fields(picture.connection.cm_list_id or "")}
    _drop_former(parts, picture, there.values())
    with parts.database.write() as tx:
        for field in picture.fields.values():
            now = there.get(field.key or "")
            if field.source.startswith(FORMER) and now is None:
                continue
            if field.key and (now is None or now.type != field.type):
                structure.change_field(tx, field.id, name=None, key=None, options=[])
                # Whatever was not kept may have been lost with the field: it is written again.
                participants.not_refused(tx, field.connection_id, "not-kept")
            elif now and (now.name != field.name or now.options != field.options):
                structure.change_field(tx, field.id, name=now.name, options=list(now.options))
    return picture.reload(parts.database)
