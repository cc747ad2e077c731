"""Between bytes of JSON and shapes. Readers raise KeyError, TypeError, ValueError or AttributeError on a surprise."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from relay.campaign_monitor.shapes import Entry, Field, Imported, Page, Segment, Subscriber, fold_key, normal

_UNREADABLE = dict.fromkeys([*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F, 0xFFFE, 0xFFFF])
"""Characters no XML document may hold: invisible to people, and 400 to Campaign Monitor (createsend-ruby#24)."""


def decode(body: bytes) -> Any:
    """JSON in any form, bare strings included; None for nothing. Some answers begin with a BOM (createsend-ruby#47).
    ValueError for anything else, without the text that could not be read."""
    body = body.removeprefix(b"\xef\xbb\xbf").strip()
    try:
        return orjson.loads(body) if body else None
    except ValueError:
        pass  # orjson's error holds the whole document, so it must not even be this error's context
    raise ValueError("not JSON")


def clean(text: str) -> str:
    """`text` without what Campaign Monitor cannot read: control characters and halves of surrogate pairs."""
    return text.translate(_UNREADABLE).encode("utf-8", "ignore").decode()


def harmless(message: Any) -> str:
    """Campaign Monitor's own words, short and without anything that could be an address."""
    return re.sub(r"\S*@\S*", "…", message)[:200].strip() if isinstance(message, str) else ""


def subscribers(rows: Iterable[Mapping[str, Any]]) -> list[Subscriber]:
    """A thousand rows in a few milliseconds: keys repeat from row to row, so each is folded once."""
    folded: dict[str, str] = {}
    people = []
    for row in rows:
        fields: dict[str, tuple[str, ...]] = {}
        for item in row.get("CustomFields") or ():
            value = item["Value"]
            if value is None or value == "":
                continue
            name = item["Key"]
            key = folded.get(name) or folded.setdefault(name, fold_key(name))
            fields[key] = (*fields.get(key, ()), value if isinstance(value, str) else str(value))
        people.append(
            Subscriber(
                row["EmailAddress"],
                row.get("Name") or "",
                row.get("State") or "",
                fields,
                row.get("Date") or "",
                row.get("ConsentToTrack") or "",
            )
        )
    return people


def page(body: Mapping[str, Any], people: list[Any]) -> Page[Any]:
    return Page(people, int(body["PageNumber"]), int(body["NumberOfPages"]), int(body["TotalNumberOfRecords"]))


def entry(one: Entry) -> dict[str, Any]:
    """The body of one person. `Clear` items come after values, so an option both set and cleared ends cleared."""
    fields: list[dict[str, Any]] = [{"Key": key, "Value": clean(value)} for key, value in one.values]
    fields += [{"Key": key, "Value": clean(value), "Clear": True} for key, value in one.clears]
    name = {} if one.name is None else {"Name": clean(one.name)}
    return {"EmailAddress": clean(one.email), **name, "CustomFields": fields, "ConsentToTrack": one.consent}


def imported(body: Mapping[str, Any]) -> Imported:
    """From an import's answer, or from what 210 has in its ResultData: the same shape."""
    result = body["ResultData"] if "Code" in body else body
    return Imported(
        int(result["TotalUniqueEmailsSubmitted"]),
        int(result["TotalExistingSubscribers"]),
        int(result["TotalNewSubscribers"]),
        {
            item["EmailAddress"].lower(): (int(item["Code"]), harmless(item.get("Message")))
            for item in result["FailureDetails"] or ()
        },
    )


def custom_field(row: Mapping[str, Any]) -> Field:
    return Field(row["FieldName"], row["Key"], row["DataType"], tuple(row.get("FieldOptions") or ()))


def segment(body: Mapping[str, Any]) -> Segment:
    groups = [[(rule["RuleType"], rule["Clause"]) for rule in group["Rules"]] for group in body.get("RuleGroups") or ()]
    return Segment(
        body["SegmentID"],
        body["Title"],
        int(body.get("ActiveSubscribers") or 0),
        normal(groups),
        tuple(map(tuple, groups)),
    )
