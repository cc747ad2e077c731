"""Who may be on a list, as pages offer it: a few by name, or an audience of chosen roles."""

from collections.abc import Mapping, Sequence
from typing import Any

from relay.domain.rules import ROLES, Audience, Rules, read_rules
from relay.errors import Invalid

AUDIENCES: Mapping[str, Audience] = {
    "everyone": Audience(),
    "activated": Audience(activated_only=True),
    "participants": Audience(roles=("participant",)),
    "participants-activated": Audience(roles=("participant",), activated_only=True),
}
OWN = "own"


def audience_of(rules: Rules) -> str:
    """The name of the audience that these rules have; OWN for chosen roles."""
    return next((name for name, audience in AUDIENCES.items() if audience == rules.audience), OWN)


def read_audience(name: str, roles: Sequence[str], activated_only: bool) -> Audience | None:
    """What was chosen on a page; None when nothing was. :raise Invalid: for chosen roles without any."""
    if name != OWN:
        return AUDIENCES.get(name)
    known = [role for role in ROLES if role in roles]
    if not known:
        raise Invalid("An audience of chosen roles needs a role.", remedy="Choose at least one.", code="no-roles")
    chosen: dict[str, Any] = {"roles": known, "activated_only": activated_only}
    return read_rules({"audience": chosen}).audience
