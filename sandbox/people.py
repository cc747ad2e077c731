"""Invented people: the same ones for the same seed, cheap enough to make a million of."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

DAY = 86_400_000
MISSING: Any = type("Missing", (), {"__slots__": (), "__reduce__": lambda self: "MISSING"})()
"""A question this person was never asked: absent from the answers, not null. A copy of it is itself."""


@dataclass(slots=True)
class Question:
    """A question of the signup form (EHQ contract §3.4)."""

    id: int
    label: str
    type: str
    options: tuple[str, ...] = ()


FIRST_NAMES = """Althea Ben Chloe Dmitri Eilidh Farah Giulia Hamish Ines Jack Keiko Liam Mei Niamh Oliver Priya
Quentin Rosa Siobhan Tariq Una Viktor Wiremu Xin Yusuf Zoë André Bronwyn Caoimhe Dara Elif Fergus Grace Hùng"""
LAST_NAMES = """Abbott Brown Chen D'Souza Evans Fraser García Haddad Ivanova Jones Kaur Lee Müller Nguyễn O'Brien
Papadopoulos Quirke Rossi Singh Tanaka Underwood Vella Williams Xu Young Zhang Smith-Jones MacDonald Ødegård Taufa"""
FIRST, LAST = FIRST_NAMES.split(), LAST_NAMES.split()
SUBURBS = (
    "Carlton",
    "Brunswick East",
    "Footscray",
    "St Kilda",
    "Williamstown",
    "Box Hill",
    "Coburg",
    "Richmond",
)
GENDERS = ("Female", "Male", "Non-binary", "Prefer not to say")
INTERESTS = (
    "Parks, gardens",
    "Roads",
    "Arts, culture and events",
    "Rates",
    "Waste & recycling",
    "Youth services",
    "Sport",
)
TAGS = ("Pet owner", "Volunteer", "Business", "Renter", "Panel 2026")
ROLES = ("participant", "project_admin", "hub_admin", "site_admin")
ABOUT = (
    "I have lived here for years.",
    "Cyclist, parent, gardener.",
    "New to the area & keen to help!",
    "We moved here for the parks and the schools, and stayed for the people. " * 5,
)
QUESTIONS = (
    Question(10, "First name", "text"),
    Question(11, "Last name", "text"),
    Question(12, "What is your postcode?", "text"),
    Question(13, "Gender", "radio", GENDERS),
    Question(14, "I am interested in", "checkbox", INTERESTS),
    Question(15, "Date of birth", "date"),
    Question(16, "Suburb", "suburb", SUBURBS),
    Question(17, "Tell us about yourself", "textarea"),
    Question(18, "Household size", "number"),
)


class Person:
    """One account. `answers` runs parallel to the site's questions, and may be shorter."""

    __slots__ = (
        "answers",
        "blocked",
        "confirmed",
        "created_at",
        "email",
        "id",
        "imported",
        "last_seen_at",
        "login",
        "role",
        "subscribed",
        "tags",
        "unconfirmed_email",
        "updated_at",
    )

    id: int
    login: str
    email: str
    unconfirmed_email: str | None
    role: str
    confirmed: bool
    blocked: bool
    subscribed: bool
    imported: bool
    created_at: int  # milliseconds since 1970, as are the next two
    updated_at: int
    last_seen_at: int | None
    tags: tuple[str, ...]
    answers: tuple[Any, ...]


def ascii_of(name: str) -> str:
    """A name as it could stand in an address: `Nguyễn` → `nguyen`."""
    plain = unicodedata.normalize("NFKD", name.replace("Ø", "O")).encode("ascii", "ignore").decode()
    return "".join(letter for letter in plain.lower() if letter.isalnum())


NAMES = {name: ascii_of(name) for name in (*FIRST, *LAST)}
# Combinations are made once and shared by everyone who has them: a million people fit in memory.
INTEREST_SETS = tuple(
    [one for bit, one in enumerate(INTERESTS) if pattern >> bit & 1] for pattern in range(1 << len(INTERESTS))
)
TAG_SETS: tuple[tuple[str, ...], ...] = ((), (), (), *((tag,) for tag in TAGS), TAGS[:2], TAGS[1:4])
POSTCODES = tuple(f"{number:04d}" for number in (*range(3000, 3200), *range(800, 840)))
BIRTHDAYS = tuple(f"{year}-{1 + year % 12:02d}-{1 + year * 7 % 28:02d}" for year in range(1935, 2010))


class Inventor:
    """Makes people up, one after the other, from a seed."""

    def __init__(self, seed: int = 1) -> None:
        self.random = random.Random(seed)

    def person(self, id: int, created_at: int, role: str = "participant") -> Person:
        chance, person = self.random.random, Person()

        def pick(values: Sequence[Any]) -> Any:  # random.choice() takes five times as long
            return values[int(chance() * len(values))]

        first, last, dice = pick(FIRST), pick(LAST), chance()
        person.id, person.role, person.created_at = id, role, created_at
        person.email = f"{NAMES[first]}.{NAMES[last]}{id}@example.{'com' if dice < 0.7 else 'org'}"
        person.login = f"{NAMES[first]}.{NAMES[last][:1]}{id}" if role == "participant" else f"{first} {last}"
        person.unconfirmed_email = None
        person.blocked = role == "participant" and chance() < 0.03
        person.subscribed = chance() >= 0.08
        person.confirmed = role != "participant" or chance() >= 0.15
        person.imported = dice > 0.95
        person.updated_at = created_at + int(chance() * DAY) if person.confirmed else created_at
        person.last_seen_at = person.updated_at if person.confirmed else None
        person.tags = pick(TAG_SETS)
        if person.imported and not person.confirmed:
            person.answers = ()  # the form is still to be filled in
            return person
        person.answers = (
            first,
            last,
            pick(POSTCODES),
            pick(GENDERS) if dice < 0.9 else None,
            INTEREST_SETS[int(chance() * 128) & int(chance() * 128)],
            pick(BIRTHDAYS) if chance() < 0.8 else MISSING,
            pick(SUBURBS),
            pick(ABOUT) if chance() < 0.25 else None,
            1 + int(chance() * 6),
        )
        return person


def invent(count: int, seed: int, now: int, first_id: int = 1001, years: float = 6) -> list[Person]:
    """`count` people who joined over the last `years`, oldest first, administrators among them."""
    inventor, people = Inventor(seed), []
    span = int(years * 365 * DAY)
    for number in range(count):
        joined = now - span + int(span * (number + inventor.random.random()) / count)
        role = ROLES[3] if number < 2 else ROLES[2] if number < 4 else ROLES[number % 250 == 7]
        people.append(inventor.person(first_id + number, joined, role))
    return people
