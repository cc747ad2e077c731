"""What CM says of addresses that we never wrote to: whom a dry run would promise, and CM would not take."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.shapes import STATES, Page
from relay.domain.mapping import Held
from relay.errors import RelayError, RetryLater
from relay.store.connections import Connection
from relay.store.database import Tx
from relay.store.person import Person
from relay.sync.parts import Parts
from relay.sync.picture import Picture
from relay.sync.upsert import removed

MOST_PAGES = 15
"""Read for one step of a dry run, opt-outs first: nothing of it is kept."""
OPT_OUTS_FIRST = sorted(STATES, key="Active".__eq__)


class Barred:
    """`states`: whether those on the list are read too; at the look at a first export nobody is known yet."""

    def __init__(self, parts: Parts, connection: Connection, picture: Picture, *, states: bool) -> None:
        self.parts, self.connection, self.picture, self.states = parts, connection, picture, states
        self.whole = True
        self.left = MOST_PAGES
        self.since: dict[str, str] = {}
        """Address → since when they are *Deleted*."""
        self.there: dict[str, Held] = {}
        try:
            for address, held in self._read(parts.campaign_monitor(connection)):
                self.there[address] = held  # what the list says of somebody on it comes last, and says more
        except RetryLater:
            raise
        except RelayError:  # this access may not see it, or there is none yet
            self.whole = False

    def meet(self, tx: Tx, people: Sequence[Person]) -> tuple[list[Person], int]:
        """`people` as CM would meet them, and how many of them are on the list."""
        unmet = {p.id: p.email for p in people if p.held.state is None and p.email in self.there}
        gone = {a: self.since[a] for a in unmet.values() if a in self.since}
        ours = removed.before(tx, self.parts.vault, self.connection, gone) if gone else set()
        met = []
        for person in people:
            if address := unmet.get(person.id):
                record = replace(person.record, removed=True) if address in ours else person.record
                person = replace(person, held=self.there[address], record=record)
            met.append(person)
        return met, sum(self.there[a].state != "Suppressed" for a in unmet.values() if a)

    def _read(self, cm: CampaignMonitor) -> Iterator[tuple[str, Held]]:
        list_id = self.connection.cm_list_id
        if list_id is None or cm.list_details(list_id).unsubscribe_setting == "AllClientLists":
            for page in self._pages(partial(cm.suppression_page, self.connection.cm_client_id or "")):
                yield from ((one.email, Held(one.email, "Suppressed")) for one in page.people)
        for state in OPT_OUTS_FIRST if self.states and list_id else ():
            for page in self._pages(partial(cm.page, list_id or "", state)):
                for one in page.people:
                    held = self.picture.held(one)
                    if held.email and state == "Deleted":
                        self.since[held.email] = one.date
                    if held.email:
                        yield held.email, held

    def _pages(self, fetch: Callable[[int], Page[Any]]) -> Iterator[Page[Any]]:
        number, pages = 1, 1
        while number <= pages:
            if not self.left:
                self.whole = False
                return
            page = fetch(number)
            yield page
            self.left, number, pages = self.left - 1, number + 1, page.pages
