"""EHQ's answers as Campaign Monitor's typed values, and what would be lost on the way (CM contract §4.8)."""

import re
from collections.abc import Container, Iterable, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

LONGEST = 250
"""Characters that a custom field's value may have."""
FIRST_DATE, LAST_DATE = date(1900, 1, 1), date(2076, 6, 6)
"""Campaign Monitor ignores dates outside these without a word."""

Value = str | tuple[str, ...]
Typed = tuple[Value, str | None]
"""A value, empty for nothing, and what was lost: "cut", "skipped" or None."""

TYPE_OF_KIND = {
    "radio": "MultiSelectOne",
    "select": "MultiSelectOne",
    "dropdown": "MultiSelectOne",
    "single_choice": "MultiSelectOne",
    "boolean": "MultiSelectOne",
    "yes_no": "MultiSelectOne",
    "consent": "MultiSelectOne",
    "checkbox": "MultiSelectMany",
    "checkboxes": "MultiSelectMany",
    "multiple_choice": "MultiSelectMany",
    "multi_select": "MultiSelectMany",
    "multiselect": "MultiSelectMany",
    "date": "Date",
    "number": "Number",
    "integer": "Number",
    "year": "Number",
}
"""EHQ's word for a question's type → CM's DataType. Anything else is Text (a postcode keeps its leading zeros)."""


def type_of(kind: str, sample: Any = None) -> str:
    """CM's DataType for a question. When EHQ does not say the kind, a list means several choices."""
    if not kind and isinstance(sample, list | tuple):
        return "MultiSelectMany"
    return TYPE_OF_KIND.get(kind, "Text")


def typed(value: Any, data_type: str, options: Sequence[str] = ()) -> Typed:
    """`value` as CM will hold it. Many: sorted option texts. Date: YYYY-MM-DD. `options` are the known choices, by
    which a comma-joined string is split, longest first."""
    if isinstance(value, int) and abs(value) > 10**30:  # no number of anything, and Python refuses to print it
        return ("" if data_type != "MultiSelectMany" else ()), "skipped"
    if value in (None, "", (), []):
        return ("" if data_type != "MultiSelectMany" else ()), None
    if isinstance(value, bool):
        value = "Yes" if value else "No"
    if data_type == "MultiSelectMany":
        chosen = _split(value, options) if isinstance(value, str) else [str(item) for item in _items(value)]
        texts = {_cut(_one_line(text)) for text in chosen}
        return tuple(sorted({text for text, _ in texts} - {""})), "cut" if any(lost for _, lost in texts) else None
    if isinstance(value, list | tuple):
        if data_type == "MultiSelectOne" and len(value) > 1:
            return typed(value[0], data_type)[0], "skipped"
        value = ", ".join(map(str, value))
    if data_type == "Date":
        return _date(str(value))
    if data_type == "Number":
        return _number(str(value))
    text = str(value).replace("\r\n", "\n").replace("\r", "\n").strip()
    return _cut(_one_line(text) if data_type == "MultiSelectOne" else text)


def only(value: Value, takes: Container[str], loss: str | None) -> Typed:
    """Of `value` what is in `takes`; the rest is skipped."""
    chosen = value if isinstance(value, tuple) else (value,)
    kept = tuple(text for text in chosen if text in takes)
    left = kept if isinstance(value, tuple) else "".join(kept)
    return left, loss if len(kept) == len(chosen) else "skipped"


def held(values: Iterable[str], data_type: str) -> Value:
    """What CM answered for one field, in the form that `typed` gives, so that the two can be compared."""
    texts = [text for text in values if text]
    if data_type == "MultiSelectMany":
        return tuple(sorted(set(texts)))
    if not texts:
        return ""
    if data_type == "Date":
        day = texts[0][:10].replace("/", "-")
        return "" if day == "0000-00-00" else day
    if data_type == "Number":
        return _number(texts[0])[0]
    return texts[0]


def same(one: Value | None, other: Value | None) -> bool:
    """Whether two values are the same to a reader: white space at line ends and around is CM's to choose."""
    if isinstance(one, str) and isinstance(other, str):
        return one == other or one.split() == other.split()
    return (one or ()) == (other or ()) if not (one and other) else one == other


def _cut(text: str) -> tuple[str, str | None]:
    return (text, None) if len(text) <= LONGEST else (text[:LONGEST].rstrip(), "cut")


def _one_line(text: str) -> str:
    """Option texts carry no line breaks and no blanks at the ends (CM contract §7.2)."""
    return " ".join(text.split())


def _items(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


_GAP = "\0"


def _split(text: str, options: Sequence[str]) -> list[str]:
    """A comma-joined answer as the known options in it, longest first; unknown text stays one choice."""
    found, rest = [], text
    for option in sorted(options, key=len, reverse=True):
        pattern = rf"(?:^|(?<=,))\s*{re.escape(option)}\s*(?=,|$)"
        if re.search(pattern, rest):
            found.append(option)
            rest = re.sub(pattern, _GAP, rest)
    return [*found, *filter(None, (left.strip(" ,") for left in rest.split(_GAP)))]


def _date(text: str) -> Typed:
    """2026-11-23 or 23/11/2026, with or without a time behind it."""
    read = re.match(r"(\d{4})-(\d\d)-(\d\d)", text.strip()) or re.match(r"(\d\d)/(\d\d)/(\d{4})", text.strip())
    if read is None:
        return "", "skipped"
    numbers = [int(part) for part in read.groups()]
    try:
        day = date(*numbers) if numbers[0] > 31 else date(*reversed(numbers))
    except ValueError:
        return "", "skipped"
    return (day.isoformat(), None) if FIRST_DATE <= day <= LAST_DATE else ("", "skipped")


def _number(text: str) -> Typed:
    try:
        number = Decimal(text.strip().replace(" ", ""))
    except InvalidOperation:
        return "", "skipped"
    if not number.is_finite() or abs(number.adjusted()) > 15 or len(number.as_tuple().digits) > 30:
        return "", "skipped"
    plain = format(number, "f")
    return (plain.rstrip("0").rstrip(".") if "." in plain else plain) or "0", None
