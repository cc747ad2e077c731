"""Logging in and out; the first administrator; invitations. The only pages without a log-in."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from relay.errors import Invalid
from relay.store import audit
from relay.store.users import User
from relay.sync import accounts
from relay.web import access
from relay.web.access import limiter, parts, place, public

blueprint = Blueprint("login", __name__)
Answer = str | Response | tuple[str, int]
PER_PERSON, PER_PLACE, PER_ACCOUNT = "10 per 15 minutes", "100 per hour", "100 per hour"
"""Failures, for an address from one place, from one place, and for an address from everywhere."""


def _failed(response: Response) -> bool:
    return response.status_code == 401


def _account() -> str:
    return request.form.get("email", "").strip().lower()[:200]


def _person() -> str:
    return f"{place()} {_account()}"


@blueprint.get("/login")
@public
def page() -> Answer:
    if access.who():
        return redirect(access.next_page())
    return render_template("login/login.html", email="", setup=accounts.nobody_yet(parts()))


@blueprint.post("/login")
@limiter.limit(PER_PERSON, key_func=_person, deduct_when=_failed)
@limiter.limit(PER_PLACE, key_func=place, deduct_when=_failed)
@limiter.limit(PER_ACCOUNT, key_func=lambda: f"account {_account()}", deduct_when=_failed)
@public
def enter() -> Answer:
    email = request.form.get("email", "")
    user = accounts.verify(parts(), email, request.form.get("password", ""))
    if user is None:
        wrong = "This address and password do not belong together."
        return render_template("login/login.html", email=email, wrong=wrong, setup=False), 401
    there = access.next_page()
    access.log_in(user)
    with parts().database.write() as tx:
        audit.add(tx, user.id, "logged in")
    return redirect(there)


@blueprint.post("/logout")
@public
def leave() -> Answer:
    if user := access.who():
        accounts.log_out(parts(), user)
    access.log_out()
    flash("You are logged out, here and wherever else you were logged in.", "success")
    return redirect(url_for("login.page"))


@blueprint.get("/setup/<token>")
@public
def setup(token: str) -> Answer:
    accounts.read_setup(parts(), token)
    return render_template("login/choose.html", first=True, email="", name="", wrong=None)


@blueprint.post("/setup/<token>")
@public
def set_up(token: str) -> Answer:
    form = request.form
    try:
        user = accounts.first_admin(
            parts(), token, form.get("email", ""), form.get("name", ""), form.get("password", "")
        )
    except accounts.NoSuchLink:
        raise
    except Invalid as error:
        return _again(error, first=True, email=form.get("email", ""), name=form.get("name", ""))
    return _in(user)


@blueprint.get("/invitation/<token>")
@public
def invitation(token: str) -> Answer:
    user = accounts.read_invitation(parts(), token)
    return render_template("login/choose.html", first=False, email=user.email, name=user.name, wrong=None)


@blueprint.post("/invitation/<token>")
@public
def accept(token: str) -> Answer:
    form = request.form
    invited = accounts.read_invitation(parts(), token)
    try:
        user = accounts.accept(parts(), token, form.get("name", ""), form.get("password", ""))
    except accounts.NoSuchLink:
        raise
    except Invalid as error:
        return _again(error, first=False, email=invited.email, name=form.get("name", ""))
    return _in(user)


def _in(user: User) -> Response:
    access.log_in(user)
    flash("Welcome. You are logged in.", "success")
    return redirect(url_for("connections.page"))


def _again(error: Invalid, **values: object) -> Answer:
    return render_template("login/choose.html", wrong=error, **values), 422
