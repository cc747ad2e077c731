"""People: who they are, why each is on the list or not, sync now, and what a person may ask for about themselves."""

import time
from typing import Any

import orjson
from flask import Blueprint, Response, abort, flash, redirect, render_template, request, session, url_for

from relay.errors import Invalid
from relay.store import found, participants
from relay.store.connections import Connection
from relay.store.person import Person
from relay.sync.people import asked, explain, story
from relay.sync.people import erase as erasing
from relay.sync.picture import Picture
from relay.web.access import me, needs, noted, parts

blueprint = Blueprint("people", __name__, url_prefix="/c/<connection>/people")
SHOWN = 50
REVEALED_S, REVEALED_AT_ONCE = 600, 20
LOOKED = "looked at a person's data"
STANDINGS = {
    "on": ("On the list", "good"),
    "joining": ("Joining", "busy"),
    "leaving": ("Leaving", "busy"),
    "held": ("Held on the list by the brake", "warning"),
    "kept": ("Kept on the list by a person's decision", "warning"),
    "stuck": ("On the list, but the relay failed on them", "bad"),
    "not_ours": ("On the list, not through the relay", "off"),
    "opted_out": ("Opted out in Campaign Monitor", "off"),
    "refused": ("Refused by Campaign Monitor", "bad"),
    "unsubscribed": ("Unsubscribed in EHQ", "off"),
    "blocked": ("Blocked in EHQ", "off"),
    "deleted": ("Deleted in EHQ", "off"),
    "not_told": ("Consent not told by EHQ", "warning"),
    "no_address": ("No address yet", "warning"),
    "role": ("Outside the audience", "off"),
    "not_activated": ("Not activated", "off"),
    "absent": ("Gone from EHQ", "off"),
    "duplicate": ("Address held by a newer account", "off"),
    "failed": ("The relay failed on them", "bad"),
    "erased": ("Erased here", "off"),
}
"""Word of standing → what to call it, and the kind of its mark."""
Answer = str | Response | Any


@blueprint.get("")
@needs("viewer")
def page(connection: Connection) -> Answer:
    """Viewers search by a whole address or id only: parts of a masked address would give it away, piece by piece."""
    words, which = request.args.get("q", "").strip()[:200], request.args.get("which", "")
    before = request.args.get("before", "")
    whole = not me().may("operator")
    if not words.isprintable() or not which.isprintable():
        words = which = ""
    with parts().database.read() as tx:
        counts = participants.counts(tx, connection.id)
        people, older = found.people(
            tx,
            connection.id,
            words=words,
            which=which,
            before=int(before) if before.isdecimal() and len(before) < 19 else None,
            limit=SHOWN,
            whole=whole,
        )
        picture = Picture.load(tx, connection)
    filters: dict[str, Any] = {name: value for name, value in (("q", words), ("which", which)) if value}
    return render_template(
        "people/list.html",
        people=people,
        names={one.id: picture.name(one.known) for one in people},
        standings=STANDINGS,
        counts=counts,
        choices=_choices(counts),
        asked={"q": words, "which": which},
        whole=whole,
        filters=filters,
        older=url_for("people.page", **filters, before=older) if older else "",
        first=url_for("people.page", **filters) if before else "",
    )


def _choices(counts: dict[str, Any]) -> list[tuple[str, str]]:
    """What to show, with how many there are; words under which nobody stands are left out."""
    standing, everyone = counts["standing"], counts["participants"]
    listed = [
        ("", f"Everyone ({everyone:,})"),
        ("off", f"Not on the list ({everyone - counts['on_list']:,})"),
        ("waiting", f"Waiting ({counts['waiting']:,})"),
        ("refused", f"Refused, all reasons ({sum(counts['refused'].values()):,})"),
        ("new", "Put on the list within a day"),
    ]
    return listed + [(w, f"{label} ({standing[w]:,})") for w, (label, _) in STANDINGS.items() if standing.get(w)]


@blueprint.get("/<int:person>")
@needs("viewer")
def one(connection: Connection, person: int) -> Answer:
    told = explain.one(parts(), connection, person)
    if told is None:
        abort(404, "There is no such person in this connection.")
    with parts().database.read() as tx:
        picture = Picture.load(tx, connection)
    labels = {source: field.name or field.label for source, field in picture.fields.items()}
    steps = story.steps(told.history, told.person.asked, labels)
    return render_template(
        "people/one.html",
        told=told,
        one=told.person,
        standing=STANDINGS[told.person.standing],
        why=STANDINGS[told.verdict.why][0] if told.verdict.why else "",
        open=_revealed(told.person.id),
        history=[{**row, "text": story.sentence(row, labels)} for row in told.history],
        steps=steps if steps and (told.person.asked or steps[0]["at"] > time.time() - 3600) else [],
        still_listed=erasing.still_listed(told.person),
        done_there=erasing.DONE.get(erasing.done_there(told.history), ""),
    )


@blueprint.post("/<int:person>/reveal")
@needs("operator")
def reveal(connection: Connection, person: int) -> Answer:
    _load(connection, person)
    noted(LOOKED, connection=connection, participant=person)
    now = time.time()
    revealed = {i: until for i, until in session.get("revealed", {}).items() if until > now}
    kept = list(revealed.items())[-(REVEALED_AT_ONCE - 1) :]
    session["revealed"] = {**dict(kept), str(person): now + REVEALED_S}
    return redirect(url_for("people.one", person=person))


@blueprint.post("/<int:person>/hide")
@needs("operator")
def hide(connection: Connection, person: int) -> Answer:
    session["revealed"] = {i: until for i, until in session.get("revealed", {}).items() if i != str(person)}
    return redirect(url_for("people.one", person=person))


def _revealed(our_id: int) -> bool:
    return bool(me().may("operator") and session.get("revealed", {}).get(str(our_id), 0) > time.time())


@blueprint.post("/<int:person>/sync")
@needs("operator")
def sync(connection: Connection, person: int) -> Answer:
    known = _load(connection, person)
    try:
        asked.sync_now(parts(), connection, [known.id])
        noted("asked to sync a person now", connection=connection, participant=known.id)
    except Invalid as error:
        flash(str(error), "warning")
    return redirect(url_for("people.one", person=person))


@blueprint.post("/<int:person>/export")
@needs("admin")
def export(connection: Connection, person: int) -> Answer:
    known = _load(connection, person)
    noted("exported a person's data", connection=connection, participant=known.id)
    document = erasing.export(parts(), connection, known.known.ehq_id)
    body = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
    answer = Response(body, mimetype="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="person-{known.id}.json"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.post("/<int:person>/erase")
@needs("admin")
def erase(connection: Connection, person: int) -> Answer:
    """Everyone with this address: one person, however many accounts they made."""
    known = _load(connection, person)
    address = known.email or known.held.email
    with parts().database.read() as tx:
        found_there = participants.by_emails(tx, connection.id, [address]) if address else []
    accounts = erasing.meant(found_there, address or "") or [known]
    asked_now = erasing.ask_to_erase(parts(), connection, accounts)
    for account in asked_now:
        noted("erased a person", connection=connection, participant=account.id)
    also = f" and {len(asked_now) - 1} more of the same address" if len(asked_now) > 1 else ""
    told = f"The account{also} is being erased: first in Campaign Monitor, then here."
    flash(told if asked_now else "Erased already, or being erased.", "info")
    return redirect(url_for("people.one", person=person))


@blueprint.post("/<int:person>/let-in")
@needs("admin")
def let_in(connection: Connection, person: int) -> Answer:
    known = _load(connection, person)
    if known.known.erased:
        noted("let an erased account in again", connection=connection, participant=known.id)
        erasing.let_in(parts(), connection, known)
        flash("What EHQ says of this account counts again, from its next word or the next run on.", "success")
    return redirect(url_for("people.one", person=person))


def _load(connection: Connection, our_id: int) -> Person:
    with parts().database.read() as tx:
        person = found.one(tx, connection.id, our_id)
    if person is None:
        abort(404, "There is no such person in this connection.")
    return person
