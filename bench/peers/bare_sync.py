"""bare_sync.py EHQ CM LIST-ID: reads everyone from EHQ and imports them into CM, one call after the other.

It keeps nothing, compares nothing and reads nothing back. The list has its fields already. Prints seconds and people.
"""

import json
import sys
import time
from typing import Any

import requests

AT_ONCE = 1000


def main(ehq: str, cm: str, list_id: str) -> None:
    web = requests.Session()
    began, page, sent = time.monotonic(), 1, 0
    while True:
        query = {"page": page, "per_page": AT_ONCE}
        reply = web.get(f"{ehq}/api/v2/users", params=query, headers={"X-API-Token": "sandbox"}, timeout=60)
        reply.raise_for_status()
        document = reply.json()
        names = {one["id"]: one["attributes"]["name"] for one in document["included"]}
        entries = [entry(one, names) for one in document["data"] if belongs(one["attributes"])]
        body = {"Subscribers": entries, "Resubscribe": False}
        url = f"{cm}/api/v3.3/subscribers/{list_id}/import.json"
        if entries:
            web.post(url, json=body, auth=("sandbox", "x"), timeout=60).raise_for_status()
            sent += len(entries)
        if document["links"]["next"] is None:
            break
        page += 1
    print(json.dumps({"seconds": time.monotonic() - began, "people": sent}))


def belongs(person: dict[str, Any]) -> bool:
    return person["subscribed"] and not person["blocked"]


def entry(resource: dict[str, Any], group_names: dict[str, str]) -> dict[str, Any]:
    person = resource["attributes"]
    fields = [
        {"Key": "[EHQID]", "Value": resource["id"]},
        {"Key": "[Role]", "Value": person["role-name"]},
        {"Key": "[Activated]", "Value": "Yes" if person["confirmed"] else "No"},
        {"Key": "[Joined]", "Value": person["created-at"][:10].replace("-", "/")},
        {"Key": "[Tags]", "Value": ", ".join(person["participant-tag-list"])},
    ]
    fields += [{"Key": "[Groups]", "Value": group_names[g["id"]]} for g in resource["relationships"]["groups"]["data"]]
    for answer in person["signup-answers"]:
        said = answer["value"]
        for value in said if isinstance(said, list) else [said]:
            if value not in (None, ""):
                fields.append({"Key": f"[Q{answer['question-id']}]", "Value": str(value)})
    return {"EmailAddress": person["email"], "Name": "", "CustomFields": fields, "ConsentToTrack": "Unchanged"}


if __name__ == "__main__":
    main(*sys.argv[1:])
