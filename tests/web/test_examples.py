"""What the set-up says that an answer looks like."""

from __future__ import annotations

import pytest

from relay.domain.values import type_of
from relay.store.structure import Field
from relay.web.examples import looks_like


@pytest.mark.parametrize(
    ("label", "kind", "options", "words", "example"),
    [
        ("What is your postcode?", "text", (), "Words", "3999"),
        ("Your surname", "text", (), "Words", "Citizen"),
        ("Anything else?", "textarea", (), "Words", "We would like more shade"),
        ("Date of birth", "date", (), "A day", "14 Mar 1985"),
        ("Household size", "number", (), "A number", "3"),
        ("Gender", "radio", ("Woman", "Man"), "One choice", "Woman; Man"),
        (
            "I am interested in",
            "checkbox",
            ("Parks", "Roads", "Arts", "Rates"),
            "Several choices",
            "Parks; Roads; Arts; …",
        ),
        ("I am interested in", "checkbox", (), "Several choices", "some of its options"),
    ],
)
def test_an_example_looks_like_an_answer_and_is_nobody_s(
    label: str, kind: str, options: tuple[str, ...], words: str, example: str
) -> None:
    one = Field(
        id=1, connection_id="bayside", source="answer:1", label=label, kind=kind, type=type_of(kind), choices=options
    )
    shown = looks_like(one)
    assert shown[0] == words
    assert shown[1].startswith(example)
