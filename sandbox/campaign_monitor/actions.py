"""What people do in Campaign Monitor's own pages, and what recipients do with their mail."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from sandbox.campaign_monitor import fields, segments, subscribers
from sandbox.campaign_monitor.account import Account, List, Subscriber
from sandbox.campaign_monitor.segments import Segment
from sandbox.control import Refused

Wanted = dict[str, Any]


def act(account: Account, wanted: Wanted) -> dict[str, Any]:
    """Do `wanted["action"]`; `{"list": id, "people": [address]}`.

    `list` (id or title; the first), `email` (anyone active), `count`, `segment` and `field` (the first).
    """
    name = str(wanted.get("action"))
    if name not in TO_PEOPLE and name not in TO_LIST:
        raise Refused(f"no such action: {name}; there are {', '.join(sorted([*TO_PEOPLE, *TO_LIST]))}")
    with account.lock:
        account.settle()
        where = _list(account, wanted.get("list"))
        if name in TO_LIST:
            TO_LIST[name](account, where, wanted)
            return {"list": where.id, "people": []}
        people = _people(where, wanted)
        for person in people:
            TO_PEOPLE[name](account, where, person, wanted)
        return {"list": where.id, "people": [person.email for person in people]}


def _list(account: Account, wanted: Any) -> List:
    for where in account.lists.values():
        if wanted in (None, where.id, where.title):
            return where
    raise Refused("no such list")


def _people(where: List, wanted: Wanted) -> list[Subscriber]:
    if email := wanted.get("email"):
        person = where.get(str(email))
        if person is None:
            if wanted["action"] != "subscribe":
                raise Refused("no such person on this list")
            person = Subscriber(str(email), str(wanted.get("name", "")), time.time())
            person.state = "Unconfirmed"  # for the moment between the form and the confirmation
            where.people[person.email.lower()] = person
        return [person]
    active = where.in_state("Active", "email")
    return random.sample(active, min(int(wanted.get("count", 1)), len(active)))


# people


def _leave(reason: str) -> Callable[[Account, List, Subscriber, Wanted], None]:
    def change(account: Account, where: List, person: Subscriber, wanted: Wanted) -> None:
        subscribers.unsubscribe(account, where, person.email, reason)

    return change


def _delete(account: Account, where: List, person: Subscriber, wanted: Wanted) -> None:
    subscribers.delete(account, where, person.email, by_hand=True)


def _subscribe(account: Account, where: List, person: Subscriber, wanted: Wanted) -> None:
    """The person's own wish, by CM's form: it undoes an opt-out, suppression included."""
    now, new = time.time(), person.state == "Unconfirmed"
    where.client.suppressed.pop(person.email.lower(), None)
    account.move(where, person, "Active", now)
    account.note(where, person, "added" if new else "restored", True, now)
    if account.postman:
        account.postman.tell(where, "Subscribe", person)


def _edit_field(account: Account, where: List, person: Subscriber, wanted: Wanted) -> None:
    """`field` by name or key, `value`: a string, a list, or null to empty it."""
    value, key = wanted.get("value"), str(wanted.get("field") or "")
    items: list[dict[str, Any]] = [{"Key": key, "Value": "", "Clear": True}]
    table = fields.lookup(where)
    if key.lower() not in table:
        raise Refused("no such field")
    changed = fields.write(person, items, table, True, False)
    given = value if isinstance(value, list) else [] if value is None else [value]
    changed |= fields.write(person, [{"Key": key, "Value": str(one)} for one in given], table, True, False)
    account.note(where, person, "updated", changed, time.time())
    if account.postman:
        account.postman.tell(where, "Update", person)


def _change_email(account: Account, where: List, person: Subscriber, wanted: Wanted) -> None:
    """`new_email`: typed by a user, or by the person on the page of their preferences."""
    new, old = str(wanted.get("new_email")), person.email
    if where.get(new):
        raise Refused("this address is on the list")
    del where.people[old.lower()]
    where.people[new.lower()], person.email = person, new
    where.order += 1
    account.note(where, person, "updated", True, time.time())
    if account.postman:
        account.postman.tell(where, "Update", person, old)


# lists, fields, segments


def _segment(where: List, wanted: Wanted) -> Segment:
    for segment in where.segments.values():
        if wanted.get("segment") in (None, segment.id, segment.title):
            return segment
    raise Refused("no such segment")


def _field(where: List, wanted: Wanted) -> fields.Field:
    asked = str(wanted.get("field", "")).lower()
    for field in where.fields:
        if asked in ("", field.name.lower(), field.key.lower()):
            return field
    raise Refused("no such field")


def _edit_segment(account: Account, where: List, wanted: Wanted) -> None:
    """`title` and `rule_groups` as in the API; with neither, its rules are lost."""
    segment = _segment(where, wanted)
    segment.title = str(wanted.get("title", segment.title))
    if "title" not in wanted or "rule_groups" in wanted:
        segment.groups = segments.rules_of(where, wanted.get("rule_groups") or [])


def _add_segment(account: Account, where: List, wanted: Wanted) -> None:
    """`title` and `rule_groups`; `system`: one of Campaign Monitor's own, which no call may change."""
    body = {"Title": wanted.get("title"), "RuleGroups": wanted.get("rule_groups") or []}
    segments.create(account, where, body).system = bool(wanted.get("system"))


def _delete_segment(account: Account, where: List, wanted: Wanted) -> None:
    del where.segments[_segment(where, wanted).id]


def _draft_segment(account: Account, where: List, wanted: Wanted) -> None:
    """A draft campaign uses it, or (`"in_draft": false`) no longer does."""
    _segment(where, wanted).in_draft = bool(wanted.get("in_draft", True))


def _draft_list(account: Account, where: List, wanted: Wanted) -> None:
    where.in_draft = bool(wanted.get("in_draft", True))


def _add_field(account: Account, where: List, wanted: Wanted) -> None:
    """`field` the name, `type`, `options`."""
    body = {
        "FieldName": wanted.get("field"),
        "DataType": wanted.get("type", "Text"),
        "Options": wanted.get("options"),
    }
    fields.create(account, where, body)


def _rename_field(account: Account, where: List, wanted: Wanted) -> None:
    fields.rename(where, _field(where, wanted), {"FieldName": wanted.get("name")})


def _delete_field(account: Account, where: List, wanted: Wanted) -> None:
    fields.delete(where, _field(where, wanted))


def _rename_option(account: Account, where: List, wanted: Wanted) -> None:
    """`option` becomes `name`, for everyone who holds it; the pages can do what no call can."""
    field, old, new = _field(where, wanted), str(wanted.get("option")), str(wanted.get("name"))
    if old not in field.options:
        raise Refused("no such option")
    field.options = [new if one == old else one for one in field.options]
    for person in where.people.values():
        value = person.fields.get(field.number)
        if isinstance(value, list):
            person.fields[field.number] = [new if one == old else one for one in value]
        elif value == old:
            person.fields[field.number] = new
    where.version += 1


def _delete_option(account: Account, where: List, wanted: Wanted) -> None:
    field = _field(where, wanted)
    kept = [one for one in field.options if one != wanted.get("option")]
    fields.set_options(account, where, field, {"Options": kept})


def _delete_list(account: Account, where: List, wanted: Wanted) -> None:
    del account.lists[where.id]


def _switch_off_webhook(account: Account, where: List, wanted: Wanted) -> None:
    """What CM does by itself after a week of errors."""
    for hook in where.hooks.values():
        hook.active = False


def _delete_webhook(account: Account, where: List, wanted: Wanted) -> None:
    where.hooks.clear()


def _rename_list(account: Account, where: List, wanted: Wanted) -> None:
    where.title = str(wanted.get("title"))


TO_PEOPLE: dict[str, Callable[[Account, List, Subscriber, Wanted], None]] = {
    "unsubscribe": _leave("Unsubscribed"),
    "bounce": _leave("Bounced"),
    "complain": _leave("Reason Unavailable"),
    "delete": _delete,
    "subscribe": _subscribe,
    "edit_field": _edit_field,
    "change_email": _change_email,
}
TO_LIST: dict[str, Callable[[Account, List, Wanted], None]] = {
    "add_segment": _add_segment,
    "edit_segment": _edit_segment,
    "delete_segment": _delete_segment,
    "draft_segment": _draft_segment,
    "add_field": _add_field,
    "rename_field": _rename_field,
    "delete_field": _delete_field,
    "rename_option": _rename_option,
    "delete_option": _delete_option,
    "rename_list": _rename_list,
    "draft_list": _draft_list,
    "delete_list": _delete_list,
    "switch_off_webhook": _switch_off_webhook,
    "delete_webhook": _delete_webhook,
}
