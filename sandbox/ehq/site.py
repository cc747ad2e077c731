"""What an EngagementHQ site holds: people, the signup form, groups."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

import orjson

from sandbox.control import Calls
from sandbox.ehq import resources
from sandbox.ehq.emitter import Delivery, Emitter
from sandbox.ehq.groups import Group, test_of
from sandbox.faults import Faults
from sandbox.people import DAY, QUESTIONS, Inventor, Person, Question, invent

FAULTS = {
    "latency_ms": "every API call takes this much longer",
    "status": "every API call answers this status",
    "retry_after_s": "what the fault status asks for in Retry-After",
    "fail_pages": "page numbers that answer 403, such as [3]",
    "status_429_every": "every n-th API call answers 429 with Retry-After: 1",
    "html": "lists answer an HTML page with status 200",
    "endless": "there is always another page; after the last, the first comes again",
    "same_page": "the page parameter is ignored",
    "page_cap": "pages hold at most this many, whatever was asked (default 1000)",
    "no_meta": "no meta in lists",
    "no_links": "no links in lists",
    "shrink_total": "meta counts this many too few (true: half)",
    "token_lifetime_s": "tokens expire after this many seconds (default 3600)",
    "shrinking": "meta counts this many too few from the second page on",
    "overlap": "from the second page on, each page is the one before it but for one person",
    "shift": "this many people of a page are deleted once it was read, so that later pages shift",
    "auth_404": "a missing or wrong credential answers 404",
    "no_updated_at": "resources do not say when they were changed last",
    "show_options": "answers say which options their question offers",
    "members_status": "who is in a group answers this status",
    "hide_groups": "group ids that no answer names, such as [30]",
    "role_blocked": "blocked people have role-name blocked",
    "spelling": "snake: snake_case, type User, integer ids",
    "webhook_loss": "probability that an event is never sent",
    "webhook_duplicates": "probability that an event is sent twice",
    "webhook_reorder": "probability that an event is overtaken by later ones",
    "webhook_delay_s": "events leave this much later",
    "clock_skew_s": "EHQ's clock is ahead by this much (negative: behind)",
}


class Site:
    """The state of one simulated site. Take `lock` for anything that reads twice or writes."""

    def __init__(self, people: int, seed: int, host: str) -> None:
        self.host = host
        self.lock = threading.RLock()
        self.faults, self.calls = Faults(FAULTS), Calls()
        self.emitter = Emitter(self.faults)
        self.inventor = Inventor(seed + 1)
        self.random = self.inventor.random
        self.questions: list[Question] = [Question(q.id, q.label, q.type, q.options) for q in QUESTIONS]
        now = self.now()
        # By the day, so that one seed gives one world however late in the day it is started.
        self.order = invent(people, seed, now - now % DAY) if people else []
        self.people = {person.id: person for person in self.order}
        self.next_id = max(self.people, default=1000) + 1
        self.gone: list[tuple[int, str]] = []  # (id, address) of the deleted, for registering again
        self.groups: dict[int, Group] = {}
        for id, name, rule in (
            (7, "Female Only", {"question": 13, "is": "Female"}),
            (12, "Pet owners", {"tag": "Pet owner"}),
            (15, "Parks people", {"question": 14, "has": "Parks, gardens"}),
            (21, "Joined in the last 30 days", {"joined_days": 30}),
            (30, "Youth advisory panel", {"members": True}),
        ):
            self.groups[id] = Group(id, name, rule, now)
        self.groups[30].members = {person.id for person in self.order[5::40]}

    def close(self) -> None:
        self.emitter.close()

    def now(self) -> int:
        """EHQ's own clock, in milliseconds; it may be wrong."""
        return int((time.time() + float(self.faults.get("clock_skew_s", 0))) * 1000)

    # people and groups

    def add(self, person: Person) -> None:
        self.people[person.id] = person
        self.order.append(person)

    def remove(self, person: Person) -> None:
        del self.people[person.id]
        self.order.remove(person)
        self.gone.append((person.id, person.email))
        for group in self.groups.values():
            group.members.discard(person.id)

    def find(self, id: Any = None, email: str | None = None) -> Person | None:
        if id is not None:
            return self.people.get(int(id)) if str(id).isdigit() else None
        wanted = (email or "").strip().lower()
        return next((person for person in self.order if person.email.lower() == wanted), None)

    def memberships(self, people: Iterable[Person]) -> list[list[Group]]:
        """The groups of each person, by the filters as they stand at this moment."""
        now = self.now()
        tests = [(group, test_of(group, self.questions, now)) for group in self.groups.values()]
        hidden = set(self.faults.get("hide_groups") or ())
        return [[g for g, test in tests if g.id not in hidden and test(person)] for person in people]

    # resources

    def users(self, people: list[Person]) -> list[dict[str, Any]]:
        role_blocked, options = bool(self.faults.get("role_blocked")), bool(self.faults.get("show_options"))
        together = zip(people, self.memberships(people), strict=True)
        users = [resources.user(person, self.questions, groups, role_blocked, options) for person, groups in together]
        if self.faults.get("no_updated_at"):
            for one in users:
                del one["attributes"]["updated-at"]
        return users

    def included(self, users: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The groups named by these users, once each."""
        ids = {item["id"] for one in users for item in one["relationships"]["groups"]["data"]}
        return [resources.group(group) for id, group in self.groups.items() if str(id) in ids]

    def spell(self, value: Any) -> Any:
        return resources.spelled(value, str(self.faults.get("spelling", "dashed")))

    # events

    def tell(self, type: str, data: dict[str, Any] | None, previous: dict[str, Any] | None = None) -> dict[str, str]:
        """Send one event (contract §5.3) to the webhook; `{"id", "type"}` of what was sent."""
        event = f"evt_{uuid4().hex[:20]}"
        envelope: dict[str, Any] = {
            "id": event,
            "type": type,
            "timestamp": resources.iso(self.now()),
            "site": {"id": "1", "host": self.host},
        }
        if data is not None:
            envelope["data"] = self.spell(data)
        if data and data["type"] == "users" and "relationships" in data:
            envelope["included"] = self.spell(self.included([data]))
        envelope["previous-attributes"] = self.spell(previous or {})
        subject = f"{data['type']}/{data.get('id', '')}" if data else ""
        self.emitter.send(
            Delivery(f"msg_{uuid4().hex[:20]}", event, type, subject, time.time(), orjson.dumps(envelope))
        )
        return {"id": event, "type": type}
