"""Answers for people: plain lines, nothing hidden that --json would show."""

from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

TIMES = ("_at", "next_run", "_until")


def show(answer: Any) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if isinstance(answer, list) and answer and all(isinstance(item, dict) for item in answer):
        _table(console, answer)
    elif isinstance(answer, dict):
        _lines(console, answer, 0)
    elif answer == []:
        console.print("None.")
    else:
        console.print(escape(_text("", answer)))


def _table(console: Console, rows: list[dict[str, Any]]) -> None:
    if any(isinstance(value, dict | list) for row in rows for value in row.values()):
        for row in rows:
            _lines(console, row, 0)
            console.print()
        return
    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(_word(name), overflow="fold")
    for row in rows:
        table.add_row(*(escape(_text(name, value)) for name, value in row.items()))
    console.print(table)


def _lines(console: Console, answer: dict[str, Any], indent: int) -> None:
    for name, value in answer.items():
        start = "  " * indent + f"{_word(name)}:"
        if isinstance(value, dict) and value:
            console.print(escape(start))
            _lines(console, value, indent + 1)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            console.print(escape(start))
            for item in value:
                inner = ", ".join(f"{_word(k)}: {_text(k, v)}" for k, v in item.items() if v not in (None, "", [], {}))
                console.print(escape("  " * (indent + 1) + f"- {inner}"))
        else:
            console.print(escape(f"{start} {_text(name, value)}"))


def _word(name: str) -> str:
    return name.replace("_", " ")


def _text(name: str, value: Any) -> str:
    if value is None or value in ({}, []):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value > 1e9 and name.endswith(TIMES):
        return datetime.fromtimestamp(value).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    if isinstance(value, dict):
        return ", ".join(f"{_word(str(k))} {_text(str(k), v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_text(name, item) for item in value)
    return str(value)
