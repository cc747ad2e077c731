"""One's own account: name and password."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from relay.errors import Invalid
from relay.sync import accounts
from relay.web.access import limiter, log_in, me, needs, parts

blueprint = Blueprint("account", __name__, url_prefix="/account")
Answer = str | Response | tuple[str, int]


@blueprint.get("")
@needs("viewer")
def page() -> Answer:
    return _page()


@blueprint.post("/name")
@needs("viewer")
def name() -> Answer:
    try:
        accounts.rename(parts(), me(), request.form.get("name", ""))
    except Invalid as error:
        return _page(error), 422
    flash("Your name is changed.", "success")
    return redirect(url_for("account.page"))


@blueprint.post("/password")
@limiter.limit(
    "10 per 15 minutes", key_func=lambda: f"password {me().id}", deduct_when=lambda answer: answer.status_code == 422
)
@needs("viewer")
def password() -> Answer:
    form = request.form
    try:
        user = accounts.change_password(parts(), me(), form.get("current", ""), form.get("password", ""))
    except Invalid as error:
        return _page(error), 422
    log_in(user)
    flash("Your password is changed. Wherever else you were logged in, you are not any more.", "success")
    return redirect(url_for("account.page"))


def _page(wrong: Invalid | None = None) -> str:
    return render_template("account/account.html", wrong=wrong)
