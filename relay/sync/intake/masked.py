"""A delivery's body without what is a person's own: its shape, ids, types, times and yes or no stay."""

from typing import Any

from relay.ehq.dialect import defaults, fold

HIDDEN = "•••"
OPEN = {
    *("id", "type", "event", "event_type", "event_id", "timestamp", "occurred_at", "version", "site", "site_id"),
    *("created_at", "updated_at", "joined_at", "registered_at", "blocked", "subscribed", "confirmed", "unconfirmed"),
    *("activated", "imported", "role_name", "role", "user_id", "participant_id", "group_id", "question_id"),
    *("members", "member_ids", "participant_ids", "user_ids", "group_ids", "segment_ids"),
}
"""Keys, folded, whose plain values anybody may see."""
IN_ANSWERS = {"id", "question_id"}
"""Among answers a key may be a question of any name."""


def masked(part: Any, key: str = "", answers: bool = False) -> Any:
    folded = fold(key)
    answers = answers or folded in defaults()["attributes"]["answers"]
    if isinstance(part, dict):
        return {name: masked(inner, str(name), answers) for name, inner in part.items()}
    if isinstance(part, list):
        return [masked(inner, key, answers) for inner in part]
    plain = folded in (IN_ANSWERS if answers else OPEN) and "@" not in str(part)
    return part if plain or part in (None, "") else HIDDEN
