"""CSV files for spreadsheets, line by line: however long, they are never in memory as a whole."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

DANGEROUS = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(heads: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """With a byte order mark, without which Excel reads UTF-8 wrongly."""
    yield "\ufeff" + _line(heads)
    for row in rows:
        yield _line(row)


def _line(cells: Iterable[Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([_cell(one) for one in cells])
    return line.getvalue()


def _cell(value: Any) -> str:
    """No cell is a formula: spreadsheets would run what a resident typed."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(DANGEROUS) else text
