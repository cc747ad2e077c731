"""No address, name or answer in any log line, whatever happens."""

from __future__ import annotations

import re

import pytest

from relay.store import participants
from relay.wiring import logs
from tests.conftest import Live


def test_a_busy_day_logs_nothing_about_anybody(capfd: pytest.CaptureFixture[str], live: Live) -> None:
    logs(live.relay.parts.settings)  # to what is standard error now
    secret = "Quixotic answer 4711"
    words = {a[key] for a in live.ehq.people().values() for key in ("email", "login")}
    people = [live.ehq.someone(n) for n in range(6)]
    live.cm.faults(refuse={people[0][1]: 1})
    for one, _ in people[:3]:
        live.ehq.act("answer", id=one, question=17, value=secret)
    live.ehq.register(email="x@", login="Quixotic login")
    live.ehq.act("event", type="hub.renamed", data={"type": "hubs", "id": "1", "name": secret})
    live.ehq.act("change_email", id=people[3][0], new_email="quixotic.move@example.com", confirmed=True)
    live.arrives()
    live.cm.faults(status={"value": 500, "times": 2})
    live.ehq.act("block", id=people[4][0])
    live.arrives()
    live.cm.faults(code={"value": 400, "times": 3}, only_paths="import")
    live.ehq.register(login=secret)
    live.arrives()
    live.cm.act("unsubscribe", email=people[5][1])
    live.ehq.faults(html=True)
    live.run()
    live.ehq.faults(html=None)
    live.cm.faults(drop_connection={"value": True, "times": 2}, only_paths=None)
    live.run()
    answers = {str(a["value"]) for p in live.ehq.people().values() for a in p["signup-answers"] if a["value"]}
    words |= {a[key] for a in live.ehq.people().values() for key in ("email", "login")}
    said = "".join(capfd.readouterr())
    assert "held" in said, "something was logged at all"
    long = {word for word in words | answers | {secret} if len(word) > 7}
    assert [word for word in long if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", said)] == []
    assert "Quixotic" not in said
    assert "quixotic" not in said
    assert "Traceback" not in said


def test_even_a_bug_of_ours_logs_nothing_about_anybody(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, live: Live
) -> None:
    """A row that only a bug could have left: the traceback names code, not people."""
    logs(live.relay.parts.settings)
    one, email = live.ehq.someone()
    with live.relay.parts.database.write() as tx:
        (person,) = participants.one(tx, live.connection.id, one)
        participants.change(tx, [person.id], values={"email": email, "groups": 7})
    live.ehq.act("answer", id=one, question=17, value="Quixotic answer")
    live.ehq.act("group_add", group=30, id=one)
    live.ehq.delivered()
    live.relay.parts.queue.ring(live.connection.id, always=True)
    live.relay.work()
    said = "".join(capfd.readouterr()) + caplog.text
    assert "Traceback" in said or "Error" in said
    assert email not in said
    assert "Quixotic" not in said
