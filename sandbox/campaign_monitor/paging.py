"""Pages of people (contract §5.3, §9)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flask import request

from sandbox.campaign_monitor import fields
from sandbox.campaign_monitor.account import List, Subscriber, local
from sandbox.campaign_monitor.errors import CMError


def whole(name: str, default: int, least: int, most: int, code: int) -> int:
    text = request.args.get(name) or str(default)
    if not text.isdigit() or not least <= int(text) <= most:
        raise CMError(code)
    return int(text)


def order(choices: tuple[str, ...], default: str) -> tuple[str, bool]:
    """(orderfield, whether it runs downwards)"""
    by = (request.args.get("orderfield") or default).lower()
    if by not in choices:
        raise CMError(802)
    direction = (request.args.get("orderdirection") or "asc").lower()
    if direction not in ("asc", "desc"):
        raise CMError(803)
    return by, direction == "desc"


def since() -> str:
    """`date=YYYY-MM-DD`, local: whoever entered the state on or after; empty means everyone."""
    text = request.args.get("date", "")
    if text and not re.fullmatch(r"\d{4}-\d\d-\d\d( .*)?", text):
        raise CMError(5)
    return text[:10]


def page(rows: list[Any], by: str, down: bool, show: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """One page of sorted `rows`; beyond the end it is empty."""
    number = whole("page", 1, 1, 10**9, 800)
    size = whole("pagesize", 1000, 10, 1000, 801)
    start, total = (number - 1) * size, len(rows)
    first = max(0, total - start - size) if down else start
    chosen = rows[first : max(0, total - start) if down else start + size]
    return {
        "Results": [show(one) for one in (reversed(chosen) if down else chosen)],
        "ResultsOrderedBy": by,
        "OrderDirection": "desc" if down else "asc",
        "PageNumber": number,
        "PageSize": size,
        "RecordsOnThisPage": len(chosen),
        "TotalNumberOfRecords": total,
        "NumberOfPages": -(-total // size),
    }


def wants(name: str) -> bool:
    return request.args.get(name, "").lower() == "true"


def people(where: List, rows: list[Subscriber], by: str, down: bool) -> dict[str, Any]:
    """A page of people, with consent when asked for."""
    tracking, sms = wants("includetrackingpreference"), wants("includesmspreference")
    if floor := since():
        rows = [one for one in rows if local(int(one.since)) >= floor]
    return page(rows, by, down, lambda one: row(where, one, tracking, sms))


def row(where: List, one: Subscriber, tracking: bool, sms: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "EmailAddress": one.email,
        "Name": one.name,
        "Date": local(int(one.since)),
        "ListJoinedDate": local(int(one.joined)),
        "State": one.state,
        "CustomFields": fields.read(where, one),
        "ReadsEmailWith": "",
    }
    if tracking:
        shown["ConsentToTrack"] = one.consent
    if sms:
        shown["MobileNumber"], shown["ConsentToSendSms"] = one.mobile, one.sms
    return shown
