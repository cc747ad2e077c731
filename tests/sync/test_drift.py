"""Every difference that a run repairs has a name."""

from __future__ import annotations

from relay.sync import connect
from tests.conftest import Live


def causes(live: Live) -> dict[str, int]:
    return dict(live.run().counts.get("causes", {}))


def test_nothing_to_repair_names_nothing(live: Live) -> None:
    assert causes(live) == {}


def test_events_that_never_came_are_named(live: Live) -> None:
    one, _email = live.ehq.someone()
    live.ehq.act("answer", id=one, question=12, value="3090", silent=True)
    live.ehq.act("register", silent=True)
    live.ehq.act("unsubscribe", id=live.ehq.someone(1)[0], silent=True)
    found = causes(live)
    assert sum(found.values()) == 3
    assert found["never delivered by EHQ"] >= 2
    live.agrees()


def test_a_value_changed_by_hand_in_campaign_monitor_is_put_back_and_named(live: Live) -> None:
    _, email = live.ehq.someone()
    before = live.subscriber(email)["fields"]["What is your postcode?"]
    live.cm.act("edit_field", email=email, field="What is your postcode?", value="9999")
    assert causes(live) == {"changed by hand in CM": 1}
    assert live.subscriber(email)["fields"]["What is your postcode?"] == before


def test_a_group_changed_without_an_event_is_named(live: Live) -> None:
    one, _ = live.ehq.someone()
    live.ehq.act("group_add", group=30, id=one, silent=True)
    assert causes(live) == {"group changed without an event": 1}


def test_a_changed_rule_is_named(live: Live) -> None:
    connect.configure(live.relay.parts, live.connection, {"audience": {"roles": ["participant"]}})
    assert set(causes(live)) == {"mapping changed"}


def test_the_history_of_a_person_tells_the_cause(live: Live) -> None:
    one, email = live.ehq.someone()
    live.cm.act("edit_field", email=email, field="What is your postcode?", value="9999")
    run = live.run()
    history = live.relay.person(live.connection, one)["history"]
    assert any(item.get("cause") == "changed by hand in CM" and item.get("run") == run.id for item in history)
