"""A group whose members changed, as EHQ told, is read by itself: its next run may be a day away.

Beside the list's claim, for EHQ may take long to answer; what it said is merged under it, like a delivery.
"""

import time

import structlog

from relay.domain.merge import see_membership
from relay.domain.version import Page
from relay.ehq.client import Ehq
from relay.errors import Incomplete, RelayError, RetryLater
from relay.store import connections, members, participants
from relay.store.connections import Connection
from relay.store.leases import Lease, Lost, claim
from relay.store.structure import Group
from relay.sync.intake.apply import AGAIN_S, apply_waiting, compare, read_again_soon
from relay.sync.parts import Parts
from relay.sync.picture import Picture
from relay.sync.upsert.visits import Busy, list_claim

MOST_PAGES, READ_S = 20, 20.0
"""Of one group; a larger one, or a slower site, is left to the run."""
APART_S, FAILED_S = 60.0, 60.0
"""Between two readings of one group; and after EHQ failed."""
AT_ONCE = 1000
log = structlog.get_logger()


def read_next(parts: Parts, connection_id: str) -> None:
    """Reads the group that has been due for longest, and rings when there is another."""
    with claim(parts.database, f"group:{connection_id}") as lease:
        if lease is None:
            return
        with parts.database.read() as tx:
            connection = connections.find(tx, connection_id)
            group = members.due(tx, connection_id)
        if connection is None or group is None:
            return
        _read(parts, connection, group)
        with parts.database.read() as tx:
            more = members.due(tx, connection_id)
    if more:
        parts.queue.group(connection_id)


def _read(parts: Parts, connection: Connection, group: Group) -> None:
    asked = time.time()
    try:
        there = _members(parts.ehq(connection), group.also or group.ehq_id)
    except RetryLater as error:
        with parts.database.write() as tx:
            members.put_off(tx, group, time.time() + (error.retry_after or FAILED_S))
        log.warning("group not read yet", connection=connection.id, code=error.code, message=error.message)
        return
    except RelayError as error:  # not offered, not allowed, too large: the run reads everybody's groups
        with parts.database.write() as tx:
            members.read(tx, group, asked + AGAIN_S)
            read_again_soon(tx, connection)
        if parts.queue.once(f"group-unread:{connection.id}", 86400):
            remedy = (
                "The next run is brought forward in its place, each time. overrides.paths.members says where to read."
            )
            log.warning(
                "group not read", connection=connection.id, code=error.code, message=error.message, remedy=remedy
            )
        return
    try:
        with list_claim(parts, connection.id) as lease:
            apply_waiting(parts, connection)
            _merge(parts, connection, lease, group, there, Page(asked))
    except (Busy, Lost):
        return  # it stays due
    with parts.database.write() as tx:
        members.read(tx, group, asked + APART_S)


def _members(ehq: Ehq, group_id: str) -> set[str]:
    """Everybody in the group. :raise RelayError: unless it was read whole."""
    ends, cursor = time.monotonic() + READ_S, None
    ids: set[str] = set()
    for _ in range(MOST_PAGES):
        page = ehq.members(group_id, cursor)
        ids |= set(page.ids)
        if page.unreadable or time.monotonic() > ends:
            break
        if page.cursor is None and len(ids) >= (page.total or 0):
            return ids
        if page.cursor is None:
            break
        cursor = page.cursor
    raise Incomplete("The group was not read to its end.", code="ehq-group")


def _merge(parts: Parts, connection: Connection, lease: Lease, group: Group, there: set[str], page: Page) -> None:
    """Whoever is in the group now and was not, and the other way round."""
    with parts.database.read() as tx:
        before = members.of(tx, connection.id, group.ehq_id)
    differ = sorted(there ^ before)
    for start in range(0, len(differ), AT_ONCE):
        some = differ[start : start + AT_ONCE]
        lease.check()
        with parts.database.write() as tx:
            picture = Picture.load(tx, connection)
            participants.add_stubs(tx, connection.id, some)
            people = participants.by_ids(tx, connection.id, some, lock=True)
            known = {i: see_membership(p.known, group.ehq_id, i in there, page) for i, p in people.items()}
            changed = [(p.id, known[i]) for i, p in people.items() if known[i] != p.known]
            participants.save_known(tx, changed, picture.sought)
            compare(tx, picture, [person_id for person_id, _ in changed], [person.email for person in people.values()])
