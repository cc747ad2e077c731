"""Users, for administrators: invite, another role, disable, a new link. Links are shown once, to whoever made them."""

from flask import Blueprint, abort, flash, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from relay.errors import Invalid
from relay.store import users
from relay.store.users import User
from relay.sync import accounts
from relay.web.access import me, needs, parts

blueprint = Blueprint("users", __name__, url_prefix="/users")
Answer = str | Response | tuple[str, int]
ROLES = (
    ("viewer", "Viewer", "Sees how every connection is doing. Addresses, names and answers stay masked."),
    (
        "operator",
        "Operator",
        "Also connects, starts runs, replays deliveries, changes settings, and may reveal a person's data.",
    ),
    ("admin", "Administrator", "Also decides who may log in, and reads the audit log."),
)


@blueprint.get("")
@needs("admin")
def page() -> Answer:
    with parts().database.read() as tx:
        everyone = users.everyone(tx)
    shown = session.pop("invitation", None)
    return render_template("users/list.html", users=everyone, roles=ROLES, invitation=shown)


@blueprint.get("/<int:number>")
@needs("admin")
def one(number: int) -> Answer:
    return render_template("users/one.html", one=_user(number), roles=ROLES)


@blueprint.get("/invite")
@needs("admin")
def form() -> Answer:
    return render_template("users/invite.html", roles=ROLES, email="", name="", role="viewer", wrong=None)


@blueprint.post("/invite")
@needs("admin")
def invite() -> Answer:
    asked = {name: request.form.get(name, "") for name in ("email", "name", "role")}
    try:
        user = accounts.invite(parts(), me(), asked["email"], asked["role"], asked["name"])
    except Invalid as error:
        return render_template("users/invite.html", roles=ROLES, wrong=error, **asked), 422
    return _show_link(user)


@blueprint.post("/<int:number>/role")
@needs("admin")
def role(number: int) -> Answer:
    return _changed(number, role=request.form.get("role", ""))


@blueprint.post("/<int:number>/disable")
@needs("admin")
def disable(number: int) -> Answer:
    return _changed(number, disabled=True)


@blueprint.post("/<int:number>/enable")
@needs("admin")
def enable(number: int) -> Answer:
    return _changed(number, disabled=False)


@blueprint.post("/<int:number>/link")
@needs("admin")
def link(number: int) -> Answer:
    try:
        return _show_link(accounts.reset(parts(), me(), _user(number).id))
    except Invalid as error:
        flash(str(error), "danger")
        return redirect(url_for("users.one", number=number))


def _changed(number: int, role: str | None = None, disabled: bool | None = None) -> Answer:
    try:
        user = accounts.change(parts(), me(), _user(number).id, role=role, disabled=disabled)
    except Invalid as error:
        flash(str(error), "danger")
        return redirect(url_for("users.one", number=number))
    said = {value: label for value, label, _ in ROLES}[user.role].lower()
    flash(f"{user.name} cannot log in any more." if user.disabled else f"{user.name} may log in as {said}.", "success")
    return redirect(url_for("users.page"))


def _show_link(user: User) -> Response:
    """Once, on the next page: it is a way to log in."""
    session["invitation"] = {"email": user.email, "url": accounts.invitation_url(parts(), user)}
    return redirect(url_for("users.page"))


def _user(number: int) -> User:
    with parts().database.read() as tx:
        found = users.find(tx, number)
    if found is None:
        abort(404, "There is no such user.")
    return found
