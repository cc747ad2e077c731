"""Who is who when a site is read in two ways: an export has no ids, the API and webhooks do.

People, questions and groups first told of by an export are known by what it said of them: address, screen name and time
of joining; label; name. When EHQ's id for one is heard later it is recognised: nobody is doubled, and what we did about
them stays theirs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from relay.domain.merge import Known
from relay.domain.participant import Event, GroupNews, Patch, Question
from relay.ehq.export import folded, near, same_registration
from relay.store import exports, structure
from relay.store.database import Tx
from relay.store.exports import PREFIX
from relay.store.person import Person
from relay.sync.picture import Picture


def recognise(
    tx: Tx, picture: Picture, patches: Sequence[Patch], events: Sequence[Event] = ()
) -> tuple[list[Patch], list[Event]]:
    """What was heard, in the ids under which we know it. Costs nothing where no export was ever read."""
    if picture.connection.exported_at is None:
        return list(patches), list(events)
    told = [*patches, *(event.patch for event in events if event.patch)]
    news = [event.group for event in events if event.group]
    questions = _questions(tx, picture, [q for patch in told for q in patch.questions])
    names = {i: name for patch in told for i, name in patch.group_names.items()}
    groups = _groups(tx, picture, names | {group.id: group.name or "" for group in news})
    previous = {event.patch.ehq_id: event.previous_email for event in events if event.patch and event.previous_email}
    _people(tx, picture, told, previous)
    return [_ours(patch, questions, groups) for patch in patches], [
        replace(
            event,
            patch=_ours(event.patch, questions, groups) if event.patch else None,
            group=replace(event.group, id=groups.get(event.group.id, event.group.id)) if event.group else None,
        )
        for event in events
    ]


def recognise_groups(tx: Tx, picture: Picture, news: Sequence[GroupNews]) -> list[GroupNews]:
    """A page of EHQ's groups, in the ids under which we know them."""
    if picture.connection.exported_at is None:
        return list(news)
    known = _groups(tx, picture, {group.id: group.name or "" for group in news})
    return [replace(group, id=known.get(group.id, group.id)) for group in news]


def question_ids(picture: Picture) -> dict[str, str]:
    """Folded label → id of every question that is known, for a source that has labels alone."""
    answers = [f for f in picture.fields.values() if f.source.startswith("answer:")]
    return {f.label.casefold(): f.source.removeprefix("answer:") for f in reversed(answers)}


def _questions(tx: Tx, picture: Picture, asked: Iterable[Question]) -> dict[str, str]:
    """EHQ's id → the label under which an export told of the same question."""
    fields = [f for f in picture.fields.values() if f.source.startswith("answer:")]
    known = {f.also: f.source.removeprefix("answer:") for f in fields if f.also}
    by_label = {f.label.casefold(): f for f in fields if not f.also and f.source == f"answer:{f.label}"}
    for question in asked:
        if question.id in known or f"answer:{question.id}" in picture.fields:
            continue
        if field := by_label.pop(question.label.casefold(), None):
            structure.change_field(tx, field.id, also=question.id)
            known[question.id] = field.source.removeprefix("answer:")
    return known


def _groups(tx: Tx, picture: Picture, names: Mapping[str, str]) -> dict[str, str]:
    """EHQ's id → the id that a group got from its name in an export."""
    known = {g.also: g.ehq_id for g in picture.groups.values() if g.also}
    by_name = {g.name.casefold(): g for g in picture.groups.values() if not g.also and g.ehq_id.startswith(PREFIX)}
    for group_id, name in names.items():
        if group_id in known or group_id in picture.groups:
            continue
        if group := by_name.pop(" ".join(name.split()).casefold(), None):
            structure.change_group(tx, group.id, also=group_id)
            known[group_id] = group.ehq_id
    return known


def _ours(patch: Patch, questions: Mapping[str, str], groups: Mapping[str, str]) -> Patch:
    values = dict(patch.values)
    if answers := values.get("answers"):
        values["answers"] = {questions.get(question, question): answer for question, answer in answers.items()}
    if values.get("groups"):
        values["groups"] = tuple(groups.get(group, group) for group in values["groups"])
    return replace(
        patch,
        values=values,
        questions=tuple(replace(q, id=questions.get(q.id, q.id)) for q in patch.questions),
        group_names={groups.get(i, i): name for i, name in patch.group_names.items()},
    )


def _people(tx: Tx, picture: Picture, told: Sequence[Patch], previous: Mapping[str, str]) -> None:
    """People of whom only an export told get the id that EHQ has just used for them."""
    news = {patch.ehq_id: patch.values for patch in told if not patch.ehq_id.startswith(PREFIX)}
    emails = {folded(str(v["email"])) for v in news.values() if v.get("email")} | {folded(e) for e in previous.values()}
    logins = {str(v["login"]) for v in news.values() if v.get("login")}
    candidates = exports.told_by_exports(tx, picture.connection.id, emails, logins) if emails or logins else []
    if not candidates:
        return
    there = exports.lock(tx, picture.connection.id, news)
    for ehq_id, values in news.items():
        person = _the_one(candidates, values, previous.get(ehq_id))
        if person is None:
            continue
        candidates.remove(person)
        other = there.get(ehq_id)
        if other is None:
            exports.rename(tx, person, ehq_id)
        elif not other.record.put and other.held.state is None:
            person.known = _together(person.known, other.known)
            exports.merge(tx, person, other, picture.sought)
        # Else both were on the list: who holds the address is decided as for any two accounts (design rule 5).


def _the_one(candidates: Sequence[Person], values: Mapping[str, Any], previous: str | None) -> Person | None:
    """By screen name and joining first, for an address may be another's by now; else by the address."""
    login, joined = str(values.get("login") or ""), values.get("created_at")
    for person in candidates:
        if same_registration(login, joined, person.known.values):
            return person
    addresses = {folded(str(email)) for email in (values.get("email"), previous) if email}
    for person in candidates:
        known = person.known.values
        if person.email in addresses and (
            login == known.get("login") or near(joined, known.get("created_at")) is not False
        ):
            return person
    return None


def _together(known: Known, heard: Known) -> Known:
    """What an export said, and over it what was heard under EHQ's id before the two were known to be one."""
    values = {**known.values, **heard.values}
    if "groups" in known.values or "groups" in heard.values:
        left = {name.partition(":")[2] for name in heard.heard if name.startswith("group:")}
        groups = (set(known.values.get("groups") or ()) - left) | set(heard.values.get("groups") or ())
        values["groups"] = sorted(groups)
    return Known(known.ehq_id, values, {**known.heard, **heard.heard}, known.page or heard.page)
