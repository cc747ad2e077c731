"""What EHQ last said of a participant, and how one more message changes it."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from relay.domain.participant import Patch
from relay.domain.version import Heard, Page, as_webhook, order, page_beats_page, webhook_beats_page

ATTRIBUTES = ("email", "login", "created_at", "imported", "subscribed", "role", "activated", "blocked", "tags")
"""Each has a version of its own: a message may carry any of them without the others, and a new role that overtakes a
block must not lose it. Answers share one; groups have rules of their own below."""


@dataclass(frozen=True, slots=True)
class Known:
    """What EHQ last said of one participant. `values` as in `Patch.values`, JSON-able (lists, not tuples).

    `heard` holds, per attribute and per group pair ("group:7"), the webhook that said it last; what has no entry was
    last said by `page`.
    """

    ehq_id: str
    values: Mapping[str, Any] = field(default_factory=dict)
    heard: Mapping[str, Heard] = field(default_factory=dict)
    page: Page | None = None

    @property
    def deleted(self) -> bool:
        return bool(self.values.get("deleted"))

    @property
    def erased(self) -> bool:
        """Forgotten here on request: whatever is said of this account from now on is not taken in."""
        return bool(self.values.get("erased"))


def hear(known: Known, patch: Patch, said: Heard, left_out: Container[str] = ()) -> Known:
    """`known` after a webhook. Older words change nothing; on a tie the stricter consent stands.

    A deleted participant stays deleted whatever arrives late (design rule 4: deleted over all); only a later page
    may list them again. `left_out` names questions whose answers are not kept (design rule 8).
    """
    if known.deleted or known.erased:
        return known
    if patch.values.get("deleted"):
        if known.page is not None and not webhook_beats_page(said, known.page):
            return known
        return replace(known, values={"deleted": True}, heard={"existence": said})
    merging = _Merging(known)
    for name in ATTRIBUTES:
        if name in patch.values and (rank := merging.rank(name, said)) >= 0:
            value = patch.values[name]
            merging.values[name] = value if rank else _stricter(name, merging.values.get(name), value)
            merging.heard[name] = said
    if "answers" in patch.values and merging.rank("answers", said) >= 0:
        merging.values["answers"] = _answers(merging.values.get("answers"), patch.values["answers"], left_out)
        merging.heard["answers"] = said
    if "groups" in patch.values:
        merging.replace_groups(patch.values["groups"] or (), lambda pair: merging.rank(pair, said) >= 0)
        if merging.rank("groups", said) >= 0:
            merging.heard["groups"] = said
    return merging.result(known.page)


def hear_membership(known: Known, group_id: str, member: bool, said: Heard) -> Known:
    """`known` after a webhook said that they joined or left one group (versions per pair, EHQ contract §5.5)."""
    merging = _Merging(known)
    pair = f"group:{group_id}"
    if known.deleted or known.erased or merging.rank(pair, said) < 0:
        return known
    return merging.membership(group_id, member, said)


def see_membership(known: Known, group_id: str, member: bool, page: Page) -> Known:
    """`known` after everybody in one group was read, and they were there or not."""
    merging = _Merging(known)
    last = merging.last(f"group:{group_id}")
    later_page = last is None and known.page is not None and "groups" in known.values and known.page.asked > page.asked
    if known.deleted or known.erased or later_page or (last is not None and webhook_beats_page(last, page)):
        return known
    return merging.membership(group_id, member, as_webhook(page))


def see(known: Known, patch: Patch, page: Page, left_out: Container[str] = ()) -> Known:
    """`known` after a page listed them. A page describes a person whole: an answer that it lacks is gone."""
    if known.erased or (known.page is not None and not page_beats_page(page, known.page)):
        return known
    stands = {name: heard for name, heard in known.heard.items() if webhook_beats_page(heard, page)}
    if "existence" in stands:
        return known
    merging = _Merging(Known(known.ehq_id, {k: v for k, v in known.values.items() if k != "deleted"}, stands))
    for name in ATTRIBUTES:
        if name in patch.values and name not in stands:
            merging.values[name] = patch.values[name]
    if "answers" in patch.values and "answers" not in stands:
        merging.values["answers"] = _answers(None, patch.values["answers"], left_out)
    if "groups" in patch.values:
        merging.replace_groups(patch.values["groups"] or (), lambda pair: pair not in stands and "groups" not in stands)
    return merging.result(page)


class _Merging:
    """Working copies of one participant's values and versions."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self.values = dict(known.values)
        self.heard = dict(known.heard)

    def last(self, name: str) -> Heard | None:
        """The webhook that said `name` last; a pair may have been said by the whole set."""
        stored = self.heard.get(name)
        if not name.startswith("group:"):
            return stored
        both = filter(None, (stored, self.heard.get("groups")))
        return max(both, key=lambda heard: heard.version, default=None)

    def rank(self, name: str, said: Heard) -> int:
        """How `said` ranks against what last said `name`: by webhook, or page."""
        stored = self.last(name)
        if stored is not None:
            return order(said, stored)
        carried = "groups" if name.startswith("group:") else name
        if self.known.page is not None and carried in self.known.values:
            return 1 if webhook_beats_page(said, self.known.page) else -1
        return 1

    def membership(self, group_id: str, member: bool, said: Heard) -> Known:
        """With one group more or less, by the word of `said`."""
        groups = {*self.values.get("groups", ())} - {group_id}
        self.values["groups"] = sorted(groups | {group_id} if member else groups)
        self.heard[f"group:{group_id}"] = said
        return self.result(self.known.page)

    def replace_groups(self, wanted: Any, may: Any) -> None:
        """Take membership from the complete set `wanted`, except for pairs of which something later is known."""
        now, then = set(wanted), set(self.values.get("groups", ()))
        pairs = {group: f"group:{group}" for group in now | then | _pairs(self.heard)}
        members = {group for group, pair in pairs.items() if group in (now if may(pair) else then)}
        for pair in pairs.values():
            if may(pair):
                self.heard.pop(pair, None)
        self.values["groups"] = sorted(members)

    def result(self, page: Page | None) -> Known:
        return Known(self.known.ehq_id, {key: _plain(value) for key, value in self.values.items()}, self.heard, page)


def _pairs(heard: Mapping[str, Heard]) -> set[str]:
    return {name.partition(":")[2] for name in heard if name.startswith("group:")}


def _stricter(name: str, stored: Any, new: Any) -> Any:
    """On a tie: unsubscribed over subscribed, blocked over not."""
    if name == "subscribed" and stored is False:
        return False
    return True if name == "blocked" and stored else new


def _answers(
    stored: Mapping[str, Any] | None, new: Mapping[str, Any] | None, left_out: Container[str]
) -> dict[str, Any]:
    """Answers by question id. An empty set of answers (null or []) clears them all; an emptied answer is dropped."""
    merged = {**(stored or {}), **new} if new else {}
    return {
        question: _plain(value)
        for question, value in merged.items()
        if question not in left_out and value not in (None, "", (), [])
    }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
