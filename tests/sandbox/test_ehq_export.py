"""The participant export: what an administrator gets who has no API (contract §3.5)."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Any

import requests


def parts(ehq: Any, **asked: Any) -> dict[str, list[dict[str, str]]]:
    reply = requests.get(f"{ehq.url}/sandbox/export.zip", params=asked, timeout=10)
    archive = zipfile.ZipFile(io.BytesIO(reply.content))
    return {n: list(csv.DictReader(io.StringIO(archive.read(n).decode("utf-8-sig")))) for n in archive.namelist()}


def test_it_comes_in_parts_without_ids_groups_and_the_team(ehq: Any) -> None:
    found = parts(ehq, part=7)
    people = [row for part in found.values() for row in part]
    assert {len(part) for part in list(found.values())[:-1]} == {7}
    roles = [one["attributes"]["role-name"] for one in ehq.sandbox("people.json")["people"]]
    assert len(people) == sum(role in ("participant", "project_admin") for role in roles)
    assert not {"id", "ID", "Groups"} & set(people[0])
    assert {"Screen Name", "Email", "Joined", "User Status", "Subscribed", "Participant Tags", "Gender"} <= set(
        people[0]
    )


def test_a_group_s_export_holds_its_members(ehq: Any) -> None:
    (women,) = parts(ehq, group="Female Only").values()
    assert women
    assert {row["Gender"] for row in women} == {"Female"}


def test_site_and_hub_administrators_are_in_the_team_s_file(ehq: Any) -> None:
    team = list(
        csv.DictReader(io.StringIO(requests.get(f"{ehq.url}/sandbox/team.csv", timeout=10).content.decode("utf-8-sig")))
    )
    assert {row["Role"] for row in team} == {"Site Admin", "Hub Admin"}
