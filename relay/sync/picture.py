"""One connection's rules, fields and groups at a glance, and what they make of people."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from relay.campaign_monitor.shapes import Subscriber, fold_key
from relay.domain import values
from relay.domain.decide import Step, decide
from relay.domain.mapping import BASE_FIELDS, Held, Mapper, Target, Wanted, mapper, name_of, wanted
from relay.domain.merge import Known
from relay.domain.participant import Question
from relay.domain.rules import WHY_NOT, against, told_to_leave
from relay.ehq.dialect import Dialect, dialect
from relay.ehq.export import near
from relay.store import participants, structure
from relay.store.connections import Connection
from relay.store.database import Database, Tx
from relay.store.person import Person, lower
from relay.store.structure import FORMER, Field, Group

log = structlog.get_logger()
HELD = "The brake keeps them on the list until a person decides."
KEPT = "Somebody decided that they stay on the list all the same."


@dataclass(frozen=True)
class Verdict:
    """What one person should be: `wanted`, or None and why not; and the step that makes it so."""

    wanted: Wanted | None
    why: str | None
    """A key of WHY_NOT."""
    reason: str | None
    """The same, in a sentence."""
    step: Step
    same_address: tuple[str, ...] = ()
    """EHQ ids of other accounts with this address; the first of them holds it when `why` is "duplicate"."""


class Picture:
    def __init__(self, connection: Connection, fields: Sequence[Field], groups: Sequence[Group]) -> None:
        self.connection = connection
        self.rules = connection.rules
        self.dialect: Dialect = dialect(connection.rules.overrides or None)
        self.fields = {field.source: field for field in fields}
        self.groups = {group.ehq_id: group for group in groups}
        self.left_out = self._left_out()
        self.mapper: Mapper = mapper(
            [
                Target(f.source, f.label, f.type, f.choices or f.options, frozenset(f.options) if f.problem else None)
                for f in fields
                if f.source.removeprefix("answer:") not in self.left_out and not f.source.startswith(FORMER)
            ],
            {group.ehq_id: group.option for group in groups if not group.deleted},
            connection.rules.zone,
        )
        self._read_as = {fold_key(name): f for f in fields for name in (f.name, f.key) if name}

    @classmethod
    def load(cls, tx: Tx, connection: Connection) -> "Picture":
        return cls(connection, structure.all_fields(tx, connection.id), structure.all_groups(tx, connection.id))

    def reload(self, database: Database) -> "Picture":
        with database.read() as tx:
            return Picture.load(tx, self.connection)

    def _left_out(self) -> set[str]:
        """Questions by id and base fields, named by it or by any label they ever had: a new label makes nobody's
        answers travel."""
        named = {name.strip().lower() for name in self.rules.fields_left_out}
        known = {f.source.removeprefix("answer:"): (f.label, *f.earlier) for f in self.fields.values()}
        return {i for i, labels in known.items() if named & {i.lower(), *(one.strip().lower() for one in labels)}}

    def leaves_out(self, question: Question) -> bool:
        named = {name.strip().lower() for name in self.rules.fields_left_out}
        return question.id.lower() in named or question.label.strip().lower() in named

    def role(self, known_values: Mapping[str, Any]) -> str:
        return self.dialect.role(known_values.get("role"))

    def against(self, person: Person) -> str | None:
        """Why this person does not belong, before anybody else is looked at: a key of WHY_NOT."""
        if person.gone and not person.known.erased:
            return "absent"
        return against(person.known, self.rules, self.role(person.known.values))

    def name(self, known: Known) -> str | None:
        return name_of(known, self.mapper)

    def sought(self, known: Known) -> str | None:
        """What people are searched by: name, log-in name and address, in lower case."""
        words = (self.name(known), known.values.get("login"), known.values.get("email"))
        return " ".join(" ".join(str(word) for word in words if word).lower().split())[:300] or None

    def outside(self, person: Person) -> bool:
        """Whether they do not belong, and neither EHQ's explicit word nor absence is why."""
        return not person.gone and told_to_leave(person.known) is None and self.against(person) is not None

    def judge(self, tx: Tx, people: Sequence[Person]) -> dict[int, Verdict]:
        """By our id. Of several participants with one address the newest registration holds it (design rule 5)."""
        addresses = {person.email for person in people if person.email}
        shared = participants.shared_emails(tx, self.connection.id, addresses)
        rivals = participants.by_emails(tx, self.connection.id, shared) if shared else []
        holders = self._holders([*rivals, *people], shared)
        accounts: dict[str | None, list[str]] = {}
        for rival in rivals:
            accounts.setdefault(rival.email, []).append(rival.known.ehq_id)
        verdicts = {}
        for person in people:
            why = self.against(person)
            holder = holders.get(person.email or "")
            if why is None and person.email in shared and holder != person.known.ehq_id:
                why = "duplicate"
            try:
                want = wanted(person.known, self.mapper) if why is None else None
            except Exception:
                # A bug of ours about one person's answers delays nobody else (design §1).
                log.exception("person not understood", connection=self.connection.id, participant=person.id)
                verdicts[person.id] = Verdict(None, "failed", WHY_NOT["failed"], "nothing")
                continue
            step, reason = decide(want, person.held, person.record), self.sentence(why, person)
            if step == "leave" and person.brake_run is not None and self.outside(person):
                reason, step = f"{reason} {HELD if person.brake_run else KEPT}", "nothing"
            others = [ehq_id for ehq_id in accounts.get(person.email, ()) if ehq_id != person.known.ehq_id]
            others.sort(key=lambda ehq_id: ehq_id != holder)
            verdicts[person.id] = Verdict(want, why, reason, step, tuple(others))
        return verdicts

    def sentence(self, why: str | None, person: Person) -> str | None:
        role = self.role(person.known.values).replace("_", " ")
        return WHY_NOT[why].format(role=role) if why else None

    def _holders(self, people: Iterable[Person], shared: Collection[str]) -> dict[str, str]:
        newest: dict[str, Person] = {}
        for person in people:
            email = person.email
            if email is None or email not in shared or self.against(person) is not None:
                continue
            if email not in newest or _registered(person) > _registered(newest[email]):
                newest[email] = person
        return {email: person.known.ehq_id for email, person in newest.items()}

    def held(self, subscriber: Subscriber) -> Held:
        """What CM answered about one subscriber, by source; fields that are not ours are not looked at."""
        fields: dict[str, values.Value] = {}
        for name, texts in subscriber.fields.items():
            field = self._read_as.get(name)
            if field is not None:
                value = values.held(texts, field.type)
                if value:
                    fields[field.source] = value
        return Held(lower(subscriber.email), subscriber.state, subscriber.name, fields)


def meant(there: Held, registered: Any) -> bool | None:
    """Whether the EHQ ID on a subscriber means who registered then, by the day that stands beside it; None when either
    is not known. A site to which the list belonged before has the same numbers for other people."""
    return near(str(there.fields.get("joined") or ""), registered)


def _registered(person: Person) -> tuple[float, int, str]:
    """Sorts by registration; without a date, by EHQ's ids, which count up."""
    text, ehq_id = person.known.values.get("created_at"), person.known.ehq_id
    try:
        at = datetime.fromisoformat(str(text)).timestamp()
    except (ValueError, OverflowError):
        at = 0.0
    return at, int(ehq_id) if ehq_id.isdecimal() else 0, ehq_id


def learn(
    tx: Tx,
    picture: Picture,
    questions: Iterable[Question],
    group_names: Mapping[str, str],
    answers: Mapping[str, Any] | None = None,
) -> bool:
    """Stores questions and groups met for the first time. Answers whether there were any.

    `answers` are examples by question id, which tell the type where EHQ does not say it.
    """
    fields, groups = _unknown(picture, questions, group_names, answers or {})
    structure.add_fields(tx, [{**row, "connection_id": picture.connection.id} for row in fields])
    structure.add_groups(tx, picture.connection.id, groups)
    return bool(fields or groups)


def imagine(
    picture: Picture, questions: Iterable[Question], group_names: Mapping[str, str], answers: Mapping[str, Any]
) -> Picture:
    """What it will be once that is learnt; nothing is stored."""
    fields, groups = _unknown(picture, questions, group_names, answers)
    ours: dict[str, Any] = {"id": 0, "connection_id": picture.connection.id}
    return Picture(
        picture.connection,
        [*picture.fields.values(), *(Field(**{**ours, **row, "choices": tuple(row["choices"])}) for row in fields)],
        [*picture.groups.values(), *(Group(**ours, ehq_id=i, name=name, option=option) for i, name, option in groups)],
    )


def _unknown(
    picture: Picture, questions: Iterable[Question], group_names: Mapping[str, str], answers: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[tuple[str, str, str]]]:
    """Rows of fields, and (id, name, option) of groups, of which nobody told before."""
    base = [
        {"source": s, "label": label, "kind": "", "type": kind, "choices": []}
        for s, (label, kind) in BASE_FIELDS.items()
        if s not in picture.fields
    ]
    new = {
        f"answer:{q.id}": {
            "source": f"answer:{q.id}",
            "label": q.label or f"Question {q.id}",
            "kind": q.kind,
            "type": values.type_of(q.kind, answers.get(q.id)),
            "choices": list(q.options),
        }
        for q in questions
        if f"answer:{q.id}" not in picture.fields
    }
    groups = [
        (i, name or f"Group {i}", option_text(name, i)) for i, name in group_names.items() if i not in picture.groups
    ]
    return [*base, *new.values()], groups


def option_text(name: str, group_id: str) -> str:
    """A group's option in CM: unique and readable, and kept for ever (CM contract §7.5; see docs/adr)."""
    suffix = f" [{group_id}]"
    clean = " ".join("".join(c for c in name if c.isprintable() or c.isspace()).split())
    return f"{clean[: values.LONGEST - len(suffix)].rstrip() or 'Group'}{suffix}"
