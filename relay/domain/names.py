"""Names in Campaign Monitor (design §6): the label, at most 100 characters, and ` (2)` on a clash."""

from collections.abc import Container

LONGEST = 100


def free_name(label: str, taken: Container[str], longest: int = LONGEST) -> str:
    """The first of "label", "label (2)", … whose casefold is not in `taken`. Control characters and the brackets
    that mark a field's key are left out; runs of white space become one blank."""
    clean = "".join(c for c in label if c.isprintable() or c.isspace()).replace("[", "(").replace("]", ")")
    clean = " ".join(clean.split()) or "Unnamed"
    name, number = clean[:longest].rstrip(), 2
    while name.casefold() in taken:
        suffix = f" ({number})"
        name, number = clean[: longest - len(suffix)].rstrip() + suffix, number + 1
    return name
