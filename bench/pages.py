"""Pages: every page of a connection with very many people and deliveries, beside a page that does nothing."""

import http.client
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from urllib.parse import urlsplit

import sqlalchemy as sa
from werkzeug.routing import Rule

from bench.crowd import fill
from bench.row import Row, percentile
from bench.world import Relay, World
from relay.settings import read_settings
from relay.store import tables, users
from relay.store.database import Database
from relay.web import MACHINES, create_app
from relay.wiring import wire

PAGES = "pages"
ROWS = (PAGES,)
TARGET_MS = 150.0
TIMES = 20
SETTING_UP = ("choices", "wizard", "oauth", "login")
"""Pages that ask EHQ or CM themselves take as long as those do."""
ALSO = {
    "people.page": (
        *("q=smith", "q=zzzz", "q=eve.kelly77&which=on", "which=on", "which=off", "which=unsubscribed", "which=role"),
        *("which=waiting", "which=refused", "which=new", "which=opted_out", "before=50000", "which=absent"),
    ),
    "deliveries.page": (
        *("state=applied", "state=quarantined", "state=waiting", "type=group.renamed", "type=participant.updated"),
        *("person=77", "since=2026-01-01", "state=quarantined&reason=nothing"),
    ),
    "deliveries.preview": ("state=quarantined", "state=applied&type=group.renamed"),
}
"""endpoint → queries by which it is asked besides."""


def measure(wanted: Sequence[str], stores: Sequence[str], postgres: str | None, quick: bool) -> list[Row]:
    people, deliveries = (10_000, 50_000) if quick else (100_000, 1_000_000)
    with World(10, postgres) as world:
        return [_measured(Relay(world, store), people, deliveries) for store in stores]


def _measured(relay: Relay, people: int, deliveries: int) -> Row:
    settings = read_settings({name: value for name, value in relay.env.items() if name.isupper()})
    parts = wire(settings)
    fill(parts.database, parts.vault, relay.connection, people, deliveries)
    with parts.database.write() as tx:
        user = users.add(tx, "bench@example.org", "Bench", "admin", "no password fits")
        tx.execute(sa.update(tables.connections).values(state="on", held_until=None))
    assert user
    app = create_app(parts)
    now = time.time()
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    cookie = serializer.dumps({"since": now, "seen": now, "_user_id": f"{user.id}.{user.round}"})
    asked = list(_addresses(app.url_map.iter_rules(), parts.database, relay.connection))
    parts.database.close()
    relay.serve()
    took = {address: _ask(relay, address, cookie) for address in asked}
    floor = _ask(relay, "/healthz", cookie)
    relay.rest()
    worst = max(took, key=lambda address: percentile(took[address], 0.95))
    p95, least = percentile(took[worst], 0.95), percentile(floor, 0.95)
    return Row(
        PAGES,
        relay.store,
        ours=f"p95 {p95:.0f} ms, of the slowest of {len(took)} pages ({_short(worst)})",
        peer=f"p95 {least:.1f} ms (/healthz)",
        ratio=f"{p95 / least:.0f}",
        target=f"≤ {TARGET_MS:.0f} ms",
        reached=p95 <= TARGET_MS,
        raw={"people": people, "deliveries": deliveries, "ms": {_short(a): ms for a, ms in took.items()}},
    )


def _addresses(rules: Iterator[Rule], database: Database, connection_id: str) -> Iterator[str]:
    """Every page of a connection that can be asked for, with people, runs and deliveries of it."""
    machines = {module.blueprint.name for module in MACHINES}
    with database.read() as tx:
        newest = {
            word: tx.execute(sa.select(sa.func.max(table.c.id))).scalar()
            for word, table in (
                ("deliveries", tables.deliveries),
                ("runs", tables.runs),
                ("people", tables.participants),
            )
        }
    for rule in rules:
        name = rule.endpoint.partition(".")[0]
        if (
            name in machines
            or name in SETTING_UP
            or "connection" not in rule.arguments
            or "GET" not in (rule.methods or ())
        ):
            continue
        address = rule.rule.replace("<connection>", connection_id)
        for word, number in newest.items():
            if f"/{word}/" in address:
                for argument in rule.arguments - {"connection"}:
                    address = address.replace(f"<int:{argument}>", str(number)).replace(f"<{argument}>", str(number))
        if "<" in address:
            continue
        yield address
        for query in ALSO.get(rule.endpoint, ()):
            yield f"{address}?{query}"


def _ask(relay: Relay, address: str, cookie: str) -> list[float]:
    """Milliseconds of each time but the first."""
    took = []
    with closing(http.client.HTTPConnection(urlsplit(f"http://127.0.0.1:{relay.port}").netloc, timeout=60)) as asking:
        for _ in range(TIMES + 1):
            began = time.perf_counter()
            asking.request("GET", address, headers={"Cookie": f"session={cookie}"})
            answer = asking.getresponse()
            answer.read()
            took.append((time.perf_counter() - began) * 1000)
            if answer.status not in (200, 302, 404):
                raise RuntimeError(f"{address} answered {answer.status}")
    return took[1:]


def _short(address: str) -> str:
    return "/" + address.partition("/c/")[2].partition("/")[2] if "/c/" in address else address
