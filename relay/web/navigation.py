"""Where one can go from every page. What is not registered, or not for this role, is not offered."""

import re
from dataclasses import dataclass

from flask import Flask, g, request

from relay import __version__
from relay.web.access import who_if_known

MAIN = (("Connections", "/", "viewer"), ("Users", "/users", "admin"), ("Audit log", "/audit", "admin"))
ARGUMENT = re.compile("<[^>]*>")
INSIDE = (
    ("Health", "", "viewer"),
    ("Runs", "/runs", "viewer"),
    ("People", "/people", "viewer"),
    ("Deliveries", "/deliveries", "viewer"),
    ("Problems", "/problems", "viewer"),
    ("Fields and groups", "/fields", "viewer"),
    ("Import", "/import", "operator"),
    ("Overrides", "/overrides", "operator"),
    ("Settings", "/settings", "viewer"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    label: str
    address: str
    current: bool


def prepare(app: Flask) -> None:
    addresses: set[str] = set()

    def there(address: str) -> bool:
        """Whether such a page exists; how its arguments are called is no matter: "/c/<connection>/runs"."""
        if not addresses:  # once every blueprint is registered
            addresses.update(
                ARGUMENT.sub("<>", rule.rule) for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())
            )
        return ARGUMENT.sub("<>", address) in addresses

    def within(address: str, end: str) -> bool:
        """Also on the pages below, but the first entry's: everything is below that."""
        return request.path == address or (end not in ("", "/") and request.path.startswith(f"{address}/"))

    def main() -> list[Entry]:
        user = who_if_known()
        return [
            Entry(label, address, within(address, address))
            for label, address, role in MAIN
            if user and user.may(role) and there(address)
        ]

    def inside() -> list[Entry]:
        if "connection" not in g or g.connection.state == "setup":  # then the set-up's own steps lead on
            return []
        top, user = f"/c/{g.connection.id}", who_if_known()
        return [
            Entry(
                label,
                f"{top}{end}",
                within(f"{top}{end}", end),
            )
            for label, end, role in INSIDE
            if user and user.may(role) and there(f"/c/<connection>{end}")
        ]

    @app.context_processor
    def everywhere() -> dict[str, object]:
        return {
            "user": who_if_known(),
            "connection": g.get("connection"),
            "main_navigation": main,
            "inside_navigation": inside,
            "there": there,
            "version": __version__,
        }
