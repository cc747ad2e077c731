"""An export is taken in: read once, judged whether it is the whole of it, and stored encrypted until its run has ended.

The web process that takes it and the worker that reads it may be on two machines without a lasting disk, so it lies in
the database, in pages of bounded size.
"""

import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from relay.ehq.dialect import dialect
from relay.ehq.export import Row
from relay.errors import Invalid, RelayError
from relay.store import exports, runs, structure
from relay.store.connections import Connection
from relay.store.exports import Export
from relay.store.runs import Run
from relay.sync.exports.uploads import Manifest, Taking, Upload, opened, read_manifest
from relay.sync.parts import Parts

PAGE_ROWS, PAGE_BYTES = 1000, 4 * 1024 * 1024
CLOCKS_S = 300.0


def stage(
    parts: Parts, connection: Connection, uploads: Sequence[Upload], manifest: Manifest, made_at: float | None = None
) -> Export:
    """Stores the people of `uploads`; the export's `summary` says what was found and whether it is complete.

    `made_at` is when EHQ made the export, in epoch seconds (default: now).

    :raise Invalid: for files that cannot be used, or older than what is known already; then nothing is kept.
    """
    made_at = min(made_at or time.time(), time.time())
    _not_outdated(parts, connection, made_at)
    spoken = dialect(connection.rules.overrides or None)
    taken = Taking(connection, spoken, manifest, opened(uploads, spoken))
    if not taken.opened:
        raise Invalid("No file was given.", remedy="Give the ZIP, or the CSV files, that EHQ made.")
    with parts.database.write() as tx:
        export_id = exports.add(tx, connection.id, made_at)
    try:
        for number, page in enumerate(_pages(taken.people())):
            with parts.database.write() as tx:
                exports.add_page(tx, export_id, number, lock(parts, page))
            taken.pages = number + 1
        with parts.database.write() as tx:
            names = {group.name.casefold(): group.ehq_id for group in structure.all_groups(tx, connection.id)}
            exports.change(tx, export_id, summary=taken.summary(names))
    except BaseException:
        with parts.database.write() as tx:
            exports.drop(tx, export_id)
        raise
    with parts.database.read() as tx:
        staged = exports.find(tx, connection.id, export_id)
    assert staged is not None  # noqa: S101
    return staged


def undecided(parts: Parts, connection: Connection, export: Export) -> list[str]:
    """Labels of the questions in it that nobody could decide about yet: they are new."""
    with parts.database.read() as tx:
        known = {field.label.casefold() for field in structure.all_fields(tx, connection.id)}
    return [label for label in export.summary["questions"] if label.casefold() not in known]


def start(parts: Parts, connection: Connection, export: Export, *, dry: bool = False) -> Run:
    """A run that reads the export in place of EHQ. :raise RelayError: when another run is under way."""
    with parts.database.write() as tx:
        first = {"first_run": True} if runs.none_was_whole(tx, connection.id) else {}
        counts = {**first, "export": dict(export.summary)}
        run = runs.start(tx, connection.id, "export", dry, "fields", counts)
        if run is None:
            raise RelayError("A run is under way; this one was not started.", remedy="Try again when it has ended.")
        exports.change(tx, export.id, run_id=run.id)
    parts.queue.step(run.id)
    return run


def discard(parts: Parts, connection: Connection, export_id: int) -> bool:
    """Throws an export away, unless there is none any more, or a run reads it just now."""
    with parts.database.write() as tx:
        export = exports.find(tx, connection.id, export_id)
        free = export is not None and all(run.id != export.run_id for run in runs.under_way(tx, connection.id))
        if free:
            exports.drop(tx, export_id)
    return free


def last_read(connection: Connection) -> str:
    """The sentence about a connection that reads exports."""
    how = "Reads exports by hand" if connection.reads == "export" else "Reads EngagementHQ by itself, and exports too"
    if not connection.exported_at:
        return f"{how}; none was read yet."
    at = datetime.fromtimestamp(connection.exported_at, connection.rules.zone)
    return f"{how}; the last one is of {at.day} {at:%B %Y, %H:%M}."


def lock(parts: Parts, page: Sequence[Mapping[str, Any]]) -> bytes:
    return parts.vault.seal(zlib.compress(orjson.dumps(page), 1))


def unlock(parts: Parts, body: bytes) -> list[Row]:
    return [Row(**row) for row in orjson.loads(zlib.decompress(parts.vault.unseal(body)))]


def _not_outdated(parts: Parts, connection: Connection, made_at: float) -> None:
    with parts.database.read() as tx:
        read = [run for run in runs.latest(tx, connection.id, 20, dry=False) if run.state in ("completed", "braked")]
    newest = [run.started_at for run in read if run.trigger in ("clock", "person") and connection.reads == "api"]
    if made_at < max([connection.exported_at or 0.0, *newest]) - CLOCKS_S:
        raise Invalid(
            "This export is older than what is known already: EHQ, or a newer export, was read since it was made.",
            remedy="Make a new export in EHQ. If this is one, correct the time at which it was made.",
        )


def _pages(people: Iterable[Row]) -> Iterator[list[dict[str, Any]]]:
    page: list[dict[str, Any]] = []
    size = 0
    for row in people:
        page.append(row.to_json())
        answers = sum(len(label) + len(text) for label, text in (row.answers or {}).items())
        size += 200 + answers + 2 * len(row.login) + sum(map(len, (*row.values.get("tags", ()), *row.groups)))
        if len(page) >= PAGE_ROWS or size >= PAGE_BYTES:
            yield page
            page, size = [], 0
    if page:
        yield page


__all__ = ["Manifest", "Upload", "discard", "last_read", "read_manifest", "stage", "start", "undecided"]
