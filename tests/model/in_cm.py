"""What people do in Campaign Monitor's own pages, and what recipients do with their mail."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis.stateful import rule

from tests.model.history import History, by_api, picks

OPT_OUTS = ("unsubscribe", "bounce", "complain", "delete")


class InCampaignMonitor(History):
    @rule(kind=st.sampled_from(OPT_OUTS), pick=picks)
    def opts_out_in_campaign_monitor(self, kind: str, pick: int) -> None:
        self.watch()
        active = sorted(a for a, one in self.world.list.people.items() if one.state == "Active")
        if active:
            address = active[pick % len(active)]
            self.world.in_cm(kind, email=address)
            self.oracle.opts_out(address, kind)
            self.tried(f"CM: {kind}")

    opts_out_twice_as_often = opts_out_in_campaign_monitor

    @by_api
    @rule(pick=picks)
    def somebody_types_another_address_in_campaign_monitor(self, pick: int) -> None:
        self.watch()
        ours = sorted(
            a for a, one in self.world.list.people.items() if one.state == "Active" and a in self.oracle.holder
        )
        new = f"typed{pick % 3}@example.net"
        if ours and self.world.in_cm("change_email", email=ours[pick % len(ours)], new_email=new):
            self.oracle.types(ours[pick % len(ours)], new)
            self.tried("CM: an address is changed by hand")

    somebody_types_twice_as_often = somebody_types_another_address_in_campaign_monitor

    @rule(pick=picks)
    def stranger_subscribes_in_campaign_monitor(self, pick: int) -> None:
        self.watch()
        address = f"stranger{pick % 3}@example.net"
        self.world.in_cm("subscribe", email=address)
        self.oracle.subscribes(address)
        self.tried("CM: a stranger subscribes")

    @rule(pick=picks)
    def opted_out_person_subscribes_again_in_campaign_monitor(self, pick: int) -> None:
        self.watch()
        out = sorted(a for a in self.oracle.out if a in self.world.list.people)
        if out:
            address = out[pick % len(out)]
            self.world.in_cm("subscribe", email=address)
            self.oracle.subscribes(address)
            self.tried("CM: somebody who opted out subscribes again")

    @rule(pick=picks, field=st.sampled_from(["Groups", "Tags", "Gender", "What is your postcode?"]))
    def somebody_edits_a_field_by_hand(self, pick: int, field: str) -> None:
        addresses = sorted(set(self.world.list.people) - self.oracle.strangers)
        if addresses and self.world.in_cm(
            "edit_field", email=addresses[pick % len(addresses)], field=field, value=None
        ):
            self.tried("CM: edit_field")

    @rule(
        act=st.sampled_from(["edit_segment", "delete_segment", "draft_segment", "delete_field", "delete_hook"]),
        field=st.sampled_from(["Gender", "Suburb", "Household size"]),
        pick=picks,
    )
    def somebody_tidies_up_by_hand(self, act: str, field: str, pick: int) -> None:
        segments = sorted(self.world.list.segments)
        if act == "delete_hook":
            self.world.list.hooks.clear()
        elif not segments or not self.world.in_cm(act, field=field, segment=segments[pick % len(segments)]):
            return
        self.tried(f"CM: {act}")

    @rule(lost=st.booleans())
    def campaign_monitors_notices_arrive(self, lost: bool) -> None:
        if self.world.carry_notices(lost):
            self.tried("CM's notices are lost" if lost else "CM's notices arrive")
