"""The files of one export together: everyone in them once, in which groups, and whether they are the whole of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Any, BinaryIO, Literal

from relay.ehq.dialect import Dialect, fold
from relay.ehq.export import FULL_PART, Row, fingerprint, folded, is_address_column, rows
from relay.ehq.sheets import MOST_BYTES, MOST_COLUMNS, Table, sheets, table
from relay.errors import Invalid
from relay.store.connections import Connection
from relay.store.exports import PREFIX

MOST_PEOPLE = 500_000
Kind = Literal["participants", "team", "group"]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was given: CSV or ZIP. `group` is the group's name when `kind` is "group"."""

    name: str
    file: BinaryIO
    kind: Kind = "participants"
    group: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What EHQ shows, to compare the files with. `people` is EHQ's number of participants; `files` file name → rows;
    `groups` group name → members. What is not given is not compared; without `people` or `files` nothing is complete.
    """

    people: int | None = None
    files: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)


def read_manifest(document: Any) -> Manifest:
    """:raise Invalid: for anything but {"people": n, "files": {name: n}, "groups": {name: n}}, each optional."""
    names = ("people", "files", "groups")
    if not isinstance(document, Mapping) or not set(document) <= set(names):
        raise Invalid("The manifest must be a JSON object with people, files and groups, each optional.")
    people, files, groups = (document.get(name) for name in names)
    if people is not None and not _count(people):
        raise Invalid("The manifest's people must be a whole number.")
    for name, counts in (("files", files), ("groups", groups)):
        if counts is not None and not (isinstance(counts, Mapping) and all(map(_count, counts.values()))):
            raise Invalid(f"The manifest's {name} must be an object of names and whole numbers.")
    return Manifest(people, dict(files or {}), dict(groups or {}))


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _entries(number: int) -> str:
    return "1 entry" if number == 1 else f"{number:,} entries"


def _key(text: str) -> bytes:
    return blake2b(folded(text).encode("utf-8", "replace"), digest_size=8).digest()


@dataclass(slots=True)
class Opened:
    upload: Upload
    table: Table
    rows: int = 0
    unreadable: list[int] = field(default_factory=list)
    unreadable_count: int = 0


def opened(uploads: Sequence[Upload], spoken: Dialect) -> list[Opened]:
    """:raise Invalid: for a file that cannot be used, and, before any is read, for more than is read at once."""
    known = partial(is_address_column, spoken)
    found = [(upload, sheet) for upload in uploads for sheet in sheets(upload.name, upload.file)]
    if sum(sheet.size for _, sheet in found) > MOST_BYTES:
        raise Invalid(
            f"These files unpack to more than {MOST_BYTES // 2**20} MB together.", remedy="Are they the right ones?"
        )
    return [Opened(upload, table(sheet, known)) for upload, sheet in found]


def _bounded(people: Mapping[bytes, object]) -> None:
    if len(people) > MOST_PEOPLE:
        raise Invalid(f"These files hold more than {MOST_PEOPLE:,} people.", remedy="Are they the right ones?")


class Taking:
    """One pass over all files. Of everybody a short hash is held, and nothing else."""

    def __init__(self, connection: Connection, spoken: Dialect, manifest: Manifest, opened: Sequence[Opened]) -> None:
        self.connection, self.spoken, self.manifest = connection, spoken, manifest
        self.opened = opened
        self.words: set[str] = set()
        self.questions: dict[str, None] = {}
        self.members: dict[bytes, tuple[int, ...]] = {}
        self.groups = list(dict.fromkeys(" ".join(one.upload.group.split()) for one in self.opened if one.upload.group))
        self.seen: dict[bytes, bool] = {}
        self.twice = self.listed = self.strangers = self.digest = self.pages = 0

    def people(self) -> Iterator[Row]:
        """Everyone once, participants first; whoever is listed again in stricter words, once more."""
        for one in self._of("group"):
            place = self.groups.index(" ".join(one.upload.group.split()))
            for row in self._rows(one):
                key = _key(row.email)
                already = self.members.get(key, ())
                if place not in already:
                    self.members[key] = (*already, place)
                    _bounded(self.members)
        for kind in ("participants", "team"):
            for one in self._of(kind):
                for row in self._rows(one):
                    yield from self._once(row)
            self.listed = self.listed or len(self.seen)
        for one in self._of("group"):
            for row in self._rows(one, again=True):
                if _key(row.email) not in self.seen:
                    self.strangers += 1
                    yield from self._once(row)

    def _of(self, kind: Kind) -> list[Opened]:
        return [one for one in self.opened if one.upload.kind == kind]

    def _rows(self, one: Opened, again: bool = False) -> Iterator[Row]:
        team = one.upload.kind == "team"
        for row in rows(one.table, self.spoken, self.connection.rules.zone, team=team, words=self.words):
            if isinstance(row, Row):
                one.rows += not again
                if row.answers:
                    self.questions.update(dict.fromkeys(row.answers))
                yield row
            elif not again:
                one.unreadable_count += 1
                if len(one.unreadable) < 10:
                    one.unreadable.append(row)

    def _once(self, row: Row) -> Iterator[Row]:
        key = _key(row.email)
        strict = self.seen.get(key)
        if strict is not None:
            self.twice += 1
            if strict or not row.strict:
                return
        self.seen[key] = row.strict
        _bounded(self.seen)
        row.groups = [self.groups[place] for place in self.members.get(key, ())]
        self.digest = (self.digest + fingerprint(row)) % 2**63
        yield row

    def summary(self, group_ids: Mapping[str, str]) -> dict[str, Any]:
        """What was found, for people and for the run; it names nobody."""
        reasons = self._why_incomplete()
        return {
            "files": [
                {
                    "name": one.table.name,
                    "kind": one.upload.kind,
                    "group": one.upload.group or None,
                    "rows": one.rows,
                    "unreadable": one.unreadable_count,
                }
                for one in self.opened
            ],
            "people": len(self.seen),
            "listed_twice": self.twice,
            "unreadable": sum(one.unreadable_count for one in self.opened),
            "complete": not reasons,
            "incomplete_because": reasons,
            "team": bool(self._of("team")),
            "groups": self._groups(group_ids),
            "questions": list(self.questions)[:MOST_COLUMNS],
            "warnings": self._warnings(),
            "digest": f"{self.digest:x}",
            "pages": self.pages,
        }

    def _why_incomplete(self) -> list[str]:
        told, main = self.manifest, self._of("participants")
        if not main:
            return ["There is no file of participants among them."]
        unreadable = [one for one in self.opened if one.unreadable_count and one.upload.kind != "group"]
        reasons = [f"{one.table.name} has {_entries(one.unreadable_count)} without an address." for one in unreadable]
        if told.people is None and not told.files:
            reasons.append("Nobody said how many participants EHQ shows.")
        if told.people is not None and told.people != self.listed:
            reasons.append(f"EHQ shows {told.people:,} participants, and these files list {self.listed:,}.")
        given = {one.table.name.rpartition("/")[2]: one.rows for one in main}
        for name, count in told.files.items():
            if name not in given:
                reasons.append(f"{name} is missing.")
            elif given[name] != count:
                reasons.append(f"{name} should have {count:,} people and has {given[name]:,}.")
        if told.files and (more := sorted(given.keys() - told.files.keys())):
            reasons.append(f"{more[0]} is not in the manifest.")
        return reasons

    def _groups(self, group_ids: Mapping[str, str]) -> list[dict[str, Any]]:
        sizes = [0] * len(self.groups)
        for places in self.members.values():
            for place in places:
                sizes[place] += 1
        told = {" ".join(name.split()).casefold(): count for name, count in self.manifest.groups.items()}
        answer = []
        for name, size in zip(self.groups, sizes, strict=True):
            parts = [one for one in self._of("group") if " ".join(one.upload.group.split()) == name]
            cut = any(one.rows == FULL_PART for one in parts) and len(parts) == 1
            whole = told[name.casefold()] == size if name.casefold() in told else not cut
            whole = whole and not any(one.unreadable_count for one in parts)
            known = group_ids.get(name.casefold(), PREFIX + _key(name).hex()[:8])
            answer.append({"id": known, "name": name, "people": size, "complete": whole})
        return answer

    def _warnings(self) -> list[str]:
        said = [warning for one in self.opened for warning in one.table.warnings]
        for one in self.opened:
            if one.rows == FULL_PART and sum(o.upload.kind == one.upload.kind for o in self.opened) == 1:
                said.append(
                    f"{one.table.name} has exactly {FULL_PART:,} people, the most that EHQ exports at once, and "
                    "there is no further part: some people are probably missing."
                )
            if one.unreadable:
                some = ", ".join(f"{line:,}" for line in one.unreadable)
                said.append(
                    f"{one.table.name}: no usable address in {_entries(one.unreadable_count)}, ending on line {some}."
                )
            have = {self.spoken.columns.canonical.get(name) for name in map(fold, one.table.header)}
            if one.upload.kind != "group" and "subscribed" not in have:
                said.append(
                    f"{one.table.name} has no column Subscribed: whoever is new in it stays off the list, since "
                    "nothing says that they want mail."
                )
            if one.upload.kind == "participants" and "status" not in have:
                said.append(f"{one.table.name} has no column User Status: nobody can be told to be blocked.")
        if self.words:
            columns = " and ".join(sorted(self.words))
            said.append(f"Some entries under {columns} were not understood and count as unknown.")
        if self.twice:
            said.append(f"{self.twice:,} addresses stand in the files more than once; the stricter entry counts.")
        if self.strangers:
            said.append(f"{self.strangers:,} members of groups are in no file of participants.")
        return said
