"""The audit log, for administrators: who did what, when, before and after. Filters are in the address."""

from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from flask import Blueprint, flash, render_template, request, url_for

from relay.store import audit, connections, users
from relay.web.access import needs, parts
from relay.web.words import sentence, zone

blueprint = Blueprint("audit", __name__, url_prefix="/audit")
SHOWN = 50
COMMAND_LINE = "command-line"


@blueprint.get("")
@needs("admin")
def page() -> str:
    asked = {name: request.args.get(name, "").strip() for name in ("who", "what", "connection", "since", "until")}
    before = request.args.get("before", "")
    with parts().database.read() as tx:
        everyone, every_kind, all_connections = users.everyone(tx), audit.kinds(tx), connections.everyone(tx)
        entries = audit.search(
            tx, **_conditions(asked), before_id=int(before) if _number(before) else None, limit=SHOWN + 1
        )
    filters: dict[str, Any] = {name: value for name, value in asked.items() if value}
    more = len(entries) > SHOWN
    return render_template(
        "audit/log.html",
        entries=entries[:SHOWN],
        asked=asked,
        filtered=bool(filters),
        users=everyone,
        kinds=[(kind, sentence(kind)) for kind in every_kind],
        connections=all_connections,
        names={one.id: one.name for one in all_connections},
        people={one.id: one.name for one in everyone},
        older=url_for("audit.page", **filters, before=entries[SHOWN - 1].id) if more else "",
        first=url_for("audit.page", **filters) if before else "",
    )


def _conditions(asked: dict[str, str]) -> dict[str, Any]:
    """What `audit.search` takes; what cannot be read is told and left out."""
    who, place = asked["who"], zone()
    conditions: dict[str, Any] = {
        "user_id": int(who) if _number(who) else None,
        "by_command_line": who == COMMAND_LINE,
        "what": _clean(asked["what"]),
        "connection_id": _clean(asked["connection"]),
    }
    for name, days in (("since", 0), ("until", 1)):
        try:
            conditions[name] = _midnight(asked[name], place, days) if asked[name] else None
        except (ValueError, OverflowError):
            flash(f"{asked[name][:40]!r} is no date, so it was left out. Write it as 2026-11-24.", "warning")
            asked[name] = ""
    return conditions


def _midnight(text: str, place: tzinfo, days: int) -> float:
    day = date.fromisoformat(text) + timedelta(days=days)
    return datetime(day.year, day.month, day.day, tzinfo=place).timestamp()


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _clean(text: str) -> str | None:
    return text if text and text.isprintable() else None
