"""Rules tried on something that was captured: the person they would make, what they leave unused, and whether a proof
holds. Nothing is stored, nobody is written."""

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from relay.domain.mapping import BASE_FIELDS, Target, mapper, wanted
from relay.domain.merge import Known, hear
from relay.domain.participant import Patch
from relay.domain.rules import Rules, read_rules, why_not
from relay.domain.values import type_of
from relay.domain.version import Heard
from relay.ehq import envelope, leftover
from relay.ehq.dialect import Dialect, defaults, dialect
from relay.ehq.events import read_event
from relay.ehq.resource import Unreadable, included_groups, read_user
from relay.ehq.signature import NotGenuine, Profile, profile, verify
from relay.errors import Invalid, RelayError
from relay.store import deliveries
from relay.store.connections import Connection
from relay.sync.parts import Parts
from relay.sync.picture import Picture, option_text

SHOWN = 20
AGES_S = 10**10
HEADER = re.compile(r"([A-Za-z0-9_-]+): ?(.*)")


def rules_of(there: Rules, document: Any) -> Rules:
    """`there` with `document` over them: a part of the rules, or overrides alone.

    :raise Invalid: naming the key that is wrong.
    """
    if document is None:
        return there
    if not isinstance(document, Mapping):
        raise Invalid("The document must be a JSON object.")
    if document and set(document) <= set(defaults()):
        document = {"overrides": document}
    rules = read_rules({**there.model_dump(mode="json"), **document})
    dialect(rules.overrides or None)
    return rules


def delivery(parts: Parts, connection: Connection, key: str, document: Any = None) -> dict[str, Any]:
    """`body` with a delivery that was stored. :raise RelayError: when there is none, or its body is gone."""
    with parts.database.read() as tx:
        found = deliveries.search(tx, connection.id, key=key, limit=1)
    if not found:
        raise RelayError(
            f"There is no delivery {key[:100]!r} here.", remedy="Deliveries are kept for 30 days: look which there are."
        )
    if found[0].body is None:
        raise RelayError("Its body is no longer kept.", remedy="Bodies are kept for 14 days; try a newer one.")
    return body(parts, connection, parts.vault.unseal(found[0].body), document)


def body(parts: Parts, connection: Connection, text: bytes, document: Any = None) -> dict[str, Any]:
    """{"results": [{"type", "person", "subscriber", "off_list", "group", "unused", "problem"}], "of": how many}

    `text` is an event, a list of them, a person as EHQ's API shows one, or a page of people. `unused` are paths of keys
    from which nothing was read. :raise Invalid: when it is not JSON, or the document is wrong.
    """
    rules = rules_of(connection.rules, document)
    spoken = dialect(rules.overrides or None)
    with parts.database.read() as tx:
        picture = Picture.load(tx, connection)
    found = list(_pieces(envelope.parse(text), spoken))
    return {"results": [_one(picture, rules, spoken, piece) for piece in found[:SHOWN]], "of": len(found)}


def _pieces(read: list[Any], spoken: Dialect) -> Iterator[tuple[Any, dict[str, str] | None]]:
    """Events, and resources with the names of groups that came along."""
    for item in read:
        if isinstance(item, Mapping) and spoken.from_envelope(item, "type") is not None and _is_event(item, spoken):
            yield item, None
        elif isinstance(item, Mapping) and isinstance(item.get("data"), list):
            names = included_groups(item.get("included"))
            yield from ((one, names) for one in item["data"])
        elif isinstance(item, Mapping) and isinstance(item.get("attributes"), Mapping):
            yield item, {}
        else:
            yield item, None


def _is_event(item: Mapping[str, Any], spoken: Dialect) -> bool:
    known = spoken.event(spoken.from_envelope(item, "type")) is not None
    return known or isinstance(spoken.from_envelope(item, "subject"), Mapping)


def _one(picture: Picture, rules: Rules, spoken: Dialect, piece: tuple[Any, dict[str, str] | None]) -> dict[str, Any]:
    item, names = piece
    blank = dict.fromkeys(("type", "person", "subscriber", "off_list", "group", "problem"))
    said: dict[str, Any] = {**blank, "unused": []}
    try:
        if names is not None:
            patch: Patch | None = read_user(item, names, spoken)
            said |= {"type": "a person of the API", "unused": leftover.of_person(item, spoken)}
        else:
            said["type"] = envelope.event_type(item, spoken) or None
            event = read_event(item, spoken)
            patch, of_group = event.patch, event.group is not None
            said |= {"type": event.type, "unused": leftover.of_event(item, spoken, of_group)}
            if event.group:
                members = None if event.group.members is None else len(event.group.members)
                said["group"] = {"id": event.group.id, "name": event.group.name, "members": members}
    except Unreadable as error:
        return {**said, "problem": str(error)}
    if patch is not None:
        said |= _person(picture, rules, spoken, patch)
    return said


def _person(picture: Picture, rules: Rules, spoken: Dialect, patch: Patch) -> dict[str, Any]:
    """As if nothing were known of them but this."""
    labels = {q.id: q.label or q.id for q in patch.questions}
    values = dict(patch.values)
    answers = values.pop("answers", None)
    role = spoken.role(values.get("role"))
    person: dict[str, Any] = {"ehq_id": patch.ehq_id, **values}
    if "groups" in values:
        person["groups"] = [patch.group_names.get(group) or group for group in values["groups"]]
    if "role" in values:
        person["role"] = values["role"] if role != "unknown" else f"{values['role']} (unknown to the relay)"
    if answers is not None:
        person["answers"] = {labels.get(question, question): answer for question, answer in answers.items()}
    known = hear(Known(patch.ehq_id), patch, Heard(time.time()))
    reason = why_not(known, rules, role)
    targets = {f.source: Target(f.source, f.label, f.type, f.choices or f.options) for f in picture.fields.values()}
    targets |= {
        f"answer:{q.id}": Target(
            f"answer:{q.id}", q.label or q.id, type_of(q.kind, (answers or {}).get(q.id)), tuple(q.options)
        )
        for q in patch.questions
        if f"answer:{q.id}" not in targets
    }
    targets = {source: Target(source, *named) for source, named in BASE_FIELDS.items()} | targets
    out = {name.strip().lower() for name in rules.fields_left_out}
    kept = [
        target
        for source, target in targets.items()
        if (source in BASE_FIELDS or source.startswith("answer:"))
        and not out & {target.label.strip().lower(), source.removeprefix("answer:").lower()}
    ]
    options = {g.ehq_id: g.option for g in picture.groups.values() if not g.deleted}
    options = {i: option_text(name, i) for i, name in patch.group_names.items()} | options
    if reason is not None:
        return {"person": person, "off_list": reason}
    becomes = wanted(known, mapper(kept, options, rules.zone))
    fields = {targets[source].label: value for source, value in becomes.fields.items()}
    lost = {targets[source].label: how for source, how in becomes.lost.items()}
    return {
        "person": person,
        "subscriber": {"email": becomes.email, "name": becomes.name, "fields": fields, "lost": lost},
    }


# Is it genuine?


class _Headers(dict[str, str]):
    """Names without regard to case, as HTTP has them."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key.lower(), default)


def request(text: str) -> tuple[dict[str, str], str]:
    """Headers and body of a request as it was captured: lines of `Name: value`, an empty line, the body."""
    head, _, sent = text.replace("\r\n", "\n").lstrip("\n").partition("\n\n")
    headers = {found[1]: found[2].strip() for line in head.split("\n") if (found := HEADER.match(line))}
    return headers, sent


def signature(parts: Parts, connection: Connection, text: str, document: Any = None) -> dict[str, Any]:
    """{"genuine", "says": why or why not, "profile", "advice"}: never a secret, nor what a proof should have been.

    `text` is a captured request, see `request`.
    """
    rules, now = rules_of(connection.rules, document), time.time()
    headers, sent = request(text)
    if not headers:
        raise Invalid("There are no headers.", remedy="Paste lines of `Name: value`, an empty line, and the body.")
    given = _Headers({name.lower(): value for name, value in headers.items()})
    secrets = parts.vault.unlock(connection.webhook_secrets)
    ours = profile(rules.authentication.profile, rules.authentication.headers, rules.authentication.tolerance_s)
    said = {"genuine": False, "profile": ours.name, "says": "", "advice": ""}
    bodies = list(dict.fromkeys((sent, sent.removesuffix("\n"), sent.strip(), sent.replace("\n", "\r\n"))))
    if which := _matches(ours, secrets, given, bodies, now):
        return {**said, "genuine": True, "says": f"It is genuine: {_secret(which, now)} fits."}
    try:
        verify(ours, [item["secret"] for item in secrets], given, sent.encode(), now)
    except NotGenuine as error:
        said["says"] = error.message
    if which := _matches(_ageless(ours), secrets, given, bodies, now):
        said["advice"] = f"But for its age it is right: {_secret(which, now)} fits. A captured one is always old."
        return said
    for name in defaults()["headers"]:
        other = _ageless(profile(name))
        if name != ours.name and (which := _matches(other, secrets, given, bodies, now)):
            said["advice"] = (
                f"It is proven in another way: set authentication.profile to {name!r}. {_secret(which, now)} fits."
            )
            return said
    names = [name for name in headers if any(word in name.lower() for word in ("sign", "token", "hmac", "secret"))]
    if names and not given.get(ours.signature):
        said["advice"] = f"A proof may stand under {names[0]}: name it as authentication.headers.signature."
    elif given.get(ours.signature):
        said["advice"] = (
            "If the secret is right, the body is not as it was sent: it must be the very bytes, not printed anew."
        )
    return said


def _matches(
    by: Profile, secrets: list[Mapping[str, Any]], headers: _Headers, bodies: list[str], now: float
) -> Mapping[str, Any] | None:
    for item in secrets:
        for sent in bodies:
            try:
                verify(by, [item["secret"]], headers, sent.encode("utf-8", "surrogatepass"), now)
                return item
            except NotGenuine:
                continue
    return None


def _ageless(by: Profile) -> Profile:
    return Profile(by.name, by.id, by.signature, by.timestamp, AGES_S)


def _secret(item: Mapping[str, Any], now: float) -> str:
    until = item.get("until")
    if not until:
        return "the current secret"
    return "an earlier secret, still valid," if until > now else "an earlier secret, no longer valid,"
