"""The participant export an administrator can make: CSV parts of at most 5,000 people in a ZIP (contract §3.5)."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, request

from sandbox.control import Refused
from sandbox.ehq.api import site
from sandbox.ehq.groups import test_of
from sandbox.ehq.site import Site
from sandbox.people import MISSING, Person

routes = Blueprint("export", __name__)
LISTED = ("participant", "project_admin")
"""Site and hub administrators are under *Team*, not among the participants."""
FIXED = ("Screen Name", "Email", "Joined", "User Status", "Subscribed", "Imported", "Participant Tags")


@routes.get("/sandbox/export.zip")
def participants() -> Response:
    """Everyone, or the members of `?group=` (id or name); `?part=` people to a file."""
    here, group, part = site(), request.args.get("group"), int(request.args.get("part", 5000))
    with here.lock:
        people = [one for one in here.order if one.role in LISTED]
        if group:
            found = next((g for g in here.groups.values() if group in (str(g.id), g.name)), None)
            if found is None:
                raise Refused("no such group")
            member = test_of(found, here.questions, here.now())
            people = [one for one in people if member(one)]
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for start in range(0, max(1, len(people)), part):
                name = f"participants-{start // part + 1}.csv"
                archive.writestr(name, sheet(header(here), rows(here, people[start : start + part])))
    return Response(packed.getvalue(), mimetype="application/zip")


@routes.get("/sandbox/team.csv")
def team() -> Response:
    """Site and hub administrators."""
    here = site()
    with here.lock:
        found = [
            (one.login, one.email, one.role.replace("_", " ").title(), truth(one.subscribed))
            for one in here.order
            if one.role not in LISTED
        ]
    return Response(sheet(("Login", "Email", "Role", "Subscribed"), found), mimetype="text/csv")


def header(here: Site) -> tuple[str, ...]:
    """Two questions may be called the same: each has a column."""
    return *FIXED, *(one.label for one in here.questions if one.type != "removed")


def rows(here: Site, people: Iterable[Person]) -> Iterator[Sequence[str]]:
    asked = [place for place, one in enumerate(here.questions) if one.type != "removed"]
    for one in people:
        yield (
            one.login,
            one.email,
            f"{datetime.fromtimestamp(one.created_at / 1000, UTC):%d/%m/%Y %H:%M}",
            status(one),
            truth(one.subscribed),
            truth(one.imported),
            "|".join(one.tags),
            *(text(one.answers[place]) if place < len(one.answers) else "" for place in asked),
        )


def sheet(header: Sequence[str], found: Iterable[Sequence[str]]) -> bytes:
    """With a byte order mark, as programs write it for Excel."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows(found)
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def status(one: Person) -> str:
    if one.blocked:
        return "Blocked"
    return "Project admin" if one.role == "project_admin" else "Active" if one.confirmed else "Pending activation"


def truth(value: bool) -> str:
    return "TRUE" if value else "FALSE"


def text(value: Any) -> str:
    return "" if value is None or value is MISSING else ", ".join(value) if isinstance(value, list) else str(value)
