"""Answers to questions that a person left out are not kept either (design rule 8)."""

from dataclasses import replace

from relay.store import participants
from relay.store.database import Tx
from relay.store.person import Person
from relay.sync.picture import Picture


def forget(tx: Tx, picture: Picture, people: list[Person]) -> list[Person]:
    """`people`, of whom whatever was kept before a question was left out is gone."""
    kept = []
    for person in people if picture.left_out else ():
        answers = person.known.values.get("answers") or {}
        if picture.left_out & answers.keys():
            there = {question: answer for question, answer in answers.items() if question not in picture.left_out}
            kept.append((person.id, replace(person.known, values={**person.known.values, "answers": there})))
    if not kept:
        return people
    participants.save_known(tx, kept, picture.sought)
    return sorted(participants.by_our_ids(tx, picture.connection.id, [p.id for p in people]), key=lambda p: p.id)
