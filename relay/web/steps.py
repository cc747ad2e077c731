"""The frame of the set-up's pages: which step a draft is at, where each lives, and what to do when one fails."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from relay.errors import NeedsPerson, RelayError
from relay.store.connections import Connection
from relay.sync.connections import setup
from relay.sync.connections.setup import STEPS, Draft
from relay.web.access import needs, parts

Answer = str | Response | tuple[str, int]
TITLES = {
    "ehq": "EngagementHQ",
    "campaign-monitor": "Campaign Monitor",
    "client": "Client",
    "list": "List",
    "read": "Read EngagementHQ",
    "answers": "Answers and people",
    "preview": "What would happen",
    "webhook": "Webhook, and on",
}
ELSEWHERE = {
    "ehq-network": "Is the address right, and is the site up? Nothing was kept.",
    "ehq-login": "Check the key, or the log-in and its password. It must be a Site Administrator's.",
    "101": "It may have been deleted in Campaign Monitor: choose another.",
    "100": "Copy it again from Campaign Monitor: Account settings, API keys.",
    "60": "Use a log-in that may manage lists and import subscribers.",
}
"""What to do on these pages, where elsewhere it is something else; by the failure's code."""
ACCESS = ("60", "100", "102", "120", "122", "invalid_grant", "not-connected")
"""Failures that another access to Campaign Monitor mends."""
BY_API = ("read", "answers", "preview")
"""Steps of a site that is read through its API. An export is looked at by the page that takes it."""
VIEWS = {
    "ehq": "wizard.ehq",
    "campaign-monitor": "wizard.campaign_monitor",
    "client": "wizard.client",
    "list": "wizard.which_list",
    "read": "choices.read",
    "answers": "choices.answers",
    "preview": "choices.preview",
    "webhook": "choices.webhook",
}


@dataclass(frozen=True, slots=True)
class Entry:
    label: str
    address: str
    state: str


def step(name: str, role: str = "operator") -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Views of one step get the draft; whoever is not that far, or has finished, is led on."""

    def mark(view: Callable[..., Answer]) -> Callable[..., Answer]:
        @needs(role)
        def shown(connection: Connection, **more: Any) -> Answer:
            if connection.state != "setup":
                flash("This connection is set up.", "info")
                return redirect(url_for("runs.page"))
            draft = setup.draft(parts(), connection)
            if name in BY_API and connection.reads == "export":
                return redirect(url_for(VIEWS[draft.step]))
            if not draft.reached(name):
                return redirect(url_for(VIEWS[draft.resume]))
            try:
                return view(draft, **more)
            except NeedsPerson as error:
                if error.code not in ACCESS:
                    raise
                flash(f"{error.message} Connect Campaign Monitor again.", "warning")
                return redirect(url_for(VIEWS["campaign-monitor"]))

        shown.__name__ = view.__name__
        return shown

    return mark


def show(at: str, draft: Draft | None, wrong: RelayError | None = None, field: str = "", **values: Any) -> Answer:
    """A step's page; `wrong` is said at its top, and `field` is where to mend it."""
    steps = [
        Entry(
            title,
            url_for(VIEWS[one]) if draft and draft.reached(one) and one != at else "",
            "now" if one == at else "done" if draft and one in STEPS[: STEPS.index(draft.step)] else "next",
        )
        for one, title in TITLES.items()
        if (one != "client" or at == "client")  # usually there is only one, and nothing to choose
        and not (one in BY_API and draft and draft.connection.reads == "export")
    ]
    problems = [(field, f"{wrong.message} {ELSEWHERE.get(wrong.code, wrong.remedy)}".strip())] if wrong else []
    page = render_template(
        f"wizard/{at}.html",
        draft=draft,
        c=draft.connection if draft else None,
        steps=steps,
        problems=problems,
        **values,
    )
    return (page, 422) if wrong else page


def on(name: str) -> Response:
    return redirect(url_for(VIEWS[name]))
