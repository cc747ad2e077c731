"""The connections: one card each. The static files of all pages are served from here, too."""

from flask import Blueprint, render_template

from relay.store import connections
from relay.sync.health.standing import look
from relay.web.access import needs, parts

blueprint = Blueprint("connections", __name__, static_folder="static", static_url_path="/static")


@blueprint.get("/")
@needs("viewer")
def page() -> str:
    with parts().database.read() as tx:
        everyone = connections.everyone(tx)
    return render_template("connections/list.html", looks=[look(parts(), one) for one in everyone])
