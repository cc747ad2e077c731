"""EHQ's groups: their options and segments between two runs, and those that EHQ has no more."""

from collections.abc import Sequence
from typing import Any

from relay.campaign_monitor.client import CampaignMonitor
from relay.errors import Invalid
from relay.store import connections, runs, structure
from relay.store.connections import Connection
from relay.store.database import Tx
from relay.store.leases import Lease
from relay.store.structure import Group
from relay.sync.parts import Parts
from relay.sync.picture import Picture
from relay.sync.structure import fields, segments

ABSENT_RUNS = 2
"""Complete runs in a row that must miss a group."""
FEW, PART = 3, 0.25
"""A run deletes no more groups for absence than the larger of the two: a list that lost many is rather a key that lost
its rights, and a segment that was deleted is gone from every draft and automation."""


def due_segments(parts: Parts, cm: CampaignMonitor, lease: Lease, picture: Picture) -> None:
    """Between two looks at who waits: options of new groups, their segments, and whether others kept their rules."""
    segments.mend(parts, cm, lease, options(parts, cm, lease, picture))


def options(parts: Parts, cm: CampaignMonitor, lease: Lease, picture: Picture) -> Picture:
    """Every group has its option, also one that nobody is in: without it there can be no segment."""
    field = picture.fields.get("groups")
    if field is None or {g.option for g in picture.groups.values() if not g.deleted} <= set(field.options):
        return picture
    return fields.make(parts, cm, lease, picture, {"groups": set()})


def absent(tx: Tx, connection: Connection, run_id: int, counts: dict[str, Any]) -> None:
    """After a complete read of EHQ's groups and of everyone: who was named nowhere, several times in a row, is gone."""
    nowhere = structure.groups_absent(tx, connection.id, run_id, ABSENT_RUNS)
    alive = sum(1 for group in structure.all_groups(tx, connection.id) if not group.deleted)
    if len(nowhere) > max(FEW, alive * PART):
        counts["groups_missing"] = len(nowhere)
        return
    for group in nowhere:
        structure.change_group(tx, group.id, deleted=True)
    if nowhere:
        counts["groups_gone"] = len(nowhere)


def count_members(counts: dict[str, Any], groups: Sequence[str]) -> None:
    """One person who belongs on the list, added to a run's counts of each group."""
    members = counts.setdefault("members", {})
    for group in groups:
        members[group] = members.get(group, 0) + 1


def members(tx: Tx, connection_id: str) -> dict[str, int] | None:
    """How many people each group (by EHQ's id) had on the list when a run last compared everybody; None: none did."""
    whole = (run for run in runs.latest(tx, connection_id, 10, dry=False) if run.state in ("completed", "braked"))
    return next((run.counts["members"] for run in whole if "members" in run.counts), None)


def missing(group: Group) -> bool:
    """Found nowhere in EHQ so often that a run deletes it, unless that were many at once."""
    return not group.deleted and group.absent_runs >= ABSENT_RUNS


def forget(parts: Parts, connection: Connection, ehq_ids: Sequence[str]) -> int:
    """A person says that these groups are gone. Should EHQ still list one, the next run has it again.

    :raise Invalid: naming those that are not known.
    """
    with parts.database.write() as tx:
        known = {group.ehq_id: group for group in structure.all_groups(tx, connection.id) if not group.deleted}
        if unknown := [i for i in ehq_ids if i not in known]:
            raise Invalid(f"There is no group {', '.join(unknown)} here.", remedy="Look which there are.")
        for ehq_id in ehq_ids:
            structure.change_group(tx, known[ehq_id].id, deleted=True)
        connections.change(tx, connection.id, segments_due=True, remap_due=True)
    parts.queue.ring(connection.id, always=True)
    return len(ehq_ids)


def report(parts: Parts, connection_id: str) -> list[dict[str, Any]]:
    """[{"group", "name", "segment", "segment_id", "option", "missing_runs", "deleted", "problem"}]: `missing_runs`
    counts the complete runs in a row that found it nowhere in EHQ; `deleted` with a segment: CM did not let it go."""
    with parts.database.read() as tx:
        return [
            {
                "group": group.ehq_id,
                "name": group.name,
                "segment": group.title,
                "segment_id": group.segment_id,
                "option": group.option,
                "missing_runs": group.absent_runs,
                "deleted": group.deleted,
                "problem": group.problem,
            }
            for group in structure.all_groups(tx, connection_id)
            if not group.deleted or group.segment_id
        ]
