"""Things that happen on an EHQ site: what people do, what administrators do, what support does.

Each action changes the site and returns the events it caused (contract §5.4). Arguments left out are
chosen at random among the people for whom the action makes sense.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.control import Refused
from sandbox.ehq import form
from sandbox.ehq.resources import iso
from sandbox.ehq.site import Site
from sandbox.ehq.site_actions import ABOUT_SITE, Event, Wanted, membership
from sandbox.people import TAGS, Person


def act(site: Site, wanted: Wanted) -> dict[str, Any]:
    """Do `wanted["action"]`, `count` times; `{"people": [{"id", "email"}], "events": [{"id", "type"}]}`."""
    name, count = str(wanted.get("action")), int(wanted.get("count", 1))
    people: list[Person] = []
    events: list[Event] = []
    with site.lock:
        if name in ABOUT_SITE:
            for _ in range(count):
                events += ABOUT_SITE[name](site, wanted)
        elif name in ABOUT_PEOPLE:
            people, events = _to_people(site, name, wanted, count)
        else:
            raise Refused(f"no such action: {name}; there are {', '.join(sorted([*ABOUT_PEOPLE, *ABOUT_SITE]))}")
        sent = [] if wanted.get("silent") else [site.tell(*event) for event in events]
    return {"people": [{"id": str(one.id), "email": one.email} for one in people], "events": sent}


def _to_people(site: Site, name: str, wanted: Wanted, count: int) -> tuple[list[Person], list[Event]]:
    suits, change = ABOUT_PEOPLE[name]
    if name in ("register", "reregister"):
        people = [_register(site, wanted, again=name == "reregister") for _ in range(count)]
        return people, [("participant.registered", user, None) for user in site.users(people)]
    people = _choose(site, wanted, count, suits)
    if name == "delete":
        for person in people:
            site.remove(person)
        return people, [
            (
                "participant.deleted",
                {
                    "type": "users",
                    "id": str(one.id),
                    "attributes": {"email": one.email, "updated-at": iso(site.now())},
                },
                None,
            )
            for one in people
        ]
    before = site.memberships(people)
    told = []
    for person in people:
        told.append(change(site, person, wanted))
        person.updated_at = max(person.updated_at + 1, site.now())
    after = site.memberships(people)
    users = site.users(people)
    events: list[Event] = [(type, user, old) for (type, old), user in zip(told, users, strict=True)]
    moved: dict[tuple[int, bool], list[Person]] = {}
    for person, had, has in zip(people, before, after, strict=True):
        for group in (*had, *has):
            if (group in had) != (group in has):
                moved.setdefault((group.id, group in has), []).append(person)
    for (id, joined), those in moved.items():
        events += membership(site.groups[id], those, joined)
    return people, events


def _choose(site: Site, wanted: Wanted, count: int, suits: Callable[[Person], bool]) -> list[Person]:
    if "id" in wanted or "email" in wanted:
        ids = wanted["id"] if isinstance(wanted.get("id"), list) else [wanted.get("id")]
        found = [site.find(id, wanted.get("email")) for id in ids]
        if None in found:
            raise Refused("no such person")
        return [person for person in found if person]
    suitable = [person for person in site.order if suits(person)]
    if not suitable:
        raise Refused(f"nobody for whom {wanted['action']} makes sense")
    return site.random.sample(suitable, min(count, len(suitable)))


def _register(site: Site, wanted: Wanted, again: bool) -> Person:
    email = wanted.get("email")
    if again and not email:
        if not site.gone:
            raise Refused("nobody was deleted yet")
        email = site.gone.pop()[1]
    if email and site.find(email=email):
        raise Refused("this address is taken")
    person = site.inventor.person(site.next_id, site.now(), str(wanted.get("role", "participant")))
    site.next_id += 1
    person.email = email or person.email
    person.login = wanted.get("login") or person.login
    person.blocked, person.subscribed = False, bool(wanted.get("subscribed", True))
    person.imported = bool(wanted.get("imported", False))
    person.confirmed = bool(wanted.get("confirmed", False))
    person.updated_at, person.last_seen_at = person.created_at, None
    person.tags = tuple(wanted.get("tags", person.tags))
    if person.imported:
        person.answers = ()
    for id, value in (wanted.get("answers") or {}).items():
        form.give(site, person, form.question(site, id), value)
    site.add(person)
    return person


# what happens to one person: (event type, previous attributes)

Told = tuple[str, dict[str, Any] | None]


def _flag(name: str, value: bool, type: str) -> Callable[[Site, Person, Wanted], Told]:
    def change(site: Site, person: Person, wanted: Wanted) -> Told:
        old = getattr(person, name)
        setattr(person, name, value)
        return type, {name: old}

    return change


def _update(site: Site, person: Person, wanted: Wanted) -> Told:
    old = person.login
    person.login = str(wanted.get("login") or f"{person.login.split('~')[0]}~{site.random.randrange(1000)}")
    person.last_seen_at = site.now()
    return "participant.updated", {"login": old}


def _change_email(site: Site, person: Person, wanted: Wanted) -> Told:
    """The new address waits in `unconfirmed-email` until confirmed; `"confirmed": true` does both."""
    name, _, domain = person.email.partition("@")
    new = str(wanted.get("new_email") or f"{name.split('+')[0]}+{site.random.randrange(10**6)}@{domain}")
    if site.find(email=new):
        raise Refused("this address is taken")
    person.unconfirmed_email = new
    return (
        _confirm_email(site, person, wanted)
        if wanted.get("confirmed")
        else ("participant.updated", {"unconfirmed-email": None})
    )


def _confirm_email(site: Site, person: Person, wanted: Wanted) -> Told:
    if not person.unconfirmed_email:
        raise Refused("no new address waits to be confirmed")
    old, person.email, person.unconfirmed_email = person.email, person.unconfirmed_email, None
    return "participant.email_changed", {"email": old}


def _answer(site: Site, person: Person, wanted: Wanted) -> Told:
    """`question` (id or label) and `value`; null empties it."""
    asked = form.question(site, wanted.get("question", 12))
    value = wanted["value"] if "value" in wanted else form.any_value(site, asked)
    form.give(site, person, asked, value)
    return "participant.updated", {}


def _tag(site: Site, person: Person, wanted: Wanted) -> Told:
    """`add` and `remove` are lists, `tags` the whole new set."""
    if "tags" in wanted:
        person.tags = tuple(wanted["tags"])
    elif "add" in wanted or "remove" in wanted:
        kept = [tag for tag in person.tags if tag not in wanted.get("remove", ())]
        person.tags = tuple(dict.fromkeys([*kept, *wanted.get("add", ())]))
    else:
        person.tags = (*person.tags, next((tag for tag in TAGS if tag not in person.tags), "New"))
    return "participant.updated", {}


def _role(site: Site, person: Person, wanted: Wanted) -> Told:
    """`role`; with `"as": "administrator"` the event is `administrator.created` and its like."""
    old, person.role = person.role, str(wanted.get("role", "project_admin"))
    kind = "participant.role_changed"
    if wanted.get("as") == "administrator":
        step = "created" if old == "participant" else "removed" if person.role == "participant" else "updated"
        kind = f"administrator.{step}"
    return kind, {"role-name": old}


Change = Callable[[Site, Person, Wanted], Told]
ABOUT_PEOPLE: dict[str, tuple[Callable[[Person], bool], Change]] = {
    "register": (lambda one: True, _update),
    "reregister": (lambda one: True, _update),
    "delete": (lambda one: one.role == "participant", _update),
    "update": (lambda one: True, _update),
    "activate": (lambda one: not one.confirmed, _flag("confirmed", True, "participant.activated")),
    "block": (lambda one: not one.blocked, _flag("blocked", True, "participant.blocked")),
    "unblock": (lambda one: one.blocked, _flag("blocked", False, "participant.unblocked")),
    "subscribe": (lambda one: not one.subscribed, _flag("subscribed", True, "participant.subscribed")),
    "unsubscribe": (lambda one: one.subscribed, _flag("subscribed", False, "participant.unsubscribed")),
    "change_email": (lambda one: not one.unconfirmed_email, _change_email),
    "confirm_email": (lambda one: bool(one.unconfirmed_email), _confirm_email),
    "answer": (lambda one: bool(one.answers), _answer),
    "tag": (lambda one: True, _tag),
    "role": (lambda one: one.role == "participant" and one.confirmed, _role),
}
