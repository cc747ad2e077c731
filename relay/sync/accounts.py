"""Who may log in: the first administrator, invitations, passwords, roles. Each change is in the audit log with it."""

from typing import Any, cast

from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.security import check_password_hash, generate_password_hash

from relay.errors import Invalid
from relay.store import audit, users
from relay.store.database import Tx
from relay.store.users import ROLES, User
from relay.sync.parts import Parts

SETUP_S, INVITED_S = 86400, 7 * 86400
SHORTEST_PASSWORD, LONGEST = 12, 200
NOBODY = "scrypt:32768:8:1$nobody$" + "0" * 128
"""Checked when there is no such user, so that the answer takes as long."""
ASK = "Ask an administrator of the relay for a new one."


class NoSuchLink(Invalid):
    """Forged, too old, or used."""


def nobody_yet(parts: Parts) -> bool:
    with parts.database.read() as tx:
        return not users.any_at_all(tx)


def setup_url(parts: Parts) -> str | None:
    """Where the first administrator is made; None as soon as there is a user. Valid for a day."""
    if not nobody_yet(parts):
        return None
    return f"{parts.settings.relay_base_url}/setup/{_links(parts, 'setup').dumps('first')}"


def read_setup(parts: Parts, token: str) -> None:
    """:raise NoSuchLink: also when there are users already."""
    try:
        _links(parts, "setup").loads(token, max_age=SETUP_S)
    except BadData:
        raise NoSuchLink(
            "This set-up link is not valid, or older than a day.",
            remedy="The next start of the relay prints a new one.",
        ) from None
    with parts.database.read() as tx:
        _refuse_a_second(tx)


def _refuse_a_second(tx: Tx) -> None:
    if users.any_at_all(tx):
        raise NoSuchLink("This relay has been set up already.", remedy="Log in, or ask an administrator to invite you.")


def first_admin(parts: Parts, token: str, email: str, name: str, password: str) -> User:
    """:raise Invalid: naming what is wrong, by `code` a field's name."""
    read_setup(parts, token)
    values = _address(email), _name(name), "admin", _hashed(password, email)
    with parts.database.write() as tx:
        users.alone(tx)
        _refuse_a_second(tx)
        user = cast(User, users.add(tx, *values))
        audit.add(tx, user.id, "set the relay up", after=_shown(user))
    return user


def invite(parts: Parts, by: User | None, email: str, role: str, name: str = "") -> User:
    """Someone new, without a password yet; `invitation_url` is for them. `by`: None for the command line."""
    email = _address(email)
    with parts.database.write() as tx:
        user = users.add(tx, email, _name(name or email.partition("@")[0]), _role(role))
        if user is None:
            raise Invalid(f"There is a user {email} already.", remedy="Make a new link for them instead.", code="email")
        audit.add(tx, by.id if by else None, "invited a user", user=user.id, after=_shown(user))
    return user


def invitation_url(parts: Parts, user: User) -> str:
    """Where they choose a password: once, within seven days."""
    return f"{parts.settings.relay_base_url}/invitation/{_links(parts, 'invitation').dumps([user.id, user.round])}"


def read_invitation(parts: Parts, token: str) -> User:
    """:raise NoSuchLink:"""
    try:
        user_id, at_round = _links(parts, "invitation").loads(token, max_age=INVITED_S)
    except (BadData, ValueError, TypeError):
        raise NoSuchLink("This invitation is not valid, or older than seven days.", remedy=ASK) from None
    with parts.database.read() as tx:
        user = users.find(tx, user_id)
    if user is None or user.round != at_round or user.disabled:
        raise NoSuchLink("This invitation was used already, or taken back.", remedy=f"Log in, or: {ASK.lower()}")
    return user


def accept(parts: Parts, token: str, name: str, password: str) -> User:
    invited = read_invitation(parts, token)
    hashed = _hashed(password, invited.email)
    with parts.database.write() as tx:
        users.alone(tx)
        now = users.find(tx, invited.id)
        if now is None or now.round != invited.round:
            raise NoSuchLink("This invitation was used already.", remedy="Log in with the password that was chosen.")
        users.change(tx, invited.id, ends=True, name=_name(name), password_hash=hashed)
        audit.add(tx, invited.id, "accepted the invitation")
        return _again(tx, invited.id)


def rename(parts: Parts, user: User, name: str) -> None:
    with parts.database.write() as tx:
        users.change(tx, user.id, name=_name(name))
        audit.add(tx, user.id, "changed their own name", before={"name": user.name}, after={"name": name.strip()})


def change_password(parts: Parts, user: User, current: str, new: str) -> User:
    """:raise Invalid: by `code` "current" or "password". Every other session of theirs ends."""
    if not check_password_hash(user.password_hash or NOBODY, current):
        raise Invalid("This is not your present password.", code="current")
    hashed = _hashed(new, user.email)
    with parts.database.write() as tx:
        users.change(tx, user.id, ends=True, password_hash=hashed)
        audit.add(tx, user.id, "changed their own password")
        return _again(tx, user.id)


def log_out(parts: Parts, user: User) -> None:
    """Every session of theirs ends, in this browser and in any other."""
    with parts.database.write() as tx:
        users.change(tx, user.id, ends=True)
        audit.add(tx, user.id, "logged out")


def change(
    parts: Parts, by: User | None, user_id: int, *, role: str | None = None, disabled: bool | None = None
) -> User:
    """Another role, or whether they may log in. Their sessions end. :raise Invalid: for the last administrator."""
    with parts.database.write() as tx:
        before = _claimed(tx, user_id)
        new: dict[str, Any] = {}
        if role is not None and role != before.role:
            new["role"] = _role(role)
        if disabled is not None and disabled != before.disabled:
            new["disabled"] = disabled
        if not new:
            return before
        users.change(tx, user_id, ends=True, **new)
        after = _one_admin_stays(tx, before)
        what = "changed a user's role" if "role" in new else "disabled a user" if disabled else "enabled a user"
        audit.add(tx, by.id if by else None, what, user=user_id, before=_shown(before), after=_shown(after))
        return after


def reset(parts: Parts, by: User | None, user_id: int) -> User:
    """Their password stops working, sessions and older links end; `invitation_url` is for them to choose a new one."""
    with parts.database.write() as tx:
        before = _claimed(tx, user_id)
        if before.disabled:
            raise Invalid("This user is disabled.", remedy="Enable them first.")
        users.change(tx, user_id, ends=True, password_hash=None)
        after = _one_admin_stays(tx, before)
        audit.add(tx, by.id if by else None, "made a new link for a user", user=user_id)
        return after


def verify(parts: Parts, email: str, password: str) -> User | None:
    """The user with this address and password, if they may log in; None takes as long to find out."""
    with parts.database.read() as tx:
        user = users.by_email(tx, email) if email.isprintable() else None
    right = check_password_hash(user.password_hash if user and user.password_hash else NOBODY, password[:LONGEST])
    return user if user and right and user.state == "active" else None


def _links(parts: Parts, what: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(parts.settings.secret_key, salt=f"user {what}")


def _claimed(tx: Tx, user_id: int) -> User:
    users.alone(tx)
    return _again(tx, user_id)


def _again(tx: Tx, user_id: int) -> User:
    user = users.find(tx, user_id)
    if user is None:
        raise Invalid("There is no such user.", code="unknown")
    return user


def _one_admin_stays(tx: Tx, before: User) -> User:
    if before.role == "admin" and before.state == "active" and not users.admins(tx):
        raise Invalid(
            "This is the only administrator who can log in, so nothing was changed.",
            remedy="Make somebody else an administrator first.",
        )
    return _again(tx, before.id)


def _shown(user: User) -> dict[str, Any]:
    return {"email": user.email, "role": user.role, "state": user.state}


def _address(email: str) -> str:
    email = email.strip().lower()
    name, _, host = email.rpartition("@")
    if not name or "." not in host.strip(".") or not email.isprintable() or " " in email or len(email) > LONGEST:
        raise Invalid("Enter a whole e-mail address, such as jo@example.gov.au.", code="email")
    return email


def _name(name: str) -> str:
    name = " ".join(name.split())
    if not name or not name.isprintable() or len(name) > LONGEST:
        raise Invalid("Enter a name of at most 200 characters.", code="name")
    return name


def _role(role: str) -> str:
    if role not in ROLES:
        raise Invalid("A role is viewer, operator or admin.", code="role")
    return role


def _hashed(password: str, email: str) -> str:
    if len(password) < SHORTEST_PASSWORD:
        raise Invalid(
            f"This password has {len(password)} characters. It needs at least {SHORTEST_PASSWORD}.",
            code="password",
        )
    if len(password) > LONGEST:
        raise Invalid(f"A password has at most {LONGEST} characters.", code="password")
    if len(set(password)) < 4 or password.strip().lower() == email.strip().lower():
        raise Invalid("This password is too easy to guess.", code="password")
    return generate_password_hash(password)
