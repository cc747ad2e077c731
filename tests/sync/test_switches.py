"""What Campaign Monitor leaves undocumented: the relay is right under either answer, and can find the answer out."""

from __future__ import annotations

from typing import Any

import pytest

from relay.store import connections
from relay.store.connections import Connection
from relay.sync.connections import probe
from tests.conftest import Live, Relay, SimulatedCampaignMonitor

PAIRS = [  # every two answers meet; a third switch, the rotation of refresh tokens, has a test of its own
    {"msm_merge": False, "import_reports_inactive": True, "options_drop_rules": True},
    {"msm_merge": False, "import_reports_inactive": False, "options_drop_rules": False},
    {"msm_merge": True, "import_reports_inactive": True, "options_drop_rules": False},
    {"msm_merge": True, "import_reports_inactive": False, "options_drop_rules": True},
]


def named(switches: dict[str, Any]) -> str:
    return ", ".join(name for name, on in switches.items() if on) or "none"


@pytest.fixture(params=PAIRS, ids=named)
def switched(request: pytest.FixtureRequest, cm: SimulatedCampaignMonitor) -> dict[str, Any]:
    cm.faults(**request.param)
    return dict(request.param)


def test_the_list_is_right_under_either_answer(switched: dict[str, Any], live: Live) -> None:
    (one, email), (two, other), (_three, third) = (live.ehq.someone(n) for n in range(3))
    live.ehq.act("answer", id=one, question=14, value=["Roads", "Sport"])
    live.arrives()
    live.ehq.act("answer", id=one, question=14, value=["Sport", "Something new"])  # one option goes, one is new
    live.ehq.act("group_create", name="Night owls")
    live.arrives()
    live.ehq.act("group_add", group=31, id=one)
    live.cm.act("unsubscribe", email=third)  # CM's word stands, whether or not an import says so
    live.ehq.act("answer", email=third, question=12, value="3333")
    live.ehq.act("unsubscribe", id=two)
    live.arrives()
    live.happens("subscribe", id=two)
    assert live.run().state == "completed"
    fields = live.subscriber(email)["fields"]
    assert sorted(fields["I am interested in"]) == ["Something new", "Sport"]
    assert "Night owls [31]" in fields["Groups"]
    assert (live.state(third), live.state(other)) == ("Unsubscribed", "Active")
    assert all(segment["RuleGroups"] for segment in live.cm.list()["segments"])
    assert live.cm.segments()["Night owls"] == 1
    assert live.cm.violations() == []
    live.cm.forget_calls()
    assert live.run().counts.get("to_write", 0) == 0
    assert live.cm.calls()["writes"] == 0


def test_a_probe_finds_each_answer_and_leaves_nothing_behind(
    switched: dict[str, Any], relay: Relay, connection: Connection, cm: SimulatedCampaignMonitor
) -> None:
    answer = probe.probe(relay.parts, connection)
    assert answer["switches"] == {
        "import_sets": "adds" if switched["msm_merge"] else "replaces",
        "import_inactive": "reports" if switched["import_reports_inactive"] else "hides",
        "options_call": "drops rules" if switched["options_drop_rules"] else "keeps rules",
        "unknown_option": "dropped",
    }
    kept = relay.parts.connection(connection.id).switches or {}
    assert kept["options_call"] == answer["switches"]["options_call"]
    assert [one["name"] for one in cm.sandbox("lists.json")["lists"]] == ["Bayside"]


def test_a_probe_that_fails_half_way_cleans_up_and_says_what_it_could_not_learn(
    relay: Relay, connection: Connection, cm: SimulatedCampaignMonitor
) -> None:
    cm.faults(only_paths="segments/", code=60)
    answer = probe.probe(relay.parts, connection)
    assert set(answer["unanswered"]) == {"options_call"}
    assert "import_sets" in answer["switches"]
    assert answer["list_deleted"]


def test_a_list_that_a_probe_left_behind_is_deleted_by_the_next_one(
    relay: Relay, connection: Connection, cm: SimulatedCampaignMonitor
) -> None:
    left = relay.parts.campaign_monitor(connection).create_list(connection.cm_client_id or "", "EHQ relay probe dead")
    with relay.parts.database.write() as tx:
        connections.change(tx, connection.id, switches={"probe_list": left})
    probe.probe(relay.parts, relay.parts.connection(connection.id))
    assert [one["name"] for one in cm.sandbox("lists.json")["lists"]] == ["Bayside"]
    assert "probe_list" not in (relay.parts.connection(connection.id).switches or {})


def test_where_rules_are_known_to_stay_no_segment_is_read_after_new_options(live: Live) -> None:
    live.cm.faults(options_drop_rules=False)
    with live.relay.parts.database.write() as tx:
        connections.change(tx, live.connection.id, switches={"options_call": "keeps rules"})
    live.cm.forget_calls()
    one, _ = live.ehq.someone()
    live.happens("answer", id=one, question=13, value="Agender")
    live.happens("group_create", name="Night owls")
    assert "GET segments/{id}" not in live.cm.calls()["calls"]
    assert live.cm.segments()["Night owls"] == 0
