"""From an answer of Campaign Monitor's to a failure of ours, decided by the body's Code and not by the HTTP status.

400 is nearly everything there, and 401 covers "expired" (121) as well as "that list is not yours" (101).
No text of these exceptions comes from a request, and what Campaign Monitor writes is stripped of addresses.
"""

from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from relay.campaign_monitor.codes import CODES, WORDS, Code, by_status, passes
from relay.campaign_monitor.wire import decode, harmless
from relay.errors import NeedsPerson, Refused, RelayError, RetryLater

__all__ = ["CODES", "DATA_AT_FAULT", "Code", "ExpiredToken", "Throttled", "code_of", "error", "explain", "failure"]

DATA_AT_FAULT = frozenset({"400", "http-413"})
"""Codes of a Refused whole import caused by what was in it: halve it to find whose."""

ABOUT_PERSON = DATA_AT_FAULT | {"1", "204", "205", "206", "207", "208", "211", "220", "221"}
"""Codes of a Refused call about one person that say something of that person (CM contract §3), and not of the call."""

LOOK_AGAIN = frozenset({"201", "203"})
"""Codes of a Refused call about one person: what was just read there is so no more."""

TROUBLE = frozenset({"500", "http-500", "http-400", "http-422"})
"""Codes of an import that may pass, or may come again for as long as one person's data is in it."""

LONGEST_WAIT = 3600.0
"""Seconds. A remote that asks for more gets another try after this, in case it sent an epoch by mistake."""


class ExpiredToken(RetryLater):
    """Code 121. The client renews and repeats by itself; whoever sees this saw it twice (contract: then transient)."""


class Throttled(RetryLater):
    """429. `about_person`: only this person was written too often (createsend-ruby PR#67); else all must slow down."""

    def __init__(self, message: str, *, about_person: bool = False, **rest: Any) -> None:
        super().__init__(message, **rest)
        self.about_person = about_person


def failure(status: int, body: bytes | None, headers: Mapping[str, str]) -> RelayError:
    """The exception for an answer that is no success. `body` as received: HTML, nothing, a BOM are all ordinary."""
    try:
        answer = decode(body or b"")
    except ValueError:
        answer = None
    number, wait = code_of(answer), _wait(status, headers)
    if number is None:
        return error("429" if status == 429 else f"http-{status}", wait=wait)
    if number in CODES:
        if number == 429:
            about_person = "subscriber" in str(answer.get("Message")).casefold()
            return error("429", wait=wait, about_person=about_person)
        return error(str(number), wait=wait, detail=_clauses(answer))
    if passes(status) or (by_status(status).kind == "person" and status != 404):
        return error(f"http-{status}", wait=wait)
    return error(str(number), detail=harmless(answer.get("Message")))


def error(code: str, *, wait: float | None = None, about_person: bool = False, detail: str = "") -> RelayError:
    """The exception for `code`: a number, a word of WORDS, or "http-<status>"."""
    known = _known(code)
    message = f"{known.meaning} {detail}".strip()
    if code == "121":
        return ExpiredToken(message, remedy=known.remedy, code=code, retry_after=wait)
    if code == "429":
        return Throttled(message, remedy=known.remedy, code=code, retry_after=wait, about_person=about_person)
    if known.kind == "later":
        return RetryLater(message, remedy=known.remedy, code=code, retry_after=wait)
    if known.kind == "person":
        return NeedsPerson(message, remedy=known.remedy, code=code)
    return Refused(message, remedy=known.remedy, code=code)


def failed(outcome: str) -> bool:
    """Whether a call that ended like this ("ok" or a code) tells of trouble: no ordinary no, nor about one person."""
    return outcome == "bug" or (outcome != "ok" and _known(outcome).kind in ("later", "person", "bug"))


def explain(code: str) -> tuple[str, str]:
    """(meaning, remedy) of any code an exception of this package carries, for pages."""
    known = _known(code)
    return known.meaning, known.remedy


def _known(code: str) -> Code:
    if code in WORDS:
        return WORDS[code]
    if code.removeprefix("http-").isdecimal():
        number = int(code.removeprefix("http-"))
        if code.startswith("http-"):
            return by_status(number)
        if number in CODES:
            return CODES[number]
    return Code("refused", f"Campaign Monitor refused this (code {code}).",
                "Look the code up in Campaign Monitor's documentation, or ask its support.")  # fmt: skip


def code_of(answer: Any) -> int | None:
    """The Code of an error body, whether written as a number or as text."""
    try:
        return int(answer["Code"])
    except (KeyError, TypeError, ValueError, OverflowError, IndexError):
        return None


def _clauses(answer: Mapping[str, Any]) -> str:
    """What 277 says inside its ResultData, by meaning: the clauses themselves name groups and are left out."""
    inner = dict.fromkeys(n for n in _numbers(answer.get("ResultData")) if 2705 <= n <= 2762)
    return " ".join(CODES[n].meaning if n in CODES else f"(code {n})" for n in inner)


def _numbers(part: Any) -> Iterator[int]:
    parts = [part]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            if (number := code_of(part)) is not None:
                yield number
            parts += part.values()
        elif isinstance(part, list):
            parts += part


def _wait(status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds asked for: Retry-After (a number, or a date against the answer's own Date), or X-RateLimit-Reset, which
    counts seconds and is no epoch (v3.3 reference, rate limits). None when nothing usable was asked for."""
    asked = headers.get("Retry-After") or (headers.get("X-RateLimit-Reset") if status == 429 else None)
    if not asked:
        return None
    try:
        seconds = float(asked)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(asked) - parsedate_to_datetime(headers["Date"])).total_seconds()
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
    return min(seconds, LONGEST_WAIT) if seconds >= 0 else None
