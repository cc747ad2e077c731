"""Between bytes of JSON and values that can be written down again, whatever another program calls JSON."""

import json
import math
from collections.abc import Mapping
from typing import Any

import orjson

DEEPEST = 100
"""Nothing that we read lies deeper; what does is left out when a value has to be cleaned."""


def loads(body: bytes) -> Any:
    """JSON with or without a byte order mark. Half characters become �; NaN and Infinity, as in JavaScript, null.

    :raise ValueError: for anything else, without the text that could not be read.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        return orjson.loads(body)
    except ValueError:
        pass  # orjson's error holds the whole document, so it must not even be the next one's context
    try:
        return _clean(json.loads(body.decode()), 0)
    except (ValueError, RecursionError):
        pass
    raise ValueError("not JSON")


def dumps(value: Any) -> bytes:
    """`value` as JSON. Never fails: what JSON cannot say is said as near as it can be."""
    try:
        return orjson.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return orjson.dumps(_clean(value, 0))


def _clean(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else _digits(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth == DEEPEST:
        return None
    if isinstance(value, Mapping):
        return {_text(str(key)): _clean(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item, depth + 1) for item in value]
    return None


def _text(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _digits(number: int) -> str | None:
    """More than JSON's readers agree on: its digits as text, unless Python too finds them too many."""
    try:
        return str(number)
    except ValueError:
        return None
