"""Accounts: set-up once, invitations, log-in and its throttle, roles, the last administrator, one's own password."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
import time_machine

from relay.errors import Invalid
from relay.queue import Queue
from relay.store import audit, users
from relay.store.audit import Entry
from relay.store.tables import users as table
from relay.store.users import User
from relay.sync import accounts
from relay.sync.parts import Parts
from relay.web import access, create_app
from tests.conftest import Visitor, user_of
from tests.web.test_webhooks import closed_port

Visit = Callable[[str], Visitor]
PASSWORD = "nine green bottles"


@pytest.fixture
def member(parts: Parts) -> User:
    """An operator with a password."""
    user = accounts.invite(parts, None, "Olga@example.org", "operator", "Olga")
    return accounts.accept(parts, path(accounts.invitation_url(parts, user)).rpartition("/")[2], "Olga", PASSWORD)


def path(url: str | None) -> str:
    return urlsplit(url or "").path


def log(parts: Parts) -> list[Entry]:
    with parts.database.read() as tx:
        return audit.search(tx)


def now(parts: Parts, user: User) -> User:
    with parts.database.read() as tx:
        found = users.find(tx, user.id)
    assert found
    return found


def log_in(visitor: Visitor, password: str = PASSWORD, email: str = "olga@example.org") -> int:
    return visitor.post("/login", {"email": email, "password": password}).status_code


def test_the_set_up_link_makes_one_administrator_and_then_no_other(visit: Visit, parts: Parts) -> None:
    link = path(accounts.setup_url(parts))
    form = {"email": "Ada@Example.org", "name": "Ada", "password": PASSWORD}
    first, second = visit(""), visit("")
    assert first.get(link).status_code == second.get(link).status_code == 200
    assert first.post(link, form).headers["Location"] == "/"
    assert first.get("/users").status_code == 200
    answer = second.post(link, {**form, "email": "eve@example.org"})
    assert answer.status_code == 400
    assert "set up already" in answer.text
    assert second.get(link).status_code == 400
    assert accounts.setup_url(parts) is None
    with parts.database.read() as tx:
        assert [(user.email, user.role) for user in users.everyone(tx)] == [("ada@example.org", "admin")]


def test_a_set_up_link_that_is_forged_or_a_day_old_opens_nothing(visit: Visit, parts: Parts) -> None:
    link = path(accounts.setup_url(parts))
    assert visit("").get(link + "x").status_code == 400
    with time_machine.travel(accounts.SETUP_S + 5 + time.time(), tick=False):
        assert visit("").get(link).status_code == 400


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"email": "ada"}, "whole e-mail address"),
        ({"email": "a" * 300 + "@example.org"}, "whole e-mail address"),
        ({"name": " "}, "Enter a name"),
        ({"password": "short"}, "has 5 characters"),
        ({"password": "ada@example.org"}, "easy to guess"),
        ({"password": "aaaaaaaaaaaaaaaa"}, "easy to guess"),
        ({"password": "x" * 5000}, "at most 200"),
    ],
)
def test_what_is_wrong_with_a_form_is_said_and_nothing_is_lost(
    visit: Visit, parts: Parts, wrong: dict[str, str], said: str
) -> None:
    form = {"email": "ada@example.org", "name": "Ada", "password": PASSWORD, **wrong}
    answer = visit("").post(path(accounts.setup_url(parts)), form)
    assert answer.status_code == 422
    assert said in answer.text
    assert f'value="{form["email"]}"' in answer.text
    assert form["password"] not in answer.text or form["password"] == form["email"]
    with parts.database.read() as tx:
        assert not users.any_at_all(tx)


def test_an_invitation_is_shown_once_and_works_once(visit: Visit, parts: Parts) -> None:
    admin, invited = visit("admin"), visit("")
    assert admin.post("/users/invite", {"email": "New@example.org", "role": "viewer"}).headers["Location"] == "/users"
    shown = admin.get("/users").text
    found = re.search(r'value="[^"]*(/invitation/[^"]+)"', shown)
    assert found
    assert "/invitation/" not in admin.get("/users").text
    assert "new@example.org" in invited.get(found[1]).text
    assert invited.post(found[1], {"name": "New", "password": PASSWORD}).status_code == 302
    assert invited.get("/").status_code == 200
    assert invited.get("/users").status_code == 403
    again = visit("").post(found[1], {"name": "Eve", "password": PASSWORD + "!"})
    assert again.status_code == 400
    assert "used already" in again.text
    assert log_in(visit(""), email="new@example.org") == 302
    assert [entry.what for entry in log(parts)] == ["logged in", "accepted the invitation", "invited a user"]


def test_an_invitation_ends_after_seven_days_and_with_the_next_one(visit: Visit, parts: Parts) -> None:
    user = accounts.invite(parts, None, "new@example.org", "viewer")
    link = path(accounts.invitation_url(parts, user))
    assert visit("").get(link).status_code == 200
    newer = path(accounts.invitation_url(parts, accounts.reset(parts, None, user.id)))
    assert visit("").get(link).status_code == 400
    with time_machine.travel(accounts.INVITED_S + 5 + time.time(), tick=False):
        assert visit("").get(newer).status_code == 400


def test_an_address_is_invited_once(visit: Visit, member: User) -> None:
    answer = visit("admin").post("/users/invite", {"email": "OLGA@example.org", "role": "viewer"})
    assert answer.status_code == 422
    assert "There is a user olga@example.org already" in answer.text


def test_the_wrong_password_an_unknown_address_and_a_disabled_user_are_told_alike(
    visit: Visit, parts: Parts, member: User
) -> None:
    accounts.invite(parts, None, "invited@example.org", "admin")
    someone = visit("")
    answers = {
        someone.post("/login", {"email": email, "password": password}).text.count("do not belong together")
        for email, password in [
            ("olga@example.org", "another password"),
            ("nobody@example.org", PASSWORD),
            ("invited@example.org", ""),
            ("\0", PASSWORD),
        ]
    }
    accounts.change(parts, None, member.id, disabled=True)
    answers.add(someone.post("/login", {"email": member.email, "password": PASSWORD}).text.count("do not belong"))
    assert len(answers) == 1
    assert answers != {0}
    assert someone.get("/").status_code == 302


def test_after_ten_failures_one_is_told_when_to_try_again_and_others_are_not_kept_out(
    visit: Visit, parts: Parts, member: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "check_password_hash", lambda stored, given: given == PASSWORD)  # scrypt is slow
    guesser = visit("")
    assert [log_in(guesser, f"guess {number}") for number in range(11)] == [401] * 10 + [429]
    answer = guesser.post("/login", {"email": "olga@example.org", "password": PASSWORD})
    assert answer.status_code == 429
    assert re.search(r"Try again in 1[45] min", answer.text)
    assert 0 < int(answer.headers["Retry-After"]) <= 900
    assert log_in(guesser, "guess", email="other@example.org") == 401
    elsewhere = visit("")
    form = {"email": "olga@example.org", "password": PASSWORD}
    assert elsewhere.post("/login", form, environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 302


def test_guessing_from_a_whole_network_is_guessing_from_one_place(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "check_password_hash", lambda stored, given: False)
    guesser = visit("")

    def guess(address: str) -> int:
        form = {"email": "olga@example.org", "password": "guess"}
        return guesser.post("/login", form, environ_base={"REMOTE_ADDR": address}).status_code

    assert [guess(f"2001:db8:0:1::{number:x}") for number in range(11)] == [401] * 10 + [429]
    assert guess("2001:db8:0:2::1") == 401
    assert [guess("::ffff:192.0.2.1") for _ in range(10)] == [401] * 10
    assert guess("192.0.2.1") == 429
    answers = [guess(f"198.51.100.{number}") for number in range(100)]
    assert answers[0] == 401
    assert answers[-1] == 429, "one account from many places"


def test_logging_in_often_is_no_failure(visit: Visit, member: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "check_password_hash", lambda stored, given: given == PASSWORD)
    assert {log_in(visit("")) for _ in range(15)} == {302}


def test_without_redis_one_can_log_in_and_guessing_is_still_limited(
    parts: Parts, member: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "check_password_hash", lambda stored, given: given == PASSWORD)
    monkeypatch.setattr(access.limiter, "_storage_dead", False)  # and again afterwards: there is one for all apps
    away = replace(parts, queue=Queue(f"redis://127.0.0.1:{closed_port()}"))
    someone = Visitor(create_app(away), away)
    assert log_in(someone) == 302
    assert [log_in(someone, "guess", email="x@example.org") for _ in range(11)] == [401] * 10 + [429]


def test_logging_in_begins_a_new_session_and_logging_out_ends_it(visit: Visit, member: User) -> None:
    someone = visit("")
    with someone.client.session_transaction() as session:
        session["planted"] = True
    assert log_in(someone) == 302
    with someone.client.session_transaction() as session:
        assert "planted" not in session
    assert someone.get("/").status_code == 200
    assert someone.post("/logout").headers["Location"] == "/login"
    assert someone.get("/").status_code == 302


def test_the_last_administrator_can_be_neither_disabled_nor_demoted_nor_reset(visit: Visit, parts: Parts) -> None:
    admin = visit("admin")
    me = user_of(parts, "admin")
    accounts.invite(parts, None, "ada2@example.org", "admin")  # who cannot log in yet does not count
    for what, form in (("disable", {}), ("role", {"role": "viewer"}), ("link", {})):
        answer = admin.post(f"/users/{me.id}/{what}", form, follow_redirects=True)
        assert "only administrator" in answer.text, what
    assert (now(parts, me).role, now(parts, me).state) == ("admin", "active")
    assert now(parts, me).round == me.round


def test_a_change_of_role_ends_sessions_and_is_in_the_audit_log(visit: Visit, parts: Parts) -> None:
    operator = visit("operator")
    user = user_of(parts, "operator")
    answer = visit("admin").post(f"/users/{user.id}/role", {"role": "viewer"}, follow_redirects=True)
    assert "Olga Operator may log in as viewer." in answer.text
    assert operator.get("/").status_code == 302
    entry = log(parts)[0]
    assert (entry.what, entry.email) == ("changed a user's role", "admin@example.org")
    assert entry.detail == {"user": user.id, "before": {"role": "operator"}, "after": {"role": "viewer"}}


def test_a_role_that_does_not_exist_and_a_user_who_does_not_exist_change_nothing(visit: Visit, parts: Parts) -> None:
    user, admin = user_of(parts, "viewer"), visit("admin")
    assert "A role is" in admin.post(f"/users/{user.id}/role", {"role": "king"}, follow_redirects=True).text
    assert now(parts, user).role == "viewer"
    assert admin.post("/users/999/disable").status_code == 404
    assert admin.get(f"/users/{10**30}").status_code == 404


def test_a_new_link_ends_the_password(visit: Visit, parts: Parts, member: User) -> None:
    assert visit("admin").post(f"/users/{member.id}/link").status_code == 302
    assert log_in(visit("")) == 401


def test_ones_own_password_is_changed_with_the_present_one_and_ends_other_sessions(visit: Visit, member: User) -> None:
    here, elsewhere = visit(""), visit("")
    assert log_in(here) == log_in(elsewhere) == 302
    form = {"current": "not this one", "password": "ten green bottles"}
    assert "not your present password" in here.post("/account/password", form).text
    assert here.post("/account/password", {**form, "current": PASSWORD}).status_code == 302
    assert here.get("/account").status_code == 200
    assert elsewhere.get("/account").status_code == 302
    assert log_in(visit("")) == 401
    assert log_in(visit(""), "ten green bottles") == 302


def test_ones_own_name_is_changed_and_logging_out_ends_every_session(visit: Visit, parts: Parts) -> None:
    here, elsewhere = visit("viewer"), visit("viewer")
    assert "Vera Q" in here.post("/account/name", {"name": "Vera  Q"}, follow_redirects=True).text
    assert here.post("/logout").status_code == 302
    assert here.get("/").status_code == elsewhere.get("/").status_code == 302
    assert [entry.what for entry in log(parts)] == ["logged out", "changed their own name"]


def test_no_password_or_link_is_in_the_audit_log(visit: Visit, parts: Parts, member: User) -> None:
    visit("admin").post("/users/invite", {"email": "new@example.org", "role": "viewer"})
    visit("admin").post(f"/users/{member.id}/link")
    text = repr(log(parts))
    assert PASSWORD not in text
    assert "scrypt" not in text
    assert "/invitation/" not in text


def at_once(*acts: Callable[[], object]) -> list[object]:
    """What each answered, or how it failed; all of them begin together."""
    begin = threading.Barrier(len(acts))

    def act(one: Callable[[], object]) -> object:
        begin.wait()
        try:
            return one()
        except Invalid as error:
            return error

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(act, acts))


def test_of_two_administrators_who_demote_each_other_one_stays(parts: Parts, member: User) -> None:
    ada = user_of(parts, "admin")
    accounts.change(parts, None, member.id, role="admin")
    answers = at_once(
        lambda: accounts.change(parts, ada, member.id, role="viewer"),
        lambda: accounts.change(parts, member, ada.id, role="viewer"),
    )
    assert sum(isinstance(answer, Invalid) for answer in answers) == 1
    with parts.database.read() as tx:
        assert users.admins(tx) == 1


def test_of_two_who_use_the_set_up_link_at_once_one_becomes_administrator(parts: Parts) -> None:
    token = path(accounts.setup_url(parts)).rpartition("/")[2]
    answers = at_once(
        *(lambda n=n: accounts.first_admin(parts, token, f"a{n}@example.org", "A", PASSWORD) for n in range(3))
    )
    assert sum(isinstance(answer, User) for answer in answers) == 1
    with parts.database.read() as tx:
        assert len(users.everyone(tx)) == 1


def test_whoever_gets_the_number_of_somebody_removed_is_not_let_in_by_their_link(parts: Parts) -> None:
    former = accounts.invite(parts, None, "former@example.org", "admin")
    link = path(accounts.invitation_url(parts, former)).rpartition("/")[2]
    with parts.database.write() as tx:
        tx.execute(sa.delete(table).where(table.c.id == former.id))
        again = users.add(tx, "new@example.org", "New", "admin")
        assert again
        tx.execute(sa.update(table).where(table.c.id == again.id).values(id=former.id))
    with pytest.raises(Invalid):
        accounts.read_invitation(parts, link)
