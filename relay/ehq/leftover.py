"""Which keys of a body nothing was read from: what a site may have to name in its overrides."""

from collections.abc import Mapping
from typing import Any

from relay.ehq.dialect import Dialect, fold
from relay.ehq.events import OTHERS

AROUND = {"site", "jsonapi", "links", "meta", "errors"}
RESOURCE = {"id", "type", "attributes", "relationships", "links", "meta"}
GROUP = {"name", "title", "members", "updated_at", "modified_at", "kind", "id"}
MOST = 200


def of_event(event: Mapping[str, Any], spoken: Dialect, of_group: bool) -> list[str]:
    """Paths into an event, such as `data.attributes.favourite-colour`."""
    known = {key for keys in spoken.envelope.values() for key in keys} | AROUND
    paths = [str(key) for key in event if fold(str(key)) not in known]
    subject = spoken.from_envelope(event, "subject", without=OTHERS[of_group])
    where = next((str(key) for key, value in event.items() if value is subject), "data")
    if isinstance(subject, Mapping):
        paths += of_group_resource(subject, where) if of_group else of_person(subject, spoken, where)
    return paths[:MOST]


def of_person(resource: Mapping[str, Any], spoken: Dialect, where: str = "") -> list[str]:
    at = f"{where}." if where else ""
    nested = next((value for key, value in resource.items() if fold(str(key)) == "attributes"), None)
    paths = []
    if isinstance(nested, Mapping):
        paths += [f"{at}{key}" for key in resource if fold(str(key)) not in RESOURCE]
        at = f"{at}attributes."
    for key, value in (nested if isinstance(nested, Mapping) else resource).items():
        folded = fold(str(key))
        name = spoken.attributes.canonical.get(folded)
        if name == "answers" and isinstance(value, list):
            asked = {str(part): None for item in value if isinstance(item, Mapping) for part in item}
            paths += [f"{at}{key}[].{part}" for part in asked if fold(part) not in spoken.answer.canonical]
        elif name is None and folded not in spoken.ignored and folded not in RESOURCE:
            paths.append(f"{at}{key}")
    return [*paths, *_related(resource, where, ("groups", "segments"))][:MOST]


def of_group_resource(resource: Mapping[str, Any], where: str = "") -> list[str]:
    at = f"{where}." if where else ""
    nested = next((value for key, value in resource.items() if fold(str(key)) == "attributes"), None)
    if not isinstance(nested, Mapping):
        return [f"{at}{key}" for key in resource if fold(str(key)) not in RESOURCE | GROUP]
    paths = [f"{at}{key}" for key in resource if fold(str(key)) not in RESOURCE]
    paths += [f"{at}attributes.{key}" for key in nested if fold(str(key)) not in GROUP]
    return [*paths, *_related(resource, where, ("members",))][:MOST]


def _related(resource: Mapping[str, Any], where: str, used: tuple[str, ...]) -> list[str]:
    related = next((value for key, value in resource.items() if fold(str(key)) == "relationships"), None)
    at = f"{where}.relationships" if where else "relationships"
    return [f"{at}.{key}" for key in related if fold(str(key)) not in used] if isinstance(related, Mapping) else []
