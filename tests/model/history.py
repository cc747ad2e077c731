"""What the rules of all histories share: the world they happen in, and the oracle that watches."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition

from relay.sync.connections import connect
from tests.model.oracle import Oracle
from tests.model.world import World

ROLES = ("participant", "project_admin", "hub_admin", "site_admin")
AUDIENCES: tuple[dict[str, Any], ...] = ({}, {}, {"activated_only": True}, {"roles": ["participant"]})
NAMES = ("Panel", "Pet owners", "Jury, citizens'", 'The "Rates" [group]', "🌳 trees", "x" * 300)
by_api = precondition(lambda self: not self.by_hand)
"""What exports cannot tell, or has nothing to do with them."""
picks = st.integers(min_value=0, max_value=999)


class History(RuleBasedStateMachine):
    place: World
    world: World
    oracle: Oracle
    dice: random.Random
    seen = runs = 0
    by_hand = False

    def tried(self, what: str) -> None:
        self.world.tried[what] += 1

    def watch(self) -> None:
        """The oracle sees every write that CM obeyed, before anything else happens there."""
        self.oracle.observes(self.world.standing())
        writes = self.world.account.writes or []
        for write in writes[self.seen :]:
            self.oracle.sees(write)
        self.seen = len(writes)

    def person(self, pick: int) -> str:
        order = self.world.site.order
        return str(order[pick % len(order)].id) if order else "0"

    def rules_change(self, more: Mapping[str, Any]) -> None:
        self.world.rules = {**self.world.rules, **more}
        connect.configure(self.world.parts, self.world.connection, self.world.rules)
