"""Segments: saved queries over a list's active people (contract §7)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sandbox.campaign_monitor.account import Account, List, Subscriber, local
from sandbox.campaign_monitor.errors import MESSAGES, CMError, unreadable
from sandbox.campaign_monitor.fields import MULTI, NUMBER, Field, lookup

Rule = tuple[str, str]  # RuleType, Clause
Test = Callable[[Subscriber], bool]
CLAUSE = re.compile(r"^([A-Z_]+)(?: (.*))?$", re.DOTALL)
CAMPAIGN = (
    "CampaignOpened",
    "CampaignClickedAny",
    "CampaignClickedSpecific",
    "CampaignNotClickedSpecific",
    "CampaignOpenedNoClick",
    "CampaignNotOpened",
)
BARE = {"PROVIDED", "NOT_PROVIDED"}
SAME = {"EQUALS", "NOT_EQUALS"}
VERBS = {  # by kind of field: the verbs it takes, and the code for any other
    "Text": (BARE | SAME | {"CONTAINS", "NOT_CONTAINS"}, 2715),
    "Multi": (BARE | SAME, 2717),
    "Number": (BARE | SAME | {"GREATER_THAN_OR_EQUAL", "LESS_THAN_OR_EQUAL"}, 2716),
    "Date": (BARE | SAME | {"AFTER", "BEFORE"}, 2718),
}


class Segment:
    """Groups are ANDed, the rules within one are ORed. Without rules a segment holds everyone."""

    def __init__(self, id: str, where: List, title: str, groups: list[list[Rule]]) -> None:
        self.id, self.list, self.title, self.groups = id, where, title, groups
        self.in_draft = self.system = False
        self._held: tuple[int, list[list[Rule]], list[Subscriber]] | None = None

    def members(self) -> list[Subscriber]:
        """The active people who match, sorted by address; worked out again after any change."""
        where = self.list
        if self._held is None or self._held[:2] != (where.version, self.groups):
            table = lookup(where)
            tests = [[test_of(rule, table)[1] for rule in group] for group in self.groups]
            people = where.in_state("Active", "email")
            matching = [one for one in people if all(any(test(one) for test in group) for group in tests)]
            self._held = (where.version, self.groups, matching)
        return self._held[2]

    def document(self) -> dict[str, Any]:
        groups = [{"Rules": [{"RuleType": kind, "Clause": clause} for kind, clause in group]} for group in self.groups]
        return {
            "ActiveSubscribers": len(self.members()),
            "RuleGroups": groups,
            "ListID": self.list.id,
            "SegmentID": self.id,
            "Title": self.title,
        }


def test_of(rule: Rule, table: dict[str, Field]) -> tuple[int | None, Test]:
    """(the code of what is wrong with the clause, the rule as a function)."""
    kind, clause = rule
    if kind in CAMPAIGN:
        return None, never
    if kind == "DateSubscribed":
        return compare("Date", clause, lambda one: local(int(one.joined))[:10])
    if kind in ("Name", "EmailAddress", "MobileNumber"):
        attribute = {"Name": "name", "EmailAddress": "email", "MobileNumber": "mobile"}[kind]
        return compare("Text", clause, lambda one: str(getattr(one, attribute)))
    field = table.get(kind) or table.get(kind.lower())
    if field is None:
        return 2705, never
    number, family = field.number, field.type if field.type in VERBS else "Multi"
    return compare(
        "Text" if field.type in ("Country", "USState") else family,
        clause,
        lambda one: one.fields.get(number, ""),
        field.options if field.type in MULTI else None,
    )


def never(person: Subscriber) -> bool:
    return False


def compare(
    family: str, clause: str, value: Callable[[Subscriber], Any], options: list[str] | None = None
) -> tuple[int | None, Test]:
    match = CLAUSE.match(clause)
    if not match:
        return 2754, never
    verb, operand = match[1], match[2] or ""
    verbs, wrong = VERBS[family]
    if verb not in verbs:
        return wrong, never
    if verb in BARE:
        return None, (lambda one: bool(value(one)) == (verb == "PROVIDED"))
    if not operand:
        return 2719, never
    if options is not None:
        if operand not in options:
            return 2722, never
        has: Test = lambda one: operand in value(one) if type(value(one)) is list else value(one) == operand  # noqa: E731
        return None, has if verb == "EQUALS" else (lambda one: not has(one))
    if family == "Date" and not re.fullmatch(r"\d{4}-\d\d-\d\d", operand):
        return 2720, never
    if family == "Number" and not NUMBER.match(operand):
        return 2721, never
    low = operand.lower()
    tests: dict[str, Test] = {
        "EQUALS": lambda one: value(one).lower() == low,
        "NOT_EQUALS": lambda one: value(one).lower() != low,
        "CONTAINS": lambda one: low in value(one).lower(),
        "NOT_CONTAINS": lambda one: low not in value(one).lower(),
        "AFTER": lambda one: value(one) > operand,
        "BEFORE": lambda one: "" < value(one) < operand,
        "GREATER_THAN_OR_EQUAL": lambda one: bool(value(one)) and float(value(one)) >= float(operand),
        "LESS_THAN_OR_EQUAL": lambda one: bool(value(one)) and float(value(one)) <= float(operand),
    }
    if family == "Number" and verb in SAME:
        equal: Test = lambda one: bool(value(one)) and float(value(one)) == float(operand)  # noqa: E731
        return None, equal if verb == "EQUALS" else (lambda one: not equal(one))
    return None, tests[verb]


# reading and checking what is sent


def rules_of(where: List, given: Any) -> list[list[Rule]]:
    """`[{"Rules": [{"RuleType", "Clause"}]}]`, or 277 with what is wrong in each rule."""
    table, groups, wrong = lookup(where), [], []
    try:
        for group in given:
            rules = [(str(rule.get("RuleType") or ""), str(rule.get("Clause") or "")) for rule in group["Rules"]]
            groups.append(rules)
            for kind, clause in rules:
                code = 2704 if not kind else 2710 if not clause else test_of((kind, clause), table)[0]
                if code:
                    wrong.append(complaint(kind, clause, code))
    except (AttributeError, KeyError, TypeError):
        raise unreadable("segment") from None
    if wrong:
        raise CMError(277, result=wrong)
    return [group for group in groups if group]


def complaint(kind: str, clause: str, code: int) -> dict[str, Any]:
    if code in (2704, 2705):
        return {"RuleType": kind, "Code": code, "Message": MESSAGES[code], "ClauseResults": []}
    inner = {"Clause": clause, "Code": code, "Message": MESSAGES[code]}
    return {"RuleType": kind, "Code": 2703, "Message": MESSAGES[2703], "ClauseResults": [inner]}


def check_title(where: List, title: Any, but: Segment | None = None) -> str:
    if not isinstance(title, str) or not title.strip():
        raise CMError(273)
    for other in where.segments.values():
        if other is not but and other.title.lower() == title.strip().lower():
            raise CMError(275)
    return title.strip()


def create(account: Account, where: List, body: dict[str, Any]) -> Segment:
    title = check_title(where, body.get("Title"))
    groups = rules_of(where, body.get("RuleGroups") or [])
    if len(where.segments) >= int(account.faults.get("segment_limit", 1_000_000)):
        raise CMError(283)
    segment = Segment(account.new_id("segment"), where, title, groups)
    where.segments[segment.id] = segment
    return segment


def find(account: Account, id: str) -> Segment:
    for where in account.lists.values():
        if id in where.segments and where.client in account.clients:
            account.list(where.id)  # lets the queue in, and knows about deleted lists
            return where.segments[id]
    raise CMError(271)


def busy(account: Account) -> None:
    """278 and 287 in turn, for as long as the fault says."""
    left = account.faults.get("segment_busy")
    if not left:
        return
    if left is not True:
        account.faults.set(segment_busy=int(left) - 1 or None)
    raise CMError(278 if left is True or int(left) % 2 else 287)
