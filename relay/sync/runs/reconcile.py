"""A run: read both sides completely, compare, repair, and look again. It advances in short steps.

Each step does one thing for at most a few seconds, saves where it is, and ends, so that live changes pass in between,
a killed worker costs one step, and a second worker that takes the same step does no harm. Writing begins while the rest
is still compared.

fields → groups → ehq → campaign_monitor → compare → write → segments → verify
"""

import time
from dataclasses import replace

import structlog

from relay.campaign_monitor.shapes import STATES
from relay.domain.mapping import BASE_FIELDS
from relay.domain.version import Page, as_webhook
from relay.ehq.client import Cursor
from relay.errors import Refused
from relay.store import connections, hints
from relay.store import structure as tables
from relay.sync.connections import hooks
from relay.sync.connections.credentials import account
from relay.sync.intake.hints import BY_HAND
from relay.sync.intake.identity import recognise_groups
from relay.sync.picture import learn
from relay.sync.runs.comparing import Comparing
from relay.sync.runs.prefetch import Prefetch
from relay.sync.runs.reading import NOT_KEPT
from relay.sync.runs.second import MERGED, one_subscriber
from relay.sync.structure import fields, groups, segments
from relay.sync.upsert.books import Books

FIRST_PHASE = "fields"
CLOCKS_S = 60.0
"""How far our own machines' clocks may be apart."""
log = structlog.get_logger()


class Step(Comparing):
    """Advances a run by one step."""

    def take(self) -> str:
        """Advances the run; answers the phase it is in now, or "done"."""
        self.counts.setdefault("began", {}).setdefault(self.run.phase, time.time())
        following = getattr(self, self.run.phase)()
        phase = following or self.run.phase
        if following:
            self.cursor = {}
            self.counts["began"] = {**self.counts["began"], phase: time.time()}
        return str(phase)

    # The phases. Each answers the next one's name when it is through, or None to be called again.

    def fields(self) -> str | None:
        """The list is there, and its fields are as we think."""
        if self.connection.cm_list_id is None:  # only a dry run comes here before the list is made
            return "groups"
        cm = self.parts.campaign_monitor(self.connection)
        cm.list_details(self.connection.cm_list_id or "")
        if self.connection.cm_account is None:
            with self.parts.database.write() as tx:
                connections.change(tx, self.connection.id, cm_account=account(cm))
        picture = self.picture()
        if not self.run.dry:
            with self.parts.database.write() as tx:
                learn(tx, picture, (), {})
            picture = fields.refresh(self.parts, cm, self.picture())
            with self.claim_list() as lease:
                hooks.keep(self.parts, self.connection, lease)
                again = {field.source for field in picture.fields.values() if field.problem}
                fields.make(self.parts, cm, lease, picture, {source: set() for source in {*BASE_FIELDS, *again}})
        return "groups"

    def groups(self) -> str | None:
        """What EHQ's groups are called now."""
        ehq = self.parts.ehq(self.connection)
        cursor = Cursor.from_dict(self.cursor["page"]) if "page" in self.cursor else None
        asked = time.time()
        page = ehq.groups(cursor)
        picture = self.picture()
        with self.parts.database.write() as tx:
            if not self.run.dry:
                page = replace(page, groups=recognise_groups(tx, picture, page.groups))
                learn(tx, picture, (), {group.id: group.name or "" for group in page.groups})
                tables.groups_seen(tx, self.connection.id, [group.id for group in page.groups], self.run.id)
                known = {g.ehq_id: g for g in tables.all_groups(tx, self.connection.id)}
                for news in page.groups:
                    group = known[news.id]
                    later = news.updated_at is None or news.updated_at >= group.heard_at
                    if news.name and later and (group.name != news.name or group.deleted):
                        # By EHQ's own clock, which may be minutes off ours: its next word is measured by it.
                        version = as_webhook(Page(asked, news.updated_at)).version
                        tables.change_group(tx, group.id, name=news.name, deleted=False, heard_at=version)
        self.count("groups_unlisted", page.unreadable + (not page.listed))
        if page.cursor is None:
            return "ehq"
        self.cursor["page"] = page.cursor.to_dict()
        return None

    def ehq(self) -> str | None:
        """Everyone in EHQ, page by page; the next page is on its way while this one is stored."""
        ehq = self.parts.ehq(self.connection)
        cursor = Cursor.from_dict(self.cursor["page"]) if "page" in self.cursor else None
        with Prefetch(lambda c: (time.time(), ehq.users(c)), cursor, lambda answer: answer[1].cursor) as pages:
            for asked, page in pages:
                self._see(page, asked)
                if page.total is not None:
                    self.counts["ehq_total"] = page.total
                    self.counts["ehq_told"] = max(page.total, self.counts.get("ehq_told", 0))
                if page.cursor is None:
                    return self._ehq_complete()
                self.cursor["page"] = page.cursor.to_dict()
                self.page_kept()
                if not self.more_time():
                    break
        return None

    def campaign_monitor(self) -> str | None:
        """All five states of the list, and what CM holds of everyone."""
        if self.connection.cm_list_id is None:
            return "compare"
        cause = None if self.counts.get("first_run") else BY_HAND
        if "read" not in self.cursor:
            if not self._read_list(STATES, cause):
                return None
            self.cursor["read"] = True
            self.page_kept()
        if not self.run.dry:
            if not self._one_subscriber_each():
                return None
            with self.parts.database.write() as tx:
                hints.taken_before(tx, self.connection.id, self.counts["began"]["campaign_monitor"] - CLOCKS_S)
                connections.change(tx, self.connection.id, list_unread=False)
        return "compare"

    def _one_subscriber_each(self) -> bool:
        """Whether all who are named at a second address have been looked at. No more are removed there than the brake
        lets go without asking: the next run goes on."""
        limit = self.connection.rules.brake.limit(self.counts.get("cm_read", 0))
        while waiting := self.cursor.get("second"):
            ehq_id, address, _ = waiting[0]
            with self.claim_list() as lease:
                books, may = Books(self.parts, self.connection, lease), self.counts.get(MERGED, 0) < limit
                try:
                    if one_subscriber(books, ehq_id, address, self.run.id, may):
                        self.count(MERGED)
                        self.caused(BY_HAND, 1)
                except Refused as error:
                    log.info("second subscriber stays", connection=self.connection.id, code=error.code)
            self.cursor["second"] = waiting[1:]
            self.page_kept()
            if not self.more_time():
                break
        return not self.cursor.get("second")

    def write(self) -> str | None:
        """Whoever waits; the list's claim is let go between steps."""
        with self.writing() as write:
            while write(True):
                if not self.more_time():
                    return None
        return "segments"

    def segments(self) -> str | None:
        cm = self.parts.campaign_monitor(self.connection)
        with self.claim_list() as lease:
            if (self.connection.cm_hook_problem or {}).get("passing"):
                hooks.keep(self.parts, self.connection, lease)
            picture = groups.options(self.parts, cm, lease, self.picture())
            picture = segments.make(self.parts, cm, lease, picture, everyone=True)
        self.counts["segments"] = sum(1 for g in picture.groups.values() if g.segment_id)
        self.counts["segments_not_made"] = sum(1 for g in picture.groups.values() if g.problem)
        return "verify" if self.counts.get("written") else "done"

    def verify(self) -> str | None:
        """Read back what was written: an import answers before anyone can be sure that it was kept."""
        if not self._read_list(("Active",), NOT_KEPT):
            return None
        if "again" not in self.cursor:
            return "done"
        self.counts["written_again"] = time.time()
        return "write"
