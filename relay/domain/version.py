"""Which word is the latest: webhook against webhook by EHQ's clock, page against webhook by ours (design rule 4)."""

from dataclasses import dataclass

SKEW_S = 15 * 60.0
"""How far EHQ's clock may be off: before a webhook without a comparable version counts as older than a page, and before
a time in the future is no time at all. Believed, it would outrank every later word, opt-outs too, until it has come."""


@dataclass(frozen=True, slots=True)
class Heard:
    """When a webhook's word was said. All times are epoch seconds.

    `received` is our clock; `at` the envelope's timestamp and `updated` the resource's `updated-at`, both EHQ's clock.
    """

    received: float
    at: float | None = None
    updated: float | None = None

    def __post_init__(self) -> None:
        latest = self.received + SKEW_S
        if self.at is not None and self.at > latest:
            object.__setattr__(self, "at", None)
        if self.updated is not None and self.updated > latest:
            object.__setattr__(self, "updated", None)

    @property
    def version(self) -> float:
        """The later of the two EHQ times; without either, the time of receipt (lowest trust, EHQ contract §5.5)."""
        known = [time for time in (self.at, self.updated) if time is not None]
        return max(known) if known else self.received

    def to_json(self) -> list[float | None]:
        return [self.received, self.at, self.updated]

    @classmethod
    def from_json(cls, stored: list[float | None]) -> "Heard":
        received, at, updated = stored
        return cls(received or 0.0, at, updated)


@dataclass(frozen=True, slots=True)
class Page:
    """When a page was asked for (our clock), and the resource's own `updated-at` on it (EHQ's clock)."""

    asked: float
    updated: float | None = None

    def __post_init__(self) -> None:
        if self.updated is not None and self.updated > self.asked + SKEW_S:
            object.__setattr__(self, "updated", None)


def order(new: Heard, stored: Heard) -> int:
    """Positive: `new` is the later webhook; zero: a tie, on which the stricter consent stands; negative: older."""
    return (new.version > stored.version) - (new.version < stored.version)


def as_webhook(page: Page) -> Heard:
    """A page's word in the place of a webhook's: webhooks received later beat it as `webhook_beats_page` has it."""
    return Heard(page.asked, page.asked - SKEW_S if page.updated is None else page.updated)


def webhook_beats_page(webhook: Heard, page: Page) -> bool:
    """Whether a webhook's word stands over a page's, whichever of the two is looked at first.

    A page wins over everything received before it was asked for, unless its `updated-at` is older than the webhook's.
    A webhook received later wins unless EHQ's own clock says that it was delayed.
    """
    if webhook.received < page.asked:
        return page.updated is not None and webhook.updated is not None and page.updated < webhook.updated
    if page.updated is not None:
        return webhook.version >= page.updated
    return webhook.version >= page.asked - SKEW_S


def page_beats_page(new: Page, stored: Page) -> bool:
    if new.updated is not None and stored.updated is not None and new.updated < stored.updated:
        return False
    return new.asked >= stored.asked
