"""The participant export that any EHQ administrator can make: what its rows say of people (EHQ contract §3.5, §5.8).

It has no ids and no groups. `Row.login` and `Row.joined` tell a changed address from a new person; who that is among
those whom we know is asked of the database, in `relay/sync/exports/exports.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from hashlib import sha256
from typing import Any

import orjson

from relay.domain.names import free_name
from relay.domain.participant import Answer, Patch, Question
from relay.ehq.dates import day_comes_first, read_date
from relay.ehq.dialect import Dialect, fold
from relay.ehq.resource import LONGEST_ADDRESS, LONGEST_ID, boolean, clean, texts
from relay.ehq.sheets import Table

FULL_PART = 5000
"""EHQ exports no more at once: a part of exactly so many may have been cut off."""
LONGEST_ANSWER = 20_000
SAMPLE = 5000


@dataclass(slots=True)
class Row:
    """One person of an export. `values` as in `Patch.values`, without answers and groups. `answers` by question label,
    None when the file has no questions; `groups` names those in whose files they stand."""

    email: str
    login: str
    joined: str | None
    values: dict[str, Any]
    answers: dict[str, str] | None
    groups: list[str] = field(default_factory=list)

    @property
    def strict(self) -> bool:
        """Whether it says that they do not want, or may not get, mail."""
        return self.values.get("subscribed") is False or bool(self.values.get("blocked"))

    def to_json(self) -> dict[str, Any]:  # a hundred thousand times a file: `asdict` takes ten times as long
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Columns:
    """Which column of a table holds what: name → place, and place → question."""

    places: dict[str, int]
    questions: dict[int, str]


def is_address_column(spoken: Dialect, name: str) -> bool:
    return spoken.columns.canonical.get(fold(name)) == "email"


def columns(table: Table, spoken: Dialect, team: bool) -> Columns:
    """Of two columns with one name the first is EHQ's own; whatever is none of EHQ's own is a question. In a file of
    participants `Role` is a question, too."""
    found = Columns({}, {})
    taken: set[str] = set()
    for place, label in enumerate(table.header):
        name = spoken.columns.canonical.get(fold(label))
        if name and name not in found.places and (team or name != "role"):
            found.places[name] = place
        elif label := clean(label)[: LONGEST_ID - 5]:
            found.questions[place] = free_name(label, taken)
            taken.add(found.questions[place].casefold())
    return found


def rows(
    table: Table, spoken: Dialect, zone: tzinfo, *, team: bool = False, words: set[str] | None = None
) -> Iterator[Row | int]:
    """The people of a table; a line's number for one who has no address, or more fields than there are columns.

    `words` collects what was not understood, as column names. :raise Invalid: where the file cannot be read.
    """
    where = columns(table, spoken, team)
    words = set() if words is None else words
    day_first = _day_first(table, where)
    for line, record in table.records():
        if len(record) > len(table.header) and any(extra.strip() for extra in record[len(table.header) :]):
            yield line
            continue
        said = {name: clean(record[place]) for name, place in where.places.items() if place < len(record)}
        email = said.get("email", "")
        if "@" not in email or len(email) > LONGEST_ADDRESS:
            yield line
            continue
        values: dict[str, Any] = {"email": email}
        if said.get("login"):
            values["login"] = said["login"]
        joined = _joined(said, day_first, zone, values, words)
        _consent(said, spoken, values, words)
        if "tags" in said:
            values["tags"] = list(texts(said["tags"]))
        answers = {
            label: clean(record[place])[:LONGEST_ANSWER]
            for place, label in where.questions.items()
            if place < len(record)
        }
        yield Row(email, said.get("login", ""), joined, values, answers if where.questions else None)


def _joined(
    said: Mapping[str, str], day_first: bool, zone: tzinfo, values: dict[str, Any], words: set[str]
) -> str | None:
    if not said.get("created_at"):
        return None
    moment = read_date(said["created_at"], day_first, zone)
    if moment is None:
        words.add("Joined")
        return None
    values["created_at"] = moment
    return moment


def _consent(said: Mapping[str, str], spoken: Dialect, values: dict[str, Any], words: set[str]) -> None:
    for name in ("subscribed", "imported"):
        if said.get(name):
            flag = boolean(said[name])
            if flag is None:
                words.add(name.capitalize())
            else:
                values[name] = flag
    if said.get("role"):
        canonical = spoken.role(said["role"])
        values["role"] = said["role"] if canonical == "unknown" else canonical
    if status := said.get("status"):
        meaning = spoken.status.get(fold(status))
        if meaning is None:
            words.add("User Status")
            return
        # One word for three things: of a blocked person the role cannot be told, of an administrator whether blocked.
        role = spoken.role(status)
        values |= {"blocked": False, **meaning} if role == "unknown" else meaning
        if not values.get("blocked") and "role" not in values:
            values["role"] = "participant" if role == "unknown" else role


def _day_first(table: Table, where: Columns) -> bool:
    """Whether 3/4/2026 is in April, by the dates in the file of which only one reading is possible."""
    place = where.places.get("created_at")
    if place is None:
        return True
    sample = []
    for _, record in table.records():
        if place < len(record):
            sample.append(record[place])
        if len(sample) == SAMPLE:
            break
    return day_comes_first(sample)


def fingerprint(row: Row) -> int:
    """Sums of these are the same for the same people in whatever order: two exports with one sum are one export."""
    return int.from_bytes(sha256(orjson.dumps(row, option=orjson.OPT_SORT_KEYS)).digest()[:8], "big")


def folded(address: str) -> str:
    return address.strip().lower()


def same_registration(login: str, joined: str | None, known: Mapping[str, Any]) -> bool:
    """Whether someone known has this screen name and joined at this time: an account with another address by now."""
    return bool(login) and login == clean(known.get("login")) and near(joined, known.get("created_at")) is True


def near(one: str | None, other: Any) -> bool | None:
    """Whether two dates of joining are one; None when either is not known. Time zones, and whether days come before
    months, may have been told differently in two exports; nobody registers twice within a day."""
    try:
        if not one or not other:
            return None
        apart = _at(str(one)) - _at(str(other))
    except (ValueError, OverflowError):
        return None
    return abs(apart) <= 26 * 3600


def _at(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment.replace(tzinfo=None) - (moment.utcoffset() or timedelta()) - _EPOCH).total_seconds()


_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (differences only)


def patch(
    row: Row, ehq_id: str, question_ids: Mapping[str, str], spoken: Dialect, groups: Sequence[str] | None
) -> Patch:
    """What a row says, as a page of the API would. `question_ids` is folded label → id of questions known by an id;
    `groups` the complete set of group ids, None when groups are not spoken of."""
    values = dict(row.values)
    if "tags" in values:
        values["tags"] = tuple(values["tags"])
    if groups is not None:
        values["groups"] = tuple(groups)
    questions: tuple[Question, ...] = ()
    if row.answers is not None:
        answers: dict[str, Answer] = {}
        asked = []
        for label, answer in row.answers.items():
            question = spoken.question(label)
            known = question_ids.get(label.casefold(), label)
            answers[known] = answer or None
            asked.append(Question(known, label, question.kind, question.options))
        values["answers"], questions = answers, tuple(asked)
    return Patch(ehq_id, None, values, questions)
