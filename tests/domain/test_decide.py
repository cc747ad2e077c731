"""What to do about one person, from nothing but what they should be and what Campaign Monitor holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.domain.decide import OPTED_OUT, Record, decide, opted_out
from relay.domain.mapping import Held, Wanted

ALTHEA = Wanted("Althea@example.com", "Althea P", {"role": "participant"})
OURS, NOT_OURS = Record(put=True), Record()
REMOVED = Record(put=True, removed=True)
REFUSED = Record(refused_for=ALTHEA.fingerprint())


def there(state: str | None = "Active", email: str | None = "althea@example.com", **fields: str) -> Held:
    return Held(email, state, "Althea P", {"role": "participant", **fields})


NOWHERE = Held()
TABLE = [
    # what the rules want, what CM holds, our record, the step
    ("new", ALTHEA, NOWHERE, NOT_OURS, "put"),
    ("in step", ALTHEA, there(), OURS, "nothing"),
    ("in step, not ours", ALTHEA, there(), NOT_OURS, "nothing"),
    ("another role", ALTHEA, there(role="site_admin"), OURS, "put"),
    ("an answer emptied", ALTHEA, there(joined="2026-01-01"), OURS, "put"),
    ("another address", ALTHEA, there(email="old@example.com"), OURS, "move"),
    ("only another case", Wanted("ALTHEA@EXAMPLE.COM", None, {"role": "participant"}), there(), OURS, "nothing"),
    ("removed by us, belongs again", ALTHEA, there("Deleted"), REMOVED, "restore"),
    ("removed by somebody else", ALTHEA, there("Deleted"), OURS, "nothing"),
    ("unsubscribed in CM", ALTHEA, there("Unsubscribed", role="site_admin"), OURS, "nothing"),
    ("unsubscribed in CM after our removal", ALTHEA, there("Unsubscribed"), REMOVED, "nothing"),
    ("bounced", ALTHEA, there("Bounced", email="old@example.com"), OURS, "nothing"),
    ("suppressed", ALTHEA, there("Suppressed"), REMOVED, "nothing"),
    ("unconfirmed", ALTHEA, there("Unconfirmed"), OURS, "nothing"),
    ("refused as they are", ALTHEA, NOWHERE, REFUSED, "nothing"),
    ("refused for what they were", Wanted("b@example.com", None, {}), NOWHERE, REFUSED, "put"),
    ("left, ours", None, there(), OURS, "leave"),
    ("left, ours, state not known", None, there(None), OURS, "leave"),
    ("left, not ours", None, there(), NOT_OURS, "nothing"),
    ("left, never there", None, NOWHERE, OURS, "nothing"),
    ("left, removed already", None, there("Deleted"), REMOVED, "nothing"),
    ("left, removed by somebody else", None, there("Deleted"), OURS, "nothing"),
    ("left, unsubscribed there already", None, there("Unsubscribed"), OURS, "nothing"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "held", "record", "step"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_the_step(wanted: Wanted | None, held: Held, record: Record, step: str) -> None:
    assert decide(wanted, held, record) == step


@pytest.mark.parametrize("state", OPTED_OUT)
def test_an_opt_out_is_said_in_a_sentence(state: str) -> None:
    said = opted_out(there(state), OURS)
    assert said is not None
    assert said.endswith(".")


def test_our_own_removal_is_no_opt_out() -> None:
    assert opted_out(there("Deleted"), REMOVED) is None


EMAILS = st.sampled_from(["althea@example.com", "old@example.com"])
FIELDS = st.dictionaries(st.sampled_from(["role", "joined"]), st.sampled_from(["a", "b"]))
WANTED: Any = st.none() | st.builds(Wanted, EMAILS, st.none() | st.just("Althea"), FIELDS)
STATES = ["Active", "Unsubscribed", "Bounced", "Suppressed", "Unconfirmed", "Deleted", None]
HELD = st.builds(Held, st.none() | EMAILS, st.sampled_from(STATES), st.none() | st.just("Althea"), FIELDS)
RECORD = st.builds(Record, st.booleans(), st.booleans(), st.none() | st.just(ALTHEA.fingerprint()))


@given(WANTED, HELD, RECORD)
def test_nobody_who_opted_out_is_ever_written_to(wanted: Wanted | None, held: Held, record: Record) -> None:
    step = decide(wanted, held, record)
    if held.state in ("Unsubscribed", "Bounced", "Suppressed", "Unconfirmed"):
        assert step == "nothing"
    if held.state == "Deleted" and not record.removed:
        assert step == "nothing"


@given(WANTED, HELD, RECORD)
def test_only_whom_we_removed_and_is_deleted_is_ever_restored(
    wanted: Wanted | None, held: Held, record: Record
) -> None:
    if decide(wanted, held, record) == "restore":
        assert (held.state, record.removed) == ("Deleted", True)


@given(HELD, RECORD)
def test_nobody_whom_we_did_not_put_there_ever_leaves(held: Held, record: Record) -> None:
    if decide(None, held, record) == "leave":
        assert record.put
    assert decide(None, held, record) in ("leave", "nothing")


@given(st.builds(Wanted, EMAILS, st.none() | st.just("Althea"), FIELDS), RECORD)
def test_whoever_is_held_as_wanted_needs_nothing(wanted: Wanted, record: Record) -> None:
    assert decide(wanted, Held(wanted.email, "Active", wanted.name, wanted.fields), record) == "nothing"
