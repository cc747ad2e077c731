"""Connecting step by step. A connection in state "setup" is the draft: where it stands is seen from what is filled in.

ehq → campaign-monitor → client → list → read → answers → preview → webhook → on
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from relay.domain.rules import Audience, Rules, fingerprint, read_rules
from relay.errors import Invalid, NeedsPerson, RetryLater
from relay.store import connections, runs
from relay.store.connections import Connection
from relay.store.database import alone
from relay.store.leases import claim
from relay.store.runs import Run
from relay.sync import work
from relay.sync.connections import connect
from relay.sync.connections.connect import secrets_made
from relay.sync.connections.destination import forgetting
from relay.sync.connections.lists import Wish, choose_list, taken
from relay.sync.exports.exports import last_read
from relay.sync.parts import Parts

STEPS = ("ehq", "campaign-monitor", "client", "list", "read", "answers", "preview", "webhook")
PATIENCE_S = 10.0
"""How long a second click waits for the first: Campaign Monitor is asked for its lists, and to make one."""


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
    parts: Parts,
    name: str,
    ehq_url: str,
    credential: Mapping[str, str],
    reads: str = "api",
    rules: Rules = Rules(),  # noqa: B008  (frozen)
) -> tuple[Connection, str, bool]:
    """A draft, a sentence about what EHQ answered, and whether it is new: of a site there is one at most that is not
    connected to Campaign Monitor yet, and whoever begins again goes on with that.

    :raise RelayError: what is wrong; nothing was kept.
    """
    made = connect.drafted(parts, name, ehq_url, credential, [], reads, rules)
    found = _found(parts, made)
    with parts.database.write() as tx:
        alone(tx, "drafts")
        same = [one for one in connections.everyone(tx) if _untouched(parts, one) and _site(one) == _site(made)]
        there = same[0] if same else None
        if there is None:
            connections.add(tx, **connect.row(made))
        else:
            given = ("name", "ehq_credential", "reads", "rules")
            connections.change(tx, there.id, **{name: connect.row(made)[name] for name in given})
    return (made, found, True) if there is None else (parts.connection(there.id), found, False)


def _untouched(parts: Parts, connection: Connection) -> bool:
    """One of the command line's has its secret from the beginning, and is for whoever got the link."""
    return connection.state == "setup" and connection.cm_credential is None and not secrets_made(parts, connection)


def _site(connection: Connection) -> str:
    """One that reads exports may have no address: its name stands for it."""
    return (connection.ehq_url or connection.name).casefold()


def _found(parts: Parts, connection: Connection) -> str:
    return last_read(connection) if connection.reads == "export" else parts.ehq(connection).check()


def change_ehq(
    parts: Parts,
    connection: Connection,
    name: str,
    ehq_url: str,
    credential: Mapping[str, str] | None,
    reads: str = "api",
    rules: Rules | None = None,
) -> str:
    """Another name, address, credential or rules (None: those there are). What was read from another site, or by other
    overrides, is forgotten."""
    kept, rules = parts.vault.unlock(connection.ehq_credential), rules or connection.rules
    made = connect.drafted(parts, name, ehq_url, kept if credential is None else credential, [], reads, rules)
    another = (made.ehq_url, reads) != (connection.ehq_url, connection.reads)
    if credential is None and another:
        raise Invalid("Another site needs its own key or log-in.", remedy="Type it.", code="ehq-login")
    values: dict[str, Any] = {
        "name": made.name,
        "ehq_url": made.ehq_url,
        "ehq_credential": made.ehq_credential,
        "reads": reads,
    }
    found = _found(parts, replace(connection, **values, rules=rules))
    values["rules"] = rules.model_dump(mode="json")
    forgetting(parts, connection, values, forget=another or rules.overrides != connection.rules.overrides)
    return found


# What travels, and who


def read(parts: Parts, connection: Connection) -> Run:
    """The dry run that reads both sides; the one under way is joined."""
    return work.start_run(parts, connection.id, trigger="person", dry=True)[0]


def choose(
    parts: Parts,
    connection: Connection,
    *,
    audience: Audience | None,
    left_out: Sequence[str],
    seen: str,
    time_zone: str,
) -> Run:
    """Saves who is on the list (None: as it is) and which questions stay out (ids), and works out what would happen.

    `seen` is the `fingerprint` of the choices that the person saw. :raise Invalid: when somebody else changed them.
    """
    if seen != fingerprint(connection.rules):
        raise Invalid(
            "Somebody changed these choices while you made yours.", remedy="Look at them again.", code="changed"
        )
    rules = connection.rules
    document = rules.model_dump(mode="json") | {"fields_left_out": list(left_out), "time_zone": time_zone}
    if audience is not None:
        document["audience"] = audience.model_dump(mode="json")
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


# On


def turn_on(parts: Parts, connection: Connection) -> Run | None:
    """Makes or adopts the list, and starts the first run; a second click waits for the first and joins it. None where
    exports are read: the first upload is the first run.

    :raise RetryLater: when the first takes longer than `PATIENCE_S`.
    """
    give_up = time.monotonic() + PATIENCE_S
    while not _switched(parts, connection.id):
        if time.monotonic() > give_up:
            raise RetryLater("This is being switched on just now.", remedy="Look again in a moment.", code="busy")
        time.sleep(0.2)
    return work.start_run(parts, connection.id, trigger="person")[0] if connection.reads == "api" else None


def _switched(parts: Parts, connection_id: str) -> bool:
    """It is on; False while somebody else is about it."""
    with claim(parts.database, f"setup:{connection_id}") as lease:
        if lease is None:
            return False
        now = parts.connection(connection_id)
        if now.state != "setup":
            return True
        if not draft(parts, now).reached("preview"):
            raise NeedsPerson("Something is still missing.", remedy="Go through the steps.", code="setup")
        wish = Wish(now.name, now.ehq_url, {}, list_name=now.cm_list_name, list_id=now.cm_list_id)
        ready = replace(choose_list(parts, now, wish), next_run_at=now.next_run_at)  # the first run begins in any case
        with parts.database.write() as tx:
            connections.change(tx, now.id, problem=None, **taken(ready))
            for run in runs.under_way(tx, now.id):
                runs.finish(tx, run.id, "stopped")
    return True
