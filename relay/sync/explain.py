"""Why is she, or isn't she, on the list? What EHQ says, what CM holds, what the rules make of it, and what happened."""

import time
from typing import Any

from relay.campaign_monitor.errors import explain as explain_code
from relay.domain.decide import opted_out
from relay.domain.mapping import differences
from relay.store import deliveries, participants, runs
from relay.store.connections import Connection
from relay.store.person import Person
from relay.sync.parts import Parts
from relay.sync.picture import Picture, Verdict

OWN_CODES = {
    "not-kept": (
        "Campaign Monitor took the write but does not hold all of it.",
        "Compare the two sides: a field may have lost an option or changed its type. "
        "It is tried again when an answer changes.",
    )
}


def why_refused(code: str) -> tuple[str, str]:
    """(meaning, remedy) of a code that stands on a person."""
    return OWN_CODES.get(code) or explain_code(code)


def people(parts: Parts, connection: Connection, email_or_id: str) -> list[dict[str, Any]]:
    """Everyone with this address or EHQ id, newest first; see `person`."""
    with parts.database.read() as tx:
        found = participants.one(tx, connection.id, email_or_id)
        picture = Picture.load(tx, connection)
        verdicts = picture.judge(tx, found)
        return [
            person(
                picture,
                one,
                verdicts[one.id],
                runs.history(tx, one.id),
                deliveries.search(tx, connection.id, subject=one.known.ehq_id, limit=50),
            )
            for one in found
        ]


def person(picture: Picture, one: Person, verdict: Verdict, history: Any, arrived: Any) -> dict[str, Any]:
    labels = {source: field.name or field.label for source, field in picture.fields.items()}
    wanted = verdict.wanted
    lost = {labels.get(s, s): word for s, word in (wanted.lost.items() if wanted else ())}
    return {
        "ehq_id": one.known.ehq_id,
        "summary": summary(one, verdict),
        "on_list": one.held.state == "Active",
        "waiting": one.waiting_since is not None,
        "ehq": dict(one.known.values),
        "campaign_monitor": {
            "email": one.held.email,
            "state": one.held.state,
            "name": one.held.name,
            "fields": {labels.get(s, s): v for s, v in one.held.fields.items()},
        },
        "should_be": None
        if wanted is None
        else {
            "email": wanted.email,
            "name": wanted.name,
            "fields": {labels.get(s, s): v for s, v in wanted.fields.items()},
            "lost": lost,
        },
        "differs_in": [labels.get(s, s) for s in differences(wanted, one.held)] if wanted else [],
        "history": sorted(
            [
                {"at": c["at"], "what": c["what"], "cause": c["cause"], "run": c["run_id"], "detail": c["detail"]}
                for c in history
            ]
            + [
                {
                    "at": d.received_at,
                    "what": f"delivery {d.type}",
                    "delivery": d.key,
                    "state": d.state,
                    "reason": d.reason,
                }
                for d in arrived
            ],
            key=lambda item: item["at"],
            reverse=True,
        ),
    }


def summary(one: Person, verdict: Verdict) -> str:
    """One sentence, or two."""
    on_list = one.held.state == "Active"
    waiting = one.waiting_since is not None
    ago = f"{max(0, time.time() - one.waiting_since):.0f} s" if one.waiting_since else ""
    if stands := opted_out(one.held, one.record):
        return f"Not on the list. {stands} That word stands, whatever EHQ says."
    if verdict.reason:
        if on_list and verdict.step == "leave":
            return f"Leaving the list ({ago or 'with the next look'}): {verdict.reason}"
        if on_list and one.brake_run is not None:
            return f"On the list. {verdict.reason}"
        if on_list:
            return f"On the list, though not through the relay, which leaves them alone. {verdict.reason}"
        return f"Not on the list. {verdict.reason}"
    if one.refused_code:
        meaning, remedy = why_refused(one.refused_code)
        return f"{'On the list, but not up to date' if on_list else 'Not on the list'}. {meaning} {remedy}".strip()
    if waiting:
        word = "On the list; a change" if on_list else "Belongs on the list and"
        return f"{word} has been waiting for {ago}."
    return "On the list and up to date." if on_list else "Belongs on the list; the next look puts them there."
