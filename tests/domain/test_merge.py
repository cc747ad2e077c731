"""What EHQ last said of a participant, whatever the order in which it arrives (design §5 rule 4, EHQ contract §5.5).

Althea is 5040. She registered at 1 on EHQ's clock, is subscribed, and answered 12 (her postcode) and 13 (her gender).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.merge import Known, hear, hear_membership, see, see_membership
from relay.domain.participant import Patch
from relay.domain.version import Heard, Page

NOON = 1_770_000_000.0
REGISTERED: dict[str, Any] = {
    "email": "althea@example.com",
    "login": "althea.p",
    "created_at": "2026-02-03T04:05:06Z",
    "imported": False,
    "subscribed": True,
    "role": "participant",
    "activated": False,
    "blocked": False,
    "tags": ("Pet owner",),
    "groups": ("7",),
    "answers": {"12": "2000", "13": "Female"},
}


def said(version: float, received: float | None = None) -> Heard:
    return Heard(NOON + (version if received is None else received), at=NOON + version)


def patch(**values: Any) -> Patch:
    return Patch("5040", values=values)


def told(*webhooks: tuple[float, dict[str, Any]], known: Known | None = None) -> Known:
    """Althea after webhooks of (version, values), in this order of arrival."""
    known = known or Known("5040")
    for number, (version, values) in enumerate(webhooks):
        known = hear(known, patch(**values), said(version, received=10 + number))
    return known


def althea() -> Known:
    return told((1, REGISTERED))


def asked(at: float) -> Page:
    return Page(NOON + at)


# Webhook against webhook


def test_a_later_webhook_changes_what_it_carries_and_nothing_else() -> None:
    now = told((2, {"activated": True}), known=althea())
    assert now.values == {**althea().values, "activated": True}


def test_a_late_update_does_not_undo_a_newer_block() -> None:
    now = told((3, {"blocked": True}), (2, {"blocked": False, "role": "participant"}), known=althea())
    assert now.values["blocked"] is True


def test_a_late_update_still_changes_what_nothing_newer_was_said_of() -> None:
    now = told((3, {"blocked": True}), (2, {"email": "a@example.com", "blocked": False}), known=althea())
    assert (now.values["email"], now.values["blocked"]) == ("a@example.com", True)


def test_a_block_that_is_overtaken_by_a_new_role_is_not_lost() -> None:
    now = told((3, {"role": "hub_admin"}), (2, {"blocked": True}), known=althea())
    assert (now.values["role"], now.values["blocked"]) == ("hub_admin", True)


def test_a_registration_that_arrives_after_its_own_block_still_tells_the_rest() -> None:
    now = told((2, {"blocked": True}), (1, REGISTERED))
    assert now.values == {**althea().values, "blocked": True}


def test_null_clears_and_absent_leaves() -> None:
    now = told((2, {"login": None, "tags": (), "answers": {"12": None}}), known=althea())
    assert (now.values["login"], now.values["tags"]) == (None, [])
    assert now.values["answers"] == {"13": "Female"}
    assert now.values["email"] == "althea@example.com"


@pytest.mark.parametrize("none", [None, {}])
def test_an_empty_set_of_answers_clears_them_all(none: Any) -> None:
    assert told((2, {"answers": none}), known=althea()).values["answers"] == {}


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(("key", "strict"), [("subscribed", False), ("blocked", True)])
def test_on_a_tie_the_stricter_consent_stands_whichever_comes_first(key: str, strict: bool, first: int) -> None:
    both = [(5, {key: strict}), (5, {key: not strict})]
    now = told(both[first], both[1 - first], known=althea())
    assert now.values[key] is strict


def test_without_a_tie_the_later_consent_stands_also_when_it_is_milder() -> None:
    now = told((5, {"subscribed": False}), (6, {"subscribed": True}), known=althea())
    assert now.values["subscribed"] is True


def test_a_left_out_question_is_not_kept() -> None:
    now = hear(althea(), patch(answers={"12": "3000", "14": "Roads"}), said(2), left_out={"12"})
    assert now.values["answers"] == {"13": "Female", "14": "Roads"}
    now = see(althea(), patch(answers={"12": "3000", "14": "Roads"}), asked(30), left_out={"12"})
    assert now.values["answers"] == {"14": "Roads"}


# Deleted over all


def test_nothing_that_arrives_late_brings_a_deleted_participant_back() -> None:
    gone = told((5, {"deleted": True}), (4, REGISTERED), (6, {"subscribed": True}), known=althea())
    gone = hear_membership(gone, "7", True, said(7))
    assert gone.deleted
    assert gone.values == {"deleted": True}


def test_a_deletion_keeps_nothing_of_the_person() -> None:
    assert "althea" not in repr(told((5, {"deleted": True}), known=althea()))


def test_a_later_page_may_list_a_deleted_participant_again() -> None:
    gone = told((5, {"deleted": True}), known=althea())
    assert see(gone, patch(**REGISTERED), asked(60)).values == althea().values


def test_a_page_asked_for_before_the_deletion_does_not_bring_them_back() -> None:
    gone = hear(althea(), patch(deleted=True), said(20))
    assert see(gone, patch(**REGISTERED), asked(15)).deleted


# Groups, pair by pair


def test_joining_and_leaving_a_group_is_per_pair() -> None:
    now = hear_membership(althea(), "8", True, said(2))
    now = hear_membership(now, "7", False, said(3))
    assert now.values["groups"] == ["8"]


def test_a_late_leaving_does_not_undo_a_newer_joining_of_the_same_group() -> None:
    now = hear_membership(althea(), "8", True, said(3))
    now = hear_membership(now, "8", False, said(2))
    assert now.values["groups"] == ["7", "8"]


def test_the_complete_set_of_groups_leaves_newer_pairs_alone() -> None:
    now = hear_membership(althea(), "8", True, said(3))
    now = told((2, {"groups": ("9",)}), known=now)
    assert now.values["groups"] == ["8", "9"]


def test_an_older_pair_changes_nothing_of_a_newer_complete_set() -> None:
    now = told((4, {"groups": ("9",)}), known=althea())
    assert hear_membership(now, "8", True, said(3)).values["groups"] == ["9"]


@pytest.mark.parametrize("member", [True, False])
def test_a_group_that_was_read_tells_of_that_group_alone(member: bool) -> None:
    now = see_membership(told((2, {"groups": ("7", "8")}), known=althea()), "8", member, asked(30))
    assert now.values["groups"] == (["7", "8"] if member else ["7"])


def test_a_webhook_received_before_a_group_was_asked_for_knows_less_whatever_ehq_s_clock_says() -> None:
    now = hear_membership(althea(), "8", True, said(600, received=20))
    assert see_membership(now, "8", False, asked(30)).values["groups"] == ["7"]


@pytest.mark.parametrize("read_first", [True, False])
def test_a_webhook_received_after_a_group_was_asked_for_stands_whichever_is_looked_at_first(read_first: bool) -> None:
    late = said(5, received=31)  # EHQ's clock is behind
    if read_first:
        now = hear_membership(see_membership(althea(), "8", False, asked(30)), "8", True, late)
    else:
        now = see_membership(hear_membership(althea(), "8", True, late), "8", False, asked(30))
    assert now.values["groups"] == ["7", "8"]


def test_of_a_page_and_a_group_that_were_read_the_one_asked_for_later_stands() -> None:
    page = patch(**REGISTERED)
    assert see_membership(see(althea(), page, asked(40)), "7", False, asked(30)).values["groups"] == ["7"]
    assert see_membership(see(althea(), page, asked(20)), "7", False, asked(30)).values["groups"] == []
    assert see(see_membership(althea(), "7", False, asked(30)), page, asked(20)).values["groups"] == []
    assert see(see_membership(althea(), "7", False, asked(30)), page, asked(40)).values["groups"] == ["7"]


def test_nobody_deleted_or_erased_comes_back_by_a_group() -> None:
    gone = told((5, {"deleted": True}), known=althea())
    assert see_membership(gone, "7", True, asked(60)) == gone


def test_members_of_whom_nothing_else_is_known_yet_are_kept() -> None:
    stub = hear_membership(Known("5040"), "8", True, said(2))
    assert stub.values == {"groups": ["8"]}
    assert told((1, {**REGISTERED, "groups": ("7",)}), known=stub).values["groups"] == ["7", "8"]


# Page against webhook


def test_a_page_describes_a_person_whole() -> None:
    now = see(althea(), patch(**{**REGISTERED, "answers": {"12": "3000"}, "groups": ()}), asked(60))
    assert now.values == {**althea().values, "answers": {"12": "3000"}, "groups": []}


def test_what_a_page_does_not_carry_stays() -> None:
    now = see(althea(), patch(email="a@example.com", subscribed=True), asked(60))
    assert now.values == {**althea().values, "email": "a@example.com"}


def test_an_older_webhook_still_tells_what_the_page_did_not_carry() -> None:
    """EHQ's documented API lists no answers and no tags: a page without them knows nothing of them."""
    page = patch(email="a@example.com", subscribed=False)
    now = see(Known("5040"), page, asked(60))
    now = hear(now, patch(**REGISTERED), said(1))
    assert (now.values["email"], now.values["subscribed"]) == ("a@example.com", False)
    assert now.values["answers"] == {"12": "2000", "13": "Female"}
    assert (now.values["tags"], now.values["role"], now.values["groups"]) == (["Pet owner"], "participant", ["7"])


def test_an_older_page_changes_nothing() -> None:
    now = see(Known("5040"), patch(**REGISTERED), asked(60))
    assert see(now, patch(email="old@example.com"), asked(50)) == now


LATER_WEBHOOK = [
    ({"subscribed": False}, "subscribed", False),
    ({"blocked": True}, "blocked", True),
    ({"email": "new@example.com"}, "email", "new@example.com"),
    ({"tags": ("Cyclist",)}, "tags", ["Cyclist"]),
    ({"groups": ("9",)}, "groups", ["9"]),
    ({"answers": {"12": "3000", "13": "Female"}}, "answers", {"12": "3000", "13": "Female"}),
    ({"deleted": True}, "deleted", True),
]


@pytest.mark.parametrize("page_first", [True, False], ids=["page first", "webhook first"])
@pytest.mark.parametrize(("values", "key", "expected"), LATER_WEBHOOK, ids=[key for _, key, _ in LATER_WEBHOOK])
class TestOfAPageAndAWebhook:
    def test_the_webhook_received_after_the_asking_stands(
        self, values: dict[str, Any], key: str, expected: Any, page_first: bool
    ) -> None:
        now = both(values, said(31), page_first)
        assert now.values[key] == expected

    def test_the_page_stands_over_what_was_received_before_it_was_asked_for(
        self, values: dict[str, Any], key: str, expected: Any, page_first: bool
    ) -> None:
        assert both(values, said(29), page_first).values == althea().values


def both(values: dict[str, Any], heard: Heard, page_first: bool) -> Known:
    """Althea after a page asked for at 30 that lists her as she registered, and a webhook."""
    page, webhook = patch(**REGISTERED), patch(**values)
    if page_first:
        return hear(see(althea(), page, asked(30)), webhook, heard)
    return see(hear(althea(), webhook, heard), page, asked(30))


# In any order

WHOLE = {
    "email": st.sampled_from(["a@example.com", "b@example.com"]),
    "subscribed": st.booleans(),
    "role": st.sampled_from(["participant", "site_admin"]),
    "activated": st.booleans(),
    "blocked": st.booleans(),
    "tags": st.sampled_from([(), ("Cyclist",), ("Cyclist", "Pet owner")]),
    "groups": st.sampled_from([(), ("7",), ("7", "8")]),
    "deleted": st.just(True),
}
SOME = st.lists(st.sampled_from([*WHOLE][:-1]), unique=True, max_size=5).flatmap(
    lambda keys: st.fixed_dictionaries({key: WHOLE[key] for key in keys})
)
MEMBERSHIP = st.tuples(st.sampled_from(["7", "8"]), st.booleans())
WORDS = st.lists(st.one_of(SOME, SOME, MEMBERSHIP, st.just({"deleted": True})), min_size=2, max_size=6)


def arrive(known: Known, words: Sequence[tuple[float, Any]]) -> Known:
    for version, word in words:
        heard = said(version, received=40)
        known = hear_membership(known, *word, heard) if isinstance(word, tuple) else hear(known, patch(**word), heard)
    return known


@given(st.data())
def test_webhooks_in_any_order_say_the_same(data: st.DataObject) -> None:
    words = list(enumerate(data.draw(WORDS), 1))
    shuffled = data.draw(st.permutations(words))
    assert arrive(Known("5040"), shuffled).values == arrive(Known("5040"), words).values


@given(WORDS)
def test_a_webhook_that_arrives_twice_says_nothing_new(words: list[Any]) -> None:
    numbered = list(enumerate(words, 1))
    assert arrive(arrive(Known("5040"), numbered), numbered).values == arrive(Known("5040"), numbered).values


TIMES = st.sampled_from([None, 10.0, 29.0, 30.0, 31.0, 40.0])


@given(SOME | st.just({"deleted": True}), SOME, st.sampled_from([20.0, 29.0, 31.0, 40.0]), TIMES, TIMES)
def test_a_page_and_a_webhook_say_the_same_whichever_is_looked_at_first(
    webhook: dict[str, Any], page: dict[str, Any], received: float, at: float | None, updated: float | None
) -> None:
    heard = Heard(NOON + received, at=None if at is None else NOON + at)
    listed = Page(NOON + 30, updated=None if updated is None else NOON + updated)
    whole = patch(**{**REGISTERED, **page})
    page_first = hear(see(Known("5040"), whole, listed), patch(**webhook), heard)
    webhook_first = see(hear(Known("5040"), patch(**webhook), heard), whole, listed)
    assert page_first.values == webhook_first.values
