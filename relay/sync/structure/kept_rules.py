"""An options call may delete the rules of every segment on that field, people's own included (CM contract §6).

A segment without rules holds everybody: one newsletter to the wrong thousands. So people's rules are on record before
the call and put back after it, if that is what was lost; a crash in between is made good by the next look at segments.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.shapes import fold_key, normal
from relay.errors import Refused
from relay.store import connections
from relay.store.connections import Connection
from relay.store.leases import Lease
from relay.sync.parts import Parts
from relay.sync.picture import Picture

log = structlog.get_logger()


def safe(connection: Connection) -> bool:
    """Whether a probe found that options calls leave rules alone."""
    return (connection.switches or {}).get("options_call") == "keeps rules"


@contextmanager
def kept(parts: Parts, cm: CampaignMonitor, lease: Lease, picture: Picture, key: str, name: str) -> Iterator[None]:
    """Around an options call on the field `key`, called `name`."""
    if safe(picture.connection):
        yield
        return
    ours = {group.segment_id for group in picture.groups.values()}
    names = {fold_key(key), fold_key(name)}
    found: dict[str, Any] = {}
    for one in cm.segments(picture.connection.cm_list_id or ""):
        if one.id not in ours:
            try:
                groups = [list(map(list, group)) for group in cm.segment(one.id).groups]
            except Refused:
                continue  # gone since, or CM's own
            if any(fold_key(kind) in names for group in groups for kind, _ in group):
                found[one.id] = {"groups": groups, "names": sorted(names)}
    if found:
        with parts.database.write() as tx:
            before = connections.find(tx, picture.connection.id)
            record = {**found, **((before and before.rules_kept) or {})}
            connections.change(tx, picture.connection.id, rules_kept=record, segments_due=True)
    yield
    if found:
        restore(parts, cm, lease, picture.connection.id)


def restore(parts: Parts, cm: CampaignMonitor, lease: Lease, connection_id: str) -> None:
    """Puts back what is on record, where exactly that was lost: what a person changed since is left as it is."""
    with parts.database.read() as tx:
        connection = connections.find(tx, connection_id)
    if connection is None or not connection.rules_kept:
        return
    for segment_id, record in connection.rules_kept.items():
        try:
            now = cm.segment(segment_id)
            if now.rules == normal(_left(record)) and now.rules != normal(record["groups"]):
                lease.check()
                cm.put_rules(segment_id, now.title, record["groups"])
                log.warning("rules put back", connection=connection_id, segment=segment_id)
        except Refused as error:
            log.warning("rules not put back", connection=connection_id, segment=segment_id, code=error.code)
    with parts.database.write() as tx:
        connections.change(tx, connection_id, rules_kept=None)


def _left(record: Mapping[str, Any]) -> list[list[tuple[str, str]]]:
    """What a call that drops all rules on the field leaves of a segment's."""
    groups = [[(k, c) for k, c in group if fold_key(k) not in record["names"]] for group in record["groups"]]
    return [group for group in groups if group]
