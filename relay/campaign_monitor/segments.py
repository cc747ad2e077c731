"""Segments: saved questions to a list, here always of one rule."""

from collections.abc import Iterable, Sequence
from typing import Any

from relay.campaign_monitor import wire
from relay.campaign_monitor.http import Caller, nothing, text
from relay.campaign_monitor.shapes import Segment, SegmentName


class Segments(Caller):
    def segments(self, list_id: str) -> list[SegmentName]:
        path = ("lists", list_id, "segments")
        return self.call("segments", "GET", path, lambda rows: [SegmentName(r["SegmentID"], r["Title"]) for r in rows])

    def segment(self, segment_id: str) -> Segment:
        """Its rules equal `one_rule(…)` of what made it as long as nobody changed them."""
        return self.call("segment", "GET", ("segments", segment_id), wire.segment)

    def create_segment(self, list_id: str, title: str, rule_type: str, clause: str) -> str:
        """The id. `rule_type` a field's key, `clause` such as "EQUALS Youth" (createsend-ruby#54: the page's "matches
        exactly"). Refused "275": a segment of that title exists; "277": an option or field is missing."""
        return self.call("create_segment", "POST", ("segments", list_id), text, body=_body(title, rule_type, clause))

    def update_segment(self, segment_id: str, title: str, rule_type: str, clause: str) -> None:
        """Title and rule together: by one wrapper's account (createsend-php) a call without rules clears them."""
        self.call("update_segment", "PUT", ("segments", segment_id), nothing, body=_body(title, rule_type, clause))

    def put_rules(self, segment_id: str, title: str, groups: Iterable[Iterable[Sequence[str]]]) -> None:
        """All rules of a segment, groups of (rule type, clause) as `Segment.groups` has them."""
        rules = [{"Rules": [{"RuleType": kind, "Clause": clause} for kind, clause in group]} for group in groups]
        body = {"Title": wire.clean(title), "RuleGroups": rules}
        self.call("update_segment", "PUT", ("segments", segment_id), nothing, body=body)

    def delete_segment(self, segment_id: str) -> None:
        """Refused "272": a draft campaign uses it; "271": it is gone already."""
        self.call("delete_segment", "DELETE", ("segments", segment_id), nothing)


def _body(title: str, rule_type: str, clause: str) -> dict[str, Any]:
    rule = {"RuleType": rule_type, "Clause": wire.clean(clause)}
    return {"Title": wire.clean(title), "RuleGroups": [{"Rules": [rule]}]}
