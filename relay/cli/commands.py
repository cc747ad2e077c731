"""One function a command: (answer for people or --json, exit code)."""

import argparse
import re
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from relay.cli.watch import bar, watch, watch_replay
from relay.domain.rules import Rules
from relay.errors import Invalid, NeedsPerson, RelayError
from relay.store import connections, members, runs
from relay.store import deliveries as arrivals
from relay.store import migrate as schema
from relay.store.chosen import Filter
from relay.sync import work
from relay.sync.connections import check as checks
from relay.sync.connections import connect, credentials, lists
from relay.sync.connections import effect as effects
from relay.sync.connections import probe as probing
from relay.sync.health import status as reports
from relay.sync.intake import replay as replays
from relay.sync.parts import Parts
from relay.sync.runs import progress
from relay.sync.runs.start import in_the_way

Answer = tuple[Any, int]
Options = argparse.Namespace
ENDS = {"completed": 0, "incomplete": 1, "stopped": 1, "braked": 3, "needs_person": 3}


def migrate(parts: Parts, _: Options) -> Answer:
    return {"migrated": True, "version": schema.upgrade(parts.database)}, 0


def check(parts: Parts, options: Options) -> Answer:
    if options.probe:
        connection = parts.connection(options.probe)
        if not options.yes:
            raise NeedsPerson(
                "A probe writes to the Campaign Monitor account.", remedy=f"{probing.PLAN} Say --yes to go on."
            )
        answer = probing.probe(parts, connection)
        return answer, 0 if answer["list_deleted"] and not answer["unanswered"] else 1
    found = checks.check(parts)
    return {"checks": found}, 0 if all(item["ok"] for item in found) else 1


def add(parts: Parts, options: Options) -> Answer:
    credential = {} if options.csv else ehq_credential(options)
    if credential is None:
        raise Invalid("EHQ needs a key or a log-in.", remedy="Give --ehq-token, or --ehq-login and --ehq-password.")
    wish = lists.Wish(
        name=options.name,
        ehq_url=options.ehq_url or "",
        ehq_credential=credential,
        reads="export" if options.csv else "api",
        cm_api_key=options.cm_api_key,
        cm_client_id=options.cm_client_id,
        list_name=options.list_name,
        list_id=options.list_id,
        rules=connect.checked(_document(options.rules)) if options.rules else Rules(),
    )
    return connect.add(parts, wish), 0


def ehq_credential(options: Options) -> dict[str, str] | None:
    if options.ehq_token:
        return {"token": options.ehq_token}
    if options.ehq_login and options.ehq_password:
        return {"login": options.ehq_login, "password": options.ehq_password}
    return None


def reconnect(parts: Parts, options: Options) -> Answer:
    connection = parts.connection(options.connection)
    return credentials.reconnect(parts, connection, ehq_credential(options), options.cm_api_key, options.ehq_url), 0


def rotate_keys(parts: Parts, _: Options) -> Answer:
    with bar("Encrypting deliveries anew") as tell:
        return credentials.rotate_keys(parts, tell), 0


def configure(parts: Parts, options: Options) -> Answer:
    connection, document = parts.connection(options.connection), _document(options.file)
    rules = connect.checked(document)
    looked, anew = effects.effect(parts, connection, rules), effects.read_anew(parts, connection, rules)
    told = {"effect": asdict(looked), "read_anew": asdict(anew) if anew else None, "dry_run": options.dry_run}
    if not options.dry_run:
        connect.configure(parts, connection, document)
        if options.yes:
            connect.confirm_overrides(parts, parts.connection(connection.id))
    return {"connection": connection.id, "rules": rules.model_dump(mode="json"), **told}, 0


def _document(file: str) -> dict[str, Any]:
    try:
        document = orjson.loads(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())
    except OSError as error:
        raise Invalid(f"{file} cannot be read ({error.strerror}).") from None
    except orjson.JSONDecodeError as error:
        raise Invalid(f"{file} is not JSON: {error}.", remedy="Nothing was changed.") from None
    if not isinstance(document, dict):
        raise Invalid("The document must be a JSON object.", remedy="Nothing was changed.")
    return document


def list_connections(parts: Parts, _: Options) -> Answer:
    with parts.database.read() as tx:
        everyone = connections.everyone(tx)
    return [
        {"connection": c.id, "name": c.name, "state": c.state, "ehq_url": c.ehq_url, "list": c.cm_list_name}
        for c in everyone
    ], 0


def show_connection(parts: Parts, options: Options) -> Answer:
    c = parts.connection(options.connection)
    return {
        "connection": c.id,
        "name": c.name,
        "state": c.state,
        "problem": c.problem,
        "ehq_url": c.ehq_url,
        "reads": c.reads,
        "cm_account": c.cm_account,
        "cm_client_id": c.cm_client_id,
        "list_id": c.cm_list_id,
        "list_name": c.cm_list_name,
        "webhook_url": connect.webhook_url(parts, c.id),
        "webhook_secrets": len(parts.vault.unlock(c.webhook_secrets)),
        "next_run": c.next_run_at,
        "switches": c.switches or {},
        "rules": c.rules.model_dump(mode="json"),
    }, 0


def authorize(parts: Parts, options: Options) -> Answer:
    connection = parts.connection(options.connection)
    return {"connection": connection.id, "authorize_url": credentials.authorize_url(parts, connection.id)}, 0


def pause(parts: Parts, options: Options) -> Answer:
    connect.pause(parts, parts.connection(options.connection))
    return {"connection": options.connection, "state": "paused"}, 0


def resume(parts: Parts, options: Options) -> Answer:
    credentials.resume(parts, parts.connection(options.connection))
    return {"connection": options.connection, "state": "on"}, 0


def rotate_secret(parts: Parts, options: Options) -> Answer:
    return connect.rotate_secret(parts, parts.connection(options.connection)), 0


def remove(parts: Parts, options: Options) -> Answer:
    return connect.remove(parts, parts.connection(options.connection)), 0


def reconcile(parts: Parts, options: Options) -> Answer:
    connection = parts.connection(options.connection)
    if connection.cm_list_id is None:
        parts.campaign_monitor(connection)  # says what is missing
    run, new = work.start_run(parts, connection.id, trigger="person", dry=options.dry_run)
    if not new and (words := in_the_way(run, options.dry_run)):
        raise RelayError(f"{words}; this one was not started.", remedy="Wait until it has ended.")
    if not options.wait:
        return {"run": run.id, "state": run.state, "started": new}, 0
    ended = watch(parts, run.id)
    return reports.run_report(ended), ENDS.get(ended.state, 1)


def stop(parts: Parts, options: Options) -> Answer:
    run = progress.stop(parts, parts.connection(options.connection))
    if run is None:
        raise RelayError("No run is under way.", remedy="`relay status` shows the last one.")
    return reports.run_report(run), 0


def status(parts: Parts, options: Options) -> Answer:
    if options.connection:
        return reports.report(parts, parts.connection(options.connection)), 0
    with parts.database.read() as tx:
        everyone = connections.everyone(tx)
    return [reports.report(parts, connection) for connection in everyone], 0


def deliveries(parts: Parts, options: Options) -> Answer:
    connection = parts.connection(options.connection)
    with parts.database.read() as tx:
        found = arrivals.search(
            tx, connection.id, state=options.state, since=moment(options.since), limit=max(1, options.limit)
        )
    return [
        {
            "delivery": d.key,
            "type": d.type,
            "subject": d.subject,
            "received_at": d.received_at,
            "state": d.state,
            "reason": d.reason,
        }
        for d in found
    ], 0


def replay(parts: Parts, options: Options) -> Answer:
    connection = parts.connection(options.connection)
    chosen = Filter(state=options.state, since=moment(options.since), delivery=options.delivery)
    effect = replays.preview(parts, connection, chosen)
    if options.delivery and not effect.deliveries + effect.without_body:
        raise replays.no_such(options.delivery)
    if not options.dry_run:
        replays.replay(parts, connection, chosen, effect.oldest, effect.newest)
        if options.wait:
            watch_replay(parts, connection.id)
    return {
        "deliveries": effect.deliveries,
        "people": effect.everyone,
        "effect": {replays.WORDS[word]: count for word, count in effect.people.items()},
        "groups": {replays.GROUP_WORDS[word]: count for word, count in effect.groups.items()},
        "unreadable": dict(effect.unread),
        "previewed": effect.previewed,
        "dry_run": options.dry_run,
        "without_body": effect.without_body,
    }, 0


def rebuild_queue(parts: Parts, _: Options) -> Answer:
    with parts.database.read() as tx:
        everyone = connections.everyone(tx)
        under_way = runs.under_way(tx)
        groups_due = members.connections_due(tx)
    if parts.queue.lengths() is None:
        raise RelayError("The queue does not answer.", remedy="Is REDIS_URL right, and the server up?")
    rung = [c.id for c in everyone if work.waits(parts, c.id)]
    for connection_id in rung:
        parts.queue.ring(connection_id, always=True)
    for connection_id in groups_due:
        parts.queue.group(connection_id)
    for run in under_way:
        parts.queue.step(run.id)
    return {"connections": rung, "groups_of": sorted(groups_due), "runs": [run.id for run in under_way]}, 0


def moment(text: str | None) -> float | None:
    """Epoch seconds of an ISO 8601 time (UTC when it has no zone), or of a span before now such as 90m."""
    if text is None:
        return None
    if span := re.fullmatch(r"(\d+)([smhd])", text):
        return time.time() - int(span[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[span[2]]
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{text!r} is not a time.", remedy="For example 2026-11-23T08:00 or 2h.") from None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
