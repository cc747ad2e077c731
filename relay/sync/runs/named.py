"""Whose a subscriber is whom we did not expect at an address: the EHQ ID that stands there says it."""

from collections.abc import Mapping
from typing import NamedTuple

from relay.domain.mapping import Held
from relay.store import holdings
from relay.store.database import Tx
from relay.store.holdings import Holding
from relay.sync.picture import meant


class Named(NamedTuple):
    ours: dict[str, Holding]
    """By address."""
    elsewhere: list[tuple[str, str, str]]
    """(EHQ id, address, state there) of those named at another address than where we know them to be: whether they are
    gone from there, the end of the walk tells."""
    mistaken: list[int]
    """Whom we took a subscriber for, and who is named there is another (our ids)."""


def named(tx: Tx, connection_id: str, there: Mapping[str, Held], ours: Mapping[str, Holding]) -> Named:
    """`ours` (by address), corrected where nobody was put by us: by a connection that is no more somebody else was, or
    somebody typed a new address in CM. An opt-out is the word of whom it names, whoever has the address by now (design
    rule 3)."""
    said = {a: str(held.fields["ehq_id"]) for a, held in there.items() if "ehq_id" in held.fields}
    said = {a: i for a, i in said.items() if a not in ours or not _surely(ours[a], a, i)}
    people = {one.ehq_id: one for one in holdings.by_ehq_id(tx, connection_id, set(said.values()))} if said else {}
    said = {a: i for a, i in said.items() if i in people and meant(there[a], people[i].registered) is not False}
    placed = _placed(said, people, there, ours)
    found = {a: one for a, one in ours.items() if a not in said and placed.get(one.ehq_id, a) == a}
    elsewhere, mistaken = list[tuple[str, str, str]](), list[int]()
    for address, ehq_id in said.items():
        one, before = people[ehq_id], ours.get(address)
        active = there[address].state == "Active"
        if placed.get(ehq_id) == address:
            found[address] = one
        elif before is not None and before.ehq_id not in placed and (active or one.email == address):
            found[address] = before
        elif (one.record.put or one.erased) and (before is None or not active):
            elsewhere.append((ehq_id, address, there[address].state or ""))
        if before is not None and before.held.email == address and found.get(address) is not before:
            mistaken.append(before.id)
    return Named(found, elsewhere, mistaken)


def _placed(
    said: Mapping[str, str], people: Mapping[str, Holding], there: Mapping[str, Held], ours: Mapping[str, Holding]
) -> dict[str, str]:
    """EHQ id → where they are, of those named whom we knew to be nowhere: where EHQ has them, if that may be."""
    placed: dict[str, str] = {}
    for address, ehq_id in said.items():
        one, active = people[ehq_id], there[address].state == "Active"
        if one.held.email is not None or one.erased:
            continue
        # EHQ said no more of them than that they are, or were, in a group: whether they stay is not known.
        if active and one.email is None and not one.record.put:
            continue
        if ours.get(one.email or "") is one and one.email not in said:
            continue
        if ehq_id not in placed or one.email == address:
            placed[ehq_id] = address
    return placed


def _surely(one: Holding, address: str, said: str) -> bool:
    """Whether we know that they are the one at this address, whoever is named there."""
    return one.held.email == address and (one.record.put or one.ehq_id == said)
