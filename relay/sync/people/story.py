"""What happened to a person, in sentences; and the steps of "sync now"."""

from collections.abc import Mapping, Sequence
from typing import Any

from relay.campaign_monitor.errors import explain as explain_code
from relay.sync.people.erase import DONE
from relay.sync.people.why import why_refused

WORDS = {
    "joined": "Put on the list",
    "changed": "Changed in Campaign Monitor",
    "moved": "Moved to their new address in Campaign Monitor",
    "merged": "A second subscriber of theirs, at another address, was taken off the list and cleared",
    "left": "Taken off the list",
    "restored": "Put back on the list, since it was the relay that had taken them off",
    "refused": "Refused by Campaign Monitor",
    "opted_out": "Opted out in Campaign Monitor",
    "opted_in": "On the list again by their own wish in Campaign Monitor",
    "sync_asked": "Somebody asked to sync them now",
    "looked": "Read in Campaign Monitor and compared",
    "read_back": "Read back from Campaign Monitor",
    "erased": "Erased here on request",
    "let_in": "Somebody let EHQ's account in again",
}
WRITTEN = ("joined", "changed", "moved", "left", "restored", "refused", "opted_out")
FIELDS_SHOWN = 8


def sentence(row: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """One row of a history (see explain.py); `labels` are the fields' names by source."""
    what, detail = str(row["what"]), row.get("detail") or {}
    if what.startswith("delivery "):
        return _delivery(row)
    text = WORDS.get(what, what.replace("_", " ").capitalize())
    fields = _named(detail.get("fields") or (), labels)
    if what == "refused":
        code = str(detail.get("code", ""))
        return f"{text}: {' '.join(why_refused(code)).strip()}"
    if what == "opted_out":
        state = detail.get("state") or (explain_code(str(detail["code"]))[0] if detail.get("code") else "")
        return f"{text}: {state}" if state else text
    if what == "looked":
        state = f"{text}: {(detail.get('state') or 'not on the list').lower()} there."
        if detail.get("step") == "nothing":
            return f"{state} Both sides agree as far as they should."
        doing = _DOING.get(str(detail.get("step")), "written")
        return f"{state} Different: {fields}." if fields else f"{state} To be {doing}."
    if what == "read_back":
        return f"{text}: still different: {fields}." if fields else f"{text}: as it should be."
    if what == "left":
        return f"{text}. {detail.get('reason') or ''} {detail.get('found') or ''}".strip()
    if what == "erased":
        return f"{text}. {DONE.get(str(detail.get('campaign_monitor')), '')}".strip()
    if what == "joined" and fields:
        fields = f"with {len(detail['fields'])} fields"
    cause = f" ({row['cause']})" if row.get("cause") else ""
    return f"{text}{f': {fields}' if fields else ''}{cause}"


_DOING = {"put": "put on the list", "leave": "taken off the list", "move": "moved", "restore": "put back on the list"}


def _named(sources: Sequence[str], labels: Mapping[str, str]) -> str:
    own = {"email": "address", "name": "name"}
    names = [labels.get(source, own.get(source, source)) for source in sources]
    more = f" and {len(names) - FIELDS_SHOWN} more" if len(names) > FIELDS_SHOWN else ""
    return ", ".join(names[:FIELDS_SHOWN]) + more


def _delivery(row: Mapping[str, Any]) -> str:
    kind = str(row["what"]).removeprefix("delivery ") or "something without a type"
    state = {"waiting": ", not taken in yet", "quarantined": f", in quarantine: {row.get('reason') or ''}"}
    return f"EHQ told {kind}{state.get(str(row.get('state')), '')}"


def steps(history: Sequence[Mapping[str, Any]], asked: str | None, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """The last "sync now": [{"label", "text", "at", "state": done, now or later}], or nothing if there was none."""
    begin = next((n for n, row in enumerate(history) if row["what"] == "sync_asked"), None)
    if begin is None:
        return []
    since = [row for row in reversed(history[: begin + 1]) if not str(row["what"]).startswith("delivery ")]
    looked = next((row for row in since if row["what"] == "looked"), None)
    written = next((row for row in since if row["what"] in WRITTEN and looked and row["id"] > looked["id"]), None)
    back = next((row for row in since if row["what"] == "read_back"), None)
    nothing = looked is not None and (looked["detail"] or {}).get("step") == "nothing"
    rows = [("Asked for", since[0]), ("Read and compared", looked), ("Written", written), ("Read back", back)]
    shown: list[dict[str, Any]] = []
    for label, row in rows:
        skipped = label == "Written" and row is None and (nothing or back is not None)
        text = sentence(row, labels) if row else "Nothing was to be written." if skipped else ""
        state = "done" if row or skipped else "now" if asked and all(s["state"] == "done" for s in shown) else "later"
        shown.append({"label": label, "text": text, "at": row["at"] if row else None, "state": state})
    return shown
