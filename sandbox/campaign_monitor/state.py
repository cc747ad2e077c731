"""The account behind the request at hand."""

from __future__ import annotations

from typing import cast

from flask import current_app

from sandbox.campaign_monitor.account import Account


def account() -> Account:
    return cast(Account, current_app.extensions["sandbox"])
