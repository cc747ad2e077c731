"""The exports that an administrator of the site makes, and what becomes of them."""

from __future__ import annotations

import io
import time
import zipfile
from collections import Counter
from dataclasses import dataclass
from typing import Any

from relay.errors import Invalid
from relay.store.runs import Run
from relay.sync.exports import exports
from relay.sync.exports.uploads import Manifest, Upload
from sandbox.ehq.site import Site
from sandbox.people import INTERESTS

QUESTIONS = {
    "I am interested in": {"kind": "checkbox", "options": list(INTERESTS)},
    "Date of birth": {"kind": "date"},
}
"""What no export says of its columns, and a person told (overrides)."""


@dataclass(frozen=True)
class Made:
    """An export: when, its files, each group's, and whom it lists: address → EHQ id, which it does not say."""

    at: float
    parts: dict[str, bytes]
    groups: dict[str, bytes]
    people: dict[str, str]


class Exports:
    """Of a world."""

    parts: Any
    ehq_app: Any
    connection: Any
    site: Site
    tried: Counter[str]
    made: list[Made]
    read: list[Made]
    called: dict[str, str]
    finish_run: Any
    ended: Any

    def make_export(self) -> Made:
        """All files of one, as an administrator has them by EHQ at this moment."""
        door = self.ehq_app.test_client()
        with zipfile.ZipFile(io.BytesIO(door.get("/sandbox/export.zip?part=3").data)) as packed:
            parts = {name: packed.read(name) for name in packed.namelist()}
        groups = {g.name: door.get(f"/sandbox/export.zip?group={g.id}").data for g in self.site.groups.values()}
        people = {person.email.lower(): str(person.id) for person in self.site.order}
        self.made.append(Made(time.time(), parts, groups, people))
        return self.made[-1]

    def read_export(self, made: Made, lacks: int | None = None, told: bool = True, dry: bool = False) -> Run | None:
        """It is uploaded and its run goes on to its end, unless it is refused as too old. `lacks` is the part that was
        forgotten, `told` whether somebody says how many people EHQ shows."""
        self.finish_run()
        parts = [part for number, part in enumerate(made.parts.items()) if number != lacks]
        files = [Upload(name, io.BytesIO(data)) for name, data in parts]
        files += [Upload("group.zip", io.BytesIO(data), "group", name) for name, data in made.groups.items()]
        manifest = Manifest(len(made.people) if told else None)
        try:
            export = exports.stage(self.parts, self.connection, files, manifest, made.at)
        except Invalid as refused:
            if "older" not in str(refused):
                raise
            self.tried["an export is refused as too old"] += 1
            return None
        self.read.append(made)
        run = exports.start(self.parts, self.connection, export, dry=dry)
        self.finish_run()
        return self.ended(run)

    def whose(self, made_up: str, address: str) -> str:
        """Whose an id is that the relay made up for whoever had this address when it first wrote it."""
        if not made_up.startswith("csv-"):
            return made_up
        if made_up not in self.called:
            listed = (made.people[address] for made in reversed(self.read) if address in made.people)
            self.called[made_up] = next(listed, made_up)
        return self.called[made_up]
