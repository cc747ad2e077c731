"""Campaign Monitor as the contract describes it: `/api/v3.3`, `/oauth`, and a control API."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from sandbox import control
from sandbox.campaign_monitor import api, console, gate, lists, oauth, structure
from sandbox.campaign_monitor.account import Account
from sandbox.campaign_monitor.errors import CMError
from sandbox.campaign_monitor.hooks import Postman

__all__ = ["Account", "create_app"]


def create_app(**faults: Any) -> Flask:
    """An empty account with one client; its state is at `app.extensions["sandbox"]`, an `Account`."""
    app = control.new_app(__name__)
    account = Account()
    account.faults.set(**faults)
    account.postman = Postman(account)
    app.extensions["sandbox"] = account
    control.install(app)
    for part in (gate, oauth, api, structure, lists, console):
        app.register_blueprint(part.routes)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        """Below the API every error is CM's kind; anywhere else a plain sentence."""
        if not request.path.startswith(gate.ROOT):
            return control.answer({"error": error.name}, error.code or 500)
        missing = (error.code or 500) < 500
        return gate.refuse(CMError(404 if missing else 500))

    return app
