"""Different values for many rows in one statement: they travel as one JSON parameter, and the database takes it apart.

A statement a row costs more on the way to the database and back than in it: some 100 µs each, which at a list of
100,000 people is most of a run (bin/bench, row "first sync").
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from relay.store.database import Tx, insert


def add_rows(
    tx: Tx,
    table: sa.Table,
    rows: Sequence[Mapping[str, Any]],
    key: tuple[str, ...] = (),
    answer: Sequence[sa.Column[Any]] = (),
) -> list[Any]:
    """Inserts `rows`, which have the same names; with `key`, only those whose key is new. Answers their `answer`."""
    if not rows:
        return []
    names = list(rows[0])
    new = rows_of(tx, {name: table.columns[name].type for name in names}, rows)
    statement = insert(tx, table, key) if key else sa.insert(table)
    # Without a "where", SQLite takes ON CONFLICT for a part of the select.
    filled = statement.from_select(names, sa.select(new).where(sa.true()))
    if not answer:
        tx.execute(filled)
        return []
    return list(tx.execute(filled.returning(*answer)))


def rows_of(tx: Tx, columns: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Any:
    """`rows` as something to select from or update by: a table expression with `columns` (name → SQLAlchemy type).

    JSON columns pass as text inside the outer document, so that they are stored as they were written.
    """
    json = [name for name, kind in columns.items() if isinstance(kind, sa.JSON)]
    plain = [{**row, **{name: _text(row[name]) for name in json}} for row in rows] if json else list(rows)
    document = sa.literal(orjson.dumps(plain).decode(), sa.Text)
    if tx.dialect.name == "sqlite":
        item = sa.func.json_each(document).table_valued("value")
        taken = [
            sa.type_coerce(sa.func.json_extract(item.c.value, f'$."{name}"'), kind).label(name)
            for name, kind in columns.items()
        ]
        return sa.select(*taken).select_from(item).subquery()
    listed = [sa.column(name, sa.Text if name in json else kind) for name, kind in columns.items()]
    each = sa.func.json_to_recordset(sa.cast(document, sa.JSON(none_as_null=True)))
    found = each.table_valued(*listed).render_derived(with_types=True)
    picked = [(sa.cast(found.c[name], sa.JSON) if name in json else found.c[name]).label(name) for name in columns]
    return sa.select(*picked).subquery()


def _text(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
