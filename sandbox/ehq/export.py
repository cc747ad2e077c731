"""The participant export an administrator can make: CSV parts of at most 5,000 people in a ZIP (contract §3.5)."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
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
                archive.writestr(name, sheet(rows(here, people[start : start + part])))
    return Response(packed.getvalue(), mimetype="application/zip")


@routes.get("/sandbox/team.csv")
def team() -> Response:
    """Site and hub administrators."""
    here = site()
    with here.lock:
        found = [
            {
                "Login": one.login,
                "Email": one.email,
                "Role": one.role.replace("_", " ").title(),
                "Subscribed": truth(one.subscribed),
            }
            for one in here.order
            if one.role not in LISTED
        ]
    return Response(sheet(found), mimetype="text/csv")


def rows(here: Site, people: Iterable[Person]) -> Iterator[dict[str, Any]]:
    asked = [(place, one) for place, one in enumerate(here.questions) if one.type != "removed"]
    for one in people:
        answers = {
            question.label: text(one.answers[place]) if place < len(one.answers) else "" for place, question in asked
        }
        yield {
            "Screen Name": one.login,
            "Email": one.email,
            "Joined": f"{datetime.fromtimestamp(one.created_at / 1000, UTC):%d/%m/%Y %H:%M}",
            "User Status": status(one),
            "Subscribed": truth(one.subscribed),
            "Imported": truth(one.imported),
            "Participant Tags": "|".join(one.tags),
            **answers,
        }


def sheet(found: Iterable[dict[str, Any]]) -> bytes:
    """With a byte order mark, as programs write it for Excel."""
    listed = list(found)
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(listed[0]) if listed else FIXED)
    writer.writeheader()
    writer.writerows(listed)
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def status(one: Person) -> str:
    if one.blocked:
        return "Blocked"
    return "Project admin" if one.role == "project_admin" else "Active" if one.confirmed else "Pending activation"


def truth(value: bool) -> str:
    return "TRUE" if value else "FALSE"


def text(value: Any) -> str:
    return "" if value is None or value is MISSING else ", ".join(value) if isinstance(value, list) else str(value)
