"""Changing a connection's rules on a page: looked at first, refused when somebody else was quicker, then made so."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import flash, redirect, render_template, request
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from relay.domain.rules import Audience, Rules, fingerprint, read_rules
from relay.errors import Invalid
from relay.store.connections import Connection
from relay.sync.connections import connect
from relay.sync.connections.audiences import read_audience
from relay.sync.connections.connect import Stale
from relay.sync.connections.effect import effect, read_anew
from relay.sync.runs.start import start_run
from relay.web.access import noted, parts

PEOPLE = ("audience", "fields_left_out", "time_zone", "overrides")
"""What changes who is on the list, or what is said of them: shown before it is saved."""
Answer = Response | tuple[str, int]
Told = Sequence[tuple[str, Sequence[str]]]
"""Words, and what they are about."""


def seen(connection: Connection) -> str:
    """What a form carries along, so that of two who change the same settings the second is told."""
    return fingerprint(connection.rules)


def given() -> MultiDict[str, str]:
    """What was chosen: in the address of the page that shows what it would do, in the form of the one that saves."""
    return request.form if request.method == "POST" else request.args


def change(connection: Connection, differs: Mapping[str, Any], back: str, looked: str) -> Answer:
    """`differs` replaces parts of the rules; what a form does not show stays as it is. `looked` is the address of the
    page that shows what it does to people, if it does.

    :raise Invalid: when these cannot be used.
    """
    before = connection.rules.model_dump(mode="json")
    rules = read_rules({**before, **differs})
    after = rules.model_dump(mode="json")
    changed = [name for name in after if after[name] != before[name]]
    known = request.form.get("seen", "")
    if not changed:
        flash("Nothing was different, so nothing was changed.", "info")
        return redirect(back)
    if known != seen(connection):
        return render_template("settings/stale.html", back=back), 409
    if shown_first(connection, rules):
        return redirect(looked)
    try:
        connect.configure(parts(), connection, after, known)
    except Stale:
        return render_template("settings/stale.html", back=back), 409
    were, are = ({name: whole[name] for name in changed} for whole in (before, after))
    noted("changed the settings", connection=connection, before=were, after=are)
    if connection.writable:
        start_run(parts(), connection.id, trigger="change", phase="compare")
    flash("Saved. Everybody is compared anew.", "success")
    return redirect(back)


def look(connection: Connection, differs: Mapping[str, Any], save: str, back: str, told: Told = ()) -> Answer:
    """The page that shows what `differs`, named by its address, would do to people, with the form that posts it to
    `save`. It can be come back to, and then says when it was saved. `told` names what changes.

    :raise Invalid: when these cannot be used.
    """
    rules = read_rules({**connection.rules.model_dump(mode="json"), **differs})
    if rules == connection.rules:
        return render_template("settings/stale.html", back=back, saved=True), 200
    if given().get("seen") != seen(connection):
        return render_template("settings/stale.html", back=back), 409
    return shown(connection, rules, save, back, told), 200


def shown_first(connection: Connection, rules: Rules) -> bool:
    """Whether what `rules` would do to people is still to be shown."""
    same = all(getattr(rules, name) == getattr(connection.rules, name) for name in PEOPLE)
    return not same and request.form.get("sure") != "yes"


def shown(connection: Connection, rules: Rules, save: str, back: str, told: Told = ()) -> str:
    fields = [(name, value) for name, value in given().items(multi=True) if name not in ("csrf_token", "sure")]
    return render_template(
        "settings/effect.html",
        save=save,
        effect=effect(parts(), connection, rules),
        anew=read_anew(parts(), connection, rules),
        limit=rules.brake,
        overrides=rules.overrides != connection.rules.overrides,
        fields=fields,
        told=told,
        back=back,
    )


def left_out(rules: Rules, labels: Mapping[str, str]) -> list[str]:
    """Which questions stay out, by a form that shows some of them by id (`shown`), and of these which travel (`on`).
    What it did not show stays as it was: a question learnt meanwhile. `labels`: id → label of all that are known."""
    shown, on = set(given().getlist("shown")), set(given().getlist("on"))
    travel = {word.strip().lower() for one in shown & on for word in (one, labels.get(one, one))}
    out = [word for word in rules.fields_left_out if word.strip().lower() not in travel]
    there = {word.strip().lower() for word in out}
    for one in sorted(shown - on):
        if one in labels and one.lower() not in there and labels[one].strip().lower() not in there:
            out.append(one)
    return out


def audience() -> Audience | None:
    """Who is to be on the list, by `m.audience` in a form. :raise Invalid: when no role was chosen."""
    form = given()
    return read_audience(form.get("audience", ""), form.getlist("roles"), form.get("activated_only") == "yes")


def count(name: str) -> int:
    """How many a form says that there were when it was opened; -1 where it says nothing of use."""
    text = request.form.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 10 else -1


def number(name: str, what: str) -> float:
    try:
        return float(request.form.get(name, ""))
    except ValueError:
        raise Invalid(f"{what} must be a number.") from None
