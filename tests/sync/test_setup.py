"""Connecting step by step: each step is checked with the real system, and the draft can be left and taken up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from relay.domain.rules import fingerprint
from relay.errors import Invalid, NeedsPerson, RelayError
from relay.store import participants, runs
from relay.store.connections import Connection
from relay.store.runs import Run
from relay.sync import work
from relay.sync.connections import connect, destination, setup
from relay.sync.connections.audiences import AUDIENCES, audience_of
from relay.sync.parts import Parts
from relay.sync.runs import progress
from tests.conftest import Relay, Remote, SimulatedCampaignMonitor, SimulatedEhq


@pytest.fixture
def drafted(parts: Parts, ehq: SimulatedEhq) -> Connection:
    return setup.begin(parts, "Bayside", ehq.url, {"token": "sandbox"})[0]


@pytest.fixture
def keyed(parts: Parts, drafted: Connection) -> Connection:
    """A draft with both systems, and no list yet."""
    destination.give_key(parts, drafted, "sandbox")
    return parts.connection(drafted.id)


def step(parts: Parts, connection: Connection) -> str:
    return setup.draft(parts, parts.connection(connection.id)).step


def choices(parts: Parts, connection: Connection, **more: object) -> Run:
    now = parts.connection(connection.id)
    given = {"left_out": (), "seen": fingerprint(now.rules), "time_zone": "UTC", **more}
    given["audience"] = AUDIENCES[str(more.get("audience", "everyone"))]
    return setup.choose(parts, now, **given)  # type: ignore[arg-type]


def ended(parts: Parts, relay: Relay, run: Run) -> Run:
    relay.work()
    with parts.database.read() as tx:
        found = runs.find(tx, run.id)
    assert found is not None
    assert found.state != "running"
    return found


def test_from_an_address_to_the_first_run(
    parts: Parts, relay: Relay, ehq: SimulatedEhq, cm: SimulatedCampaignMonitor, drafted: Connection
) -> None:
    assert step(parts, drafted) == "campaign-monitor"
    destination.give_key(parts, drafted, "sandbox")
    assert step(parts, drafted) == "list", "the only client is chosen"
    assert parts.connection(drafted.id).rules.time_zone == "Australia/Sydney", "where its clocks are"
    destination.new_list(parts, parts.connection(drafted.id), "  Residents ")
    assert step(parts, drafted) == "read"
    read = ended(parts, relay, setup.read(parts, parts.connection(drafted.id)))
    assert step(parts, drafted) == "answers"
    assert max(read.counts["answered"].values()) <= 60
    seen = ended(parts, relay, choices(parts, drafted))
    assert step(parts, drafted) == "webhook"
    belongs = {a["email"] for a in ehq.people().values() if a["subscribed"] and not a["blocked"]}
    assert seen.counts["joins"] == len(belongs)
    assert seen.counts["joins"] + sum(seen.counts["kept_off"].values()) == 60
    assert cm.sandbox("lists.json")["lists"] == [], "nothing is made in Campaign Monitor before it is on"

    first = setup.turn_on(parts, parts.connection(drafted.id))
    assert setup.turn_on(parts, parts.connection(drafted.id)).id == first.id, "a second click joins"
    assert ended(parts, relay, first).state == "completed"
    assert cm.active("Residents") == {email.lower() for email in belongs}


def test_who_begins_again_goes_on_with_the_draft_there_is_as_long_as_nothing_was_done_with_it(
    parts: Parts, relay: Relay, ehq: SimulatedEhq
) -> None:
    def begin(name: str, key: str = "sandbox") -> tuple[Connection, bool]:
        made, _, new = setup.begin(parts, name, ehq.url, {"token": key})
        return made, new

    with ThreadPoolExecutor(5) as clicks:
        begun = list(clicks.map(lambda _: begin("Bayside"), range(5)))
    assert len({made.id for made, _ in begun}) == 1
    assert sum(new for _, new in begun) == 1
    (draft, _) = begun[0]
    again, new = begin("Bayside Council")
    assert (again.id, again.name, new) == (draft.id, "Bayside Council", False), "what was typed last holds"
    with pytest.raises(RelayError):
        begin("Bayside", key="wrong")
    assert parts.connection(draft.id).name == "Bayside Council", "what EngagementHQ refuses changes nothing"
    destination.give_key(parts, again, "sandbox")
    second, new = begin("Bayside, participants only")
    assert new, "a second list of the same site"
    assert second.id != draft.id
    relay.connect(ehq, "By command line", cm_api_key=None)
    assert begin("Bayside")[0].id == second.id, "a draft of the command line's is for whoever has its link"


def test_drafts_that_read_exports_and_have_no_address_are_told_apart_by_their_names(parts: Parts) -> None:
    made = [setup.begin(parts, name, "", {}, "export")[0].id for name in ("Mill", "Quay", "mill")]
    assert made[0] == made[2] != made[1]


def test_who_clicks_five_times_at_once_gets_one_list_and_one_run(
    parts: Parts, relay: Relay, cm: SimulatedCampaignMonitor, keyed: Connection
) -> None:
    destination.new_list(parts, keyed, "Residents")
    ended(parts, relay, setup.read(parts, parts.connection(keyed.id)))
    ended(parts, relay, choices(parts, keyed))
    now = parts.connection(keyed.id)
    with ThreadPoolExecutor(5) as clicks:
        started = list(clicks.map(lambda _: setup.turn_on(parts, now), range(5)))
    assert len({run.id for run in started if run}) == 1
    assert len(cm.sandbox("lists.json")["lists"]) == 1


@pytest.mark.parametrize(
    ("name", "code"), [("", "251"), (" \u200b", "251"), ("x" * 5000, "list-name"), ("bayside  residents", "250")]
)
def test_a_list_needs_a_free_name_of_some_length(
    parts: Parts, relay: Relay, ehq: SimulatedEhq, keyed: Connection, name: str, code: str
) -> None:
    relay.connect(ehq, "Other", list_name="Bayside Residents")
    with pytest.raises(RelayError) as refused:
        destination.new_list(parts, keyed, name)
    assert refused.value.code == code
    assert step(parts, keyed) == "list"


def test_a_list_that_another_connection_keeps_is_not_adopted(
    parts: Parts, relay: Relay, ehq: SimulatedEhq, keyed: Connection
) -> None:
    other = relay.connect(ehq, "Other")
    with pytest.raises(NeedsPerson) as refused:
        destination.adopt_list(parts, keyed, other.cm_list_id or "")
    assert refused.value.code == "list-taken"


def test_of_several_clients_one_is_chosen_and_another_log_in_gives_it_up(
    parts: Parts, cm: SimulatedCampaignMonitor, drafted: Connection
) -> None:
    cm.faults(clients=3)
    destination.give_key(parts, drafted, "sandbox")
    assert step(parts, drafted) == "client"
    third = destination.clients(parts, parts.connection(drafted.id))[2]
    destination.choose_client(parts, parts.connection(drafted.id), third.id)
    assert step(parts, drafted) == "list"
    cm.faults(clients=2)
    destination.give_key(parts, parts.connection(drafted.id), "sandbox")
    assert step(parts, drafted) == "client"


def test_a_credential_that_may_not_manage_lists_is_not_kept(
    parts: Parts, cm: SimulatedCampaignMonitor, drafted: Connection
) -> None:
    cm.faults(code=60)
    with pytest.raises(NeedsPerson):
        destination.give_key(parts, drafted, "sandbox")
    assert parts.connection(drafted.id).cm_credential is None


def test_whose_account_it_is_may_stay_unknown_and_a_run_asks_again_where_nobody_answered(
    parts: Parts, drafted: Connection, cm: Remote
) -> None:
    cm.faults(only_paths="primarycontact", code=60)
    destination.give_key(parts, drafted, "sandbox")
    assert parts.connection(drafted.id).cm_account == ""
    cm.faults(only_paths="primarycontact", status=500)
    destination.give_key(parts, drafted, "sandbox")
    assert parts.connection(drafted.id).cm_account is None


def test_what_is_left_out_and_who_is_on_the_list_changes_what_would_happen(
    parts: Parts, relay: Relay, ehq: SimulatedEhq, keyed: Connection
) -> None:
    destination.new_list(parts, keyed, "Residents")
    read = ended(parts, relay, setup.read(parts, parts.connection(keyed.id)))
    question = next(iter(read.counts["answered"]))
    run = ended(parts, relay, choices(parts, keyed, audience="participants-activated", left_out=(question,)))
    assert run.counts["joins"] < read.counts["joins"]
    assert run.counts["ehq_read"] == 60, "what was read before still counts"
    with parts.database.read() as tx:
        stored = [person.known.values.get("answers") or {} for person in participants.after(tx, keyed.id, 0, 100)]
    assert any(stored)
    assert not any(question in answers for answers in stored), "what is left out is not kept either"
    now = parts.connection(keyed.id)
    assert (now.rules.fields_left_out, audience_of(now.rules)) == ((question,), "participants-activated")
    assert not setup.draft(parts, now).stale
    connect.configure(parts, now, {})
    assert setup.draft(parts, parts.connection(keyed.id)).stale


def test_of_two_who_choose_at_once_the_second_is_told(parts: Parts, relay: Relay, keyed: Connection) -> None:
    destination.new_list(parts, keyed, "Residents")
    ended(parts, relay, setup.read(parts, parts.connection(keyed.id)))
    seen = fingerprint(keyed.rules)
    choices(parts, keyed, audience="participants", seen=seen)
    with pytest.raises(Invalid) as refused:
        choices(parts, keyed, audience="everyone", seen=seen)
    assert refused.value.code == "changed"
    assert audience_of(parts.connection(keyed.id).rules) == "participants"


def test_another_site_makes_forget_what_was_read(parts: Parts, relay: Relay, keyed: Connection) -> None:
    destination.new_list(parts, keyed, "Residents")
    ended(parts, relay, setup.read(parts, parts.connection(keyed.id)))
    now = parts.connection(keyed.id)
    setup.change_ehq(parts, now, "Bayside", now.ehq_url.replace("127.0.0.1", "localhost"), {"token": "sandbox"})
    assert step(parts, keyed) == "read"
    assert relay.status(keyed)["participants"] == 0


def test_nothing_is_written_to_a_list_that_is_only_chosen(parts: Parts, keyed: Connection, cm: Remote) -> None:
    other = parts.campaign_monitor(keyed).create_list(keyed.cm_client_id or "", "Old list")
    destination.adopt_list(parts, keyed, other)
    with parts.database.read() as tx:
        assert work.open_lanes(tx, parts.connection(keyed.id)) == ()


def test_the_webhook_secret_is_shown_once_and_a_double_click_shows_the_same(parts: Parts, keyed: Connection) -> None:
    first = connect.rotate_secret(parts, keyed, 0)["webhook_secret"]
    assert connect.rotate_secret(parts, keyed, 0)["webhook_secret"] == first
    second = connect.rotate_secret(parts, keyed, 1)["webhook_secret"]
    assert second not in (None, first)
    assert connect.rotate_secret(parts, keyed, 0)["webhook_secret"] is None


def test_a_stopped_run_goes_on_where_it_was(
    parts: Parts, relay: Relay, connection: Connection, cm: SimulatedCampaignMonitor
) -> None:
    run, _ = work.start_run(parts, connection.id, trigger="person")
    work.step(parts, run.id)  # "fields" is through
    stopped = progress.stop(parts, connection)
    assert stopped is not None
    assert (stopped.state, stopped.phase) == ("stopped", "groups")
    relay.work()
    assert cm.active() == set()
    assert progress.go_on(parts, stopped)
    assert not progress.go_on(parts, stopped), "it is under way"
    assert ended(parts, relay, stopped).state == "completed"
    assert cm.active()


def test_a_stopped_run_that_another_followed_stays_stopped(parts: Parts, relay: Relay, connection: Connection) -> None:
    run, _ = work.start_run(parts, connection.id, trigger="person")
    progress.stop(parts, connection)
    assert relay.reconcile(connection).state == "completed"
    assert not progress.go_on(parts, run)


def test_two_who_rotate_the_webhook_secret_at_once_lose_none(parts: Parts, connection: Connection) -> None:
    secrets = [connect.rotate_secret(parts, connection)["webhook_secret"] for _ in range(2)]  # both read it before
    stored = parts.vault.unlock(parts.connection(connection.id).webhook_secrets)
    assert [one["secret"] for one in stored[:2]] == secrets[::-1]
    assert len(stored) == 3


def test_the_webhook_secret_is_made_from_what_is_locked(
    parts: Parts, drafted: Connection, statements: list[str]
) -> None:
    assert connect.rotate_secret(parts, drafted, 0)["webhook_secret"]
    if parts.database.engine.dialect.name == "postgresql":
        assert any("FOR UPDATE" in one for one in statements)
