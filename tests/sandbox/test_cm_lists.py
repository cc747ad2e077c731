"""Lists, custom fields and segments. Contract §5 to §7."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest


def test_a_list_is_created_read_renamed_and_deleted(cm: Any) -> None:
    path = f"/lists/{cm.list}.json"
    assert cm.get(path)["UnsubscribeSetting"] == "AllClientLists"
    assert cm.code("POST", f"/lists/{cm.client}.json", {"Title": "participants"}) == 250
    assert cm.code("POST", f"/lists/{cm.client}.json", {"Title": " "}) == 251
    assert cm.code("POST", f"/lists/{cm.client}.json", {"Title": "B", "UnsubscribeSetting": "Never"}) == 261
    assert cm.call("PUT", path, json={"Title": "People"}).content == b""
    assert cm.get(f"/clients/{cm.client}/lists.json") == [{"ListID": cm.list, "Name": "People"}]
    cm.act("draft_list")
    assert cm.code("DELETE", path) == 252
    cm.act("draft_list", in_draft=False)
    cm.ok("DELETE", path)
    assert cm.code("GET", path) == 101


def test_fields_and_their_keys(cm: Any) -> None:
    assert cm.field("What is your postcode?") == "[Whatisyourpostcode?]"
    assert cm.field("Интересы") == "[]"
    path = f"/lists/{cm.list}/customfields.json"
    for sent, code in [
        ({"FieldName": "what is your POSTCODE?", "DataType": "Text"}, 255),
        ({"FieldName": "", "DataType": "Text"}, 254),
        ({"FieldName": "x" * 101, "DataType": "Text"}, 254),
        ({"FieldName": "A", "DataType": "Text", "Options": ["x"]}, 256),
        ({"FieldName": "A", "DataType": "MultiSelectMany"}, 257),
        ({"FieldName": "A", "DataType": "Colour"}, 259),
    ]:
        assert cm.code("POST", path, sent) == code
    cm.faults(field_limit=2)
    assert cm.code("POST", path, {"FieldName": "A", "DataType": "Text"}) == 258
    assert [field["DataType"] for field in cm.get(path)] == ["Text", "Text"]


def test_a_field_is_reached_by_its_bracketed_key_only(cm: Any, entry: Any) -> None:
    key = cm.field("Home town?")
    cm.load(entry("a@example.com", (key, "Carlton")))
    path = f"/lists/{cm.list}/customfields/"
    assert cm.code("PUT", path + "Hometown.json", {"FieldName": "Town"}) == 253
    assert cm.code("DELETE", path + quote("[Nowhere]") + ".json") == 253
    assert cm.ok("PUT", path + quote(key, safe="") + ".json", {"FieldName": "Town"}) == "[Town]"
    assert cm.values("a@example.com") == [("Town", "Carlton")]
    cm.ok("DELETE", path + quote("[Town]") + ".json")
    assert cm.values("a@example.com") == []


def options(cm: Any, keep: bool, *names: str) -> Any:
    path = f"/lists/{cm.list}/customfields/{quote('[Groups]')}/options.json"
    return cm.ok("PUT", path, {"KeepExistingOptions": keep, "Options": list(names)})


def test_options_are_matched_by_their_text(cm: Any, entry: Any) -> None:
    cm.field("Groups", "MultiSelectMany", "A", "B")
    cm.load(entry("a@example.com", ("[Groups]", "A"), ("[Groups]", "B")))
    options(cm, True, "C")
    assert cm.get(f"/lists/{cm.list}/customfields.json")[0]["FieldOptions"] == ["A", "B", "C"]
    options(cm, False, "B", "C")
    assert cm.values("a@example.com") == [("Groups", "B")]


def test_a_call_for_options_drops_the_rules_on_that_field(cm: Any) -> None:
    cm.field("Groups", "MultiSelectMany", "A")
    segment = cm.segment("A people", "[Groups]", "EQUALS A")
    cm.faults(options_drop_rules=False)
    options(cm, True, "B")
    assert cm.get(f"/segments/{segment}.json")["RuleGroups"]
    cm.faults(options_drop_rules=True)
    options(cm, True, "C")
    assert cm.get(f"/segments/{segment}.json")["RuleGroups"] == []


def test_a_segment_follows_the_values(cm: Any, entry: Any) -> None:
    cm.field("Groups", "MultiSelectMany", "Youth, 12 [7]", "B")
    segment = cm.segment("Youth", "[Groups]", "EQUALS Youth, 12 [7]")
    cm.load(
        entry("both@example.com", ("[Groups]", "Youth, 12 [7]"), ("[Groups]", "B")),
        entry("other@example.com", ("[Groups]", "B")),
        entry("gone@example.com", ("[Groups]", "Youth, 12 [7]")),
    )
    cm.act("delete", email="gone@example.com")
    read = cm.get(f"/segments/{segment}.json")
    assert (read["Title"], read["ActiveSubscribers"]) == ("Youth", 1)
    page = cm.get(f"/segments/{segment}/active.json", pagesize=10)
    assert [one["EmailAddress"] for one in page["Results"]] == ["both@example.com"]
    cm.load(entry("both@example.com", ("[Groups]", "Youth, 12 [7]", True)))
    assert cm.get(f"/segments/{segment}.json")["ActiveSubscribers"] == 0


@pytest.mark.parametrize(
    ("kind", "clause", "matched"),
    [
        ("[Town]", "EQUALS carlton", "a"),
        ("Town", "CONTAINS arl", "a"),
        ("[Town]", "PROVIDED", "a"),
        ("[Town]", "NOT_PROVIDED", "b"),
        ("[Born]", "AFTER 1979-12-31", "a"),
        ("[Born]", "BEFORE 1980-01-01", "b"),
        ("[Size]", "GREATER_THAN_OR_EQUAL 3", "b"),
        ("EmailAddress", "CONTAINS b@", "b"),
        ("DateSubscribed", "AFTER 2020-01-01", "ab"),
        ("CampaignOpened", "x", ""),
    ],
)
def test_clauses(cm: Any, entry: Any, kind: str, clause: str, matched: str) -> None:
    cm.field("Town"), cm.field("Born", "Date"), cm.field("Size", "Number")
    cm.load(
        entry("a@example.com", ("[Town]", "Carlton"), ("[Born]", "1980/04/19"), ("[Size]", "2")),
        entry("b@example.com", ("[Born]", "1979/04/19"), ("[Size]", "3")),
    )
    page = cm.get(f"/segments/{cm.segment('S', kind, clause)}/active.json", pagesize=10)
    assert "".join(one["EmailAddress"][0] for one in page["Results"]) == matched


@pytest.mark.parametrize(
    ("kind", "clause", "code"),
    [
        ("[Groups]", "EQUALS Nope", 2722),
        ("[Groups]", "CONTAINS A", 2717),
        ("[Groups]", "EQUALS", 2719),
        ("[Groups]", "", 2710),
        ("[Groups]", "is A", 2754),
        ("[Nowhere]", "EQUALS A", 2705),
        ("", "EQUALS A", 2704),
        ("[Born]", "AFTER 19/04/1980", 2720),
        ("[Size]", "EQUALS many", 2721),
    ],
)
def test_rules_that_are_refused_say_why(cm: Any, kind: str, clause: str, code: int) -> None:
    cm.field("Groups", "MultiSelectMany", "A"), cm.field("Born", "Date"), cm.field("Size", "Number")
    groups = [{"Rules": [{"RuleType": kind, "Clause": clause}]}]
    reply = cm.call("POST", f"/segments/{cm.list}.json", json={"Title": "S", "RuleGroups": groups})
    assert (reply.status_code, reply.json()["Code"]) == (400, 277)
    wrong = reply.json()["ResultData"][0]
    assert code in (wrong["Code"], *(one["Code"] for one in wrong["ClauseResults"]))


def test_groups_of_rules_are_joined_by_and_rules_in_one_by_or(cm: Any, entry: Any) -> None:
    cm.field("Town")
    cm.load(*(entry(f"{town.lower()}@example.com", ("[Town]", town)) for town in ("Carlton", "Kew", "Box")))
    towns = [{"RuleType": "[Town]", "Clause": f"EQUALS {town}"} for town in ("Carlton", "Kew")]
    groups = [{"Rules": towns}, {"Rules": [{"RuleType": "EmailAddress", "Clause": "CONTAINS kew"}]}]
    segment = cm.ok("POST", f"/segments/{cm.list}.json", {"Title": "S", "RuleGroups": groups})
    assert cm.get(f"/segments/{segment}.json")["ActiveSubscribers"] == 1
    cm.ok("DELETE", f"/segments/{segment}/rules.json")
    assert cm.get(f"/segments/{segment}.json")["ActiveSubscribers"] == 3  # without rules: everyone
    cm.ok("POST", f"/segments/{segment}/rules.json", {"Rules": towns})
    assert cm.get(f"/segments/{segment}.json")["ActiveSubscribers"] == 2


def test_segments_are_renamed_replaced_and_deleted(cm: Any) -> None:
    cm.field("Town")
    segment, path = cm.segment("S", "[Town]", "PROVIDED"), f"/segments/{cm.list}.json"
    assert cm.code("POST", path, {"Title": "s"}) == 275
    assert cm.code("POST", path, {"Title": ""}) == 273
    one = f"/segments/{segment}.json"
    cm.ok("PUT", one, {"Title": "T"})
    assert cm.get(one)["RuleGroups"][0]["Rules"] == [{"RuleType": "[Town]", "Clause": "PROVIDED"}]
    cm.ok("PUT", one, {"Title": "T", "RuleGroups": []})
    assert cm.get(one)["RuleGroups"] == []
    assert cm.get(f"/lists/{cm.list}/segments.json") == [{"ListID": cm.list, "SegmentID": segment, "Title": "T"}]
    cm.faults(segment_limit=1)
    assert cm.code("POST", path, {"Title": "U"}) == 283
    cm.act("draft_segment")
    assert cm.code("DELETE", one) == 272
    cm.act("draft_segment", in_draft=False)
    cm.ok("DELETE", one)
    assert cm.code("GET", one) == 271


def test_segments_can_be_busy_for_a_while(cm: Any) -> None:
    cm.faults(segment_busy=2)
    path = f"/segments/{cm.list}.json"
    assert {cm.code("POST", path, {"Title": "S"}) for _ in range(2)} == {278, 287}
    cm.ok("POST", path, {"Title": "S"})


def test_what_people_do_in_its_own_pages(cm: Any, entry: Any) -> None:
    cm.field("Groups", "MultiSelectMany", "A", "B")
    cm.segment("S", "[Groups]", "EQUALS A")
    cm.load(entry("a@example.com", ("[Groups]", "A")))
    cm.act("rename_option", field="Groups", option="A", name="Z")
    assert cm.values("a@example.com") == [("Groups", "Z")]
    cm.act("edit_field", email="a@example.com", field="Groups", value=["B"])
    assert cm.values("a@example.com") == [("Groups", "B")]
    cm.act("edit_segment", segment="S")
    whole = cm.sandbox(f"lists/{cm.list}.json")
    assert whole["segments"][0]["RuleGroups"] == []
    assert whole["subscribers"][0]["fields"] == {"Groups": ["B"]}
    cm.act("delete_segment", segment="S")
    cm.act("add_field", field="Town")
    cm.act("rename_field", field="Town", name="City")
    cm.act("delete_option", field="Groups", option="B")
    cm.act("delete_field", field="Groups")
    assert [field["FieldName"] for field in cm.sandbox(f"lists/{cm.list}.json")["fields"]] == ["City"]
    cm.act("rename_list", title="Renamed")
    assert cm.sandbox("lists.json")["lists"][0]["name"] == "Renamed"
    cm.act("delete_list")
    assert cm.code("GET", f"/lists/{cm.list}.json") == 101
