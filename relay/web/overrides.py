"""What one EHQ site does differently: the document, tried on something captured before it is saved."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from relay.domain.rules import Rules, fingerprint
from relay.ehq.dialect import dialect
from relay.errors import Invalid, RelayError
from relay.store import deliveries, participants
from relay.store.connections import Connection
from relay.store.deliveries import Delivery
from relay.sync.connections import connect, trial
from relay.sync.runs import brake
from relay.sync.runs.start import start_run
from relay.web.access import needs, noted, parts
from relay.web.changes import shown, shown_first
from relay.web.words import mask, mask_email

blueprint = Blueprint("overrides", __name__)
PARTS = ("authentication", "overrides")
"""Of the rules, what this page shows and replaces; the others have the settings' page."""
_EXAMPLE = {
    "authentication": {"profile": "hmac_body", "headers": {"signature": "X-Signature"}},
    "overrides": {
        "events": {"participant.registered": ["signup.done"]},
        "attributes": {"email": ["contact-mail"]},
        "roles": {"site_admin": ["owner"]},
        "questions": {"I am interested in": {"kind": "checkbox", "options": ["Parks, gardens", "Roads"]}},
    },
}
EXAMPLE = orjson.dumps(_EXAMPLE, option=orjson.OPT_INDENT_2).decode()
PLAIN = ("ehq_id", "role", "activated", "blocked", "subscribed", "imported")
PLAIN_FIELDS = ("Role", "Activated", "Blocked", "EHQ ID")
"""Of a person and of a subscriber, what names nobody."""


@blueprint.get("/c/<connection>/overrides")
@needs("operator")
def page(connection: Connection) -> str:
    return _page(connection)


@blueprint.post("/c/<connection>/overrides")
@needs("operator")
def save(connection: Connection) -> Response | tuple[str, int]:
    try:
        _, rules = read_document(connection.rules)
    except RelayError as error:
        return _page(connection, [("document", str(error))]), 422
    version = request.form.get("version", "")
    current = version == fingerprint(connection.rules)
    if current and shown_first(connection, rules):
        answer = make_response(shown(connection, rules, url_for("overrides.save"), url_for("overrides.page")))
        answer.headers["Cache-Control"] = (
            "private, no-cache"  # too long for an address, and nobody's data: Back shows it
        )
        return answer
    try:
        if rules != connection.rules or not current:
            connect.configure(parts(), connection, rules.model_dump(mode="json"), version)
            before, after = (_of(one.model_dump(mode="json")) for one in (connection.rules, rules))
            noted("changed what the site does differently", connection=connection, before=before, after=after)
    except connect.Stale:
        now = parts().connection(connection.id).rules
        changed = "Somebody changed these rules meanwhile, so nothing of yours was saved. Below are both: compare."
        more = {"there_now": pretty_document(now), "rules_version": fingerprint(now)}
        return _page(connection, [("document", changed)], **more), 409
    flash("Saved. Everybody is compared anew, and what is quarantined can be taken again.", "success")
    return redirect(url_for("overrides.page"))


@blueprint.post("/c/<connection>/overrides/right")
@needs("operator")
def right(connection: Connection) -> Response:
    """They read EHQ as it is meant, though a run stopped before many opt-outs."""
    if request.form.get("version") != fingerprint(connection.rules):
        flash("Somebody changed these rules meanwhile, so nothing was confirmed. Look at them again.", "warning")
        return redirect(url_for("overrides.page"))
    connect.confirm_overrides(parts(), connection)
    noted("confirmed what the site does differently", connection=connection)
    if connection.writable:
        start_run(parts(), connection.id, trigger="person")
    flash("Confirmed. EngagementHQ is read again, and whoever is unsubscribed or blocked there leaves.", "success")
    return redirect(url_for("overrides.page"))


@blueprint.post("/c/<connection>/overrides/try")
@needs("operator")
def attempt(connection: Connection) -> str | tuple[str, int]:
    """Shown at once, and kept nowhere."""
    key, pasted = request.form.get("delivery", ""), request.form.get("pasted", "").strip()
    reveal = request.form.get("reveal") == "yes"
    try:
        document, _ = read_document(connection.rules)
    except RelayError as error:
        return _page(connection, [("document", str(error))]), 422
    try:
        if not key and not pasted:
            raise Invalid("Choose a delivery, or paste what you captured.")
        found = (
            trial.delivery(parts(), connection, key, document)
            if key
            else trial.body(parts(), connection, pasted.encode("utf-8", "replace"), document)
        )
    except RelayError as error:
        return _page(connection, [("pasted", str(error))]), 422
    if reveal:
        for participant in _known(connection, key, found["results"]) or [None]:
            what = "revealed what a delivery says"
            noted(what, connection=connection, participant=participant, delivery=key[:100] or "pasted")
    return _page(connection, found={**found, "results": [_shown(one, reveal) for one in found["results"]]})


def _known(connection: Connection, key: str, results: Sequence[Mapping[str, Any]]) -> list[int | None]:
    """Our ids of those whom it shows and we know: by what was tried, and by what was read when it arrived."""
    ids = {str(one["person"]["ehq_id"]) for one in results if one["person"]}
    ids = {one for one in ids if one.isprintable()}  # pasted: PostgreSQL takes no NUL, not even to look for
    spoken = dialect(connection.rules.overrides or None)
    with parts().database.read() as tx:
        arrived = deliveries.search(tx, connection.id, key=key, limit=1) if key else []
        ids |= {one.subject for one in arrived if one.subject and not spoken.of_group(one.type)}
        return [person.id for person in participants.by_ids(tx, connection.id, ids).values()]


@blueprint.post("/c/<connection>/overrides/proof")
@needs("operator")
def proof(connection: Connection) -> str | tuple[str, int]:
    try:
        document, _ = read_document(connection.rules)
    except RelayError as error:
        return _page(connection, [("document", str(error))]), 422
    try:
        judged = trial.signature(parts(), connection, request.form.get("request", ""), document)
    except RelayError as error:
        return _page(connection, [("request", str(error))]), 422
    return _page(connection, judged=judged)


def _page(connection: Connection, problems: list[tuple[str, str]] | None = None, **more: Any) -> str:
    with parts().database.read() as tx:
        latest = [one for one in deliveries.search(tx, connection.id, limit=50) if one.body is not None]
        quarantined = deliveries.search(tx, connection.id, state="quarantined", limit=1)
        asks = brake.asks_about_overrides(tx, connection)
    latest.sort(key=lambda one: one.state != "quarantined")
    more.setdefault("rules_version", request.form.get("version") or fingerprint(connection.rules))
    return render_template(
        "overrides/page.html",
        document=request.form.get("document") or pretty_document(connection.rules),
        example=EXAMPLE,
        choices=[(one.key, _named(connection, one)) for one in latest[:20]],
        quarantined=bool(quarantined),
        asks=asks,
        problems=problems or [],
        given=request.form,
        **more,
    )


def _named(connection: Connection, one: Delivery) -> str:
    at = datetime.fromtimestamp(one.received_at, connection.rules.zone)
    word = ", could not be read" if one.state == "quarantined" else ""
    return f"{one.type[:60] or 'without a type'}, {at.day} {at:%b, %H:%M:%S}{word}"


def read_document(there: Rules) -> tuple[dict[str, Any], Rules]:
    """As it was typed, and the rules with it over those `there`. :raise Invalid: when it cannot be used."""
    try:
        document = orjson.loads(request.form.get("document", "").strip() or "{}")
    except orjson.JSONDecodeError as error:
        raise Invalid(f"The document is not JSON: {error}.") from None
    if not isinstance(document, dict) or not set(document) <= set(PARTS):
        raise Invalid("The document is a JSON object with authentication and overrides, and nothing else.")
    document = {"authentication": {}, "overrides": {}, **document}
    return document, trial.rules_of(there, document)


def pretty_document(rules: Rules) -> str:
    """The parts of the rules that the document has."""
    return _pretty(_of(rules.model_dump(mode="json")))


def _of(rules: Mapping[str, Any]) -> dict[str, Any]:
    return {name: rules[name] for name in PARTS}


def _pretty(document: Any) -> str:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def _shown(result: Mapping[str, Any], reveal: bool) -> dict[str, Any]:
    """As (name, text) pairs; answers, names and addresses are masked unless they are to be seen."""
    person, subscriber = result["person"], result["subscriber"]
    answers = (person or {}).get("answers") or {}
    pairs = [(_label(k), _text(k, v, reveal)) for k, v in (person or {}).items() if k != "answers"]
    pairs += [(f"Answer: {label}", _text("", value, reveal)) for label, value in answers.items()]
    becomes = []
    if subscriber:
        becomes = [("E-mail", _text("email", subscriber["email"], reveal))]
        becomes += [("Name", _text("", subscriber["name"], reveal))]
        fields = subscriber["fields"].items()
        becomes += [(name, _text(PLAIN[0] if name in PLAIN_FIELDS else "", value, reveal)) for name, value in fields]
        becomes += [(f"{name}: lost", how) for name, how in subscriber["lost"].items()]
    return {**result, "person": pairs, "subscriber": becomes}


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize().replace("Ehq id", "EHQ ID")


def _text(name: str, value: Any, reveal: bool) -> str:
    if not reveal and name not in PLAIN:
        return mask_email(str(value)) if name == "email" else mask(value) or "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return "nothing" if value in (None, "") else str(value)
