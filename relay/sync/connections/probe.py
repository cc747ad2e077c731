"""What Campaign Monitor leaves undocumented, found out on the real account (CM contract §12).

Everything happens on a list of its own, made for it and deleted after it, also after a failure; it holds two invented
addresses of example.com, which nobody receives mail at. No other list is touched, nobody is unsubscribed (that would
reach the client's suppression list). The relay is right under either answer: knowing one only saves calls.
"""

import random
import time
from collections.abc import Callable
from typing import Any

import structlog

from relay.campaign_monitor.client import CampaignMonitor
from relay.campaign_monitor.shapes import Entry, fold_key, one_rule
from relay.errors import NeedsPerson, Refused, RelayError
from relay.store import connections
from relay.store.connections import Connection
from relay.sync.parts import Parts

PLAN = (
    "A list named “EHQ relay probe …” is made in this client, with one field, one segment and two invented addresses "
    "of example.com; a few calls are tried on it, and it is deleted. With OAuth, the access is renewed once. No other "
    "list, and nobody on one, is touched."
)
MEANINGS = {
    "import_sets": {
        "replaces": "Options that are sent replace those that somebody held.",
        "adds": "Options that are sent are added to those that somebody held.",
    },
    "unknown_option": {
        "refused": "Somebody with an option that the field does not have is refused.",
        "kept": "An option that the field does not have is kept all the same.",
        "dropped": "An option that the field does not have is left out in silence.",
    },
    "options_call": {
        "keeps rules": "Segments keep their rules when a field gets an option.",
        "drops rules": "Segments lose their rules when a field gets an option; the relay puts them back.",
    },
    "import_inactive": {
        "reports": "Whoever left is reported when they are written.",
        "hides": "Whoever left is not reported when they are written; the relay reads them.",
    },
    "refresh_token": {
        "stays": "Access is renewed with the same token.",
        "rotates": "Access is renewed with a new token each time.",
    },
}
"""Question → answer → what it means, for people."""
ONE, TWO = "relay-probe-1@example.com", "relay-probe-2@example.com"
FIELD = "Probe"
log = structlog.get_logger()


def told(connection: Connection) -> list[str]:
    """What is known of this connection's Campaign Monitor, in sentences."""
    known = connection.switches or {}
    return [answers[known[question]] for question, answers in MEANINGS.items() if known.get(question) in answers]


def probe(parts: Parts, connection: Connection) -> dict[str, Any]:
    """{"connection", "list", "switches": {question: answer}, "unanswered": {question: why}, "list_deleted"}; the
    answers are kept on the connection. A question that could not be answered keeps what was known of it.

    :raise RelayError: when not even the list could be made.
    """
    cm = parts.campaign_monitor(connection)
    before = dict(connection.switches or {})
    if left := before.pop("probe_list", None):
        _delete(cm, left)
    client = connection.cm_client_id or _only_client(cm)
    title = f"EHQ relay probe {random.randrange(16**6):06x}"
    list_id = cm.create_list(client, title)
    # Before anything else: a probe that dies leaves this, and the next one deletes it.
    _keep(parts, connection, {**before, "probe_list": list_id})
    found: dict[str, str] = {}
    unanswered: dict[str, str] = {}
    deleted = False
    try:
        _ask_all(_Probe(cm, list_id), found, unanswered)
        _ask(found, unanswered, "refresh_token", lambda: _rotation(cm))
    finally:
        deleted = _delete(cm, list_id)
        rest = {} if deleted else {"probe_list": list_id}
        _keep(parts, connection, {**before, **found, **rest, "probed_at": time.time()})
    return {
        "connection": connection.id,
        "list": title,
        "switches": found,
        "unanswered": unanswered,
        "list_deleted": deleted,
    }


class _Probe:
    """One field with three options, one segment, and two people, on a list of their own."""

    def __init__(self, cm: CampaignMonitor, list_id: str) -> None:
        self.cm, self.list_id = cm, list_id
        self.key = cm.create_field(list_id, FIELD, "MultiSelectMany", ("A", "B", "C"))
        self.write(ONE, "A", "B")

    def write(self, email: str, *options: str) -> dict[str, tuple[int, str]]:
        entry = Entry(email, "Probe", tuple((self.key, one) for one in options), consent="No")
        return dict(self.cm.import_subscribers(self.list_id, [entry]).failures)

    def holds(self, email: str) -> set[str]:
        person = self.cm.subscriber(self.list_id, email)
        if person is None or not person.fields.get(fold_key(FIELD)):
            raise Refused("Campaign Monitor did not show what was written.", code="probe")
        return set(person.fields[fold_key(FIELD)])

    def import_sets(self) -> str:
        """Does an import replace the options that somebody holds, or add to them?"""
        self.write(ONE, "C")
        return "replaces" if self.holds(ONE) == {"C"} else "adds"

    def unknown_option(self) -> str:
        """What becomes of an option that the field does not have?"""
        if self.write(ONE, "A", "Unheard of"):
            return "refused"
        return "kept" if "Unheard of" in self.holds(ONE) else "dropped"

    def options_call(self) -> str:
        """Do segments keep their rules when a field gets an option?"""
        segment = self.cm.create_segment(self.list_id, "Probe", self.key, "EQUALS A")
        self.cm.add_options(self.list_id, self.key, ["D"])
        kept = self.cm.segment(segment).rules == one_rule(self.key, "EQUALS A")
        return "keeps rules" if kept else "drops rules"

    def import_inactive(self) -> str:
        """Does an import say whom it does not take because they left?"""
        self.write(TWO, "A")
        self.cm.delete(self.list_id, TWO)
        return "reports" if self.write(TWO, "B") else "hides"


def _ask_all(probe: _Probe, found: dict[str, str], unanswered: dict[str, str]) -> None:
    for question in ("import_sets", "unknown_option", "options_call", "import_inactive"):
        _ask(found, unanswered, question, getattr(probe, question))


def _ask(found: dict[str, str], unanswered: dict[str, str], question: str, ask: Callable[[], str | None]) -> None:
    try:
        if answer := ask():
            found[question] = answer
    except RelayError as error:
        unanswered[question] = str(error)


def _rotation(cm: CampaignMonitor) -> str | None:
    """Does a renewal change the refresh token? None with an API key, which has none."""
    tokens, keep_fresh = getattr(cm.credential, "tokens", None), getattr(cm.credential, "keep_fresh", None)
    if tokens is None or keep_fresh is None:
        return None
    before = tokens.load().refresh_token
    keep_fresh(within=float("inf"))
    return "stays" if tokens.load().refresh_token == before else "rotates"


def _only_client(cm: CampaignMonitor) -> str:
    clients = cm.clients()
    if len(clients) != 1:
        raise NeedsPerson("This account has several clients, and the connection names none.", code="client")
    return clients[0].id


def _keep(parts: Parts, connection: Connection, switches: dict[str, Any]) -> None:
    with parts.database.write() as tx:
        connections.change(tx, connection.id, switches=switches)


def _delete(cm: CampaignMonitor, list_id: str) -> bool:
    try:
        cm.delete_list(list_id)
    except Refused as error:
        if error.code != "101":
            return False
    except RelayError as error:
        log.warning("probe's list not deleted", code=error.code, message=error.message)
        return False
    return True
