"""Why is she, or isn't she, on the list? In a sentence or two, for people."""

import time

from relay.campaign_monitor.errors import explain as explain_code
from relay.domain.decide import opted_out
from relay.domain.mapping import differences
from relay.store.connections import Connection
from relay.store.person import Person
from relay.sync.picture import Verdict

OWN_CODES = {
    "spoils": (
        "Campaign Monitor fails over and over at what EHQ says of this person.",
        "Look in EHQ for an answer that is out of the ordinary. It is tried again when one changes.",
    ),
    "anothers-opt-out": (
        "Somebody else opted out in Campaign Monitor at this address, so nobody can be written to there.",
        "They join when EHQ has another address of theirs, or when the address is subscribed again by Campaign "
        "Monitor's own form.",
    ),
    "not-kept": (
        "Campaign Monitor took the write but does not hold all of it.",
        "Compare the two sides: a field may have lost an option or changed its type. "
        "It is tried again when an answer changes.",
    ),
}
OFF_REMEDY = {
    "unsubscribed": "They come back when EHQ says that they are subscribed again.",
    "blocked": "They come back when they are unblocked in EHQ.",
    "deleted": "Whoever registers again is a new person, under a new EHQ id.",
    "not_told": "The next run asks EHQ; without that word nobody is written to.",
    "no_address": "The next run reads it from EHQ.",
    "role": "The audience is one of the connection's settings.",
    "not_activated": "They join as soon as they activate their account.",
    "absent": "Nobody said that the account was deleted. They come back as soon as EHQ lists them again.",
}


def why_refused(code: str) -> tuple[str, str]:
    """(meaning, remedy) of a code that stands on a person."""
    return OWN_CODES.get(code) or explain_code(code)


def summary(one: Person, verdict: Verdict, connection: Connection | None = None) -> str:
    """One sentence, or two or three. Names nobody: at most another account's EHQ id."""
    on_list = one.held.state == "Active"
    if verdict.why == "erased":
        word = "On the list all the same: someone put them there by another way" if on_list else "Not on the list"
        return f"{word}. {verdict.reason}"
    if one.asked == "erase":
        return f"Being erased. {_held_up(one, connection) or 'A worker does it with its next look.'}"
    if stands := opted_out(one.held, one.record):
        return f"Not on the list. {stands} That word stands, whatever EHQ says."
    if verdict.reason:
        return _belongs_not(one, verdict, connection)
    if one.refused_code and verdict.step == "nothing":
        meaning, remedy = why_refused(one.refused_code)
        return f"{'On the list, but not up to date' if on_list else 'Not on the list'}. {meaning} {remedy}".strip()
    also = f" {_also(verdict)}" if verdict.same_address else ""
    if verdict.step != "nothing":
        return f"{_coming(one, verdict)} {_held_up(one, connection) or _soon(one)}{also}"
    if on_list and not one.record.put:
        return f"On the list, though not through the relay, and as EHQ has them. Nothing is written about them.{also}"
    return f"{'On the list and up to date.' if on_list else 'Belongs on the list; nothing is to be done.'}{also}"


def _belongs_not(one: Person, verdict: Verdict, connection: Connection | None) -> str:
    reason = verdict.reason or ""
    if verdict.why == "duplicate":
        reason = f"The newer EHQ account {verdict.same_address[0]} has the same address and holds it."
    if one.held.state == "Active" and verdict.step == "leave":
        return f"Leaving the list. {reason} {_held_up(one, connection, leaving=True) or _soon(one)}"
    if one.held.state == "Active" and (one.brake_run is not None or verdict.why == "failed"):
        return f"On the list. {reason}"
    if one.held.state == "Active":
        return f"On the list, though not through the relay, which leaves them alone. {reason}"
    was = "Taken off the list" if one.record.removed else "Not on the list"
    return f"{was}. {reason} {OFF_REMEDY.get(verdict.why or '', '')}".strip()


def _coming(one: Person, verdict: Verdict) -> str:
    if verdict.step == "move":
        return "On the list under an earlier address; the new one is on its way."
    if verdict.step == "restore":
        return "Belongs on the list again and is put back, since it was the relay that took them off."
    if one.held.state == "Active":
        many = len(differences(verdict.wanted, one.held)) if verdict.wanted else 1
        return f"On the list; {'a change' if many == 1 else f'{many} changes'} on the way."
    return "Belongs on the list, and is not there yet."


def _held_up(one: Person, connection: Connection | None, leaving: bool = False) -> str:
    """What keeps them waiting, or nothing."""
    now = time.time()
    if connection is None:
        return ""
    if connection.cm_list_id is None or connection.cm_credential is None:
        return "Waiting: Campaign Monitor is not connected yet."
    problem = connection.problem or {}
    told = f"{problem.get('message', '')} {problem.get('remedy', '')}".strip()
    if connection.state == "paused" and not leaving and one.asked != "erase":
        return f"Waiting{_since(one)}: the connection is paused. Resume it, and they are written."
    if connection.state == "needs_person":
        return f"Waiting{_since(one)}: the connection needs a person. {told}".strip()
    erasing = one.asked == "erase"
    if connection.list_unread if erasing else (connection.reads_first and not leaving):
        again = "a run has read this list: it was connected before"
        first = "the first export is read" if connection.unasked else again
        return f"Waiting{_since(one)}: nobody is written until {first}."
    if connection.held(now):
        return f"Waiting{_since(one)}: Campaign Monitor failed just now, and is asked again by itself. {told}".strip()
    if one.held_until and one.held_until > now:
        left = spell(one.held_until - now)
        # It failed, or was written to about them too often. Nobody who leaves, or is erased, is given up.
        did = "did not remove them" if leaving or one.asked == "erase" else "did not take what was written about them"
        return f"Waiting{_since(one)}: Campaign Monitor {did}, and is asked again in {left}."
    return ""


def _soon(one: Person) -> str:
    if one.waiting_since is None:
        return "The next run or the next word from EHQ does it."
    return f"Waiting{_since(one)}; a worker takes them with its next look."


def _since(one: Person) -> str:
    return f" for {spell(time.time() - one.waiting_since)}" if one.waiting_since else ""


def _also(verdict: Verdict) -> str:
    others = ", ".join(verdict.same_address[:5])
    if len(verdict.same_address) == 1:
        return f"The older EHQ account {others} has the same address and stays off."
    return f"The older EHQ accounts {others} have the same address and stay off."


def spell(seconds: float) -> str:
    """A span as people say it."""
    seconds = max(0.0, seconds)
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {word}{'' if count == 1 else 's'}"
    return f"{int(seconds)} second{'' if int(seconds) == 1 else 's'}"
