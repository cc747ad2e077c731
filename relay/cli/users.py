"""`relay user …`: who may log in to the pages."""

import argparse
from typing import Any

from relay.errors import Invalid
from relay.store import users
from relay.store.users import ROLES, User
from relay.sync import accounts
from relay.sync.parts import Parts

Answer = tuple[Any, int]
Options = argparse.Namespace


def commands(parent: Any, command: Any) -> None:
    add = command(parent, "add", invite, "Somebody new, who chooses a password by the link that is printed.")
    add.add_argument("email", metavar="EMAIL")
    add.add_argument("--role", choices=ROLES, required=True)
    add.add_argument("--name", default="", help="default: what stands before the @")
    command(parent, "list", everyone, "Who may log in.")
    command(parent, "setup-link", setup_link, "Where the first administrator is made; only while there are no users.")
    for name, act, text in (
        ("disable", disable, "They are logged out, and cannot log in."),
        ("enable", enable, "They can log in again."),
        ("reset", reset, "Their password ends; the link that is printed is for choosing another."),
    ):
        command(parent, name, act, text).add_argument("email", metavar="EMAIL")
    role = command(parent, "role", change_role, "Another role.")
    role.add_argument("email", metavar="EMAIL")
    role.add_argument("role", metavar="R", choices=ROLES)


def invite(parts: Parts, options: Options) -> Answer:
    user = accounts.invite(parts, None, options.email, options.role, options.name)
    return {**_shown(user), "invitation_url": accounts.invitation_url(parts, user)}, 0


def everyone(parts: Parts, _: Options) -> Answer:
    with parts.database.read() as tx:
        return [_shown(user) for user in users.everyone(tx)], 0


def setup_link(parts: Parts, _: Options) -> Answer:
    """`setup_url` is null as soon as there is a user."""
    return {"setup_url": accounts.setup_url(parts)}, 0


def disable(parts: Parts, options: Options) -> Answer:
    return _shown(accounts.change(parts, None, _find(parts, options).id, disabled=True)), 0


def enable(parts: Parts, options: Options) -> Answer:
    return _shown(accounts.change(parts, None, _find(parts, options).id, disabled=False)), 0


def change_role(parts: Parts, options: Options) -> Answer:
    return _shown(accounts.change(parts, None, _find(parts, options).id, role=options.role)), 0


def reset(parts: Parts, options: Options) -> Answer:
    user = accounts.reset(parts, None, _find(parts, options).id)
    return {**_shown(user), "invitation_url": accounts.invitation_url(parts, user)}, 0


def _find(parts: Parts, options: Options) -> User:
    with parts.database.read() as tx:
        found = users.by_email(tx, options.email) if options.email.isprintable() else None
    if found is None:
        raise Invalid("There is no user with this address.", remedy="`relay user list` shows them.")
    return found


def _shown(user: User) -> dict[str, Any]:
    names = ("email", "name", "role", "state", "last_seen_at")
    return {"user": user.id, **{name: getattr(user, name) for name in names}}
