"""The signup form as EHQ has it now: questions added, relabelled, retyped, removed, with new options.

Nothing lists the form itself: it is known from the answers of people. Webhooks may be days old, so what a question is
called, and its kind, change only with a complete read of everyone (as does absence, design rule 7); a webhook that
says otherwise brings the next run forward.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import structlog

from relay.domain.participant import Question
from relay.domain.values import type_of
from relay.store import structure
from relay.store.database import Tx
from relay.store.runs import Run
from relay.store.structure import FORMER, Field
from relay.sync.parts import Parts
from relay.sync.picture import Picture

MOST_WORDS = 5
"""Labels and kinds of one question that a read remembers: more than one is no agreement."""
MOST_OPTIONS = 1000
"""Options of one question. A field with more is no choice but a text, and CM's own limit is not known."""
log = structlog.get_logger()


def note(seen: dict[str, Any], questions: Iterable[Question]) -> None:
    """Adds what a page said of the form: `seen` is question id → {"labels", "kinds", "options"}, kept in a cursor."""
    for question in questions:
        told = seen.setdefault(question.id, {"labels": [], "kinds": [], "options": []})
        for name, word in (("labels", question.label), ("kinds", question.kind)):
            if word and word not in told[name] and len(told[name]) < MOST_WORDS:
                told[name].append(word)
        known = set(told["options"])
        told["options"] += [one for one in question.options if one not in known][: MOST_OPTIONS - len(known)]


def settle(tx: Tx, picture: Picture, seen: Mapping[str, Any], whole: bool = True) -> None:
    """The form as a complete read met it. Where people's answers disagree about a question, it stays as it was.
    Unless the read was of the `whole`, a question that it did not meet may still be asked."""
    for field in picture.fields.values():
        if not field.source.startswith("answer:"):
            continue
        told = seen.get(field.source.removeprefix("answer:"))
        if field.asked != (told is not None) and (told or whole):
            structure.change_field(tx, field.id, asked=told is not None)
        if told is not None:
            _relabelled(tx, field, told["labels"])
            _retyped(tx, field, told["kinds"])
            add_choices(tx, field, told["options"])


def differs(picture: Picture, questions: Iterable[Question]) -> bool:
    """Whether any of `questions` is called otherwise, or is of another type, than we know."""
    for question in questions:
        field = picture.fields.get(f"answer:{question.id}")
        if field and question.label and question.label != field.label:
            return True
        if field and question.kind and type_of(question.kind) != field.type:
            return True
    return False


def _relabelled(tx: Tx, field: Field, labels: list[str]) -> None:
    if len(labels) == 1 and labels[0] != field.label:
        earlier = [one for one in field.earlier if one not in (field.label, labels[0])][1 - MOST_OPTIONS :]
        structure.change_field(tx, field.id, label=labels[0], earlier=[*earlier, field.label])


def _retyped(tx: Tx, field: Field, kinds: list[str]) -> None:
    types = {type_of(kind) for kind in kinds}
    if len(types) != 1:
        return
    (now,) = types
    if now != field.type:
        structure.retype(tx, field, kinds[0], now)
        log.info("question changed its kind", connection=field.connection_id, field=field.id, type=now)
    elif field.kind not in kinds:
        structure.change_field(tx, field.id, kind=kinds[0])


def add_choices(tx: Tx, field: Field, options: Iterable[str]) -> None:
    """Options that were ever named stay known, so that old answers are still split by them."""
    known = set(field.choices)
    new = [one for one in options if one not in known][: max(0, MOST_OPTIONS - len(known))]
    if new:
        structure.change_field(tx, field.id, choices=[*field.choices, *new])


def count_lost(counts: dict[str, Any], lost: Mapping[str, str]) -> None:
    """Answers of one person that CM cannot hold whole, added to a run's counts, in all and per field."""
    for source, word in lost.items():
        of_field = counts.setdefault("lost", {}).setdefault(source, {})
        of_field[word] = of_field.get(word, 0) + 1
        counts[f"values_{word}"] = counts.get(f"values_{word}", 0) + 1


def counted(parts: Parts, run: Run, counts: Mapping[str, Any]) -> None:
    with parts.database.write() as tx:
        structure.count_lost(tx, run.connection_id, run.id, counts.get("lost", {}))


def report(parts: Parts, connection_id: str) -> list[dict[str, Any]]:
    """Every field: what EHQ calls it, what it is in CM, and what is lost of it.

    [{"source", "label", "earlier_labels", "kind", "type", "name", "key", "options", "left_out", "asked", "problem",
    "cut", "skipped", "counted_run"}]; `options` is how many CM holds. `asked` is false when nobody's answers named
    the question in the last complete run. `source` "former:…" is where its answers stood before its kind changed.
    """
    picture = _picture(parts, connection_id)
    return [
        {
            "source": field.source,
            "label": field.label,
            "earlier_labels": list(field.earlier),
            "kind": field.kind,
            "type": field.type,
            "name": field.name,
            "key": field.key,
            "options": len(field.options),
            "left_out": field.source.removeprefix("answer:") in picture.left_out,
            "former": field.source.startswith(FORMER),
            "asked": field.asked,
            "problem": field.problem,
            "cut": field.cut,
            "skipped": field.skipped,
            "counted_run": field.counted_run,
        }
        for field in picture.fields.values()
    ]


def _picture(parts: Parts, connection_id: str) -> Picture:
    connection = parts.connection(connection_id)
    with parts.database.read() as tx:
        return Picture.load(tx, connection)
