"""What EHQ's resource objects, however spelled, say of a participant or a group (EHQ contract §5.6)."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from relay.domain.participant import Answer, GroupNews, Patch, Question
from relay.ehq.dialect import Dialect, fold
from relay.errors import RelayError

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
LONGEST_ADDRESS = 254
LONGEST_ID = 100
GROUP_WORDS = {"group", "segment"}
PERSON_WORDS = {"user", "participant", "administrator", "admin", "member", "person", "people"}
TRUE, FALSE = {"true", "yes", "1", "t", "y"}, {"false", "no", "0", "f", "n"}


class Unreadable(RelayError):
    """Genuine, but not of a shape we understand: quarantined with this message, which names nobody."""


def read_user(resource: Any, group_names: Mapping[str, str], spoken: Dialect) -> Patch:
    """What a user resource says. A key that is absent is unknown; null and [] are known to be empty; a value that
    cannot be read is as if it were absent. `group_names` come from beside it: see `included_groups`.

    :raise Unreadable: without an id, or when it is no object or no person.
    """
    if not isinstance(resource, dict):
        raise Unreadable("The participant is not a JSON object.")
    if _kind(resource) == "group":
        raise Unreadable("It should be a participant and is a group.")
    ehq_id = read_id(resource)
    said, unknown = spoken.attributes.read(_attributes(resource))
    values: dict[str, Any] = {}
    for name in ("email", "login", "created_at"):
        if name in said and _is_text(said[name]):
            values[name] = clean(said[name]) or None
    if isinstance(values.get("email"), str) and len(values["email"]) > LONGEST_ADDRESS:
        values["email"] = values["email"][: LONGEST_ADDRESS + 1]  # CM refuses it, and says so on the person
    for name in ("blocked", "subscribed", "imported"):
        if name in said and (flag := boolean(said[name])) is not None:
            values[name] = flag
    _state(said, values, spoken)
    if "tags" in said and (said["tags"] is None or isinstance(said["tags"], str | list)):
        values["tags"] = texts(said["tags"])
    questions: tuple[Question, ...] = ()
    if "answers" in said and (found := read_answers(said["answers"], spoken)) is not None:
        values["answers"], questions = found
    groups = _groups(resource, said)
    if groups is not None:
        values["groups"] = tuple(groups)
        groups = {group: name or group_names.get(group, "") for group, name in groups.items()}
    unused = tuple(key for key in unknown if key not in spoken.ignored)
    return Patch(ehq_id, parse_time(said.get("updated_at")), values, questions, groups or {}, unused)


def mentions(resource: Mapping[str, Any], name: str, spoken: Dialect) -> bool:
    """Whether the resource has this attribute at all, be it null or unreadable."""
    return name in spoken.attributes.read(_attributes(resource))[0]


def included_groups(included: Any) -> dict[str, str]:
    """The names of the groups that came along with a page or an event, by id."""
    names = {}
    for item in included if isinstance(included, list) else ():
        if isinstance(item, dict) and _kind(item) == "group" and (group := usable_id(_id(item))):
            names[group] = _name(item)
    return names


def read_id(resource: Mapping[str, Any]) -> str:
    found = usable_id(_id(resource))
    if not found:
        raise Unreadable("It has no id that could be used.")
    return found


def usable_id(value: Any, longest: int = LONGEST_ID) -> str:
    """1 and "1" are one id; "" for what is none, such as true, 1.0 and a whole book."""
    text = clean(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if len(text) <= longest else ""


def _id(resource: Mapping[str, Any]) -> Any:
    found = _part(resource, "id")
    attributes = _part(resource, "attributes")
    return _part(attributes, "id") if found is None and isinstance(attributes, dict) else found


def _part(resource: Mapping[str, Any], name: str) -> Any:
    """A member of the resource object itself, however it is spelled."""
    if name in resource:
        return resource[name]
    return next((value for key, value in resource.items() if fold(str(key)) == name), None)


def _attributes(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    attributes = _part(resource, "attributes")
    if isinstance(attributes, dict):
        return attributes
    return {key: value for key, value in resource.items() if fold(str(key)) not in ("relationships", "attributes")}


def _kind(resource: Mapping[str, Any]) -> str:
    """The word "group" or "person"; "" when the resource's type is absent or says neither."""
    word = fold(clean(_part(resource, "type"))).rpartition("_")[2].removesuffix("s")
    return "group" if word in GROUP_WORDS else "person" if word in PERSON_WORDS else ""


def _name(group: Mapping[str, Any]) -> str:
    attributes = _attributes(group)
    return clean(_part(attributes, "name") or _part(attributes, "title"))


def _is_text(value: Any) -> bool:
    return value is None or (isinstance(value, str | int | float) and not isinstance(value, bool))


def _state(said: Mapping[str, Any], values: dict[str, Any], spoken: Dialect) -> None:
    """Role, activated and blocked, which EHQ spreads over several keys."""
    status = spoken.status.get(fold(clean(said.get("status"))), {})
    if (confirmed := boolean(said.get("confirmed"))) is not None:
        values["activated"] = confirmed
    elif (unconfirmed := boolean(said.get("unconfirmed"))) is not None:
        values["activated"] = not unconfirmed
    elif "activated" in status:
        values["activated"] = status["activated"]
    if "blocked" in status and "blocked" not in values:
        values["blocked"] = status["blocked"]
    if "role" in said and _is_text(said["role"]):
        role = clean(said["role"])
        if fold(role) != "blocked":
            values["role"] = role or None
            return
        values.setdefault("blocked", True)
        if before := clean(said.get("role_before_blocking")):
            values["role"] = before


def _groups(resource: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, str] | None:
    """The complete set of groups, id → name or "". None when the resource does not carry it, or not readably."""
    listed = said.get("groups", ...)
    relationships = _part(resource, "relationships")
    for key, related in relationships.items() if isinstance(relationships, dict) else ():
        if fold(str(key)) in ("groups", "segments"):
            if isinstance(related, dict):
                related = next((value for part, value in related.items() if fold(str(part)) == "data"), listed)
            listed = related
    if listed is None:
        return {}
    if not isinstance(listed, list):
        return None
    groups: dict[str, str] = {}
    for item in listed:
        resource = item if isinstance(item, dict) else {"id": item}
        group = usable_id(_id(resource))
        if not group or _kind(resource) == "person":
            return None  # who is left out of the list would seem to have left the group
        groups[group] = groups.get(group) or _name(resource)
    return groups


def read_answers(listed: Any, spoken: Dialect) -> tuple[dict[str, Answer], tuple[Question, ...]] | None:
    """Answers by question id, and the questions. A list of objects, or an object of question → answer; None when it
    is neither, or nothing in it can be read."""
    if listed is None:
        return {}, ()
    if isinstance(listed, dict):
        found = {clean(key)[:LONGEST_ID]: value for key, value in listed.items() if clean(key)}
        return {key: answer(value) for key, value in found.items()}, tuple(Question(key, key) for key in found)
    if not isinstance(listed, list):
        return None
    answers: dict[str, Answer] = {}
    questions = []
    for item in listed:
        said = spoken.answer.read(item)[0] if isinstance(item, dict) else {}
        label = clean(said.get("label"))
        question = usable_id(said.get("id"), LONGEST_ID) or label[:LONGEST_ID]
        if not question or "value" not in said:
            continue
        answers[question] = answer(said["value"])
        options = said.get("options")
        options = texts(options) if isinstance(options, list) else ()
        questions.append(Question(question, label, fold(clean(said.get("kind"))), options))
    return (answers, tuple(questions)) if answers or not listed else None


def answer(value: Any) -> Answer:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return tuple(text for item in value if (text := _choice(item)))
    return _choice(value)


def _choice(value: Any) -> str:
    """The text of one choice: itself, or what an object calls it."""
    if isinstance(value, dict):
        value = next((value[key] for key in ("label", "name", "title", "value", "text") if value.get(key)), None)
    return clean(value)


def read_group(resource: Any) -> GroupNews:
    """:raise Unreadable: without an id, or when it is no object or no group."""
    if not isinstance(resource, dict):
        raise Unreadable("The group is not a JSON object.")
    if _kind(resource) == "person":
        raise Unreadable("It should be a group and is a participant.")
    attributes = _attributes(resource)
    times = (parse_time(_part(attributes, name)) for name in ("updated_at", "modified_at"))
    updated_at = next((time for time in times if time is not None), None)
    return GroupNews(read_id(resource), _name(resource) or None, _members(resource, attributes), updated_at)


def _members(resource: Mapping[str, Any], attributes: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Ids; one that cannot be read is skipped, for a delta must not be lost. None when there is no list of any."""
    relationships = _part(resource, "relationships")
    related = _part(relationships, "members") if isinstance(relationships, dict) else None
    related = _part(attributes, "members") if related is None else related
    listed = _part(related, "data") if isinstance(related, dict) else related
    if not isinstance(listed, list):
        return None
    ids = (usable_id(_id(item) if isinstance(item, dict) else item) for item in listed)
    members = tuple(dict.fromkeys(filter(None, ids)))
    return members if members or not listed else None


def read_member(item: Any) -> str:
    """The id of somebody in a list of a group's members, be it a person, a reference to one, or the id alone.

    :raise Unreadable: without an id, or when it is a group.
    """
    resource = item if isinstance(item, dict) else {"id": item}
    if _kind(resource) == "group":
        raise Unreadable("It should be a participant and is a group.")
    return read_id(resource)


def clean(value: Any) -> str:
    """Trimmed text without control characters and lone surrogates; line breaks and tabs stay."""
    if type(value) is str and value.isprintable():  # as nearly all are: some million of them in a run
        return value.strip()
    if value is None or isinstance(value, dict | list | tuple):
        return ""
    return _CONTROL.sub("", str(value)).strip()


def texts(value: Any) -> tuple[str, ...]:
    """A list of texts; a string of several is joined by `|` (EHQ contract §3.5) or commas, which end a tag."""
    if isinstance(value, str):
        value = re.split(r"[|,]", value)
    if not isinstance(value, list | tuple):
        return ()
    return tuple(dict.fromkeys(text for item in value if (text := _choice(item))))


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
        else:
            read = datetime.fromisoformat(clean(text))
            moment = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
        return moment if 0 < moment < 4e9 else None  # a version from the year 9999 would beat all that follow
    except (ValueError, OverflowError):
        return None
