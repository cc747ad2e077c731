"""Whose a subscriber is whom we did not expect at an address: the EHQ ID that stands there says it."""

from collections.abc import Mapping

from relay.domain.mapping import Held
from relay.store import holdings
from relay.store.database import Tx
from relay.store.holdings import Holding


def named(
    tx: Tx, connection_id: str, there: Mapping[str, Held], ours: Mapping[str, Holding]
) -> tuple[dict[str, Holding], dict[str, str]]:
    """`ours` (by address) with whoever is named at an address of `there` where we knew of nobody: by a connection that
    is no more, or because somebody typed a new address in CM. An opt-out is the word of whom it names, whoever has the
    address by now (design rule 3).

    And where else (EHQ id → address) somebody is named whom we know to be at another address: that counts only if they
    are gone from there, so the end of the walk decides.
    """
    unknown = {a: h for a, h in there.items() if "ehq_id" in h.fields and (a not in ours or ours[a].held.email != a)}
    said = {a: str(held.fields["ehq_id"]) for a, held in unknown.items()}
    people = {one.ehq_id: one for one in holdings.by_ehq_id(tx, connection_id, set(said.values()))} if said else {}
    found, elsewhere = dict(ours), dict[str, str]()
    placed = {one.id for one in ours.values()}
    for address, held in unknown.items():
        one, active = people.get(said[address]), held.state == "Active"
        if one is None:
            continue
        nowhere = one.held.email is None and one.id not in placed and not one.erased
        if nowhere and (active or not one.record.put):
            found[address] = one
            placed.add(one.id)
        elif active and one.record.put and address not in ours:
            elsewhere[one.ehq_id] = address
        elif not active and one.email != address:
            found.pop(address, None)
    return found, elsewhere
