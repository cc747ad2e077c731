"""Every answer to "why is she, or isn't she, on the list?" in its words."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from relay.domain.decide import Record
from relay.domain.mapping import Held, Wanted
from relay.domain.merge import Known
from relay.domain.rules import WHY_NOT
from relay.store.connections import Connection
from relay.store.person import Person, stranger
from relay.sync.people.why import spell, summary
from relay.sync.picture import Verdict

WANTED = Wanted("a@example.org", None, {"role": "participant"})
ON = Held("a@example.org", "Active", None, {"role": "participant"})
OURS = Record(put=True)


def told(
    held: Held = ON,
    step: Any = "nothing",
    why: str | None = None,
    record: Record = OURS,
    same: tuple[str, ...] = (),
    connection: Connection | None = None,
    **more: Any,
) -> str:
    person: Person = replace(stranger(1, Known("7")), held=held, record=record, **more)
    reason = WHY_NOT[why].format(role="hub admin") if why else None
    verdict = Verdict(None if why else WANTED, why, reason, step, same)
    return summary(person, verdict, connection)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "On the list and up to date."),
        ({"record": Record()}, "though not through the relay"),
        ({"held": Held(), "step": "put"}, "Belongs on the list, and is not there yet."),
        ({"step": "put", "held": replace(ON, fields={})}, "On the list; a change on the way."),
        ({"step": "move"}, "under an earlier address"),
        (
            {"held": replace(ON, state="Deleted"), "step": "restore", "record": Record(True, True)},
            "it was the relay that",
        ),
        ({"held": replace(ON, state="Unsubscribed")}, "Unsubscribed in Campaign Monitor. That word stands"),
        ({"held": replace(ON, state="Bounced")}, "bounces. That word stands"),
        ({"held": replace(ON, state="Deleted")}, "Someone removed this person in Campaign Monitor. That word stands"),
        ({"held": Held(), "why": "unsubscribed"}, "Not on the list. Unsubscribed in EHQ. They come back when EHQ says"),
        ({"held": Held(), "why": "blocked"}, "Blocked in EHQ."),
        ({"why": "failed"}, "On the list. The relay failed on their answers; please tell whoever looks after it."),
        ({"held": Held(), "why": "deleted"}, "under a new EHQ id"),
        ({"held": Held(), "why": "not_told"}, "has not said yet whether this person is subscribed"),
        ({"held": Held(), "why": "role"}, "Their role (hub admin) is outside the audience"),
        ({"held": Held(), "why": "absent"}, "Two complete runs in a row did not find them"),
        (
            {"why": "blocked", "step": "leave", "waiting_since": time.time() - 5},
            "Leaving the list. Blocked in EHQ. Wait",
        ),
        ({"why": "blocked", "record": Record()}, "not through the relay, which leaves them alone. Blocked in EHQ."),
        ({"held": replace(ON, state="Deleted"), "why": "blocked", "record": Record(True, True)}, "Taken off the list."),
        ({"held": Held(), "why": "duplicate", "same": ("9", "7")}, "newer EHQ account 9 has the same address"),
        ({"same": ("5",)}, "older EHQ account 5 has the same address and stays off"),
        ({"held": Held(), "refused_code": "1"}, "does not accept this e-mail address. Ask the person to correct"),
        ({"refused_code": "not-kept"}, "On the list, but not up to date. Campaign Monitor took the write"),
        ({"held": Held(), "why": "erased"}, "Not on the list. Erased here on request."),
        ({"asked": "erase"}, "Being erased."),
        ({"step": "put", "held": Held(), "held_until": time.time() + 86400}, "Belongs on the list"),
    ],
)
def test_every_branch_reads_as_a_sentence(given: dict[str, Any], said: str) -> None:
    sentence = told(**given)
    assert said in sentence
    assert sentence.endswith(".")
    assert "  " not in sentence
    assert "a@example.org" not in sentence


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"state": "paused"}, "the connection is paused. Resume it"),
        (
            {"state": "needs_person", "problem": {"message": "The key is not valid.", "remedy": "Give a new one."}},
            "new one.",
        ),
        (
            {"held_until": time.time() + 86400, "problem": {"message": "It is away."}},
            "is asked again by itself. It is away.",
        ),
        ({"cm_list_id": None}, "Campaign Monitor is not connected yet."),
    ],
)
def test_whoever_waits_is_told_what_for(connection: Connection, state: dict[str, Any], said: str) -> None:
    sentence = told(Held(), "put", connection=replace(connection, **state), waiting_since=time.time() - 200)
    assert said in sentence
    assert sentence.startswith("Belongs on the list, and is not there yet. Waiting")


def test_somebody_held_back_alone_says_for_how_long(connection: Connection) -> None:
    sentence = told(Held(), "put", connection=connection, held_until=time.time() + 90, waiting_since=time.time())
    assert "did not take what was written about them" in sentence
    assert "asked again in 1 minute." in sentence
    leaver = told(
        step="leave", why="blocked", connection=connection, held_until=time.time() + 90, waiting_since=time.time()
    )
    assert "Campaign Monitor did not remove them, and is asked again in 1 minute." in leaver


@pytest.mark.parametrize(("seconds", "said"), [(0, "0 seconds"), (1, "1 second"), (7300, "2 hours"), (90000, "1 day")])
def test_spans_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert spell(seconds) == said
