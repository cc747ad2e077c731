"""Connecting step by step. A connection in state "setup" is the draft: where it stands is seen from what is filled in.

ehq → campaign-monitor → client → list → read → answers → preview → webhook → on
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from relay.campaign_monitor.shapes import Client, ListDetails, ListName
from relay.domain.rules import Audience, Rules, fingerprint, read_rules
from relay.domain.schedule import zone_in
from relay.errors import Invalid, NeedsPerson, RelayError, RetryLater
from relay.store import connections, runs
from relay.store.connections import Connection
from relay.store.leases import claim
from relay.store.runs import Run
from relay.sync import work
from relay.sync.connections import connect, credentials
from relay.sync.connections.hook import secrets_made
from relay.sync.connections.lists import Wish, adoptable, choose_list, free_title, the_client
from relay.sync.exports.exports import last_read
from relay.sync.parts import Parts

STEPS = ("ehq", "campaign-monitor", "client", "list", "read", "answers", "preview", "webhook")
READING_ENDS_S = 8.0
AUDIENCES: Mapping[str, Audience] = {
    "everyone": Audience(),
    "activated": Audience(activated_only=True),
    "participants": Audience(roles=("participant",)),
    "participants-activated": Audience(roles=("participant",), activated_only=True),
}


@dataclass(frozen=True, slots=True)
class Draft:
    """`step` is the first that is not done. `read` is the last complete dry run, `run` the latest of all."""

    connection: Connection
    step: str
    run: Run | None
    read: Run | None

    secret: bool
    """Whether a webhook secret was made."""

    def reached(self, step: str) -> bool:
        return STEPS.index(step) <= STEPS.index(self.step)

    @property
    def resume(self) -> str:
        """Where whoever comes back goes on: nobody confirms what would happen but by going on to the webhook."""
        unconfirmed = self.step == "webhook" and not self.secret and self.connection.reads == "api"
        return "preview" if unconfirmed else self.step

    @property
    def stale(self) -> bool:
        """Whether what would happen was worked out under other choices than those of now."""
        return self.read is not None and self.read.counts.get("rules") != fingerprint(self.connection.rules)


def draft(parts: Parts, connection: Connection) -> Draft:
    with parts.database.read() as tx:
        dry = runs.latest(tx, connection.id, 20, dry=True)
    complete = next((run for run in dry if run.state == "completed"), None)
    if connection.cm_credential is None:
        step = "campaign-monitor"
    elif connection.cm_client_id is None:
        step = "client"
    elif connection.cm_list_name is None:
        step = "list"
    elif connection.reads == "export":  # read by hand once it is on: the page for it shows what each would do
        step = "webhook"
    elif complete is None:
        step = "read"
    elif not any(run.trigger == "change" for run in dry):  # choices start such a one
        step = "answers"
    elif complete.trigger != "change":
        step = "preview"
    else:
        step = "webhook"
    return Draft(connection, step, dry[0] if dry else None, complete, secrets_made(parts, connection) > 0)


# EHQ


def begin(
    parts: Parts, name: str, ehq_url: str, credential: Mapping[str, str], reads: str = "api"
) -> tuple[Connection, str]:
    """A new draft, and a sentence about what EHQ answered. :raise RelayError: what is wrong; nothing was kept."""
    made = connect.drafted(parts, name, ehq_url, credential, [], reads)
    found = _found(parts, made)
    connect.keep(parts, made)
    return made, found


def _found(parts: Parts, connection: Connection) -> str:
    return last_read(connection) if connection.reads == "export" else parts.ehq(connection).check()


def change_ehq(
    parts: Parts,
    connection: Connection,
    name: str,
    ehq_url: str,
    credential: Mapping[str, str] | None,
    reads: str = "api",
) -> str:
    """Another name, address or credential (None: the one there is). What was read from another site is forgotten."""
    kept = parts.vault.unlock(connection.ehq_credential)
    made = connect.drafted(parts, name, ehq_url, kept if credential is None else credential, [], reads)
    another = (made.ehq_url, reads) != (connection.ehq_url, connection.reads)
    if credential is None and another:
        raise Invalid("Another site needs its own key or log-in.", remedy="Type it.", code="ehq-login")
    values: dict[str, Any] = {
        "name": made.name,
        "ehq_url": made.ehq_url,
        "ehq_credential": made.ehq_credential,
        "reads": reads,
    }
    found = _found(parts, replace(connection, **values))
    _change(parts, connection, values, forget=another)
    return found


def _change(parts: Parts, connection: Connection, values: Mapping[str, Any], *, forget: bool) -> None:
    """`forget`: what was read says nothing of the system chosen now. Whoever reads just now ends first."""
    if not forget:
        with parts.database.write() as tx:
            connections.change(tx, connection.id, **values)
        return
    with parts.database.write() as tx:
        for run in runs.under_way(tx, connection.id):
            runs.finish(tx, run.id, "stopped")
    ends = time.monotonic() + READING_ENDS_S
    while True:
        with claim(parts.database, f"run:{connection.id}") as lease:
            if lease is not None:
                with parts.database.write() as tx:
                    connections.change(tx, connection.id, **values)
                    runs.forget_people(tx, connection.id)
                return
        if time.monotonic() > ends:
            raise RetryLater("EHQ is being read just now.", remedy="Try again in a moment.", code="busy")
        time.sleep(0.2)


def give_key(parts: Parts, connection: Connection, api_key: str) -> None:
    """:raise RelayError: when it does not work; then nothing was changed."""
    if not api_key.strip():
        raise Invalid("There is no key here.", remedy="Paste the API key.", code="100")
    locked = parts.vault.lock({"api_key": api_key.strip()})
    cm = parts.campaign_monitor(replace(connection, cm_credential=locked))
    cm.clients()
    new = {"cm_credential": locked, "cm_token_expires_at": None, "cm_account": credentials.account(cm)}
    with parts.database.write() as tx:
        connections.change(tx, connection.id, **new)
    settle_client(parts, parts.connection(connection.id))


def clients(parts: Parts, connection: Connection) -> list[Client]:
    return parts.campaign_monitor(connection).clients()


def settle_client(parts: Parts, connection: Connection) -> None:
    """After a credential was given: the only client is chosen, and one that this log-in cannot see is given up."""
    there = clients(parts, connection)
    ids = [client.id for client in there]
    if connection.cm_client_id not in ids:
        _choose_client(parts, connection, ids[0] if len(ids) == 1 else None)


def choose_client(parts: Parts, connection: Connection, client_id: str) -> None:
    chosen = the_client(clients(parts, connection), client_id)
    if chosen.id != connection.cm_client_id:
        _choose_client(parts, connection, chosen.id)


def _choose_client(parts: Parts, connection: Connection, client_id: str | None) -> None:
    values: dict[str, Any] = {"cm_client_id": client_id, "cm_list_id": None, "cm_list_name": None}
    if client_id and connection.rules == Rules():
        values["rules"] = Rules(time_zone=_zone(parts, connection, client_id)).model_dump(mode="json")
    _change(parts, connection, values, forget=connection.cm_list_id is not None)


def _zone(parts: Parts, connection: Connection, client_id: str) -> str:
    """Where the client's clocks are, as a first guess for the connection's."""
    try:
        return zone_in(parts.campaign_monitor(connection).client_time_zone(client_id)) or "UTC"
    except RelayError:  # a client's own key may not ask
        return "UTC"


def lists(parts: Parts, connection: Connection) -> list[ListName]:
    return sorted(
        parts.campaign_monitor(connection).lists(connection.cm_client_id or ""), key=lambda item: item.name.casefold()
    )


def new_list(parts: Parts, connection: Connection, name: str) -> None:
    """Remembers the name of a list to be made when the connection is switched on; it must be free."""
    _set_list(parts, connection, None, free_title(lists(parts, connection), name))


def adopt_list(parts: Parts, connection: Connection, list_id: str) -> None:
    chosen = adoptable(parts, connection, lists(parts, connection), list_id)
    _set_list(parts, connection, chosen.id, chosen.name)


def look_at_list(parts: Parts, connection: Connection, list_id: str) -> tuple[ListDetails, int]:
    """A list that may be adopted, and how many active people are on it."""
    adoptable(parts, connection, lists(parts, connection), list_id)
    cm = parts.campaign_monitor(connection)
    return cm.list_details(list_id), cm.stats(list_id).get("TotalActiveSubscribers", 0)


def _set_list(parts: Parts, connection: Connection, list_id: str | None, name: str) -> None:
    _change(parts, connection, {"cm_list_id": list_id, "cm_list_name": name}, forget=list_id != connection.cm_list_id)


# What travels, and who


def read(parts: Parts, connection: Connection) -> Run:
    """The dry run that reads both sides; the one under way is joined."""
    return work.start_run(parts, connection.id, trigger="person", dry=True)[0]


def choose(
    parts: Parts, connection: Connection, *, audience: str, left_out: Sequence[str], seen: str, time_zone: str
) -> Run:
    """Saves who is on the list and which questions stay out (ids), and works out again what would happen.

    `seen` is the `fingerprint` of the choices that the person saw. :raise Invalid: when somebody else changed them.
    """
    if seen != fingerprint(connection.rules):
        raise Invalid(
            "Somebody changed these choices while you made yours.", remedy="Look at them again.", code="changed"
        )
    rules = connection.rules
    document = rules.model_dump(mode="json") | {"fields_left_out": list(left_out), "time_zone": time_zone}
    if audience in AUDIENCES:
        document["audience"] = AUDIENCES[audience].model_dump(mode="json")
    rules = read_rules(document)
    with parts.database.write() as tx:
        connections.change(tx, connection.id, rules=rules.model_dump(mode="json"))
    return look_again(parts, connection)


def look_again(parts: Parts, connection: Connection) -> Run:
    """What would happen, from what was read before; a dry run under way knew other choices and ends."""
    with parts.database.write() as tx:
        for run in runs.under_way(tx, connection.id):
            if run.dry:
                runs.finish(tx, run.id, "stopped")
        dry = runs.latest(tx, connection.id, 20, dry=True)
    before = next((run for run in dry if run.state == "completed"), None)
    if before is None:
        return read(parts, connection)
    kept = {name: before.counts[name] for name in CARRIED if name in before.counts}
    return work.start_run(parts, connection.id, trigger="change", dry=True, phase="compare", counts=kept)[0]


CARRIED = ("ehq_read", "ehq_total", "cm_read", "left_alone", "answered")
"""Counts of what was read: they hold for a look that reads nothing again."""


def audience_of(rules: Rules) -> str | None:
    """The preset that these rules are; None for a choice of their own."""
    return next((name for name, audience in AUDIENCES.items() if audience == rules.audience), None)


# On


def turn_on(parts: Parts, connection: Connection) -> Run | None:
    """Makes or adopts the list, and starts the first run; a second click joins it. None where exports are read: the
    first upload is the first run."""
    with claim(parts.database, f"setup:{connection.id}") as lease:
        if lease is None:
            raise RetryLater("This is being switched on just now.", remedy="Look again in a moment.", code="busy")
        now = parts.connection(connection.id)
        if now.state == "setup":
            if not draft(parts, now).reached("preview"):
                raise NeedsPerson("Something is still missing.", remedy="Go through the steps.", code="setup")
            if now.cm_list_id is not None:
                ready = replace(now, state="on")
                adoptable(parts, now, lists(parts, now), now.cm_list_id)
            else:
                ready = choose_list(parts, now, Wish(now.name, now.ehq_url, {}, list_name=now.cm_list_name))
            names = ("cm_client_id", "cm_list_id", "cm_list_name", "state")
            with parts.database.write() as tx:
                connections.change(tx, now.id, problem=None, **{name: getattr(ready, name) for name in names})
                for run in runs.under_way(tx, now.id):
                    runs.finish(tx, run.id, "stopped")
    return work.start_run(parts, connection.id, trigger="person")[0] if connection.reads == "api" else None
