"""Fields and groups: what became of each question and group in Campaign Monitor, and what a person may say of them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from relay.store import audit
from relay.store.connections import Connection
from relay.sync.structure import groups
from tests.conftest import Live, Visitor

Visit = Callable[[str], Visitor]


def page(visit: Visit, live: Live, role: str = "operator") -> str:
    """As somebody reads it: without markup."""
    text = visit(role).get(f"/c/{live.connection.id}/fields").text
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def row(text: str, name: str) -> str:
    """What stands behind the name of a group, up to the next hundred characters."""
    return text.partition(f" {name} ")[2][:100]


def test_each_group_has_its_segment_how_many_are_in_it_and_its_state(visit: Visit, live: Live) -> None:
    one, _ = live.ehq.someone()
    live.ehq.act("group_create", name="Night market")
    live.ehq.act("group_add", group=30, id=one, silent=True)
    live.arrives()
    live.run()
    text = page(visit, live, "viewer")
    inside = live.cm.segments()["Youth advisory panel"]
    assert f"Youth advisory panel {inside} In step" in row(text, "Youth advisory panel")
    assert "Night market 0 In step" in row(text, "Night market")


def test_where_nobody_is_in_any_group_each_has_nobody(visit: Visit, live: Live) -> None:
    known = groups.report(live.relay.parts, live.connection.id)
    live.ehq.faults(hide_groups=[int(group["group"]) for group in known])
    live.run()
    assert "Youth advisory panel 0 In step" in row(page(visit, live), "Youth advisory panel")


def test_a_deleted_group_whose_segment_a_draft_uses_is_shown_with_the_reason(visit: Visit, live: Live) -> None:
    live.cm.act("draft_segment", segment="Youth advisory panel")
    live.happens("group_delete", group=30)
    text = page(visit, live)
    assert "Its segment stays EngagementHQ has this group no more. A draft campaign uses this segment." in text
    assert "A segment could not be deleted. A draft campaign uses this segment." in html.unescape(
        visit("viewer").get(f"/c/{live.connection.id}/problems").text
    )


def test_groups_missing_in_numbers_are_told_and_a_person_says_that_they_are_gone(visit: Visit, live: Live) -> None:
    operator, there = visit("operator"), f"/c/{live.connection.id}"
    for group in (7, 12, 15, 30):
        live.ehq.act("group_delete", group=group, silent=True)
    live.run()
    live.run()
    assert "4 groups" in operator.get(f"{there}/problems").text
    text = page(visit, live)
    assert "Missing The last 2 complete runs found it nowhere in EngagementHQ." in text
    assert "All 4 missing groups are gone" in text
    assert "All 4 missing groups are gone" not in page(visit, live, "viewer")
    assert visit("viewer").post(f"{there}/fields/groups", {"groups": "7"}).status_code == 403
    operator.post(f"{there}/fields/groups", {"groups": "7\r\n12\r\n15\r\n30"})
    live.relay.settle(live.connection)
    assert list(live.cm.segments()) == ["Joined in the last 30 days"]
    assert "4 groups" not in operator.get(f"{there}/problems").text
    with live.relay.parts.database.read() as tx:
        (entry, *_) = audit.search(tx, connection_id=live.connection.id, limit=1)
    assert (entry.what, entry.detail) == ("said that groups are gone", {"groups": ["7", "12", "15", "30"]})


def test_a_group_that_is_not_missing_is_not_deleted_by_hand(visit: Visit, live: Live) -> None:
    answer = visit("operator").post(f"/c/{live.connection.id}/fields/groups", {"groups": "30"}, follow_redirects=True)
    assert "not missing any more" in answer.text
    live.relay.settle(live.connection)
    assert "Youth advisory panel" in live.cm.segments()


def test_a_question_shows_its_earlier_labels_and_that_its_kind_changed(visit: Visit, live: Live) -> None:
    one, _ = live.ehq.someone()
    live.happens("form_rename_question", question=12, label="Your postcode")
    live.happens("answer", id=one, question=12, value="3000")
    live.happens("form_retype_question", question=12, type="number")
    live.run()
    text = page(visit, live)
    assert "Your postcode Earlier: What is your postcode?" in text
    assert "Its kind changed." in text


def test_before_it_is_saved_the_questions_that_change_are_named(visit: Visit, synced: Connection) -> None:
    operator, there = visit("operator"), f"/c/{synced.id}/fields"
    text = operator.get(there).text
    shown = re.findall(r'name="shown" value="([^"]+)"', text)
    seen = re.search(r'name="seen" value="([^"]+)"', text)
    assert seen
    sent = {"seen": seen[1], "shown": shown, "on": [one for one in shown if one != "12"]}
    looked = operator.post(there, sent, follow_redirects=True).text
    assert "Travels no more:</strong> What is your postcode?" in looked
    assert "Travels again" not in looked
