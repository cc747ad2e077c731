"""The signup form: find a question, answer it, and make an answer up (contract §3.4)."""

from __future__ import annotations

from typing import Any

from sandbox.control import Refused
from sandbox.ehq.site import Site
from sandbox.people import ABOUT, BIRTHDAYS, MISSING, POSTCODES, Person, Question


def question(site: Site, wanted: Any) -> Question:
    """By id first, by label second."""
    for one in site.questions:
        if one.type != "removed" and str(wanted) in (str(one.id), one.label):
            return one
    raise Refused(f"no such question: {wanted}")


def give(site: Site, person: Person, asked: Question, value: Any) -> None:
    """Record an answer; questions the person was never asked stay missing."""
    place = site.questions.index(asked)
    answers = list(person.answers) + [MISSING] * (place + 1 - len(person.answers))
    answers[place] = value
    person.answers = tuple(answers)


def any_value(site: Site, asked: Question) -> Any:
    pick = site.random.choice
    if asked.type == "checkbox":
        return site.random.sample(asked.options, site.random.randint(0, len(asked.options)))
    if asked.options:
        return pick(asked.options)
    if asked.type == "date":
        return pick(BIRTHDAYS)
    if asked.type == "number":
        return site.random.randint(1, 7)
    return pick(ABOUT) if asked.type == "textarea" else pick(POSTCODES)
