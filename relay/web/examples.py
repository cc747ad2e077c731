"""What a question is, and what an answer to it looks like. All is invented: a real answer would be somebody's, and
whoever sets a connection up has not asked to see it (docs/privacy.md)."""

import re
from collections.abc import Sequence

from relay.store.structure import Field

TYPES = {
    "Text": ("Words", "Parks and playgrounds"),
    "Number": ("A number", "3"),
    "Date": ("A day", "14 Mar 2026"),
    "MultiSelectOne": ("One choice", "one of its options"),
    "MultiSelectMany": ("Several choices", "some of its options"),
    "Country": ("A country", "Australia"),
    "USState": ("A state of the US", "Oregon"),
}
"""CM's type → what it is, and an example."""
WORDED: Sequence[tuple[str, str]] = (
    ("post ?code|zip", "3999"),
    ("suburb|town|city|locality", "Bayside"),
    ("street|address", "12 Example Street"),
    ("phone|mobile", "0491 570 156"),
    ("e-?mail", "alex@example.com"),
    ("(first|given) name", "Alex"),
    ("(last|family) name|surname", "Citizen"),
    ("name", "Alex Citizen"),
    ("year", "1990"),
)
"""Of questions answered in words: what stands in the question, and an example. The number is one of those that are kept
free for fiction."""
SHOWN = 3


def looks_like(one: Field) -> tuple[str, str]:
    """What it is, and an example: of choices their options."""
    words, example = TYPES.get(one.type, TYPES["Text"])
    options = one.choices or one.options
    if options and one.type.startswith("MultiSelect"):
        return words, "; ".join(options[:SHOWN]) + ("; …" if len(options) > SHOWN else "")
    if one.type == "Date" and "birth" in one.label.lower():
        return words, "14 Mar 1985"
    if one.kind == "textarea":
        return words, "We would like more shade at the playground, and a path to the library."
    if words == TYPES["Text"][0]:
        example = next((said for word, said in WORDED if re.search(rf"\b({word})", one.label, re.I)), example)
    return words, example
