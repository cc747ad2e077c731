"""The front page. It shows nothing that a passer-by may not see."""

from flask import Blueprint, render_template

from relay import __version__

blueprint = Blueprint("pages", __name__)


@blueprint.get("/")
def front() -> str:
    return render_template("front.html", version=__version__)
