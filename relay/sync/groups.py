"""EHQ's groups in CM between two runs."""

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.shapes import one_rule
from relay.errors import Refused
from relay.store import connections
from relay.store.leases import Lease
from relay.sync import fields, segments
from relay.sync.parts import Parts
from relay.sync.picture import Picture


def due_segments(parts: Parts, cm: CampaignMonitor, lease: Lease, picture: Picture) -> None:
    """Between two looks at who waits: options of new groups, their segments, and whether the others kept their rules.

    One segment tells whether an options call drops rules here; only then are all of them read. A run reads all anyway.
    """
    picture = options(parts, cm, lease, picture)
    field = picture.fields.get("groups")
    sample = next((g for g in picture.groups.values() if g.segment_id and not g.deleted), None)
    kept = True
    if field and field.key and sample and sample.segment_id:
        try:
            kept = cm.segment(sample.segment_id).rules == one_rule(field.key, f"EQUALS {sample.option}")
        except Refused:
            kept = False
    segments.make(parts, cm, lease, picture, everyone=not kept)
    with parts.database.write() as tx:
        connections.change(tx, picture.connection.id, segments_due=False)


def options(parts: Parts, cm: CampaignMonitor, lease: Lease, picture: Picture) -> Picture:
    """Every group has its option, also one that nobody is in: without it there can be no segment."""
    field = picture.fields.get("groups")
    if field is None or {g.option for g in picture.groups.values() if not g.deleted} <= set(field.options):
        return picture
    return fields.make(parts, cm, lease, picture, {"groups": set()})
