"""The account behind the request at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from flask import Response, current_app

from sandbox.campaign_monitor.account import Account


def account() -> Account:
    return cast(Account, current_app.extensions["sandbox"])


@contextmanager
def locked() -> Iterator[Account]:
    """The account, and nobody else at it meanwhile."""
    here = account()
    with here.lock:
        yield here


def empty() -> Response:
    """What PUT and DELETE are answered: nothing at all."""
    return Response(b"", 200, content_type="application/json; charset=utf-8")
