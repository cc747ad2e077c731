"""A claim has one holder; who loses it writes no more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from relay.store import leases as module
from relay.store.leases import Lease, Lost, claim
from relay.store.tables import leases
from relay.sync.parts import Parts


def test_of_two_claimants_one_holds(parts: Parts) -> None:
    with claim(parts.database, "work") as first, claim(parts.database, "work") as second:
        assert first is not None
        assert second is None


def test_a_claim_let_go_is_free_at_once_and_other_names_always_are(parts: Parts) -> None:
    with claim(parts.database, "work"), claim(parts.database, "other") as other:
        assert other is not None
    with claim(parts.database, "work") as again:
        assert again is not None


def test_a_claim_that_was_not_renewed_is_taken_by_another(parts: Parts) -> None:
    first, second = Lease(parts.database, "work"), Lease(parts.database, "work")
    assert first.take()
    assert not second.take()
    with parts.database.write() as tx:
        tx.execute(sa.update(leases).values(until=0.0))
    assert second.take()
    first.release()
    assert not Lease(parts.database, "work").take(), "who lost it does not let go of another's"


def test_who_lost_the_claim_is_told_before_writing(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.3)  # a setting, made short
    with claim(parts.database, "work") as mine:
        assert mine is not None
        mine.check()
        with parts.database.write() as tx:
            tx.execute(sa.update(leases).values(owner="another"))
        lost(mine)


def test_a_process_that_was_stopped_past_its_claim_is_told_when_it_wakes(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.3)
    first, second = Lease(parts.database, "work"), Lease(parts.database, "work")
    assert first.take()
    first.check()
    while not second.take():  # nobody renews the first: its process stands still
        time.sleep(0.02)
    second.check()
    with pytest.raises(Lost):
        first.check()


def test_a_claim_that_cannot_be_renewed_is_not_believed_for_longer_than_it_was_granted(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.3)
    with claim(parts.database, "work") as mine:
        assert mine is not None
        with renamed(parts, "leases"):
            lost(mine)


@contextmanager
def renamed(parts: Parts, table: str) -> Iterator[None]:
    """The table is not there: nothing that asks for it expects that."""
    with parts.database.write() as tx:
        tx.exec_driver_sql(f"ALTER TABLE {table} RENAME TO elsewhere")
    yield
    with parts.database.write() as tx:
        tx.exec_driver_sql(f"ALTER TABLE elsewhere RENAME TO {table}")


def lost(lease: Lease) -> None:
    """Waits until its holder is told."""
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        try:
            lease.check()
        except Lost:
            return
        time.sleep(0.02)
    raise AssertionError("nobody was told")


def test_a_claim_in_use_is_renewed(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.9)
    with claim(parts.database, "work") as mine:
        time.sleep(1.3)
        assert mine is not None
        mine.check()
        assert not Lease(parts.database, "work").take()
