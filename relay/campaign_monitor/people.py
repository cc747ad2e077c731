"""Subscribers: read, write, remove. The key is (list, e-mail address); the address travels in the query, encoded."""

from collections.abc import Sequence

from relay.campaign_monitor import wire
from relay.campaign_monitor.errors import ABOUT_PERSON
from relay.campaign_monitor.http import Caller, nothing
from relay.campaign_monitor.shapes import STATES, Entry, Imported, Page, Subscriber, Suppressed
from relay.campaign_monitor.wire import clean
from relay.errors import Refused

MOST = 1000
"""People in one import (Code 209) and on one page (801)."""

QUIET = {"Resubscribe": False, "RestartSubscriptionBasedAutoresponders": False}


class People(Caller):
    def subscriber(self, list_id: str, email: str) -> Subscriber | None:
        """None when the address was never on the list; who left is still there, with their state."""
        return self.call(
            "subscriber",
            "GET",
            ("subscribers", list_id),
            lambda body: None if "Code" in body else wire.subscribers([body])[0],
            params={"email": clean(email), "includetrackingpreference": "true"},
            expected=(203,),
        )

    def known_at(self, list_id: str, email: str) -> Subscriber | None:
        """`subscriber`; None also for an address that Campaign Monitor refuses, which it therefore cannot hold."""
        try:
            return self.subscriber(list_id, email)
        except Refused as error:
            if error.code in ABOUT_PERSON:
                return None
            raise

    def import_subscribers(self, list_id: str, entries: Sequence[Entry], resubscribe: bool = False) -> Imported:
        """Add or update at most 1,000 people, done when it returns. Which of two entries with one address wins is not
        known. `resubscribe` brings back who opted out, so it is for one person, and then only with a record of why.

        A failure of some (Code 210, HTTP 400) is an ordinary result: the others were taken. Refused with a code of
        `errors.DATA_AT_FAULT` means that nobody was, for the sake of someone: halve. After a timeout repeat it whole.
        """
        if len(entries) > MOST or (resubscribe and len(entries) > 1):
            raise ValueError(f"{len(entries)} people in one import, resubscribe={resubscribe}")
        if not entries:
            return Imported(0, 0, 0, {})
        body = {
            "Subscribers": [wire.entry(entry) for entry in entries],
            **QUIET,
            "Resubscribe": resubscribe,
            "QueueSubscriptionBasedAutoResponders": False,
        }
        return self.call(
            "import", "POST", ("subscribers", list_id, "import"), wire.imported, body=body, expected=(210,)
        )

    def update(self, list_id: str, old_email: str, entry: Entry) -> None:
        """Change one person, whatever their state, address included. Refused "203": `old_email` is not on the list;
        "201": the new address is already."""
        body = {**wire.entry(entry), **QUIET}
        self.call("update", "PUT", ("subscribers", list_id), nothing, params={"email": clean(old_email)}, body=body)

    def delete(self, list_id: str, email: str) -> None:
        """From Active to Deleted: off the list, but neither suppressed nor erased. Refused "203": not on it."""
        self.call("delete", "DELETE", ("subscribers", list_id), nothing, params={"email": clean(email)})

    def unsubscribe(self, list_id: str, email: str) -> None:
        """For good: it bars the address from every list of the client. Refused "203": not on this one."""
        path = ("subscribers", list_id, "unsubscribe")
        self.call("unsubscribe", "POST", path, nothing, body={"EmailAddress": clean(email)})

    def page(self, list_id: str, state: str, page: int, size: int = MOST) -> Page[Subscriber]:
        """People in one of STATES, by address. Pages are cut from live data: who leaves in between shifts the rows."""
        if state not in STATES:
            raise ValueError(f"no state {state!r}")
        return self.call(
            "page",
            "GET",
            ("lists", list_id, state.lower()),
            lambda body: wire.page(body, wire.subscribers(body["Results"])),
            params={**_paging(page, size), "includetrackingpreference": "true"},
        )

    def suppression_page(self, client_id: str, page: int, size: int = MOST) -> Page[Suppressed]:
        """Addresses no list of this client mails, by address."""
        return self.call(
            "suppression_page",
            "GET",
            ("clients", client_id, "suppressionlist"),
            lambda body: wire.page(
                body, [Suppressed(r["EmailAddress"].lower(), r.get("SuppressionReason") or "") for r in body["Results"]]
            ),
            params=_paging(page, size),
        )


def _paging(page: int, size: int) -> dict[str, str | int]:
    return {"page": page, "pagesize": size, "orderfield": "email", "orderdirection": "asc"}
