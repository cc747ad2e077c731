"""Invented people."""

from __future__ import annotations

import time

from sandbox.people import MISSING, invent

NOW = 1_790_000_000_000


def test_the_same_seed_makes_the_same_people() -> None:
    def seen(seed: int) -> list[object]:
        return [(one.id, one.email, one.login, one.answers) for one in invent(500, seed, NOW)]

    assert seen(1) == seen(1) != seen(2)


def test_a_hundred_thousand_take_less_than_three_seconds_and_look_like_a_council() -> None:
    started = time.process_time()  # whatever else the machine does meanwhile
    people = invent(100_000, 1, NOW)
    assert time.process_time() - started < 3
    share = len(people) / 100
    assert 2 < sum(one.blocked for one in people) / share < 4
    assert 7 < sum(not one.subscribed for one in people) / share < 9
    assert 13 < sum(not one.confirmed for one in people) / share < 17
    assert {one.role for one in people} == {"participant", "project_admin", "hub_admin", "site_admin"}
    assert len({one.email for one in people}) == len(people)
    assert all(one.email.isascii() and one.email.endswith(("@example.com", "@example.org")) for one in people)
    assert people[-1].created_at - people[0].created_at > 5 * 365 * 86_400_000


def test_some_answers_are_missing_some_empty_some_long() -> None:
    answers = [value for one in invent(2000, 1, NOW) for value in one.answers]
    assert None in answers
    assert MISSING in answers
    assert [] in answers
    assert any(isinstance(value, str) and len(value) > 250 for value in answers)
