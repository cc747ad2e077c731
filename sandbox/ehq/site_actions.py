"""What administrators do to groups and to the signup form, and the events that follow (contract §5.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.control import Refused
from sandbox.ehq import form
from sandbox.ehq.groups import Group
from sandbox.ehq.resources import group as resource
from sandbox.ehq.site import Site
from sandbox.people import Person, Question

Event = tuple[str, dict[str, Any] | None, dict[str, Any] | None]
"""(type, data, previous attributes)"""
Wanted = dict[str, Any]


def membership(group: Group, people: list[Person], joined: bool) -> list[Event]:
    """`group.member_added` or `_removed`, for at most 500 people each."""
    events: list[Event] = []
    for start in range(0, len(people), 500):
        data = resource(group)
        members = [{"type": "users", "id": str(person.id)} for person in people[start : start + 500]]
        data["relationships"] = {"members": {"data": members}}
        events.append((f"group.member_{'added' if joined else 'removed'}", data, None))
    return events


def _group(site: Site, wanted: Wanted, fixed: bool = False) -> Group:
    """By `group` (id or name); left out: any (for members: any with a fixed set)."""
    asked = wanted.get("group")
    for group in site.groups.values():
        if (asked is None or str(asked) in (str(group.id), group.name)) and not (fixed and "members" not in group.rule):
            return group
    raise Refused("no such group" + (" with a fixed set of members" if fixed else ""))


def _create(site: Site, wanted: Wanted) -> list[Event]:
    """`name`, and `rule` as in `Group`; without a rule the group has a fixed set, empty at first."""
    id = max(site.groups, default=0) + 1
    name = str(wanted.get("name") or f"Group {id}")
    site.groups[id] = Group(id, name, dict(wanted.get("rule") or {"members": True}), site.now())
    return [("group.created", resource(site.groups[id]), None)]


def _rename(site: Site, wanted: Wanted) -> list[Event]:
    group = _group(site, wanted)
    old, group.name = group.name, str(wanted.get("name") or f"{group.name} (new)")
    group.updated_at = site.now()
    return [("group.renamed", resource(group), {"name": old})]


def _rule(site: Site, wanted: Wanted) -> list[Event]:
    """A filter edited: whoever comes and goes is not told, only that something changed."""
    group = _group(site, wanted)
    group.rule, group.updated_at = dict(wanted["rule"]), site.now()
    return [("group.updated", resource(group), None), ("group.membership_changed", resource(group), None)]


def _delete(site: Site, wanted: Wanted) -> list[Event]:
    group = _group(site, wanted)
    del site.groups[group.id]
    return [("group.deleted", resource(group), None)]


def _members(joined: bool) -> Callable[[Site, Wanted], list[Event]]:
    def change(site: Site, wanted: Wanted) -> list[Event]:
        """`id` (one or a list) or `email`; left out: anyone."""
        group = _group(site, wanted, fixed=True)
        ids = wanted.get("id")
        if ids is not None or "email" in wanted:
            found = [site.find(id, wanted.get("email")) for id in (ids if isinstance(ids, list) else [ids])]
        else:
            within = [one for one in site.order if (one.id in group.members) != joined]
            found = list(site.random.sample(within, min(1, len(within))))
        people = [person for person in found if person and person.role != "site_admin"]
        if not people:
            raise Refused("no such person, or a site administrator")
        for person in people:
            (group.members.add if joined else group.members.discard)(person.id)
        return membership(group, people, joined)

    return change


def _changed_form(site: Site, question: Question) -> list[Event]:
    data = {"type": "signup-forms", "id": "1", "attributes": {"question-id": str(question.id)}}
    return [("signup_form.changed", data, None)]


def _add_question(site: Site, wanted: Wanted) -> list[Event]:
    """`label`, `type`, `options`. Nobody has answered it yet, so nobody's answers list it."""
    id = max((one.id for one in site.questions), default=9) + 1
    kind = str(wanted.get("type", "text"))
    options = tuple(wanted.get("options", ("Yes", "No") if kind in ("radio", "checkbox") else ()))
    site.questions.append(Question(id, str(wanted.get("label") or f"Question {id}"), kind, options))
    return _changed_form(site, site.questions[-1])


def _rename_question(site: Site, wanted: Wanted) -> list[Event]:
    question = form.question(site, wanted.get("question"))
    question.label = str(wanted["label"])
    return _changed_form(site, question)


def _retype_question(site: Site, wanted: Wanted) -> list[Event]:
    """`type`, and `options`: what people answered before stays as it was given."""
    question = form.question(site, wanted.get("question"))
    question.type = str(wanted.get("type", question.type))
    question.options = tuple(wanted.get("options", question.options))
    return _changed_form(site, question)


def _remove_question(site: Site, wanted: Wanted) -> list[Event]:
    question = form.question(site, wanted.get("question"))
    question.type = "removed"  # its place in everyone's answers stays, unseen
    return _changed_form(site, question)


def _ping(site: Site, wanted: Wanted) -> list[Event]:
    return [("test.ping", None, None)]


def _unknown(site: Site, wanted: Wanted) -> list[Event]:
    """An event of any `type` with any `data`: what a receiver does not know yet."""
    return [(str(wanted.get("type", "hub.renamed")), wanted.get("data") or {"type": "hubs", "id": "1"}, None)]


ABOUT_SITE: dict[str, Callable[[Site, Wanted], list[Event]]] = {
    "group_create": _create,
    "group_rename": _rename,
    "group_rule": _rule,
    "group_delete": _delete,
    "group_add": _members(True),
    "group_remove": _members(False),
    "form_add_question": _add_question,
    "form_rename_question": _rename_question,
    "form_retype_question": _retype_question,
    "form_remove_question": _remove_question,
    "ping": _ping,
    "event": _unknown,
}
