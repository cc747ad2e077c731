"""The health of a connection: one word, one sentence, and what is behind them."""

from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from relay.store.connections import Connection
from relay.sync.health.overview import overview
from relay.web.access import needs, parts

blueprint = Blueprint("overview", __name__)
WIDTH, HEIGHT, GAP = 600, 96, 4


@blueprint.get("/c/<connection>")
@needs("viewer")
def page(connection: Connection) -> str | Response:
    if connection.state == "setup":
        return redirect(url_for("wizard.resume"))
    found = overview(parts(), connection)
    charts = [
        ("Deliveries that arrived", "arrived", bars([one.arrived for one in found.days])),
        ("Differences that runs found", "drift", bars([one.drift or 0 for one in found.days])),
    ]
    by_key = connection.cm_token_expires_at is None
    return render_template("health/page.html", o=found, charts=charts, by_key=by_key, height=HEIGHT, width=WIDTH)


def bars(numbers: list[int]) -> dict[str, Any]:
    """{"most", "bars": (x, y, width, height) of each}: a bar chart's geometry."""
    most, step = max(numbers, default=0), WIDTH / max(1, len(numbers))
    shapes = []
    for at, number in enumerate(numbers):
        tall = max(2, round(number / most * HEIGHT)) if number else 0
        shapes.append((round(at * step + GAP / 2), HEIGHT - tall, round(step - GAP), tall))
    return {"most": most, "sum": sum(numbers), "bars": shapes}
