"""What bin/screenshots shows: seven connections in different states, and something that happened to each."""

import io
import json
import time
from typing import Any

import requests

Places = dict[str, object]
ZONE = {"time_zone": "Australia/Sydney", "daily_at": "03:30"}
REGISTER: dict[str, Any] = {"action": "register", "confirmed": True}


def fill(parts: Any, ehq: str) -> Places:
    """Where everything is, by the names that scenes.py uses. `ehq`: a simulator's address."""
    from relay.store import connections, deliveries
    from relay.sync.connections import connect, lists
    from relay.sync.health import problems

    def join(name: str, key: str | None) -> dict[str, Any]:
        wish = lists.Wish(name, ehq, {"token": "sandbox"}, key, None, f"{name} newsletter", None)
        made: dict[str, Any] = connect.add(parts, wish)
        return made

    main, asks, paused, shut, setup = (
        join("Bayside", "sandbox"),
        join("Lakeview", "sandbox"),
        join("Hillcrest", "sandbox"),
        join("Northvale", "sandbox"),
        join("Riverside", None),
    )
    c = main["connection"]
    hook = {"url": main["webhook_url"], "secret": main["webhook_secret"], "profile": "standard", "enabled": True}
    post(f"{ehq}/sandbox/webhook", hook)
    for one in (main, asks):
        connect.configure(parts, parts.connection(one["connection"]), ZONE | {"brake": {"people": 3, "percent": 0}})
    first = run(parts, c)
    half, dry = half_way(parts, ehq), run(parts, c, dry=True)
    actions = [REGISTER] * 6 + [{"action": "unsubscribe"}, {"action": "block"}, {**REGISTER, "email": "x@"}]
    for action in actions:
        post(f"{ehq}/sandbox/act", action)
    strange(main)
    arrive(parts, ehq)
    asked = asked_for(parts, c)
    braked = brake(parts, ehq, asks["connection"])
    refusing = shut_out(parts, ehq, shut["connection"])
    with parts.database.write() as tx:
        connections.change(tx, paused["connection"], state="paused")
        for one in [made["connection"] for made in (main, asks, paused, shut, setup)] + [half]:
            connections.change(tx, one, ehq_url=f"https://haveyoursay.{one.partition('-')[0]}.example.gov.au")
        found = deliveries.search(tx, c, limit=50)
    places: Places = {"c": c, "asks": asks["connection"], "paused": paused["connection"], "setup": setup["connection"]}
    places |= uploaded(parts, ehq)
    places |= {"shut": shut["connection"], "refusing": refusing}
    places |= {"run": first, "braked": braked, "person": 5, "half": half, "dry": dry}
    by_state = {one.state: one.id for one in found}
    names = {"applied": "delivery", "quarantined": "quarantined"}
    places |= {name: by_state[state] for state, name in names.items() if state in by_state}
    for one in (main, asks, shut):
        problems.note(parts, parts.connection(one["connection"]))
    alive(parts)
    return places | asked | refused(parts, c)


def half_way(parts: Any, ehq: str) -> str:
    """A set-up that came to its last step, and whose access sees several clients."""
    from relay.domain.rules import fingerprint
    from relay.sync.connections import audiences, destination, setup

    def now() -> Any:
        return parts.connection(made.id)

    made = setup.begin(parts, "Eastgate", ehq, {"token": "sandbox"})[0]
    destination.give_key(parts, made, "sandbox")
    destination.new_list(parts, now(), "Eastgate residents")
    setup.read(parts, now())
    work_off(parts)
    seen = fingerprint(now().rules)
    activated = audiences.AUDIENCES["activated"]
    setup.choose(parts, now(), audience=activated, left_out=[], seen=seen, time_zone=ZONE["time_zone"])
    work_off(parts)
    return str(made.id)


def uploaded(parts: Any, ehq: str) -> Places:
    """A site that is read by exports, and its first one, looked at and not applied."""
    from relay.sync.connections import connect, lists
    from relay.sync.exports import exports
    from relay.sync.exports.uploads import Manifest, Upload

    made = connect.add(
        parts, lists.Wish("Mill Creek", "", {}, "sandbox", None, "Mill Creek newsletter", None, "export")
    )
    there = parts.connection(made["connection"])
    connect.configure(parts, there, ZONE | {"audience": {"roles": ["participant", "project_admin"]}})
    there = parts.connection(there.id)
    sent = io.BytesIO(requests.get(f"{ehq}/sandbox/export.zip", timeout=30).content)
    export = exports.stage(parts, there, [Upload("export.zip", sent)], Manifest())
    exports.start(parts, there, export, dry=True)
    work_off(parts)
    return {"mill": there.id, "export": export.id}


def alive(parts: Any) -> None:
    """What runs beside the pages elsewhere says so."""
    from relay.store import days

    with parts.database.write() as tx:
        days.beat(tx, "clock", time.time())
    worker(parts).register_birth()


def run(parts: Any, connection: str, dry: bool = False) -> int:
    from relay.sync import work

    started, _ = work.start_run(parts, connection, trigger="person", dry=dry)
    work_off(parts)
    return int(started.id)


def brake(parts: Any, ehq: str, connection: str) -> int:
    """The run that stops because many are missing in EngagementHQ, the second time in a row; and so are its groups."""
    run(parts, connection)
    people = requests.get(f"{ehq}/sandbox/people.json", timeout=30).json()["people"]
    belong = [one["id"] for one in people if one["attributes"]["subscribed"] and not one["attributes"]["blocked"]]
    post(f"{ehq}/sandbox/act", {"action": "delete", "id": belong[:12], "silent": True})
    for group in (7, 12, 15, 30):
        post(f"{ehq}/sandbox/act", {"action": "group_delete", "group": group, "silent": True})
    run(parts, connection)
    return run(parts, connection)


def shut_out(parts: Any, ehq: str, connection: str) -> int:
    """The run that EngagementHQ lets read nobody, after one that went well."""
    run(parts, connection)
    post(f"{ehq}/sandbox/faults", {"status": 403})
    refused = run(parts, connection)
    post(f"{ehq}/sandbox/faults", {"status": None})
    return refused


def strange(made: dict[str, Any]) -> None:
    """A genuine delivery that nobody can read."""
    from relay.ehq.signature import profile, sign

    body = json.dumps({"type": "participant.levitated", "data": {"id": "1007"}}).encode()
    signed = sign(profile("standard"), made["webhook_secret"], body, "msg_strange", int(time.time()))
    headers = {**signed, "Content-Type": "application/json"}
    requests.post(made["webhook_url"], data=body, headers=headers, timeout=30).raise_for_status()


def asked_for(parts: Any, connection: str) -> Places:
    """Somebody erased, somebody synced, somebody being synced, and somebody who is not on the list."""
    from relay.store import asked as wishes
    from relay.store import found, runs
    from relay.sync.people import asked, erase

    with parts.database.read() as tx:
        (erased, synced, syncing), _ = found.people(tx, connection, which="on", limit=3)
        (off,), _ = found.people(tx, connection, which="unsubscribed", limit=1)
    there = parts.connection(connection)
    erase.ask_to_erase(parts, there, [erased])
    asked.sync_now(parts, there, [synced.id])
    work_off(parts)
    with parts.database.write() as tx:
        wishes.ask(tx, [syncing.id], wishes.SYNC)
        runs.note(tx, connection, [{"participant_id": syncing.id, "what": "sync_asked"}])
    return {"erased": erased.id, "synced": synced.id, "syncing": syncing.id, "off": off.id}


def refused(parts: Any, connection: str) -> Places:
    from relay.sync.people import explain

    found = explain.people(parts, parts.connection(connection), "x@")
    return {"refused": found[0]["id"]} if found else {}


def arrive(parts: Any, ehq: str) -> None:
    give_up = time.monotonic() + 20
    while requests.get(f"{ehq}/sandbox/deliveries.json", timeout=30).json()["pending"] and time.monotonic() < give_up:
        time.sleep(0.1)
    work_off(parts)


def post(url: str, what: dict[str, Any]) -> None:
    requests.post(url, json=what, timeout=60).raise_for_status()


def work_off(parts: Any) -> None:
    """Everything that was rung for, as a worker would."""
    worker(parts).work(burst=True, logging_level="ERROR")


def worker(parts: Any) -> Any:
    from rq import SimpleWorker
    from rq.serializers import JSONSerializer

    from relay import jobs
    from relay.queue import Ring

    jobs.use(parts)
    queues = list(parts.queue.queues.values())
    made = SimpleWorker(queues, connection=parts.queue.redis, job_class=Ring, serializer=JSONSerializer)
    made.log_job_description = False
    return made
