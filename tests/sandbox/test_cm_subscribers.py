"""People on a list: added, imported, updated, leaving. Contract §4."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import requests


def states(cm: Any) -> dict[str, int]:
    counts = cm.sandbox("lists.json")["lists"][0]["counts"]
    return {state: count for state, count in counts.items() if count}


def failures(reply: Any) -> dict[str, int]:
    if reply.status_code == 201:
        return {}
    assert (reply.status_code, reply.json()["Code"]) == (400, 210)
    return {one["EmailAddress"]: one["Code"] for one in reply.json()["ResultData"]["FailureDetails"]}


# add


def test_an_added_person_is_queued(cm: Any, entry: Any) -> None:
    cm.faults(queue_delay_s=0.15)
    reply = cm.call("POST", f"/subscribers/{cm.list}.json", json=entry("a@example.com", Name="Ann"))
    assert (reply.status_code, reply.json()) == (201, "a@example.com")
    assert cm.code("GET", f"/subscribers/{cm.list}.json", email="a@example.com") == 203
    time.sleep(0.2)
    assert cm.read("A@EXAMPLE.COM")["Name"] == "Ann"


# import


def test_an_import_is_there_at_once_and_counts(cm: Any, entry: Any) -> None:
    first = cm.load("a@example.com", "b@example.com")
    assert first.status_code == 201
    assert first.json() == {
        "FailureDetails": [],
        "TotalUniqueEmailsSubmitted": 2,
        "TotalExistingSubscribers": 0,
        "TotalNewSubscribers": 2,
        "DuplicateEmailsInSubmission": [],
    }
    second = cm.load("b@example.com", "c@example.com", "C@example.com").json()
    assert (second["TotalExistingSubscribers"], second["TotalNewSubscribers"]) == (1, 1)
    assert second["DuplicateEmailsInSubmission"] == ["C@example.com"]
    assert cm.get(f"/lists/{cm.list}/stats.json")["TotalActiveSubscribers"] == 3


def test_a_thousand_with_twelve_fields_take_no_time(cm: Any, entry: Any) -> None:
    keys = [cm.field(f"Question {number}") for number in range(12)]
    people = [entry(f"p{n}@example.com", *((key, f"answer {n}") for key in keys)) for n in range(1000)]
    started = time.process_time()  # whatever else the machine does meanwhile
    assert cm.load(*people).status_code == 201
    assert time.process_time() - started < 0.5
    started = time.process_time()
    assert cm.get(f"/lists/{cm.list}/active.json")["RecordsOnThisPage"] == 1000
    assert time.process_time() - started < 0.3


def test_whole_imports_that_are_refused(cm: Any, entry: Any) -> None:
    path = f"/subscribers/{cm.list}/import.json"

    def code(*people: Any) -> int:
        return int(cm.code("POST", path, {"Subscribers": list(people), "Resubscribe": False}))

    good = entry("a@example.com")
    assert code() == 212
    assert code(*[good] * 1001) == 209
    assert code(good, {"EmailAddress": "b@example.com"}) == 214
    assert code(good, entry("b@example.com", ConsentToTrack="Maybe")) == 215
    assert code(good, entry("b@example.com", ConsentToTrack=True)) == 400
    assert code(good, entry("b@example.com", CustomFields={"[Town]": "Kew"})) == 400
    assert code(good, entry("b@example.com", Name="bell \x07")) == 400
    broken = b'{"Subscribers": [{"EmailAddress": "b@example.com", "Name": "\\ud800"}]}'
    assert cm.call("POST", path, data=broken).json()["Code"] == 400
    assert states(cm) == {}


def test_a_partial_import_is_a_400_that_mostly_worked(cm: Any, entry: Any) -> None:
    reply = cm.load(
        "good@example.com",
        "not an address",
        "bücher@example.com",
        entry("mobile@example.com", MobileNumber="0400 000 000"),
        entry("none@", MobileNumber="0400"),
    )
    assert list(failures(reply).values()) == [1, 1, 220, 221]
    assert states(cm) == {"Active": 1}


def test_faults_of_an_import(cm: Any) -> None:
    cm.faults(partial_every=2)
    assert list(failures(cm.load("a@example.com", "b@example.com"))) == ["b@example.com"]
    cm.faults(partial_every=None, refuse={"c@example.com": 204})
    assert failures(cm.load("a@example.com", "c@example.com")) == {"c@example.com": 204}
    cm.faults(refuse=None, import_s_per_1000=100)
    started = time.perf_counter()
    cm.load("a@example.com", "b@example.com")
    assert time.perf_counter() - started >= 0.2


@pytest.mark.parametrize(
    ("action", "code"), [("delete", 205), ("unsubscribe", 206), ("bounce", 207), ("complain", 206)]
)
def test_whoever_left_is_not_added_again(cm: Any, entry: Any, action: str, code: int) -> None:
    cm.load("a@example.com", "b@example.com")
    cm.act(action, email="a@example.com")
    before = states(cm)
    assert failures(cm.load(entry("a@example.com", Name="New"), "b@example.com")) == {"a@example.com": code}
    assert cm.code("POST", f"/subscribers/{cm.list}.json", entry("a@example.com")) == code
    cm.faults(import_reports_inactive=False)
    assert failures(cm.load(entry("a@example.com", Name="New"))) == {}
    assert (states(cm), cm.read("a@example.com")["Name"]) == (before, "")


def test_an_unsubscribed_address_is_suppressed_for_the_whole_client(cm: Any, entry: Any) -> None:
    other = cm.ok("POST", f"/lists/{cm.client}.json", {"Title": "Other"})
    alone = cm.ok("POST", f"/lists/{cm.client}.json", {"Title": "Alone", "UnsubscribeSetting": "OnlyThisList"})
    cm.load("a@example.com")
    cm.ok("POST", f"/subscribers/{cm.list}/unsubscribe.json", {"EmailAddress": "a@example.com"})
    page = cm.get(f"/clients/{cm.client}/suppressionlist.json", pagesize=10)
    assert [(one["EmailAddress"], one["SuppressionReason"]) for one in page["Results"]] == [
        ("a@example.com", "Unsubscribed")
    ]
    cm.list = other
    assert failures(cm.load("a@example.com")) == {"a@example.com": 204}
    cm.list = alone
    assert failures(cm.load("a@example.com")) == {}


def test_resubscribe_brings_a_deleted_person_back_and_that_is_fine(cm: Any) -> None:
    cm.load("a@example.com")
    cm.ok("DELETE", f"/subscribers/{cm.list}.json", email="a@example.com")
    assert cm.read("a@example.com")["State"] == "Deleted"
    assert cm.load("a@example.com", resubscribe=True).status_code == 201
    assert cm.read("a@example.com")["State"] == "Active"
    assert cm.sandbox("violations.json")["any"] is False


@pytest.mark.parametrize("action", ["unsubscribe", "bounce", "complain"])
def test_resubscribe_of_an_opt_out_works_and_is_written_down(cm: Any, action: str) -> None:
    cm.load("a@example.com")
    cm.act(action, email="a@example.com")
    cm.load("a@example.com", resubscribe=True)
    assert cm.read("a@example.com")["State"] == "Active"
    assert cm.sandbox("violations.json")["reactivated"] is True


def test_resubscribe_in_bulk_is_written_down(cm: Any) -> None:
    cm.load("a@example.com", "b@example.com", resubscribe=True)
    assert cm.sandbox("violations.json")["bulk_resubscribe"] is True
    assert cm.sandbox("violations.json", method="DELETE")["any"] is False


def test_moving_someone_onto_a_suppressed_address_is_written_down(cm: Any) -> None:
    cm.load("a@example.com", "b@example.com")
    cm.act("unsubscribe", email="a@example.com")
    cm.put("a@example.com", EmailAddress="c@example.com")
    assert cm.sandbox("violations.json")["any"] is False
    cm.put("b@example.com", EmailAddress="a@example.com")
    assert cm.sandbox("violations.json")["moved_onto_suppressed"] is True


def test_two_imports_at_once_are_written_down(cm: Any, entry: Any) -> None:
    cm.faults(import_s_per_1000=200)
    sent = {"Subscribers": [entry("a@example.com")]}
    path = f"{cm.root}/subscribers/{cm.list}/import.json"
    both = [
        threading.Thread(target=lambda: requests.post(path, json=sent, auth=("sandbox", "x"), timeout=5))
        for _ in range(2)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert cm.sandbox("violations.json")["concurrent_imports"] is True


def test_the_person_alone_can_undo_an_opt_out(cm: Any) -> None:
    cm.load("a@example.com")
    cm.act("unsubscribe", email="a@example.com")
    cm.act("subscribe", email="a@example.com")
    assert failures(cm.load("a@example.com")) == {}
    assert cm.sandbox("violations.json")["any"] is False


def test_the_same_person_too_quickly(cm: Any, entry: Any) -> None:
    cm.load("a@example.com")
    cm.faults(throttle_s=30)
    assert cm.put("a@example.com", Name="B").status_code == 429
    reply = cm.call("POST", f"/subscribers/{cm.list}.json", json=entry("a@example.com"))
    assert (reply.status_code, reply.json()["Code"]) == (429, 429)
    assert failures(cm.load("a@example.com", "b@example.com")) == {"a@example.com": 429}


# values


def test_values_that_are_lost_without_a_word(cm: Any, entry: Any) -> None:
    cm.field("About"), cm.field("Born", "Date"), cm.field("One", "MultiSelectOne", "A"), cm.field("N", "Number")
    reply = cm.load(
        entry(
            "a@example.com",
            ("[About]", "x" * 300),
            ("[Born]", "2080/01/01"),
            ("[One]", "Nope"),
            ("[N]", "many"),
            ("[Nowhere]", "?"),
        )
    )
    assert reply.status_code == 201
    assert cm.values("a@example.com") == [("About", "x" * 250)]


def test_dates_are_written_with_slashes_and_read_with_dashes(cm: Any, entry: Any) -> None:
    cm.field("Date of birth", "Date")
    cm.load(entry("a@example.com", ("[Dateofbirth]", "1980/04/19")))
    assert cm.values("a@example.com") == [("Date of birth", "1980-04-19")]
    cm.load(entry("a@example.com", ("[Dateofbirth]", "0000-00-00")))
    assert cm.values("a@example.com") == []


@pytest.mark.parametrize("key", ["[Hometown]", "Hometown", "Home town", "[hometown]"])
def test_keys_are_understood_in_every_spelling(cm: Any, entry: Any, key: str) -> None:
    cm.field("Home town")
    cm.load(entry("a@example.com", (key, "Kew")))
    assert cm.values("a@example.com") == [("Home town", "Kew")]


def test_only_clear_empties(cm: Any, entry: Any) -> None:
    cm.field("Town")
    cm.load(entry("a@example.com", ("[Town]", "Kew"), Name="Ann"))
    cm.load(entry("a@example.com", ("[Town]", ""), Name=""))
    assert (cm.values("a@example.com"), cm.read("a@example.com")["Name"]) == ([("Town", "Kew")], "Ann")
    cm.load(entry("a@example.com", ("[Town]", "", True)))
    assert cm.values("a@example.com") == []


@pytest.mark.parametrize(
    ("merge", "items", "held"),
    [
        (False, [("[G]", "C")], "C"),
        (True, [("[G]", "C")], "ABC"),
        (False, [("[G]", "B"), ("[G]", "C"), ("[G]", "A", True)], "BC"),
        (True, [("[G]", "B"), ("[G]", "C"), ("[G]", "A", True)], "BC"),
        (False, [("[G]", "A", True)], "B"),
        (True, [("[G]", "", True)], ""),
        (False, [("[G]", "Nope")], "AB"),
        (False, [], "AB"),
    ],
)
def test_many_options(cm: Any, entry: Any, merge: bool, items: list[Any], held: str) -> None:
    cm.field("G", "MultiSelectMany", "A", "B", "C")
    cm.load(entry("a@example.com", ("[G]", "A"), ("[G]", "B")))
    cm.faults(msm_merge=merge)
    cm.load(entry("a@example.com", *items))
    assert cm.values("a@example.com") == [("G", option) for option in held]  # as repeated keys


# update and leave


def test_an_update_never_creates_and_may_move_an_address(cm: Any, entry: Any) -> None:
    cm.load("a@example.com", "b@example.com")
    assert cm.put("nobody@example.com").json()["Code"] == 203
    assert cm.put("a@example.com", EmailAddress="b@example.com").json()["Code"] == 201
    assert cm.put("a@example.com", EmailAddress="nonsense").json()["Code"] == 211
    reply = cm.put("a@example.com", EmailAddress="c+1@example.com", Name="Ann")
    assert (reply.status_code, reply.content) == (200, b"")
    assert cm.code("GET", f"/subscribers/{cm.list}.json", email="a@example.com") == 203
    assert cm.read("c+1@example.com")["Name"] == "Ann"


def test_an_update_reaches_inactive_people_without_bringing_them_back(cm: Any) -> None:
    cm.load("a@example.com")
    cm.act("unsubscribe", email="a@example.com")
    assert cm.put("a@example.com", Name="Ann").ok
    assert (cm.read("a@example.com")["State"], cm.read("a@example.com")["Name"]) == ("Unsubscribed", "Ann")


def test_only_active_people_are_deleted(cm: Any) -> None:
    cm.load("a@example.com")
    cm.act("unsubscribe", email="a@example.com")
    path = f"/subscribers/{cm.list}.json"
    assert cm.call("DELETE", path, params={"email": "a@example.com"}).content == b""
    assert cm.read("a@example.com")["State"] == "Unsubscribed"
    assert cm.code("DELETE", path, email="nobody@example.com") == 203
    assert cm.code("POST", f"/subscribers/{cm.list}/unsubscribe.json", {"EmailAddress": "nobody@example.com"}) == 203


# listings


def test_people_are_listed_by_state_in_sorted_pages(cm: Any) -> None:
    cm.load(*(f"p{n:02d}@example.com" for n in range(25)))
    cm.act("unsubscribe", count=2)
    path = f"/lists/{cm.list}/active.json"
    pages = [cm.get(path, page=page, pagesize=10, orderfield="email") for page in (1, 2, 3, 4)]
    assert [page["RecordsOnThisPage"] for page in pages] == [10, 10, 3, 0]
    assert (pages[0]["TotalNumberOfRecords"], pages[0]["NumberOfPages"]) == (23, 3)
    emails = [one["EmailAddress"] for page in pages for one in page["Results"]]
    assert emails == sorted(emails)
    down = [
        one["EmailAddress"]
        for page in (1, 2, 3)
        for one in cm.get(path, page=page, pagesize=10, orderdirection="desc")["Results"]
    ]
    assert down == emails[::-1]
    assert cm.get(f"/lists/{cm.list}/unsubscribed.json")["TotalNumberOfRecords"] == 2
    assert cm.get(f"/lists/{cm.list}/deleted.json", date="2020-01-01")["Results"] == []
    assert cm.get(path, date="2099-01-01")["Results"] == []
    for query, code in [("page", 800), ("pagesize", 801), ("orderfield", 802), ("orderdirection", 803)]:
        assert cm.code("GET", path, **{query: "0"}) == code


def test_where_an_address_is_listed(cm: Any) -> None:
    cm.load("a@example.com")
    found = cm.get(f"/clients/{cm.client}/listsforemail.json", email="a@example.com")
    assert (found[0]["ListID"], found[0]["SubscriberState"]) == (cm.list, "Active")
    assert cm.get(f"/subscribers/{cm.list}/history.json", email="a@example.com") == []


def test_consent_is_shown_when_asked_for(cm: Any, entry: Any) -> None:
    cm.load(entry("a@example.com"), entry("b@example.com", ConsentToTrack="No"))
    page = cm.get(f"/lists/{cm.list}/active.json", includetrackingpreference="true")
    assert [one["ConsentToTrack"] for one in page["Results"]] == ["Yes", "No"]  # unchanged from nothing is consent


def test_the_journal_says_what_arrived_and_whether_it_changed_anything(cm: Any, entry: Any) -> None:
    cm.load("a@example.com")
    cm.load("a@example.com")
    cm.ok("DELETE", f"/subscribers/{cm.list}.json", email="a@example.com")
    cm.load("a@example.com", resubscribe=True)
    seen = cm.sandbox("arrivals.json")
    assert [(one["what"], one["changed"]) for one in seen["arrivals"]] == [
        ("added", True),
        ("updated", False),
        ("deleted", True),
        ("restored", True),
    ]
    assert cm.sandbox(f"arrivals.json?since={seen['last']}")["arrivals"] == []
    assert len(cm.sandbox("arrivals.json?since=2")["arrivals"]) == 2
