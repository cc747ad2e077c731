"""EHQ's resource objects, however they are spelled, as what they say of a participant or a group (EHQ contract §5.6)."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from relay.domain.participant import Answer, GroupNews, Patch, Question
from relay.ehq.dialect import Dialect, fold
from relay.errors import RelayError

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
LONGEST_ADDRESS = 254
TRUE, FALSE = {"true", "yes", "1", "t", "y"}, {"false", "no", "0", "f", "n"}


class Unreadable(RelayError):
    """Genuine, but not of a shape we understand: quarantined with this message, which names nobody."""


def read_user(resource: Any, included: Iterable[Any], spoken: Dialect) -> Patch:
    """What a user resource says. A key that is absent is unknown; null and [] are known to be empty.

    :raise Unreadable: without an id, or when it is no object.
    """
    if not isinstance(resource, Mapping):
        raise Unreadable("The participant is not a JSON object.")
    ehq_id = read_id(resource)
    raw = resource.get("attributes")
    raw = raw if isinstance(raw, Mapping) else {k: v for k, v in resource.items() if k != "relationships"}
    said: dict[str, Any] = {}
    unused = []
    for key, value in raw.items():
        folded = fold(str(key))
        name = spoken.attributes.get(folded)
        if name is not None:
            said.setdefault(name, value)
        elif folded not in spoken.ignored:
            unused.append(folded)
    values: dict[str, Any] = {}
    for name in ("email", "login", "created_at"):
        if name in said:
            values[name] = clean(said[name]) or None
    if isinstance(values.get("email"), str) and len(values["email"]) > LONGEST_ADDRESS:
        values["email"] = values["email"][: LONGEST_ADDRESS + 1]  # CM refuses it, and says so on the person
    for name in ("blocked", "subscribed", "imported"):
        if name in said and (flag := boolean(said[name])) is not None:
            values[name] = flag
    _state(said, values, spoken)
    if "tags" in said:
        values["tags"] = texts(said["tags"])
    questions: tuple[Question, ...] = ()
    if "answers" in said:
        values["answers"], questions = read_answers(said["answers"], spoken)
    group_names = _groups(resource, said, included, values)
    return Patch(ehq_id, parse_time(said.get("updated_at")), values, questions, group_names, tuple(unused))


def read_id(resource: Mapping[str, Any]) -> str:
    attributes = resource.get("attributes")
    found = resource.get("id")
    if found is None and isinstance(attributes, Mapping):
        found = attributes.get("id")
    text = clean(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
    if not text or len(text) > 100:
        raise Unreadable("It has no id that could be used.")
    return text


def _state(said: Mapping[str, Any], values: dict[str, Any], spoken: Dialect) -> None:
    """Role, activated and blocked, which EHQ spreads over several keys."""
    status = spoken.status.get(fold(str(said.get("status") or "")), {})
    if (confirmed := boolean(said.get("confirmed"))) is not None:
        values["activated"] = confirmed
    elif (unconfirmed := boolean(said.get("unconfirmed"))) is not None:
        values["activated"] = not unconfirmed
    elif "activated" in status:
        values["activated"] = status["activated"]
    if status.get("blocked") and "blocked" not in values:
        values["blocked"] = True
    if "role" in said:
        role = clean(said["role"])
        if fold(role) == "blocked":
            values.setdefault("blocked", True)
            role = clean(said.get("role_before_blocking"))
        values["role"] = role or None


def _groups(
    resource: Mapping[str, Any], said: Mapping[str, Any], included: Iterable[Any], values: dict[str, Any]
) -> dict[str, str]:
    """Sets the complete set of group ids if the resource carries one; answers the names that came with it."""
    relationships = resource.get("relationships")
    related = None
    if isinstance(relationships, Mapping):
        related = next((relationships[k] for k in relationships if fold(str(k)) in ("groups", "segments")), None)
    listed = related.get("data") if isinstance(related, Mapping) and "data" in related else said.get("groups", ...)
    if listed is ...:
        return {}
    ids, names = [], {}
    for item in listed or () if isinstance(listed, list | tuple) else ():
        if isinstance(item, Mapping):
            try:
                ids.append(read_id(item))
            except Unreadable:
                continue
            if isinstance(item.get("name"), str):
                names[ids[-1]] = clean(item["name"])
        elif isinstance(item, str | int) and not isinstance(item, bool) and clean(item):
            ids.append(clean(item))
    values["groups"] = tuple(dict.fromkeys(ids))
    wanted = set(ids)
    for item in included or ():
        if isinstance(item, Mapping) and fold(str(item.get("type", ""))).rstrip("s") in ("group", "segment"):
            attributes = item.get("attributes")
            group_id = clean(item.get("id"))
            if group_id in wanted and isinstance(attributes, Mapping) and attributes.get("name"):
                names[group_id] = clean(attributes["name"])
    return {group: names.get(group, "") for group in wanted}


def read_answers(listed: Any, spoken: Dialect) -> tuple[dict[str, Answer], tuple[Question, ...]]:
    """Answers by question id, and the questions. A list of objects, or an object of question → answer."""
    if isinstance(listed, Mapping):
        found = {clean(key): value for key, value in listed.items() if clean(key)}
        labelled = (Question(key, key, "") for key in found)
        return {key: answer(value) for key, value in found.items()}, tuple(labelled)
    answers: dict[str, Answer] = {}
    questions = []
    for item in listed if isinstance(listed, list | tuple) else ():
        if not isinstance(item, Mapping):
            continue
        said: dict[str, Any] = {}
        for key, value in item.items():
            name = spoken.answer.get(fold(str(key)))
            if name is not None:
                said.setdefault(name, value)
        question = clean(said.get("id")) or clean(said.get("label"))
        if not question:
            continue
        answers[question] = answer(said.get("value"))
        options = said.get("options")
        questions.append(
            Question(
                question[:100],
                clean(said.get("label")),
                fold(clean(said.get("kind"))),
                texts(options) if isinstance(options, list) else (),
            )
        )
    return answers, tuple(questions)


def answer(value: Any) -> Answer:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list | tuple):
        return tuple(text for item in value if (text := clean(item)))
    return clean(str(value))


def read_group(resource: Any) -> GroupNews:
    """:raise Unreadable: without an id."""
    if not isinstance(resource, Mapping):
        raise Unreadable("The group is not a JSON object.")
    attributes = resource.get("attributes")
    said = {fold(str(k)): v for k, v in (attributes if isinstance(attributes, Mapping) else resource).items()}
    relationships = resource.get("relationships")
    members: tuple[str, ...] | None = None
    related = relationships.get("members") if isinstance(relationships, Mapping) else said.get("members")
    listed = related.get("data") if isinstance(related, Mapping) else related
    if isinstance(listed, list):
        ids = (item.get("id") if isinstance(item, Mapping) else item for item in listed)
        members = tuple(dict.fromkeys(text for i in ids if not isinstance(i, bool) and (text := clean(i))))
    name = clean(said.get("name") or said.get("title")) or None
    return GroupNews(read_id(resource), name, members, parse_time(said.get("updated_at")))


def clean(value: Any) -> str:
    """Trimmed text without control characters and lone surrogates; line breaks and tabs stay."""
    if value is None or isinstance(value, Mapping | list | tuple):
        return ""
    return _CONTROL.sub("", str(value)).strip()


def texts(value: Any) -> tuple[str, ...]:
    """A list of texts; a string of several is joined by `|` (EHQ contract §3.5) or commas, which end a tag."""
    if isinstance(value, str):
        value = re.split(r"[|,]", value)
    if not isinstance(value, list | tuple):
        return ()
    named = (item.get("name") if isinstance(item, Mapping) else item for item in value)
    return tuple(dict.fromkeys(text for item in named if (text := clean(item))))


def boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    return True if word in TRUE else False if word in FALSE else None


def parse_time(text: Any) -> float | None:
    """Epoch seconds of an ISO 8601 time (no zone: UTC) or of a number of seconds; None for anything else."""
    if isinstance(text, bool) or text is None:
        return None
    try:
        if isinstance(text, int | float):
            moment = float(text) / (1000.0 if text > 1e11 else 1.0)
            return moment if 0 < moment < 4e9 else None
        read = datetime.fromisoformat(str(text).strip())
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
