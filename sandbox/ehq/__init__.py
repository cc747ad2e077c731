"""EngagementHQ as the contract describes it: `/api/v2`, signed webhooks, and a control API."""

from __future__ import annotations

from typing import Any

from flask import Flask

from sandbox import control
from sandbox.ehq import api, console, export
from sandbox.ehq.site import Site

__all__ = ["Site", "create_app"]


def create_app(people: int = 2000, seed: int = 1, host: str = "haveyoursay.example.gov.au", **faults: Any) -> Flask:
    """A site with invented people; its state is at `app.extensions["sandbox"]`, a `Site`."""
    app = control.new_app(__name__)
    site = Site(people, seed, host)
    site.faults.set(**faults)
    app.extensions["sandbox"] = site
    control.install(app)
    app.register_blueprint(api.routes)
    app.register_blueprint(console.routes)
    app.register_blueprint(export.routes)
    return app
