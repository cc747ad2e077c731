"""The rules of one connection: who is on the list, which answers travel, when runs start. One document, validated."""

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from relay.domain.merge import Known
from relay.errors import Invalid

Role = Literal["participant", "project_admin", "hub_admin", "site_admin", "unknown"]
ROLES: tuple[Role, ...] = ("participant", "project_admin", "hub_admin", "site_admin", "unknown")


@cache
def _zones() -> frozenset[str]:
    """Looked for once: it walks a thousand files, and rules are read at every look at a connection."""
    return frozenset(available_timezones())


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Audience(_Document):
    """Who may be on the list. The default is everyone registered, activated or not (design rule 1)."""

    roles: tuple[Role, ...] = ROLES
    activated_only: bool = False


class Authentication(_Document):
    """How EHQ's deliveries prove that they are genuine (EHQ contract §5.2). `headers` renames a profile's headers."""

    profile: Literal["standard", "hmac_body", "hmac_t_v1", "token"] = "standard"
    headers: Mapping[str, str] = Field(default_factory=dict)
    tolerance_s: int = Field(default=300, ge=10, le=3600)


class Brake(_Document):
    """A run that would remove more than the larger of `people` and `percent` for absence stops and asks."""

    people: int = Field(default=20, ge=0)
    percent: float = Field(default=5.0, ge=0, le=100)

    def limit(self, on_list: int) -> int:
        return max(self.people, int(on_list * self.percent / 100))


class Rules(_Document):
    """Everything a person may set for a connection. Unknown keys are refused by name."""

    audience: Audience = Audience()
    opt_outs: Literal["remove", "unsubscribe"] = "remove"
    """What CM is told of people who unsubscribed in EHQ. "unsubscribe" bars the address from every list of that CM
    client, and only the person can undo it (design rule 2)."""
    fields_left_out: tuple[str, ...] = ()
    """Question ids or labels whose answers neither travel nor are kept."""
    time_zone: str = "UTC"
    daily_at: str | None = Field(default=None, pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    """Local time of the daily run; None: some minute between 02:00 and 04:00 that differs by connection."""
    authentication: Authentication = Authentication()
    brake: Brake = Brake()
    consent_to_track: Literal["Yes", "No", "Unchanged"] = "Unchanged"
    overrides: Mapping[str, Any] = Field(default_factory=dict)
    """What this EHQ site does differently: see relay/ehq/dialect.json for the keys."""

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name not in _zones():
            raise ValueError(f"{name!r} is not a time zone name such as Australia/Sydney")
        return name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


def read_rules(document: Mapping[str, Any]) -> Rules:
    """:raise Invalid: naming every key that is wrong and why."""
    try:
        return Rules.model_validate(dict(document))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'the document'}: {item['msg']}" for item in error.errors()
        )
        raise Invalid(f"These settings cannot be used: {problems}.", remedy="Nothing was changed.") from None


def fingerprint(rules: Rules) -> str:
    """The same for the same rules: tells whether something was worked out, or saved, under others."""
    return hashlib.sha256(orjson.dumps(rules.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def spelling(rules: Rules) -> str:
    """The same for the same overrides: tells whether EHQ was read by others."""
    return fingerprint(Rules(overrides=rules.overrides))


WHY_NOT = {
    "erased": "Erased here on request. What EHQ says of this account is no longer taken in.",
    "deleted": "EHQ deleted this account.",
    "no_address": "EHQ has not told us an address yet.",
    "unsubscribed": "Unsubscribed in EHQ.",
    "blocked": "Blocked in EHQ.",
    "not_told": "EHQ has not said yet whether this person is subscribed.",
    "role": "Their role ({role}) is outside the audience of this connection.",
    "not_activated": "Not activated, and this connection takes activated accounts only.",
    "absent": "Two complete runs in a row did not find them in EHQ.",
    "duplicate": "Another, newer EHQ account has the same address and holds it.",
    "failed": "The relay failed on their answers; please tell whoever looks after it.",
}
"""Why somebody does not belong on the list: the word by which people are found, and the sentence for people."""


def told_to_leave(known: Known) -> str | None:
    """An explicit word against them: EHQ's, or an erasure. No brake ever holds it (design rule 7). A key of WHY_NOT."""
    if known.erased:
        return "erased"
    if known.deleted:
        return "deleted"
    if known.values.get("subscribed") is False:
        return "unsubscribed"
    return "blocked" if known.values.get("blocked") else None


def against(known: Known, rules: Rules, role: str) -> str | None:
    """Why this participant does not belong on the list, as a key of WHY_NOT; None when they do.

    `role` is the canonical role. Consent must be known: whoever EHQ never said is subscribed is not written to.
    """
    values = known.values
    if told := told_to_leave(known):
        return told
    if not values.get("email"):
        return "no_address"
    if values.get("subscribed") is None:
        return "not_told"
    if role not in rules.audience.roles:
        return "role"
    if rules.audience.activated_only and not values.get("activated"):
        return "not_activated"
    return None


def why_not(known: Known, rules: Rules, role: str) -> str | None:
    """`against`, in a sentence."""
    why = against(known, rules, role)
    return WHY_NOT[why].format(role=role.replace("_", " ")) if why else None
