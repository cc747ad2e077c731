"""People on pages: found, explained, masked, revealed with a note, synced, exported and erased."""

from __future__ import annotations

from collections.abc import Callable

import orjson
import pytest

from relay.store import audit, participants
from relay.store.person import Person
from tests.conftest import Live, Visitor

Visit = Callable[[str], Visitor]


@pytest.fixture
def somebody(live: Live) -> Person:
    _, email = live.ehq.someone()
    with live.relay.parts.database.read() as tx:
        return participants.one(tx, live.connection.id, email)[0]


def address(live: Live, person: Person | None = None, more: str = "") -> str:
    return f"/c/{live.connection.id}/people" + (f"/{person.id}" if person else "") + more


def noted(live: Live) -> list[tuple[str, int | None]]:
    with live.relay.parts.database.read() as tx:
        return [(entry.what, entry.participant_id) for entry in audit.search(tx)]


def personal(live: Live) -> set[str]:
    """Everybody's addresses and answers of some length."""
    found = set()
    for one in live.ehq.people().values():
        found.add(one["email"])
        found |= {a["value"] for a in one["signup-answers"] if isinstance(a["value"], str) and len(a["value"]) > 8}
    return found


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_lists_and_pages_show_nobodys_data_to_anybody_unasked(
    live: Live, somebody: Person, visit: Visit, role: str
) -> None:
    live.happens("answer", id=somebody.known.ehq_id, question=12, value="39991234 Leaking Lane")
    shown = visit(role).get(address(live)).text + visit(role).get(address(live, somebody)).text
    assert somebody.known.ehq_id in shown
    leaked = {one for one in personal(live) | {"Leaking Lane"} if one.lower() in shown.lower()}
    assert not leaked
    assert noted(live) == []


def test_an_operator_reveals_and_that_is_noted(live: Live, somebody: Person, visit: Visit) -> None:
    olga = visit("operator")
    assert olga.get(address(live, somebody, "/reveal")).status_code == 405
    answer = olga.post(address(live, somebody, "/reveal"))
    assert answer.status_code == 302
    shown = olga.get(answer.headers["Location"]).text
    assert (somebody.email or "?") in shown
    assert (somebody.email or "?") not in shown.partition("</title>")[0], "browsers keep titles in their history"
    assert noted(live) == [("looked at a person's data", somebody.id)]
    olga.post(address(live, somebody, "/hide"))
    assert (somebody.email or "?") not in olga.get(address(live, somebody)).text


def test_people_are_found_by_part_of_a_name_or_address_and_by_id(live: Live, somebody: Person, visit: Visit) -> None:
    olga, email = visit("operator"), somebody.email or ""
    for words in (email, email[2:-3].upper(), somebody.known.ehq_id):
        shown = olga.get(address(live), query_string={"q": words}).text
        assert f'{address(live, somebody)}"' in shown, words
    assert "Nothing matches" in olga.get(address(live, more="?q=nobody%25")).text


def test_a_viewer_finds_by_a_whole_address_and_not_by_a_part(live: Live, somebody: Person, visit: Visit) -> None:
    vera, email = visit("viewer"), somebody.email or ""
    assert f'{address(live, somebody)}"' in vera.get(address(live), query_string={"q": email}).text
    assert "Nothing matches" in vera.get(address(live), query_string={"q": email[:-2]}).text


def test_filters_say_who_is_where_and_why(live: Live, somebody: Person, visit: Visit) -> None:
    olga, one = visit("operator"), somebody.known.ehq_id
    link = f'{address(live, somebody)}"'
    for which in ("on", "new"):
        assert link in olga.get(address(live), query_string={"which": which, "q": one}).text
    live.happens("unsubscribe", id=one)
    for which in ("unsubscribed", "off"):
        assert link in olga.get(address(live), query_string={"which": which, "q": one}).text
    assert link not in olga.get(address(live), query_string={"which": "on", "q": one}).text
    live.happens("subscribe", id=one)
    live.cm.act("unsubscribe", email=somebody.email)
    live.run()
    assert link in olga.get(address(live), query_string={"which": "opted_out", "q": one}).text


def test_whoever_leaves_is_told_apart_from_whom_the_relay_fails_on_and_says_what_ehq_said(
    live: Live, somebody: Person, visit: Visit
) -> None:
    olga, one = visit("operator"), somebody.known.ehq_id
    live.cm.faults(code=901)  # which is about nobody
    live.ehq.act("unsubscribe", id=one)
    live.ehq.delivered()
    live.relay.parts.queue.ring(live.connection.id, always=True)
    live.relay.work()
    text = " ".join(olga.get(address(live, somebody)).text.split())
    assert "> Leaving</span>" in text
    assert "No: Unsubscribed in EHQ</td>" in text
    with live.relay.parts.database.write() as tx:
        participants.change(tx, [somebody.id], why_not="failed")
    with live.relay.parts.database.read() as tx:
        counts = participants.counts(tx, live.connection.id)
    assert counts["standing"]["stuck"] == 1
    assert counts["on_list"] == len(live.cm.active())
    shown = olga.get(address(live), query_string={"which": "stuck"}).text
    assert "On the list, but the relay failed on them" in shown
    assert "Leaving</span>" not in shown


def test_pages_of_people_follow_one_another_without_gaps(live: Live, visit: Visit) -> None:
    from relay.web import people as pages

    pages.SHOWN, before = 7, pages.SHOWN
    try:
        olga, seen, at = visit("operator"), [], address(live)
        while at:
            shown = olga.get(at).text
            seen += [part.partition('"')[0] for part in shown.split(f'<a href="{address(live)}/')[1:]]
            older = shown.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
            at = older if 'rel="next"' in shown else ""
    finally:
        pages.SHOWN = before
    assert len(seen) == len(set(seen)) == len(live.ehq.people())


def test_sync_now_shows_its_steps_and_is_noted(live: Live, somebody: Person, visit: Visit) -> None:
    olga = visit("operator")
    live.cm.act("edit_field", email=somebody.email, field="EHQ ID", value="nobody")
    olga.post(address(live, somebody, "/sync"))
    assert "data-live" in olga.get(address(live, somebody)).text
    live.relay.work()
    shown = olga.get(address(live, somebody)).text
    assert "data-live" not in shown
    assert "Read back from Campaign Monitor: as it should be" in shown
    assert live.subscriber(somebody.email or "")["fields"]["EHQ ID"] == somebody.known.ehq_id
    assert noted(live) == [("asked to sync a person now", somebody.id)]


def test_only_administrators_export_and_erase(live: Live, somebody: Person, visit: Visit) -> None:
    for role in ("viewer", "operator"):
        for end in ("/export", "/erase", "/let-in"):
            assert visit(role).post(address(live, somebody, end)).status_code == 403
    ada = visit("admin")
    document = orjson.loads(ada.post(address(live, somebody, "/export")).data)
    assert document["people"][0]["ehq_id"] == somebody.known.ehq_id
    for _ in range(2):  # clicked twice
        ada.post(address(live, somebody, "/erase"))
    assert "Being erased" in ada.get(address(live, somebody)).text
    live.relay.work()
    shown = ada.get(address(live, somebody)).text
    assert "Cleared and removed in Campaign Monitor" in shown
    assert "ask EHQ&#39;s support" in shown
    assert (somebody.email or "?") not in shown
    again = ada.post(address(live, somebody, "/erase"), follow_redirects=True).text
    assert "Erased already" in again
    assert [what for what, _ in noted(live)] == ["erased a person", "exported a person's data"]


def test_a_person_or_delivery_of_another_connection_is_a_404(live: Live, somebody: Person, visit: Visit) -> None:
    other = live.relay.connect(live.ehq, name="Elsewhere")
    ada = visit("admin")
    for end in ("", "/reveal", "/sync", "/export", "/erase"):
        path = f"/c/{other.id}/people/{somebody.id}{end}"
        answer = ada.post(path) if end else ada.get(path)
        assert answer.status_code == 404, end
    assert ada.get(f"/c/{other.id}/people/{2**70}").status_code == 404
    assert noted(live) == []


def test_pages_ask_as_much_of_the_database_for_many_people_as_for_few(
    live: Live, somebody: Person, visit: Visit, statements: list[str]
) -> None:
    olga = visit("operator")
    paths = [address(live, more=more) for more in ("", "?q=a", "?which=off", "?which=waiting")]
    paths += [
        address(live, somebody),
        f"/c/{live.connection.id}/deliveries",
        f"/c/{live.connection.id}/deliveries/replay",
    ]

    def asked() -> list[int]:
        found = []
        for path in paths:
            statements.clear()
            assert olga.get(path).status_code == 200
            found.append(len(statements))
        return found

    live.ehq.act("register", count=2)
    live.arrives()
    asked()
    few = asked()
    live.ehq.act("register", count=40)
    live.arrives()
    assert asked() == few
    assert max(few) < 25
